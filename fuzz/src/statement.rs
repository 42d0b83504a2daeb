//! Public inputs, what provers' programs read, and proofs about blocks.

use crate::oracle::STATES;
use alloy_consensus::{BlockBody, Header};
use alloy_primitives::{B256, Bytes};
use qmtree_execution_adapter::{
    ChainSpec, Claims, EthBlock, ExecutionWitness, RangeBlock, RangeInput, StateBlock,
    StateWitness, TraceMode,
};
use qmtree_proofs::state::StateExtract;
use qmtree_proofs::statement::{
    BlockOpening, BlockRecord, BlockResult, LogEdge, Program, PublicInputs, RangeTree,
    StatementBuilder, StatementSetup, WitnessKind,
};
use qmtree_proofs::{Head, LeafPayload, Profile, Scheme};
use qmtree_provers::{Attestation, Envelope, ProofArtifact, Statement};

type Seed = (&'static str, String, Vec<u8>);

/// Each of these has one encoding.
pub(crate) fn statement(data: &[u8]) {
    if let Ok(inputs) = PublicInputs::from_bytes(data) {
        assert_eq!(inputs.to_bytes()[..], *data, "two encodings of one value");
    }
    if let Ok(record) = BlockRecord::from_bytes(data) {
        assert_eq!(record.to_bytes()[..], *data, "two encodings of one value");
    }
    if let Ok(opening) = BlockOpening::from_bytes(data) {
        assert_eq!(opening.to_bytes()[..], *data, "two encodings of one value");
    }
    if let Ok(edge) = LogEdge::from_bytes(data) {
        assert_eq!(edge.to_bytes()[..], *data, "two encodings of one value");
        _ = edge.frontier(edge.head().profile);
    }
}

/// An extract has one encoding, and opens under no head but that of its log.
pub(crate) fn extract(data: &[u8]) {
    let Ok(extract) = StateExtract::from_bytes(data) else {
        return;
    };
    assert_eq!(extract.to_bytes()[..], *data, "two encodings of one value");
    let profile = extract.profile();
    let log = STATES.iter().find(|log| log.profile() == profile);
    let log = log.expect("a log of each profile");
    let head = Head {
        entry_count: log.entry_count(),
        state_root: log.root(),
        ..Head::empty(1, profile, Scheme::StateRoot1)
    };
    let Ok(mut state) = extract.open(profile, &head) else {
        return;
    };
    assert_eq!(
        state.root(),
        head.state_root,
        "another root than the one trusted"
    );
    for entry in log.iter() {
        if let Ok(found) = state.entry(&entry.key) {
            let live = log.get(&entry.key, None);
            assert_eq!(found, live, "another entry than the log's");
        }
    }
}

/// What a program reads has one encoding, whatever it executes from.
pub(crate) fn range_input(data: &[u8]) {
    let bytes = Bytes::copy_from_slice(data);
    if let Ok(input) = RangeInput::from_bytes(&bytes) {
        assert_eq!(input.to_bytes(), data, "two encodings of one value");
    }
    if let Ok(witness) = StateWitness::from_bytes(&bytes) {
        assert!(
            StateWitness::is_one(data),
            "a witness that is not told apart"
        );
        assert_eq!(witness.to_bytes(), data, "two encodings of one value");
    }
}

/// An envelope has one encoding; a file of a proof can be packed in many ways, so its value must
/// survive instead of its bytes.
pub(crate) fn proof_file(data: &[u8]) {
    if let Ok(envelope) = Envelope::from_bytes(data) {
        assert_eq!(envelope.to_bytes()[..], *data, "two encodings of one value");
    }
    if let Ok(artifact) = ProofArtifact::from_bytes(data) {
        let bytes = artifact.to_bytes().expect("it was a file");
        let again = ProofArtifact::from_bytes(&bytes).expect("it is a file");
        assert_eq!(again.public_inputs(), artifact.public_inputs());
        assert_eq!(again.blocks(), artifact.blocks());
        assert_eq!(again.envelope(), artifact.envelope());
    }
}

fn block(number: u64) -> EthBlock {
    let header = Header {
        number,
        ..Header::default()
    };
    EthBlock::new(header, BlockBody::default())
}

fn program() -> Program {
    Program::new(1, "exec", B256::repeat_byte(6))
}

/// A statement about two made-up blocks behind an empty log.
fn stated(profile: Profile) -> (LogEdge, PublicInputs, RangeTree) {
    let edge = LogEdge::empty(1, profile, Scheme::ReadSet1);
    let setup = StatementSetup {
        rules: B256::repeat_byte(5),
        witness: WitnessKind::Execution,
        mode: TraceMode::Full,
        program: program(),
    };
    let mut builder = StatementBuilder::new(profile, &edge, setup).expect("empty");
    let mut parent_hash = B256::repeat_byte(1);
    for number in 7..9 {
        let hash = B256::with_last_byte(number);
        let block = BlockResult {
            number: number.into(),
            hash,
            parent_hash,
            spec_id: 20,
            chain_state_before: B256::with_last_byte(number + 20),
            chain_state_after: B256::with_last_byte(number + 21),
            claims: 0,
            claims_digest: B256::ZERO,
            leaves: &[LeafPayload::default(); 3],
            state_log: None,
        };
        builder.push(&block).expect("the next block");
        parent_hash = hash;
    }
    let (inputs, tree) = builder.finish().expect("two blocks");
    (edge, inputs, tree)
}

/// Statements, inputs of both kinds, extracts, envelopes and files of proofs.
pub(crate) fn seeds() -> Vec<Seed> {
    let mut seeds = Vec::new();
    for log in STATES.iter() {
        let profile = log.profile();
        let mut add = |target, kind: &str, bytes| {
            seeds.push((target, format!("{kind}-{}", profile as u8), bytes));
        };
        let keys = [4, 9, 40, 240].map(B256::repeat_byte);
        let extract = log.extract(&keys, |key| key.0[0] == 40, |_| None);
        let extract = extract.expect("values that are their own words");
        add("decode_extract", "extract", extract.to_bytes());

        let (edge, inputs, tree) = stated(profile);
        add("decode_statement", "inputs", inputs.to_bytes());
        add("decode_statement", "edge", edge.to_bytes());
        let [first, ..] = tree.records() else {
            unreachable!("two blocks");
        };
        add("decode_statement", "record", first.to_bytes());
        let opening = tree.open(8).expect("a block of the range");
        add("decode_statement", "opening", opening.to_bytes());

        let chain = ChainSpec::from_chain_id(1).expect("a public chain");
        let witness = ExecutionWitness {
            state: vec![vec![0xc1, 1].into()],
            codes: vec![vec![0].into()],
            ..ExecutionWitness::default()
        };
        let input = RangeInput {
            chain: chain.clone(),
            edge: edge.clone(),
            program: program(),
            mode: TraceMode::Outcome,
            blocks: vec![RangeBlock {
                block: block(7),
                witness,
                claims: Claims::default(),
            }],
        };
        add("decode_range_input", "execution", input.to_bytes());
        let head = Head {
            entry_count: log.entry_count(),
            state_root: log.root(),
            ..Head::empty(1, profile, Scheme::StateRoot1)
        };
        let witness = StateWitness {
            chain,
            edge: LogEdge::new(head, B256::ZERO, Vec::new()).expect("no leaves, no peaks"),
            program: program(),
            mode: TraceMode::Full,
            extract,
            blocks: vec![StateBlock {
                block: block(7),
                ommers_known: true,
            }],
        };
        add("decode_range_input", "state", witness.to_bytes());

        let statement = Statement {
            program_id: inputs.program.id,
            digest: inputs.digest(),
        };
        let envelope = Envelope::new("exec", "1", "input", statement, vec![3; 40]);
        let envelope = envelope.expect("short names");
        add("decode_proof_file", "envelope", envelope.to_bytes());
        let attested = envelope.clone().with_attestation(Attestation {
            as_of: 1_700_000_000,
            collateral: vec![4; 9],
        });
        let attested = attested.expect("short").to_bytes();
        add("decode_proof_file", "attested", attested);
        let artifact = ProofArtifact::new(inputs, tree.records().to_vec(), envelope);
        let file = artifact.and_then(|artifact| artifact.to_bytes());
        add("decode_proof_file", "file", file.expect("they agree"));
    }
    seeds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seeds_are_what_they_should_be() {
        for (_, name, bytes) in seeds() {
            let shared = Bytes::from(bytes.clone());
            let good = match name.split('-').next() {
                Some("extract") => StateExtract::from_bytes(&bytes).is_ok(),
                Some("inputs") => PublicInputs::from_bytes(&bytes).is_ok(),
                Some("edge") => LogEdge::from_bytes(&bytes).is_ok(),
                Some("record") => BlockRecord::from_bytes(&bytes).is_ok(),
                Some("opening") => BlockOpening::from_bytes(&bytes).is_ok(),
                Some("execution") => RangeInput::from_bytes(&shared).is_ok(),
                Some("state") => StateWitness::from_bytes(&shared).is_ok(),
                Some("envelope" | "attested") => Envelope::from_bytes(&bytes).is_ok(),
                Some("file") => ProofArtifact::from_bytes(&bytes).is_ok(),
                _ => false,
            };
            assert!(good, "{name}");
        }
    }

    #[test]
    fn the_extracts_open() {
        for log in STATES.iter() {
            let extract = log.extract(&[B256::repeat_byte(8)], |_| false, |_| None);
            let head = Head {
                entry_count: log.entry_count(),
                state_root: log.root(),
                ..Head::empty(1, log.profile(), Scheme::StateRoot1)
            };
            assert!(extract.expect("whole").open(log.profile(), &head).is_ok());
        }
    }
}
