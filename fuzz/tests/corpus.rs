//! Replays the corpus through every target, as it is and damaged, on the stable toolchain.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that fails may panic"
)]

use qmtree_fuzz::{TARGETS, seeds::seeds};
use std::collections::BTreeMap;
use std::path::Path;

type Corpus = BTreeMap<String, BTreeMap<String, Vec<u8>>>;

fn corpus() -> Corpus {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let mut corpus = Corpus::new();
    for folder in std::fs::read_dir(root).unwrap() {
        let folder = folder.unwrap();
        let inputs = corpus
            .entry(folder.file_name().into_string().unwrap())
            .or_default();
        for file in std::fs::read_dir(folder.path()).unwrap() {
            let file = file.unwrap();
            let name = file.file_name().into_string().unwrap();
            inputs.insert(name, std::fs::read(file.path()).unwrap());
        }
    }
    corpus
}

#[test]
fn every_target_has_a_corpus_with_its_seeds() {
    let corpus = corpus();
    let names: Vec<_> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    for name in &names {
        assert!(corpus.contains_key(name), "no corpus for {name}");
    }
    assert!(
        corpus.keys().all(|name| names.contains(name)),
        "a corpus without a target"
    );
    for (target, name, bytes) in seeds() {
        assert_eq!(
            corpus[target].get(&name),
            Some(&bytes),
            "run the example seed_corpus"
        );
    }
}

#[test]
fn no_input_of_the_corpus_breaks_its_target() {
    for (target, inputs) in corpus() {
        for bytes in inputs.values() {
            qmtree_fuzz::run(&target, bytes);
        }
    }
}

#[test]
fn damaged_inputs_break_no_target() {
    // A cheap stand-in for the fuzzer: each seed with single bytes changed, cut and doubled.
    for (target, inputs) in corpus() {
        for bytes in inputs.values() {
            for step in 0..40usize {
                let mut damaged = bytes.clone();
                let at = step * bytes.len() / 40;
                if let Some(byte) = damaged.get_mut(at) {
                    *byte ^= 1 << (step % 8);
                }
                qmtree_fuzz::run(&target, &damaged);
                qmtree_fuzz::run(&target, &bytes[..at]);
            }
            qmtree_fuzz::run(&target, &[&bytes[..], bytes].concat());
        }
    }
}
