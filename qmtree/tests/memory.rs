//! How the memory of an open database grows with its log, counted by the allocator itself.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test that fails may panic"
)]

mod common;

use common::model::identity;
use qmtree::proofs::{LeafPayload, Profile};
use qmtree::{Db, Durability, Options};
use std::alloc::{GlobalAlloc, Layout, System};
use std::path::Path;
use std::sync::atomic::{AtomicIsize, Ordering};

/// Counts the bytes that all threads hold.
struct Counting;

static HELD: AtomicIsize = AtomicIsize::new(0);

// SAFETY: every call is passed on to the system allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HELD.fetch_add(layout.size() as isize, Ordering::Relaxed);
        // SAFETY: as the caller promised.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size() as isize, Ordering::Relaxed);
        // SAFETY: as the caller promised.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const BLOCK_LEAVES: u64 = 2048;

fn options() -> Options {
    Options::default()
        .with_durability(Durability::Buffered)
        .with_unwind_window_blocks(10)
}

/// Appends blocks until the log has so many.
fn append(db: &mut Db, blocks: std::ops::Range<u64>) {
    let mut leaves = vec![LeafPayload::default(); BLOCK_LEAVES as usize];
    for number in blocks {
        for (leaf, place) in leaves.iter_mut().zip(0..) {
            let tx_num = number * BLOCK_LEAVES + place;
            leaf.state_change_hash.0[..8].copy_from_slice(&tx_num.to_be_bytes());
        }
        db.append_block(number, &leaves).unwrap();
    }
}

/// What the database holds once it is open.
fn held(dir: &Path) -> isize {
    let before = HELD.load(Ordering::Relaxed);
    let db = Db::open(dir, options()).unwrap();
    let held = HELD.load(Ordering::Relaxed) - before;
    drop(db);
    held
}

#[test]
fn a_thousand_leaves_more_take_less_than_a_hundred_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("db");
    let mut db = Db::create(&dir, identity(Profile::Blake3), options()).unwrap();
    // Whole segments, so that what is not sealed is as long both times.
    let (short, long) = (4 * 64 + 80, 16 * 64 + 80);
    append(&mut db, 0..short);
    db.close().unwrap();
    let of_short = held(&dir);
    let mut db = Db::open(&dir, options()).unwrap();
    append(&mut db, short..long);
    db.close().unwrap();
    let of_long = held(&dir);
    let thousands = ((long - short) * BLOCK_LEAVES / 1000) as isize;
    let grown = of_long - of_short;
    eprintln!(
        "{of_short} and {of_long} bytes: {} per 1000 leaves",
        grown / thousands
    );
    assert!(
        grown < 100 * thousands,
        "{of_short} bytes grew by {grown} for {thousands} thousand leaves"
    );
    // The count counts: what is not sealed is held in full.
    assert!(of_short > 16 * 2048 * 96, "{of_short}");
}
