//! Proofs as files.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test that fails may panic"
)]

mod common;

use alloy_primitives::B256;
use common::{id, input, output};
use qmtree_provers::{
    ArtifactError, Control, ExecBackend, MockBackend, Policy, ProofArtifact, ProveRequest,
    ProverBackend, RangeProgram, Statement, Trust, verify,
};
use qmtree_storage::snapshot::words::{WordFile, WordLayout};
use qmtree_storage::snapshot::{PackError, pack_word};
use std::path::Path;
use std::time::Duration;

const RANGE: [u64; 1] = [207];

fn golden() -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/prover");
    std::fs::read(folder.join("v1.0-qmtree-proof.207-208.seg")).unwrap()
}

fn control() -> Control {
    Control::timeout(Duration::from_secs(600))
}

fn artifact(prover: &dyn ProverBackend, name: &str, numbers: &[u64]) -> ProofArtifact {
    let input = input(name, numbers);
    let output = output(&input);
    let request = ProveRequest {
        input: &input,
        statement: output.public_inputs.digest(),
        format: None,
    };
    let envelope = prover.prove(&request, &control()).unwrap();
    let records = output.tree.records().to_vec();
    ProofArtifact::new(output.public_inputs, records, envelope).unwrap()
}

/// The words of a file.
fn words(file: &[u8]) -> Vec<Vec<u8>> {
    let file = WordFile::parse(file).unwrap();
    let mut words = file.words();
    std::iter::from_fn(|| {
        words
            .next_word(1 << 30)
            .unwrap()
            .map(|word| word.into_owned())
    })
    .collect()
}

fn file(words: &[Vec<u8>]) -> Vec<u8> {
    let layout = WordLayout::new(words.iter().map(|word| word.len() as u64)).unwrap();
    let mut bytes = layout.head().to_vec();
    for word in words {
        bytes.extend_from_slice(layout.prefix(word.len() as u64).unwrap());
        bytes.extend_from_slice(word);
    }
    bytes
}

#[test]
fn the_golden_file_is_read_and_holds() {
    let bytes = golden();
    let read = ProofArtifact::from_bytes(&bytes).unwrap();
    assert_eq!(read.file_name(), "v1.0-qmtree-proof.207-208.seg");
    let exec = ExecBackend::new(RangeProgram, RangeProgram::id());
    let inputs = read.public_inputs();
    let expected = Statement {
        program_id: RangeProgram::id(),
        digest: inputs.digest(),
    };
    assert_eq!(
        inputs.digest().to_string(),
        "0xed885bc39d3c10821b079367c6588a4a1aadc53d88c89f3404335a841fa60117"
    );
    let policy = Policy::default().accept(Trust::None);
    let verified = verify(&policy, &[&exec], read.envelope(), &expected, &control());
    assert_eq!(verified.unwrap().trust(), Trust::None);
    // The same parts make a file that reads the same, however it is packed.
    let again = read.to_bytes().unwrap();
    assert_eq!(ProofArtifact::from_bytes(&again).unwrap(), read);
}

#[test]
fn files_come_back_as_they_went() {
    let exec = ExecBackend::new(RangeProgram, id("exec"));
    let mock = MockBackend::new(RangeProgram, id("mock"));
    for artifact in [
        artifact(&exec, "exec", &RANGE),
        artifact(&exec, "exec", &[207, 208, 209]),
        artifact(&mock, "mock", &RANGE),
    ] {
        let bytes = artifact.to_bytes().unwrap();
        assert_eq!(ProofArtifact::from_bytes(&bytes).unwrap(), artifact);
        assert_eq!(words(&bytes).len(), 4);
    }
}

#[test]
fn damage_is_noticed() {
    let good = golden();
    let read = ProofArtifact::from_bytes(&good).unwrap();
    for len in (0..good.len()).step_by(41).chain([good.len() - 1]) {
        ProofArtifact::from_bytes(&good[..len]).unwrap_err();
    }
    for bit in (0..good.len() * 8).step_by(61) {
        let mut flipped = good.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        if let Ok(other) = ProofArtifact::from_bytes(&flipped) {
            assert_eq!(other, read, "bit {bit}");
        }
    }
    // Every bit of what is not packed.
    let parts = words(&good);
    for word in 0..2 {
        for bit in 0..parts[word].len() * 8 {
            let mut flipped = parts.clone();
            flipped[word][bit / 8] ^= 1 << (bit % 8);
            ProofArtifact::from_bytes(&file(&flipped)).unwrap_err();
        }
    }
    let longer = [&good[..], &[0]].concat();
    ProofArtifact::from_bytes(&longer).unwrap_err();
    for count in [0, 3] {
        let refused = ProofArtifact::from_bytes(&file(&parts[..count])).unwrap_err();
        assert!(
            matches!(refused, ArtifactError::WordCount { .. }),
            "{refused}"
        );
    }
    let mut newer = parts.clone();
    // Version 1 did not say how much the leaves commit to.
    for version in [1, 3] {
        newer[0][11] = version;
        let refused = ProofArtifact::from_bytes(&file(&newer)).unwrap_err();
        let named =
            matches!(refused, ArtifactError::Version { found } if found == u32::from(version));
        assert!(named, "{refused}");
    }
    let mut other = parts;
    other[0][0] = b'X';
    let refused = ProofArtifact::from_bytes(&file(&other)).unwrap_err();
    assert!(matches!(refused, ArtifactError::Magic));
}

#[test]
fn parts_of_other_proofs_are_refused() {
    let exec = ExecBackend::new(RangeProgram, id("exec"));
    let one = artifact(&exec, "exec", &RANGE);
    let two = artifact(&exec, "exec", &[207, 208]);
    let mock = MockBackend::new(RangeProgram, id("mock"));
    let mock = artifact(&mock, "mock", &RANGE);
    let new = |inputs: &ProofArtifact, blocks: &ProofArtifact, envelope: &ProofArtifact| {
        let blocks = blocks.blocks().to_vec();
        ProofArtifact::new(*inputs.public_inputs(), blocks, envelope.envelope().clone())
    };
    new(&one, &one, &one).unwrap();
    assert!(matches!(
        new(&one, &two, &one),
        Err(ArtifactError::Statement { .. })
    ));
    for (inputs, envelope) in [(&one, &two), (&two, &one), (&one, &mock), (&mock, &one)] {
        assert!(matches!(
            new(inputs, inputs, envelope),
            Err(ArtifactError::OtherStatement { .. })
        ));
    }
    // In a file as well: the words of one under the header of the other.
    let (ones, twos) = (
        words(&one.to_bytes().unwrap()),
        words(&two.to_bytes().unwrap()),
    );
    for word in 0..4 {
        let mut mixed = ones.clone();
        mixed[word].clone_from(&twos[word]);
        ProofArtifact::from_bytes(&file(&mixed)).unwrap_err();
    }
    assert_ne!(B256::ZERO, one.public_inputs().digest());
}

#[test]
fn what_unpacks_to_too_much_is_cut_off() {
    let mut parts = words(&golden());
    let bomb = pack_word(&vec![0; 190 << 20]).unwrap();
    assert!(bomb.len() < 50_000);
    parts[2] = bomb;
    let refused = ProofArtifact::from_bytes(&file(&parts)).unwrap_err();
    assert!(
        matches!(
            refused,
            ArtifactError::Packed {
                word: "blocks",
                source: PackError::TooLong { .. }
            }
        ),
        "{refused}"
    );
}
