//! Public inputs: what they bind, and which blocks they cover.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test that fails may panic"
)]

use alloy_primitives::{B256, keccak256};
use qmtree_proofs::statement::{
    BlockOpening, BlockRecord, BlockResult, Expected, LogEdge, Program, PublicInputs, RangeTree,
    StatementBuilder, StatementError, StatementSetup, TraceMode, WitnessKind,
};
use qmtree_proofs::{
    Blake3, Head, Keccak256, LeafPayload, MemoryLog, Profile, Scheme, TreeHasher, TxNum,
};

const SCHEME: Scheme = Scheme::ReadSet1;
const FIRST: u64 = 100;

fn payload(tx_num: u64) -> LeafPayload {
    let word = |word: u8| keccak256([&tx_num.to_be_bytes()[..], &[word]].concat());
    LeafPayload {
        pre_state_hash: word(0),
        state_change_hash: word(1),
        transition_hash: word(2),
    }
}

fn payloads(from: u64, count: u64) -> Vec<LeafPayload> {
    (from..from + count).map(payload).collect()
}

fn setup() -> StatementSetup {
    StatementSetup {
        rules: B256::repeat_byte(3),
        witness: WitnessKind::Execution,
        mode: TraceMode::Outcome,
        program: Program::new(1, "exec", B256::repeat_byte(9)),
    }
}

fn block_hash(number: u64) -> B256 {
    keccak256(number.to_be_bytes())
}

/// The edge of a log of `count` leaves, as a proof of its last leaf shows it.
fn edge<H: TreeHasher + Clone>(hasher: &H, count: u64) -> LogEdge {
    let mut log = MemoryLog::new(hasher.clone());
    log.append(&payloads(0, count));
    let Some(last) = count.checked_sub(1) else {
        return LogEdge::empty(1, hasher.profile(), SCHEME);
    };
    let head = log.head(1, SCHEME, FIRST - 1);
    let proof = log.prover(count).unwrap().inclusion(TxNum(last)).unwrap();
    let hash = log.leaf_hash(TxNum(last)).unwrap();
    LogEdge::from_proof(head, hash, &proof).unwrap()
}

fn result(number: u64, leaves: &[LeafPayload]) -> BlockResult<'_> {
    BlockResult {
        number,
        hash: block_hash(number),
        parent_hash: block_hash(number - 1),
        spec_id: 17,
        chain_state_before: keccak256(block_hash(number - 1)),
        chain_state_after: keccak256(block_hash(number)),
        claims: 0,
        claims_digest: B256::ZERO,
        leaves,
        state_log: None,
    }
}

/// A statement about blocks of 2, 3, 4 ... leaves behind `before` leaves.
fn statement<H: TreeHasher + Clone>(
    hasher: &H,
    before: u64,
    blocks: u64,
) -> (PublicInputs, RangeTree) {
    let edge = edge(hasher, before);
    let mut builder = StatementBuilder::new(hasher.clone(), &edge, setup()).unwrap();
    for index in 0..blocks {
        let leaves = payloads(builder.head().leaf_count, index + 2);
        builder.push(&result(FIRST + index, &leaves)).unwrap();
    }
    builder.finish().unwrap()
}

fn expected(inputs: &PublicInputs) -> Expected {
    Expected {
        chain_id: 1,
        rules: setup().rules,
        program: setup().program,
        mode: setup().mode,
        head_before: inputs.head_before,
        first_block: FIRST,
        last_block: inputs.last_block,
        parent_hash: Some(block_hash(FIRST - 1)),
        last_block_hash: Some(block_hash(inputs.last_block)),
        most_claims: 0,
    }
}

fn heads_equal_those_of_a_whole_log<H: TreeHasher + Clone>(hasher: &H) {
    for before in [0, 1, 2, 3, 7, 8, 2046, 2047, 2048, 2049, 4095, 4096, 4097] {
        let (inputs, tree) = statement(hasher, before, 4);
        let mut log = MemoryLog::new(hasher.clone());
        log.append(&payloads(0, before));
        let mut leaves = before;
        for (record, count) in tree.records().iter().zip(2..) {
            log.append(&payloads(leaves, count));
            assert_eq!(record.first_tx_num, TxNum(leaves));
            leaves += count;
            assert_eq!(record.head, log.head(1, SCHEME, record.number), "{before}");
        }
        assert_eq!(inputs.head_after, log.head(1, SCHEME, FIRST + 3));
        assert_eq!(inputs.first_tx_num, TxNum(before));
        assert_eq!(inputs.last_tx_num, TxNum(leaves - 1));
        inputs.check(&expected(&inputs)).unwrap();
        inputs.check_blocks(tree.records()).unwrap();
    }
}

#[test]
fn heads_are_those_of_the_whole_log_in_both_profiles() {
    heads_equal_those_of_a_whole_log(&Keccak256);
    heads_equal_those_of_a_whole_log(&Blake3);
}

#[test]
fn an_edge_that_is_not_of_its_head_is_refused() {
    for count in [1, 2, 3, 8, 2048, 2049] {
        let good = edge(&Keccak256, count);
        let bytes = good.to_bytes();
        assert_eq!(LogEdge::from_bytes(&bytes).unwrap(), good);
        assert!(good.frontier(Keccak256).is_ok());
        assert!(matches!(
            good.frontier(Blake3),
            Err(StatementError::Inconsistent {
                field: "the profile"
            })
        ));
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let Ok(edge) = LogEdge::from_bytes(&flipped) else {
                continue;
            };
            // Chain, scheme, block and state log are not part of the root: they are part of the
            // head's hash, which the verifier brings.
            let opened = edge.frontier(Keccak256);
            assert!(
                opened.is_err() || edge.head().hash() != good.head().hash(),
                "{count} leaves, bit {bit}"
            );
        }
        for len in 0..bytes.len() {
            LogEdge::from_bytes(&bytes[..len]).unwrap_err();
        }
        let mut longer = bytes.clone();
        longer.push(0);
        LogEdge::from_bytes(&longer).unwrap_err();
    }
    let head = edge(&Keccak256, 6).head().to_owned();
    let error = LogEdge::new(head, B256::ZERO, Vec::new()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the edge of the log has 0 peaks instead of 2"
    );
    // The largest log there could be, by its own word.
    let huge = Head {
        leaf_count: u64::MAX,
        ..head
    };
    let huge = LogEdge::new(huge, B256::ZERO, vec![B256::ZERO; 63]).unwrap();
    assert!(huge.frontier(Keccak256).is_err());
}

#[test]
fn only_the_very_blocks_are_covered() {
    let (inputs, tree) = statement(&Keccak256, 5, 6);
    let blocks = tree.records();
    inputs.check_blocks(blocks).unwrap();
    let refused = |blocks: &[BlockRecord]| inputs.check_blocks(blocks).unwrap_err().to_string();

    assert_eq!(refused(&[]), "the number of blocks is 0, not 6");
    // Off by one at either end.
    assert_eq!(refused(&blocks[1..]), "the number of blocks is 5, not 6");
    assert_eq!(refused(&blocks[..5]), "the number of blocks is 5, not 6");
    let (_, longer) = statement(&Keccak256, 5, 7);
    let longer = longer.records();
    assert_eq!(refused(longer), "the number of blocks is 7, not 6");
    assert_eq!(
        refused(&longer[1..]),
        "the number of a block is 101, not 100"
    );
    // One left out, one twice in its place.
    for index in 0..6 {
        let mut other = blocks.to_vec();
        other.remove(index);
        refused(&other);
        other.insert(index, blocks[(index + 1) % 6]);
        refused(&other);
        let mut twice = blocks.to_vec();
        twice.insert(index, blocks[index]);
        refused(&twice);
    }
    // Two in the other order.
    for index in 1..6 {
        let mut other = blocks.to_vec();
        other.swap(index - 1, index);
        refused(&other);
    }
    // Another block in the place of one, with everything around it unchanged.
    for index in 0..6 {
        let mut other = blocks.to_vec();
        other[index].spec_id += 1;
        assert!(refused(&other).starts_with("the range root is"));
        let mut other = blocks.to_vec();
        other[index].head.root.0[7] ^= 1;
        refused(&other);
        let mut other = blocks.to_vec();
        other[index].hash.0[0] ^= 1;
        refused(&other);
    }
}

/// The same lists, held against the range root alone.
#[test]
fn the_range_root_binds_order_number_and_place() {
    let (_, tree) = statement(&Keccak256, 5, 6);
    let blocks = tree.records();
    let mut lists = vec![blocks.to_vec(), blocks[1..].to_vec(), blocks[..5].to_vec()];
    for index in 0..6 {
        let mut twice = blocks.to_vec();
        twice.insert(index, blocks[index]);
        lists.push(twice);
        if index > 0 {
            let mut swapped = blocks.to_vec();
            swapped.swap(index - 1, index);
            lists.push(swapped);
        }
        if (1..5).contains(&index) {
            let mut fewer = blocks.to_vec();
            fewer.remove(index);
            lists.push(fewer);
        }
    }
    let mut roots: Vec<B256> = lists
        .iter()
        .map(|list| RangeTree::new(list).unwrap().root())
        .collect();
    let count = roots.len();
    roots.sort_unstable();
    roots.dedup();
    assert_eq!(roots.len(), count);
    assert!(matches!(RangeTree::new(&[]), Err(StatementError::Empty)));
}

#[test]
fn a_block_of_the_range_can_be_shown_alone() {
    let (inputs, tree) = statement(&Keccak256, 5, 6);
    let (other, _) = statement(&Keccak256, 5, 7);
    for number in FIRST..FIRST + 6 {
        let opening = tree.open(number).unwrap();
        inputs.check_block(number, &opening).unwrap();
        let bytes = opening.to_bytes();
        assert_eq!(BlockOpening::from_bytes(&bytes).unwrap(), opening);
        for wrong in FIRST - 1..=FIRST + 6 {
            assert_eq!(inputs.check_block(wrong, &opening).is_ok(), wrong == number);
        }
        other.check_block(number, &opening).unwrap_err();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            if let Ok(opening) = BlockOpening::from_bytes(&flipped) {
                inputs.check_block(number, &opening).unwrap_err();
            }
        }
        for len in 0..bytes.len() {
            BlockOpening::from_bytes(&bytes[..len]).unwrap_err();
        }
    }
    for number in [0, FIRST - 1, FIRST + 6, u64::MAX] {
        tree.open(number).unwrap_err();
    }
}

#[test]
fn every_field_changes_the_digest() {
    let (inputs, _) = statement(&Keccak256, 5, 3);
    let changes: [fn(&mut PublicInputs); 33] = [
        |inputs| inputs.chain_id += 1,
        |inputs| inputs.rules.0[31] ^= 1,
        |inputs| inputs.witness = WitnessKind::State,
        |inputs| inputs.mode = TraceMode::Full,
        |inputs| inputs.mode = TraceMode::Flat,
        |inputs| inputs.first_block += 1,
        |inputs| inputs.last_block += 1,
        |inputs| inputs.parent_hash.0[0] ^= 1,
        |inputs| inputs.last_block_hash.0[0] ^= 1,
        |inputs| inputs.chain_state_before.0[0] ^= 1,
        |inputs| inputs.chain_state_after.0[0] ^= 1,
        |inputs| inputs.first_tx_num.0 += 1,
        |inputs| inputs.last_tx_num.0 += 1,
        |inputs| inputs.head_before.chain_id += 1,
        |inputs| inputs.head_before.profile = Profile::Blake3,
        |inputs| inputs.head_before.scheme = Scheme::StateRoot1,
        |inputs| inputs.head_before.block_number += 1,
        |inputs| inputs.head_before.leaf_count += 1,
        |inputs| inputs.head_before.root.0[0] ^= 1,
        |inputs| inputs.head_before.entry_count += 1,
        |inputs| inputs.head_before.state_root.0[0] ^= 1,
        |inputs| inputs.head_after.chain_id += 1,
        |inputs| inputs.head_after.scheme = Scheme::StateRoot1,
        |inputs| inputs.head_after.leaf_count += 1,
        |inputs| inputs.head_after.root.0[0] ^= 1,
        |inputs| inputs.head_after.entry_count += 1,
        |inputs| inputs.head_after.state_root.0[0] ^= 1,
        |inputs| inputs.range_root.0[0] ^= 1,
        |inputs| inputs.claims += 1,
        |inputs| inputs.execution_inputs.0[0] ^= 1,
        |inputs| inputs.program.version += 1,
        |inputs| inputs.program.backend.0[0] ^= 1,
        |inputs| inputs.program.id.0[0] ^= 1,
    ];
    let mut digests = vec![inputs.digest()];
    for change in changes {
        let mut other = inputs;
        change(&mut other);
        digests.push(other.digest());
    }
    digests.sort_unstable();
    digests.dedup();
    assert_eq!(digests.len(), changes.len() + 1);
}

#[test]
fn encoded_inputs_are_canonical_and_every_bit_counts() {
    let (inputs, _) = statement(&Keccak256, 5, 3);
    let bytes = inputs.to_bytes();
    assert_eq!(bytes.len(), PublicInputs::ENCODED_LEN);
    assert_eq!(PublicInputs::ENCODED_LEN, 538);
    assert_eq!(PublicInputs::from_bytes(&bytes).unwrap(), inputs);
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        if let Ok(other) = PublicInputs::from_bytes(&flipped) {
            assert_ne!(other.digest(), inputs.digest());
            assert_eq!(other.to_bytes(), flipped);
        }
    }
    for len in 0..bytes.len() {
        PublicInputs::from_bytes(&bytes[..len]).unwrap_err();
    }
    let longer = [&bytes[..], &[0]].concat();
    PublicInputs::from_bytes(&longer).unwrap_err();
}

#[test]
fn a_verifier_gets_what_it_expects_or_an_error() {
    let (inputs, _) = statement(&Keccak256, 5, 3);
    let good = expected(&inputs);
    inputs.check(&good).unwrap();
    let changes: [fn(&mut Expected); 11] = [
        |expected| expected.chain_id += 1,
        |expected| expected.rules.0[0] ^= 1,
        |expected| expected.program.version += 1,
        |expected| expected.program.backend = Program::backend_id("mock"),
        |expected| expected.program.id.0[0] ^= 1,
        |expected| expected.head_before.root.0[0] ^= 1,
        |expected| expected.head_before.block_number -= 1,
        |expected| expected.first_block -= 1,
        |expected| expected.last_block += 1,
        |expected| expected.parent_hash = Some(B256::ZERO),
        |expected| expected.last_block_hash = Some(B256::ZERO),
    ];
    for change in changes {
        let mut other = good;
        change(&mut other);
        inputs.check(&other).unwrap_err();
    }
    // The same blocks under another mode are another statement, and that is what is said.
    for (mode, refusal) in [
        (TraceMode::Full, "the trace mode is full, not outcome"),
        (TraceMode::Flat, "the trace mode is flat, not outcome"),
    ] {
        let other = PublicInputs { mode, ..inputs };
        let refused = other.check(&good).unwrap_err();
        let expected = TraceMode::Outcome;
        assert_eq!(
            refused,
            StatementError::Mode {
                found: mode,
                expected
            }
        );
        assert_eq!(refused.to_string(), refusal);
        assert_eq!(
            inputs.check_follows(&other).unwrap_err(),
            StatementError::Mode {
                found: expected,
                expected: mode,
            }
        );
    }
    let mut bytes = inputs.to_bytes();
    bytes[41] = 3;
    let found = 3;
    assert_eq!(
        PublicInputs::from_bytes(&bytes).unwrap_err(),
        StatementError::UnknownMode { found }
    );
    // A claim has to be accepted by name.
    let mut claimed = inputs;
    claimed.claims = 1;
    claimed.check(&good).unwrap_err();
    let mut lenient = good;
    lenient.most_claims = 1;
    claimed.check(&lenient).unwrap();
}

#[test]
fn ranges_that_follow_each_other_are_recognised() {
    let edge = edge(&Keccak256, 5);
    let blocks: Vec<Vec<LeafPayload>> = (0..4).map(|index| payloads(5 + 3 * index, 3)).collect();
    let mut first = StatementBuilder::new(Keccak256, &edge, setup()).unwrap();
    let mut log = MemoryLog::new(Keccak256);
    log.append(&payloads(0, 5));
    for (leaves, number) in blocks[..2].iter().zip(FIRST..) {
        first.push(&result(number, leaves)).unwrap();
        log.append(leaves);
    }
    let (first, _) = first.finish().unwrap();
    let count = log.leaf_count();
    let last = TxNum(count - 1);
    let proof = log.prover(count).unwrap().inclusion(last).unwrap();
    let hash = log.leaf_hash(last).unwrap();
    let edge = LogEdge::from_proof(first.head_after, hash, &proof).unwrap();
    let mut second = StatementBuilder::new(Keccak256, &edge, setup()).unwrap();
    for (leaves, number) in blocks[2..].iter().zip(FIRST + 2..) {
        second.push(&result(number, leaves)).unwrap();
    }
    let (second, _) = second.finish().unwrap();
    second.check_follows(&first).unwrap();
    first.check_follows(&second).unwrap_err();
    first.check_follows(&first).unwrap_err();
    second.check_follows(&second).unwrap_err();
}

#[test]
fn blocks_that_do_not_follow_each_other_make_no_statement() {
    let edge = edge(&Keccak256, 5);
    let leaves = payloads(5, 3);
    let more = payloads(8, 3);
    let two = |change: fn(&mut BlockResult<'_>)| {
        let mut builder = StatementBuilder::new(Keccak256, &edge, setup()).unwrap();
        builder.push(&result(FIRST, &leaves)).unwrap();
        let mut second = result(FIRST + 1, &more);
        change(&mut second);
        builder.push(&second).map(drop)
    };
    two(|_| {}).unwrap();
    two(|block| block.number += 1).unwrap_err();
    two(|block| block.number -= 1).unwrap_err();
    two(|block| block.parent_hash.0[0] ^= 1).unwrap_err();
    two(|block| block.chain_state_before.0[0] ^= 1).unwrap_err();
    assert_eq!(two(|block| block.leaves = &[]), Err(StatementError::Empty));
    let mut builder = StatementBuilder::new(Keccak256, &edge, setup()).unwrap();
    let error = builder.push(&result(FIRST + 1, &leaves)).unwrap_err();
    assert_eq!(error.to_string(), "the number of a block is 101, not 100");
    // A state alone fixes the next number too; a log with nothing in it does not.
    let nothing = *LogEdge::empty(1, Profile::Keccak256, SCHEME).head();
    for (entry_count, number, good) in [(7, 100, true), (7, 101, false), (0, 101, true)] {
        let head = Head {
            entry_count,
            block_number: 99,
            state_root: match entry_count {
                0 => nothing.state_root,
                _ => B256::repeat_byte(1),
            },
            ..nothing
        };
        let edge = LogEdge::new(head, B256::ZERO, Vec::new()).unwrap();
        let mut builder = StatementBuilder::new(Keccak256, &edge, setup()).unwrap();
        let pushed = builder.push(&result(number, &payloads(0, 3)));
        assert_eq!(
            pushed.is_ok(),
            good,
            "{entry_count} entries, block {number}"
        );
    }
    let empty = StatementBuilder::new(Keccak256, &edge, setup()).unwrap();
    assert_eq!(empty.finish().unwrap_err(), StatementError::Empty);
}

/// A second implementation, in Python, made these.
#[test]
fn the_oracle_says_the_same() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../testdata/vectors/statement.json"
    );
    let file: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let bytes = |value: &serde_json::Value| -> Vec<u8> {
        let hex = value.as_str().unwrap().strip_prefix("0x").unwrap();
        (0..hex.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
            .collect()
    };
    let label = |text: String| keccak256(text);
    let word =
        |tx_num: u64, name: &str| keccak256([name.as_bytes(), &tx_num.to_be_bytes()].concat());
    let test_leaf = |tx_num: u64| LeafPayload {
        pre_state_hash: word(tx_num, "pre"),
        state_change_hash: word(tx_num, "chg"),
        transition_hash: word(tx_num, "trn"),
    };
    let cases = file["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 24);
    for case in cases {
        let name = &case["name"];
        let profile = Profile::from_name(case["profile"].as_str().unwrap()).unwrap();
        let edge = LogEdge::from_bytes(&bytes(&case["edge"])).unwrap();
        assert_eq!(edge.to_bytes(), bytes(&case["edge"]), "{name}");
        let setup = StatementSetup {
            rules: label("rules".into()),
            witness: WitnessKind::Execution,
            mode: TraceMode::from_id(case["mode"].as_u64().unwrap() as u8).unwrap(),
            program: Program::new(7, "exec", label("program".into())),
        };
        let mut builder = StatementBuilder::new(profile, &edge, setup).unwrap();
        for block in case["blocks"].as_array().unwrap() {
            let number = block["number"].as_u64().unwrap();
            let first = builder.head().leaf_count;
            let leaves = first..first + block["leaves"].as_u64().unwrap();
            let leaves: Vec<LeafPayload> = leaves.map(test_leaf).collect();
            let result = BlockResult {
                number,
                hash: label(format!("block {number}")),
                parent_hash: label(format!("block {}", number - 1)),
                spec_id: 17,
                chain_state_before: label(format!("state {}", number - 1)),
                chain_state_after: label(format!("state {number}")),
                claims: block["claims"].as_u64().unwrap(),
                claims_digest: B256::from_slice(&bytes(&block["claimsDigest"])),
                leaves: &leaves,
                state_log: None,
            };
            builder.push(&result).unwrap();
        }
        let (inputs, tree) = builder.finish().unwrap();
        for (record, block) in tree
            .records()
            .iter()
            .zip(case["blocks"].as_array().unwrap())
        {
            assert_eq!(record.to_bytes(), bytes(&block["record"]), "{name}");
            assert_eq!(BlockRecord::from_bytes(&record.to_bytes()), Ok(*record));
        }
        assert_eq!(tree.root().to_vec(), bytes(&case["rangeRoot"]), "{name}");
        assert_eq!(inputs.to_bytes(), bytes(&case["publicInputs"]), "{name}");
        assert_eq!(
            inputs.digest().to_vec(),
            bytes(&case["statement"]),
            "{name}"
        );
    }
}
