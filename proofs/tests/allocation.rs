//! What decoding and verifying allocate, counted by the allocator itself.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test that fails may panic"
)]

mod common;

use common::{Naive, log};
use qmtree_proofs::{Profile, Proof, RangeWitness, TxNum, Witness, erigon};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// Counts the bytes that this thread asks for.
struct Counting;

thread_local! {
    static ALLOCATED: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call is passed on to the system allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.with(|bytes| bytes.set(bytes.get() + layout.size()));
        // SAFETY: as the caller promised.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
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

#[test]
fn verifying_a_single_proof_allocates_nothing() {
    for profile in Profile::ALL {
        let (mut naive, log) = (Naive::new(profile, 5000), log(profile, 5000));
        let (prover, head) = (log.prover(5000).unwrap(), naive.head(5000));
        let (old, hash, i) = (naive.head(3000), naive.leaf_hash(77), TxNum(77));
        let inclusion = prover.inclusion(i).unwrap();
        let witness = Witness::new(log.leaf(i).unwrap(), inclusion.clone()).unwrap();
        let consistency = prover.consistency(3000).unwrap();
        let (bytes, verified) = allocated(|| {
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

#[test]
fn the_counter_counts() {
    assert_eq!(allocated(|| vec![0u8; 1000].len()), (1000, 1000));
}

/// Decodes as everything there is, within twice the input.
fn decode_all(bytes: &[u8]) {
    let (allocated, _) = allocated(|| {
        let _ = Proof::from_bytes(bytes);
    });
    assert!(
        allocated <= 2 * bytes.len(),
        "{allocated} bytes for an input of {}",
        bytes.len()
    );
    let (allocated, _) = self::allocated(|| erigon::RangeWitness::from_bytes(bytes).is_ok());
    assert!(
        allocated <= 2 * bytes.len(),
        "{allocated} bytes for an input of {}",
        bytes.len()
    );
    let (allocated, _) = self::allocated(|| erigon::Witness::from_bytes(bytes).is_ok());
    assert!(
        allocated <= 2 * bytes.len(),
        "{allocated} bytes for an input of {}",
        bytes.len()
    );
}

#[test]
fn decoding_allocates_at_most_twice_the_input() {
    let profile = Profile::Keccak256;
    let log = log(profile, 5000);
    let prover = log.prover(5000).unwrap();
    let (from, to) = (TxNum(100), TxNum(2500));
    let range = prover.range(from, to).unwrap();
    let payloads = log.payloads(from, to).unwrap().to_vec();
    let set: Vec<_> = (0..5000).step_by(7).map(TxNum).collect();
    let proofs = [
        prover.inclusion(TxNum(4000)).unwrap().to_bytes(),
        range.to_bytes(),
        RangeWitness::new(Default::default(), payloads, range)
            .unwrap()
            .to_bytes(),
        prover.multi(&set).unwrap().to_bytes(),
        prover.consistency(1234).unwrap().to_bytes(),
    ];
    for bytes in proofs {
        Proof::from_bytes(&bytes).unwrap();
        decode_all(&bytes);
        // Every field set to extremes, so that lengths and counts lie as far as they can.
        for at in 0..bytes.len().min(200) {
            for lie in [
                [0x00; 8],
                [0xff; 8],
                [0x7f; 8],
                [0x00, 0x00, 0x00, 0x00, 0, 1, 0, 0],
            ] {
                let mut forged = bytes.clone();
                let end = (at + 8).min(forged.len());
                forged[at..end].copy_from_slice(&lie[..end - at]);
                decode_all(&forged);
                forged.truncate(at + 40);
                decode_all(&forged);
            }
        }
    }
}
