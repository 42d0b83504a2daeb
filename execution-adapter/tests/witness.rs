//! Blocks executed from their witnesses: real ones from the folder that QMTREE_DATA names.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test that fails may panic"
)]

#[path = "common/holds.rs"]
mod holds;

use alloy_primitives::{B256, Bytes, keccak256};
use holds::holds;
use qmtree_execution_adapter::engine::{
    BlockFile, WitnessedBlock, open_block_file, read_witness_file,
};
use qmtree_execution_adapter::{
    BlockInput, ChainSpec, Claims, ExecutionWitness, LeafRecord, NoTracer, PreState,
    PreStateHash as _, ReadSet, StatelessError, StatelessInput, StatelessOutput, StepsCommitment,
    WitnessDb, decode_block, execute_block, execute_stateless,
};
use qmtree_proofs::{LeafPayload, Scheme};
use std::path::{Path, PathBuf};

/// Files of a folder of real data, or nothing, said aloud, if there is none.
fn files(folder: &str) -> Vec<PathBuf> {
    let Some(data) = std::env::var_os("QMTREE_DATA") else {
        println!("skipped: QMTREE_DATA is not set, so there are no {folder} to execute");
        return Vec::new();
    };
    let folder = Path::new(&data).join(folder);
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{} is empty", folder.display());
    files
}

fn name(path: &Path) -> String {
    let name = path.file_name().unwrap().to_string_lossy();
    name.trim_end_matches(".json.zst").to_owned()
}

fn read(path: &Path) -> WitnessedBlock {
    read_witness_file(path, None).unwrap_or_else(|error| panic!("{error}"))
}

fn execute(file: &WitnessedBlock) -> Result<StatelessOutput, StatelessError> {
    execute_with(file, &file.witness)
}

fn execute_with(
    file: &WitnessedBlock,
    witness: &ExecutionWitness,
) -> Result<StatelessOutput, StatelessError> {
    let input = StatelessInput {
        chain: &file.prepared.chain,
        block: &file.prepared.block,
        witness,
        claims: file.claims.clone(),
    };
    execute_stateless(input, NoTracer).map(|(output, _)| output)
}

/// The error and everything that it comes from.
fn text(error: &StatelessError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// Which nodes and codes an execution comes to, by hash.
fn unused(file: &WitnessedBlock) -> (Vec<B256>, Vec<B256>) {
    let prepared = &file.prepared;
    let input = BlockInput {
        chain: &prepared.chain,
        block: &prepared.block,
        senders: &prepared.senders,
        keep_changes: true,
    };
    let each = |_: LeafRecord| {};
    let mut state = execute_block(input, file.state().unwrap(), NoTracer, each)
        .unwrap()
        .state;
    state.merge_transitions(revm::database::states::bundle_state::BundleRetention::PlainState);
    let changes = state.take_bundle();
    let mut database: WitnessDb = state.database;
    database.post_state_root(&changes).unwrap();
    (
        database.unused_nodes().collect(),
        database.unused_codes().collect(),
    )
}

/// Places of a list that are tried: all of a short one, and some of a long one.
fn sample(len: usize, most: usize) -> impl Iterator<Item = usize> {
    let step = len.div_ceil(most).max(1);
    (0..len).step_by(step)
}

#[test]
fn every_block_leads_from_its_pre_state_to_the_state_root_in_its_header() {
    let (mut claimed, mut hashes) = (Vec::new(), 0);
    for path in files("witnesses") {
        let file = read(&path);
        let block = &file.prepared.block;
        let output =
            execute(&file).unwrap_or_else(|error| panic!("{}: {}", name(&path), text(&error)));
        assert_eq!(output.post_state_root, block.header.state_root);
        assert_eq!(output.block_hash, file.prepared.hash.unwrap());
        assert_eq!(output.leaves.len(), block.body.transactions.len() + 2);
        if let PreState::Claimed(_) = output.pre_state {
            claimed.push(name(&path));
        }
        hashes += output.claimed_hashes.len();
    }
    if std::env::var_os("QMTREE_DATA").is_some() {
        // Those whose source had no parent header; of five with claimed hashes, three use them.
        assert_eq!(
            claimed,
            ["holesky-2860556", "holesky-2971844", "mainnet-23587691"]
        );
        assert_eq!(hashes, 8);
    }
}

#[test]
fn a_node_a_code_or_a_header_fewer_is_named() {
    for path in files("witnesses") {
        let file = read(&path);
        let name = name(&path);
        let (nodes, codes) = unused(&file);
        let most = if file.witness.byte_len() > 100_000 {
            6
        } else {
            40
        };
        for index in sample(file.witness.state.len(), most) {
            let hash = keccak256(&file.witness.state[index]);
            let mut fewer = file.witness.clone();
            fewer.state.remove(index);
            match execute_with(&file, &fewer) {
                Ok(_) => assert!(nodes.contains(&hash), "{name}: node {index} is needed"),
                Err(error) => {
                    let text = text(&error);
                    assert!(
                        text.contains(&format!("node {hash} is not in the witness")),
                        "{name}: {text}"
                    );
                }
            }
        }
        for index in sample(file.witness.codes.len(), most) {
            let hash = keccak256(&file.witness.codes[index]);
            let mut fewer = file.witness.clone();
            fewer.codes.remove(index);
            match execute_with(&file, &fewer) {
                Ok(_) => assert!(codes.contains(&hash), "{name}: code {index} is needed"),
                Err(error) => {
                    let text = text(&error);
                    assert!(
                        text.contains(&format!("code {hash} is not in the witness")),
                        "{name}: {text}"
                    );
                }
            }
        }
        let headers = file.witness.headers.len();
        if headers > 0 {
            let without = ExecutionWitness {
                headers: Vec::new(),
                ..file.witness.clone()
            };
            let input = StatelessInput {
                chain: &file.prepared.chain,
                block: &file.prepared.block,
                witness: &without,
                claims: Claims::default(),
            };
            let error = execute_stateless(input, NoTracer).unwrap_err();
            let parent = file.prepared.block.header.parent_hash;
            assert!(text(&error).contains(&format!("the parent's header, {parent}, is not")));
        }
        if headers > 1 {
            // The oldest: either nothing asks for the hash that only it shows, or its number is named.
            let mut fewer = file.witness.clone();
            fewer.headers.sort_by_key(number);
            let oldest = number(&fewer.headers.remove(0)) - 1;
            if let Err(error) = execute_with(&file, &fewer) {
                let text = text(&error);
                assert!(
                    text.contains(&format!("the hash of block {oldest} is needed")),
                    "{text}"
                );
            }
            // One in the middle: the line is broken.
            let mut fewer = file.witness.clone();
            fewer.headers.sort_by_key(number);
            fewer.headers.remove(headers - 1);
            let text = text(&execute_with(&file, &fewer).unwrap_err());
            assert!(text.contains("without a gap"), "{text}");
        }
    }
}

fn number(header: &Bytes) -> u64 {
    use alloy_rlp::Decodable as _;
    alloy_consensus::Header::decode(&mut &header[..])
        .unwrap()
        .number
}

/// Bits of nodes, codes and headers, spread over all of them: every bit of small witnesses, and of large
/// ones as many as a budget of bytes to hash allows.
#[test]
fn a_flipped_bit_is_found_unless_nothing_needs_what_it_is_in() {
    let budget: usize = if cfg!(debug_assertions) {
        4 << 20
    } else {
        128 << 20
    };
    let (mut tried, mut unneeded, mut all) = (0, 0, 0);
    for path in files("witnesses") {
        let file = read(&path);
        let name = name(&path);
        let (nodes, codes) = unused(&file);
        assert!(holds(&file, &file.witness), "{name}");
        let bytes = file.witness.byte_len();
        let items = |witness: &ExecutionWitness| {
            [&witness.state, &witness.codes, &witness.headers].map(Vec::len)
        };
        let [states, code_count, _] = items(&file.witness);
        let every: Vec<&Bytes> = [
            &file.witness.state,
            &file.witness.codes,
            &file.witness.headers,
        ]
        .into_iter()
        .flatten()
        .collect();
        let bits: usize = every.iter().map(|item| item.len() * 8).sum();
        all += bits;
        // A prime number of steps of one length meets items and places in them evenly.
        let step = bits.div_ceil((budget / bytes).max(64)) | 1;
        let (mut place, mut item, mut before) = (0, 0, 0);
        while place < bits {
            while place - before >= every[item].len() * 8 {
                before += every[item].len() * 8;
                item += 1;
            }
            let bit = place - before;
            let mut flipped = file.witness.clone();
            let changed = match item {
                item if item < states => &mut flipped.state[item],
                item if item < states + code_count => &mut flipped.codes[item - states],
                item => &mut flipped.headers[item - states - code_count],
            };
            let hash = keccak256(&changed);
            let mut forged = changed.to_vec();
            forged[bit / 8] ^= 1 << (bit % 8);
            *changed = forged.into();
            if holds(&file, &flipped) {
                let known = nodes.contains(&hash) || codes.contains(&hash);
                assert!(known, "{name}: item {item}, bit {bit}");
                unneeded += 1;
            }
            tried += 1;
            place += step;
        }
    }
    println!(
        "{tried} of {all} bits flipped, one at a time: {unneeded} in nodes and codes that their block does \
         not need, and each of the others was found"
    );
    if std::env::var_os("QMTREE_DATA").is_some() {
        assert!(tried > 1_000, "{tried}");
    }
}

#[test]
fn a_flipped_bit_of_a_block_is_found() {
    for path in files("witnesses") {
        let file = read(&path);
        let hash = file.prepared.hash.unwrap();
        let rlp = alloy_rlp::encode(&file.prepared.block);
        for bit in sample(rlp.len() * 8, 12) {
            let mut flipped = rlp.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let Ok(block) = decode_block(&flipped) else {
                continue;
            };
            let input = StatelessInput {
                chain: &file.prepared.chain,
                block: &block,
                witness: &file.witness,
                claims: file.claims.clone(),
            };
            // What the header says and nothing checks (extra data, say) changes the block's hash,
            // which is what the verifier brings.
            if let Ok((output, _)) = execute_stateless(input, NoTracer) {
                assert_ne!(output.block_hash, hash, "{}: bit {bit}", name(&path));
            }
        }
    }
}

#[test]
fn claims_are_not_believed_against_headers() {
    let Some(path) = files("witnesses")
        .into_iter()
        .find(|path| name(path) == "hoodi-1265656")
    else {
        return;
    };
    let mut file = read(&path);
    file.claims.pre_state_root = Some(B256::repeat_byte(1));
    let error = text(&execute(&file).unwrap_err());
    assert!(
        error.contains("the state root before the block is claimed to be 0x0101"),
        "{error}"
    );
    file.claims = Claims::default();
    let parent = file.prepared.block.header.number - 1;
    file.claims
        .block_hashes
        .insert(parent, B256::repeat_byte(2));
    let error = text(&execute(&file).unwrap_err());
    assert!(
        error.contains("the hash of an earlier block is claimed to be 0x0202"),
        "{error}"
    );
}

#[test]
fn public_values_bind_everything() {
    let Some(path) = files("witnesses")
        .into_iter()
        .find(|path| name(path) == "mainnet-1150000")
    else {
        return;
    };
    let output = execute(&read(&path)).unwrap();
    assert_eq!(output.to_bytes().len(), 252);
    let digest = output.digest();
    let changed: [fn(&mut StatelessOutput); 12] = [
        |output| output.chain_id += 1,
        |output| output.spec_id += 1,
        |output| output.block_number += 1,
        |output| output.block_hash.0[31] ^= 1,
        |output| output.parent_hash.0[0] ^= 1,
        |output| output.pre_state = PreState::Claimed(output.pre_state.root()),
        |output| output.pre_state = PreState::Proven(B256::ZERO),
        |output| output.post_state_root.0[9] ^= 1,
        |output| output.claimed_hashes.push((1, B256::ZERO)),
        |output| output.gas_used += 1,
        |output| output.leaves.swap(1, 2),
        |output| _ = output.leaves.pop(),
    ];
    for change in changed {
        let mut other = output.clone();
        change(&mut other);
        assert_ne!(other.digest(), digest);
    }
}

#[test]
fn leaves_are_those_of_the_same_block_with_a_pre_state() {
    let witnesses = files("witnesses");
    let mut compared = Vec::new();
    for path in files("blocks") {
        let Some(witness) = witnesses
            .iter()
            .find(|witness| name(witness) == name(&path))
        else {
            continue;
        };
        let BlockFile::WithState(block) = open_block_file(&path, None).unwrap() else {
            panic!("{} has a pre-state", path.display());
        };
        let input = BlockInput {
            chain: &block.chain,
            block: &block.block,
            senders: &block.senders,
            keep_changes: false,
        };
        let mut stateful: Vec<LeafPayload> = Vec::new();
        execute_block(input, block.state.clone().unwrap(), NoTracer, |record| {
            let parts = record.into_parts(Scheme::ReadSet1);
            let pre_state = ReadSet.pre_state_hash(&parts).unwrap();
            stateful.push(parts.payload(pre_state, &StepsCommitment::default()));
        })
        .unwrap();
        let stateless = execute(&read(witness)).unwrap().leaves;
        assert_eq!(stateless.len(), stateful.len());
        // A pre-state has what transactions read, so begin and end of the block may differ.
        let transactions = 1..stateful.len() - 1;
        assert_eq!(
            stateless[transactions.clone()],
            stateful[transactions],
            "{}",
            name(&path)
        );
        let ends = |leaves: &[LeafPayload]| [leaves[0], *leaves.last().unwrap()];
        compared.push((name(&path), ends(&stateless) == ends(&stateful)));
    }
    if std::env::var_os("QMTREE_DATA").is_some() {
        println!("compared, and whether begin and end are equal too: {compared:?}");
        assert_eq!(compared.len(), 5);
    }
}

/// The form that reth had before spring 2025, as one of its nodes answered it.
#[test]
fn the_map_form_of_a_client_leads_to_the_same_leaves() {
    let form = "holesky-2860556.debug_executionWitness-mapform";
    let Some(sample) = files("formats").into_iter().find(|path| name(path) == form) else {
        return;
    };
    let text = zstd::decode_all(std::fs::File::open(sample).unwrap()).unwrap();
    let witness = ExecutionWitness::from_json(&text).unwrap();
    let witnesses = files("witnesses");
    let file = read(
        witnesses
            .iter()
            .find(|path| name(path) == "holesky-2860556")
            .unwrap(),
    );
    let output = execute_with(&file, &witness).unwrap();
    assert_eq!(output, execute(&file).unwrap());
}

#[test]
fn files_that_are_no_witnesses_say_why() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file.json");
    let cases = [
        ("{", "field ?: EOF"),
        ("{}", "JSON without a field"),
        (
            r#"{"format":"eth-block-prestate/1"}"#,
            "files of other formats run without --witness",
        ),
        (r#"{"format":"eth-witness/1"}"#, "missing field `chainId`"),
        (
            r#"{"format":"eth-witness/1","chainId":1,"number":1,"hash":"0x0000000000000000000000000000000000000000000000000000000000000000","block":"0xc0","witness":{"state":[],"codes":[]}}"#,
            "block 0 of the file",
        ),
        (
            r#"{"format":"eth-witness/1","chainId":1,"number":1,"hash":"0x0000000000000000000000000000000000000000000000000000000000000000","block":"0xc0","witness":{"state":["0x1"],"codes":[]}}"#,
            "field witness",
        ),
    ];
    for (json, reason) in cases {
        std::fs::File::create(&path).unwrap();
        std::io::Write::write_all(&mut std::fs::File::create(&path).unwrap(), json.as_bytes())
            .unwrap();
        let error = read_witness_file(&path, None).unwrap_err();
        let source = std::error::Error::source(&error).map(|source| format!(": {source}"));
        let text = format!("{error}{}", source.unwrap_or_default());
        assert!(
            text.contains("file.json") && text.contains(reason),
            "{json}: {text}"
        );
    }
    assert!(ChainSpec::from_chain_id(5).is_err());
}
