//! What decoding and verifying allocate, counted by the allocator itself.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test that fails may panic"
)]

mod common;

use common::state::{key, state_log};
use common::{Naive, log};
use qmtree_proofs::{
    ConsistencyProof, DecodeError, Head, InclusionProof, MemoryLog, MultiProof, Profile, Proof,
    RangeProof, RangeWitness, TxNum, Witness, erigon,
    state::{StateExtract, StateProof},
};
use serde::de::DeserializeOwned;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// Counts the bytes that this thread asks for, and the most that it holds at once.
struct Counting;

thread_local! {
    static ALLOCATED: Cell<usize> = const { Cell::new(0) };
    static HELD: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

// SAFETY: every call is passed on to the system allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.with(|bytes| bytes.set(bytes.get() + layout.size()));
        HELD.with(|bytes| {
            bytes.set(bytes.get() + layout.size() as isize);
            PEAK.with(|peak| peak.set(peak.get().max(bytes.get())));
        });
        // SAFETY: as the caller promised.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        HELD.with(|bytes| bytes.set(bytes.get() - layout.size() as isize));
        // SAFETY: as the caller promised.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Bytes allocated, in sum and without counting what is freed, while `work` runs.
fn allocated<T>(work: impl FnOnce() -> T) -> (usize, T) {
    let before = ALLOCATED.with(Cell::get);
    let result = work();
    (ALLOCATED.with(Cell::get) - before, result)
}

/// The most bytes held at once while `work` runs, beyond those held before.
fn peak<T>(work: impl FnOnce() -> T) -> (usize, T) {
    let before = HELD.with(Cell::get);
    PEAK.with(|peak| peak.set(before));
    let result = work();
    let peak = PEAK.with(Cell::get) - before;
    (usize::try_from(peak).unwrap(), result)
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocated(|| vec![0u8; 1000].len()), (1000, 1000));
    let (peak, _) = peak(|| {
        drop(vec![0u8; 3000]);
        vec![0u8; 1000].len()
    });
    assert_eq!(peak, 3000);
}

#[test]
fn verifying_a_single_proof_allocates_nothing() {
    for profile in Profile::ALL {
        let (mut naive, log) = (Naive::new(profile, 5000), log(profile, 5000));
        let (prover, head) = (log.prover(5000).unwrap(), naive.head(5000));
        let (old, hash, i) = (naive.head(3000), naive.leaf_hash(77), TxNum(77));
        let inclusion = prover.inclusion(i).unwrap();
        let witness = Witness::new(log.leaf(i).unwrap(), inclusion.clone()).unwrap();
        let consistency = prover.consistency(3000).unwrap();
        let path = erigon::ProofPath::from_inclusion(&inclusion, hash, head.root);
        let (bytes, verified) = allocated(|| {
            if let Ok(path) = &path {
                path.verify(&head, i)?;
                path.verify(&old, i).unwrap_err();
            }
            inclusion.verify(&head, i, hash)?;
            witness.verify(&head, i)?;
            consistency.verify(&old, &head)?;
            assert_ne!(head.hash(), old.hash());
            inclusion.verify(&old, i, hash).unwrap_err();
            inclusion.verify(&head, i, old.root)
        });
        verified.unwrap_err();
        assert_eq!(bytes, 0, "{profile}");
    }
}

/// A decoder that says only whether it accepts.
type Decode = fn(&[u8]) -> bool;

macro_rules! decoders {
    ($($type:ty),+ $(,)?) => {
        [$((stringify!($type), (|bytes| <$type>::from_bytes(bytes).is_ok()) as Decode)),+]
    };
}

const DECODERS: [(&str, Decode); 12] = decoders!(
    Proof,
    InclusionProof,
    RangeProof,
    MultiProof,
    ConsistencyProof,
    Witness,
    RangeWitness,
    StateProof,
    Head,
    erigon::ProofPath,
    erigon::Witness,
    erigon::RangeWitness,
);

/// Decodes as everything there is, within the size of the input; says who accepts.
fn decode_all(bytes: &[u8]) -> Vec<&'static str> {
    let accept = |(name, decode): &(&'static str, Decode)| {
        let (allocated, ok) = allocated(|| decode(bytes));
        let len = bytes.len();
        assert!(allocated <= len, "{name}: {allocated} bytes for {len}");
        ok.then_some(*name)
    };
    DECODERS.iter().filter_map(accept).collect()
}

fn erigon_range(log: &MemoryLog<Profile>, head: &Head, from: u64, to: u64) -> erigon::RangeWitness {
    let prover = log.prover(head.leaf_count).unwrap();
    let path = |i: u64| {
        let proof = prover.inclusion(TxNum(i)).unwrap();
        let hash = log.leaf_hash(TxNum(i)).unwrap();
        erigon::ProofPath::from_inclusion(&proof, hash, head.root).unwrap()
    };
    erigon::RangeWitness {
        first: path(from),
        last: Some(path(to - 1)),
        leaves: (from..to)
            .map(|i| (TxNum(i), log.leaf(TxNum(i)).unwrap()))
            .collect(),
    }
}

/// Encodings of everything there is, by the name of their own decoder.
fn encodings() -> Vec<(&'static str, Vec<u8>)> {
    let profile = Profile::Keccak256;
    let (log, head) = (log(profile, 5000), Naive::new(profile, 5000).head(5000));
    let prover = log.prover(5000).unwrap();
    let mut all = vec![
        ("Head", head.to_bytes().to_vec()),
        (
            "ConsistencyProof",
            prover.consistency(1234).unwrap().to_bytes(),
        ),
    ];
    let inclusion = prover.inclusion(TxNum(4000)).unwrap();
    let leaf = log.leaf(TxNum(4000)).unwrap();
    let witness = Witness::new(leaf, inclusion.clone()).unwrap();
    all.push(("InclusionProof", inclusion.to_bytes()));
    all.push(("Witness", witness.to_bytes()));
    let (state, _) = state_log(profile, 14, 1000);
    for count in [1, 2, 9, 200, 700] {
        for at in [None, Some(TxNum(9))] {
            let keys: Vec<_> = (0..count).map(key).collect();
            let proof = state.prove_many(&keys, at).unwrap();
            all.push(("StateProof", proof.to_bytes()));
        }
    }
    // Vectors that grow by doubling waste most just above a power of two.
    for count in [1, 2, 3, 5, 9, 17, 65, 1025, 2049, 4097] {
        let (from, to) = (TxNum(100), TxNum(100 + count));
        let range = prover.range(from, to).unwrap();
        let payloads = log.payloads(from, to).unwrap().to_vec();
        let set: Vec<_> = (0..count).map(TxNum).collect();
        all.push(("RangeProof", range.to_bytes()));
        let witness = RangeWitness::new(leaf.previous_leaf_hash, payloads, range).unwrap();
        all.push(("RangeWitness", witness.to_bytes()));
        all.push(("MultiProof", prover.multi(&set).unwrap().to_bytes()));
        let witness = erigon_range(&log, &head, from.0, to.0);
        all.push(("erigon::ProofPath", witness.first.to_bytes()));
        all.push(("erigon::RangeWitness", witness.to_bytes()));
        let (_, leaf) = witness.leaves[0];
        let path = witness.first;
        let witness = erigon::Witness { path, leaf };
        all.push(("erigon::Witness", witness.to_bytes()));
    }
    all
}

#[test]
fn decoding_allocates_at_most_the_input() {
    for (name, bytes) in encodings() {
        let accepted = decode_all(&bytes);
        assert!(accepted.contains(&name), "{name} refuses its own");
        let ours = name != "Head" && !name.starts_with("erigon");
        assert_eq!(accepted.contains(&"Proof"), ours, "{name}");
        // Every field set to extremes, so that lengths and counts lie as far as they can.
        for at in 0..bytes.len().min(200) {
            for lie in [
                [0x00; 8],
                [0xff; 8],
                [0x7f; 8],
                [0x00, 0x00, 0x00, 0x00, 0, 1, 0, 0],
                [0x00, 0x00, 0x01, 0x00, 0, 0, 0, 0],
            ] {
                let mut forged = bytes.clone();
                let end = (at + 8).min(forged.len());
                forged[at..end].copy_from_slice(&lie[..end - at]);
                decode_all(&forged);
                forged.truncate(at + 40);
                decode_all(&forged);
            }
        }
        for cut in (0..bytes.len()).step_by(1 + bytes.len() / 40) {
            decode_all(&bytes[..cut]);
        }
        decode_all(&[&bytes[..], &bytes].concat());
    }
    let nothing = DecodeError::Truncated {
        offset: 0,
        needed: 4,
        available: 0,
    };
    assert_eq!(Proof::from_bytes(b""), Err(nothing));
}

#[test]
fn verifying_many_leaves_allocates_at_most_twice_the_input() {
    let n = 8200;
    for profile in Profile::ALL {
        let (mut naive, log) = (Naive::new(profile, n), log(profile, n));
        let (prover, head) = (log.prover(n).unwrap(), naive.head(n));
        let within = |name: &str, input: usize, allocated: usize| {
            assert!(
                allocated <= 2 * input,
                "{name}: {allocated} bytes for an input of {input}"
            );
        };
        for (from, to) in [
            (0, 1),
            (5, 6),
            (5, 8),
            (0, 4096),
            (1, 4097),
            (3, 4097),
            (3, 8193),
            (0, n),
        ] {
            let (start, end, count) = (TxNum(from), TxNum(to), (to - from) as usize);
            let range = prover.range(start, end).unwrap();
            let hashes = naive.hashes(from..to);
            let (bytes, verified) = allocated(|| range.verify(&head, start, &hashes));
            verified.unwrap();
            within("range", 32 * count + range.to_bytes().len(), bytes);
            // The leaf hashes, one parent for two of them, and a constant.
            assert!(bytes <= 48 * count + 32 * 6, "{bytes} for {count} leaves");

            let tx_nums: Vec<_> = (from..to).map(TxNum).collect();
            let multi = prover.multi(&tx_nums).unwrap();
            let leaves = naive.pairs(&tx_nums);
            let (bytes, verified) = allocated(|| multi.verify(&head, &leaves));
            verified.unwrap();
            within("multi", 40 * count + multi.to_bytes().len(), bytes);
            assert_eq!(bytes, 40 * count, "multi");

            let previous = log.leaf(start).unwrap().previous_leaf_hash;
            let payloads = log.payloads(start, end).unwrap().to_vec();
            let witness = RangeWitness::new(previous, payloads, range).unwrap();
            let (bytes, verified) = allocated(|| witness.verify(&head, start, end));
            verified.unwrap();
            within("range witness", witness.to_bytes().len(), bytes);

            if profile == Profile::Keccak256 {
                let witness = erigon_range(&log, &head, from, to);
                let (bytes, verified) = allocated(|| witness.verify(&head, start, end));
                verified.unwrap();
                within("Erigon's range", witness.to_bytes().len(), bytes);
            }
        }
    }
}

#[test]
fn verifying_a_state_proof_allocates_at_most_four_times_the_input() {
    for profile in Profile::ALL {
        let (log, naive) = state_log(profile, 14, 1000);
        let head = naive.head(30);
        for count in [1, 2, 9, 200, 700] {
            for at in [None, Some(TxNum(9))] {
                let keys: Vec<_> = (0..count).map(key).collect();
                let proof = log.prove_many(&keys, at).unwrap();
                let input = proof.to_bytes().len();
                let (bytes, proven) = allocated(|| proof.verify_all(&head, at));
                proven.unwrap();
                assert!(bytes <= 4 * input, "{bytes} bytes for an input of {input}");
            }
        }
    }
}

/// Parses within eight times the input.
fn parse<T: DeserializeOwned>(text: &str) -> Option<T> {
    let (peak, parsed) = peak(|| serde_json::from_str::<T>(text));
    // The parser's own error takes a little even for a text of one byte.
    let room = 8 * text.len() + 512;
    assert!(peak <= room, "{peak} bytes for {}: {text:.80}", text.len());
    parsed.ok()
}

#[test]
fn parsing_json_holds_at_most_eight_times_the_input() {
    for (name, bytes) in encodings() {
        if let Ok(head) = Head::from_bytes(&bytes) {
            let text = serde_json::to_string(&head).unwrap();
            assert_eq!(parse::<Head>(&text), Some(head));
        } else if let Ok(proof) = Proof::from_bytes(&bytes) {
            let text = serde_json::to_string(&proof).unwrap();
            assert_eq!(parse::<Proof>(&text).as_ref(), Some(&proof), "{name}");
            for cut in (0..text.len()).step_by(1 + text.len() / 100) {
                assert_eq!(parse::<Proof>(&text[..cut]), None);
                parse::<Head>(&text[..cut]);
            }
        }
    }
}

#[test]
fn hostile_json_holds_at_most_eight_times_the_input() {
    let hash = format!("\"0x{}\",", "0".repeat(64));
    let items = [
        "0,", "1,", "[],", "{},", "\"\",", "null,", "0.1,", "[[[[", "{\"a\":", &hash,
    ];
    let fields = [
        "txNums", "siblings", "nodes", "leaves", "leaf", "kind", "root", "entries", "x",
    ];
    for count in [1, 100, 10_000, 300_000] {
        let mut lists: Vec<_> = items
            .iter()
            .map(|item| format!("[{}0]", item.repeat(count.min(3_000_000 / item.len()))))
            .collect();
        let ascending: Vec<_> = (0..count).map(|i| i.to_string()).collect();
        lists.push(format!("[{}]", ascending.join(",")));
        lists.push(format!("\"{}\"", "\u{200b}".repeat(count)));
        lists.push(format!("\"{}\"", "\\u200b".repeat(count)));
        lists.push(format!("{{\"{}\":0}}", "\\n".repeat(count)));
        lists.push("[".repeat(count));
        for list in &lists {
            parse::<Proof>(list);
            parse::<Head>(list);
            for field in fields {
                for text in [
                    format!("{{\"{field}\":{list}}}"),
                    format!("{{\"kind\":\"multi\",\"{field}\":{list}}}"),
                ] {
                    assert_eq!(parse::<Proof>(&text), None);
                    assert_eq!(parse::<Head>(&text), None);
                }
            }
        }
        // Every list that there is, at once.
        let lists: Vec<_> = ["siblings", "nodes"]
            .iter()
            .map(|field| {
                format!(
                    "\"{field}\":[{}]",
                    hash.repeat(count.min(30_000)).trim_end_matches(',')
                )
            })
            .collect();
        let text = format!(
            "{{\"txNums\":[{}],{}}}",
            ascending.join(","),
            lists.join(",")
        );
        assert_eq!(parse::<Proof>(&text), None);
    }
}

#[test]
fn decoding_an_extract_allocates_at_most_twice_the_input() {
    let (state, _) = state_log(Profile::Keccak256, 14, 1000);
    for count in [0, 1, 2, 9, 65, 700] {
        let keys: Vec<_> = (0..count).map(key).collect();
        let extract = state.extract(&keys, |_| true, |_| None).unwrap();
        let bytes = extract.to_bytes();
        let decode = |bytes: &[u8]| {
            let (allocated, decoded) = allocated(|| StateExtract::from_bytes(bytes));
            let len = bytes.len();
            assert!(allocated <= 2 * len, "{allocated} bytes for {len}");
            decoded
        };
        assert_eq!(decode(&bytes), Ok(extract));
        // The number of entries says anything.
        for lie in [[0xff; 4], [0x7f; 4], [0, 1, 0, 0], [0, 0, 3, 0]] {
            let mut forged = bytes.clone();
            forged[14..18].copy_from_slice(&lie);
            assert!(decode(&forged).is_err());
        }
    }
}
