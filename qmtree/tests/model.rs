//! The engine against a log in memory: random steps, and every answer compared after each.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test that fails may panic"
)]

use proptest::prelude::*;
use qmtree::proofs::{Head, LeafPayload, MemoryLog, Profile, Scheme, TxNum};
use qmtree::{At, Db, Durability, Error, Identity, Options, View};
use std::path::Path;

fn identity(profile: Profile) -> Identity {
    Identity {
        profile,
        scheme: Scheme::StateRoot1,
        chain_id: 7,
    }
}

fn options() -> Options {
    Options::default()
        .with_durability(Durability::Buffered)
        .with_unwind_window_blocks(3)
        .with_segment_twigs(1)
        .with_journal_file_len_bytes(300_000)
}

/// Leaves that differ by position and by branch of history.
fn leaves(branch: u64, from: u64, count: u64) -> Vec<LeafPayload> {
    let leaf = |i: u64| {
        let mut bytes = [0; 96];
        bytes[..8].copy_from_slice(&i.to_le_bytes());
        bytes[32..40].copy_from_slice(&branch.to_le_bytes());
        LeafPayload::from_bytes(&bytes)
    };
    (from..from + count).map(leaf).collect()
}

/// What the engine should hold.
#[derive(Clone)]
struct Model {
    profile: Profile,
    first_block: u64,
    blocks: Vec<Vec<LeafPayload>>,
    /// The log of all blocks, and the head after each.
    log: MemoryLog<Profile>,
    heads: Vec<Head>,
}

impl Model {
    fn new(profile: Profile, first_block: u64) -> Self {
        let log = MemoryLog::new(profile);
        Self {
            profile,
            first_block,
            blocks: vec![],
            log,
            heads: vec![],
        }
    }

    fn append(&mut self, leaves: Vec<LeafPayload>) {
        self.log.append(&leaves);
        let number = self.first_block + self.blocks.len() as u64;
        self.heads
            .push(self.log.head(7, Scheme::StateRoot1, number));
        self.blocks.push(leaves);
    }

    fn unwind(&mut self, blocks: usize) {
        let kept = self.blocks[..blocks].to_vec();
        let mut fresh = Self::new(self.profile, self.first_block);
        kept.into_iter().for_each(|block| fresh.append(block));
        *self = fresh;
    }

    fn next_block(&self) -> u64 {
        self.first_block + self.blocks.len() as u64
    }

    fn leaf_count(&self) -> u64 {
        self.log.leaf_count()
    }

    /// Compares everything that a view answers, at positions that `seed` chooses.
    fn compare(&self, view: &View, pruned_to: u64, seed: u64) {
        let Some(head) = self.heads.last() else {
            assert_eq!(view.head().leaf_count, 0);
            return;
        };
        assert_eq!(view.head(), head);
        let last = head.block_number;
        assert_eq!(view.blocks(), Some((self.first_block, last)));
        let some_blocks = [0, seed as usize, self.heads.len() / 2, self.heads.len() - 1];
        let mut start = 0;
        for (at, place) in some_blocks
            .map(|i| i % self.heads.len())
            .into_iter()
            .enumerate()
        {
            let old = self.heads[place];
            assert_eq!(view.head_at(old.block_number).unwrap(), old);
            start = if place == 0 {
                0
            } else {
                self.heads[place - 1].leaf_count
            };
            let range = view.block_range(old.block_number).unwrap();
            assert_eq!((range.start.0, range.end.0), (start, old.leaf_count));
            // A log that ends inside a pruned twig cannot be proved; its head is known all the same.
            if old.leaf_count < pruned_to {
                continue;
            }
            self.compare_proofs(view, &old, pruned_to, seed.rotate_left(at as u32 * 7));
            if old.leaf_count > 0 && old.leaf_count < head.leaf_count {
                let proof = view.prove_consistency(old.block_number, At::Head).unwrap();
                proof.verify(&old, head).unwrap();
            }
        }
        assert!(start <= head.leaf_count);
        assert!(matches!(
            view.head_at(last + 1),
            Err(Error::NoSuchBlock { .. })
        ));
        if let Some(before) = self.first_block.checked_sub(1) {
            assert!(matches!(
                view.head_at(before),
                Err(Error::NoSuchBlock { .. })
            ));
        }
        let outside = TxNum(head.leaf_count);
        assert!(matches!(view.leaf(outside), Err(Error::NoSuchLeaf { .. })));
    }

    fn compare_proofs(&self, view: &View, head: &Head, pruned_to: u64, seed: u64) {
        let n = head.leaf_count;
        if n == 0 {
            return;
        }
        let at = At::Block(head.block_number);
        let candidates = [
            0,
            1,
            2047,
            2048,
            seed % n,
            n / 2,
            n - 1,
            n.saturating_sub(2),
        ];
        let readable = candidates.into_iter().filter(|i| *i < n && *i >= pruned_to);
        let readable: Vec<_> = readable.map(TxNum).collect();
        for (proof, i) in view
            .prove_many(&readable, at)
            .unwrap()
            .iter()
            .zip(&readable)
        {
            assert_eq!(*proof, view.prove_inclusion(*i, at).unwrap());
        }
        for i in candidates.into_iter().filter(|i| *i < n).map(TxNum) {
            if i.0 < pruned_to {
                assert!(
                    matches!(view.leaf(i), Err(Error::Segment(_))),
                    "{i} is pruned"
                );
                continue;
            }
            assert_eq!(view.leaf(i).unwrap(), self.log.leaf(i).unwrap());
            let owner = self
                .heads
                .iter()
                .find(|head| head.leaf_count > i.0)
                .unwrap();
            assert_eq!(view.block_of(i).unwrap(), owner.block_number);
            view.witness(i, at).unwrap().verify(head, i).unwrap();
            let to = TxNum((i.0 + 1 + seed % 40).min(n));
            view.range_witness(i..to, at)
                .unwrap()
                .verify(head, i, to)
                .unwrap();
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Append(u64),
    Unwind(usize),
    Reopen,
    Prune(u64),
    AppendAgain(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => prop_oneof![0..5u64, 100..600u64, 1000..3000u64].prop_map(Step::Append),
        2 => (0..5usize).prop_map(Step::Unwind),
        2 => Just(Step::Reopen),
        1 => (0..100u64).prop_map(Step::Prune),
        1 => (0..4usize).prop_map(Step::AppendAgain),
    ]
}

fn run(dir: &Path, profile: Profile, first_block: u64, steps: &[Step], options: &Options) {
    let mut model = Model::new(profile, first_block);
    let mut db = Db::create(dir, identity(profile), options.clone()).unwrap();
    let mut pinned: Vec<(View, Model)> = Vec::new();
    let (mut pruned_to, mut highest) = (0, 0);
    for (step, number) in steps.iter().zip(1u64..) {
        match step {
            Step::Append(count) => {
                let leaves = leaves(number, model.leaf_count(), *count);
                let head = db.append_block(model.next_block(), &leaves).unwrap();
                model.append(leaves);
                highest = highest.max(head.block_number);
                assert_eq!(Some(&head), model.heads.last(), "step {number}");
            }
            Step::Unwind(blocks) => {
                let Some(keep) = model.blocks.len().checked_sub(*blocks).filter(|n| *n > 0) else {
                    continue;
                };
                let to = model.heads[keep - 1].block_number;
                match db.unwind_to(to) {
                    Ok(head) => {
                        model.unwind(keep);
                        assert_eq!(Some(&head), model.heads.last());
                    }
                    Err(Error::UnwindTooDeep { earliest, .. }) => {
                        // The window counts from the highest block there ever was.
                        assert!(earliest > to && highest > to + 3, "{highest} to {to}");
                        db.unwind_to(earliest).unwrap();
                        model.unwind((earliest - first_block) as usize + 1);
                    }
                    Err(error) => panic!("{error}"),
                }
            }
            Step::Reopen => {
                db.close().unwrap();
                db = Db::open(dir, options.clone()).unwrap();
            }
            Step::Prune(share) => {
                let Some(head) = model.heads.get(model.heads.len() * *share as usize / 100) else {
                    continue;
                };
                db.prune_to(head.block_number).unwrap();
                let state = db.view();
                // Whole segments only: find where leaves begin by asking.
                pruned_to = (0..model.leaf_count())
                    .step_by(2048)
                    .find(|i| state.leaf(TxNum(*i)).is_ok())
                    .unwrap_or(0);
            }
            Step::AppendAgain(back) => {
                let Some(place) = model.blocks.len().checked_sub(1 + back) else {
                    continue;
                };
                let start = if place == 0 {
                    0
                } else {
                    model.heads[place - 1].leaf_count
                };
                if start < pruned_to {
                    continue;
                }
                let block = model.heads[place].block_number;
                assert_eq!(
                    db.append_block(block, &model.blocks[place]).unwrap(),
                    model.heads[place]
                );
                let mut other = model.blocks[place].clone();
                other.push(LeafPayload::default());
                let refused = db.append_block(block, &other);
                assert!(
                    matches!(refused, Err(Error::Conflict { .. })),
                    "{refused:?}"
                );
                let gap = db.append_block(model.next_block() + 1, &[]);
                assert!(matches!(gap, Err(Error::Gap { .. })), "{gap:?}");
            }
        }
        model.compare(
            &db.view(),
            pruned_to,
            number.wrapping_mul(0x9e37_79b9_7f4a_7c15),
        );
        if number % 3 == 0 {
            pinned.push((db.view(), model.clone()));
        }
    }
    db.check().unwrap();
    db.close().unwrap();
    for (view, model) in pinned {
        // A view does not change, but it reads pruned segments through what it holds.
        assert_eq!(Some(view.head()), model.heads.last().or(Some(view.head())));
        model.compare(&view, first_readable(&view), 3);
    }
    let read_only = Db::open_read_only(dir).unwrap();
    model.compare(&read_only.view(), pruned_to, 11);
    read_only.check().unwrap();
}

fn first_readable(view: &View) -> u64 {
    (0..view.head().leaf_count)
        .step_by(2048)
        .find(|i| view.leaf(TxNum(*i)).is_ok())
        .unwrap_or(0)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 24,
        failure_persistence: None,
        rng_seed: proptest::test_runner::RngSeed::Fixed(0x716d_7472_6565),
        ..ProptestConfig::default()
    })]

    #[test]
    fn engine_equals_the_model(
        blake3 in any::<bool>(),
        parallel in any::<bool>(),
        first_block in prop_oneof![Just(0u64), 1..1000u64],
        steps in proptest::collection::vec(step(), 1..40),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let profile = if blake3 { Profile::Blake3 } else { Profile::Keccak256 };
        let options = options().with_parallel(parallel);
        run(&folder.path().join("db"), profile, first_block, &steps, &options);
    }
}

#[test]
fn every_block_size_proves_and_reopens_after_every_block() {
    for size in (1..=40).chain([
        127, 128, 129, 511, 512, 513, 1000, 2047, 2048, 2049, 4095, 4096,
    ]) {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("db");
        let mut model = Model::new(Profile::Keccak256, 0);
        drop(Db::create(&dir, identity(Profile::Keccak256), options()).unwrap());
        for block in 0..5u64 {
            let mut db = Db::open(&dir, options()).unwrap();
            let leaves = leaves(0, model.leaf_count(), size);
            let head = db.append_block(block, &leaves).unwrap();
            model.append(leaves);
            assert_eq!(Some(&head), model.heads.last());
            db.close().unwrap();
            let db = Db::open_read_only(&dir).unwrap();
            let view = db.view();
            assert_eq!(*view.head(), head);
            let every = if size > 500 { 97 } else { 1 };
            for i in (0..head.leaf_count).step_by(every).map(TxNum) {
                view.witness(i, At::Head).unwrap().verify(&head, i).unwrap();
            }
        }
    }
}
