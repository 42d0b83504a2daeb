//! What the engine should hold: a `Vec` of leaves by block, and a log in memory.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test that fails may panic"
)]

use qmtree::proofs::{Head, LeafPayload, MemoryLog, Profile, Scheme, TxNum};
use qmtree::{At, Error, Identity, View};

pub(crate) fn identity(profile: Profile) -> Identity {
    Identity {
        profile,
        scheme: Scheme::StateRoot1,
        chain_id: 7,
    }
}

/// Leaves that differ by position and by branch of history.
pub(crate) fn leaves(branch: u64, from: u64, count: u64) -> Vec<LeafPayload> {
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
pub(crate) struct Model {
    pub(crate) profile: Profile,
    pub(crate) first_block: u64,
    pub(crate) blocks: Vec<Vec<LeafPayload>>,
    /// The log of all blocks, and the head after each.
    pub(crate) log: MemoryLog<Profile>,
    pub(crate) heads: Vec<Head>,
}

impl Model {
    pub(crate) fn new(profile: Profile, first_block: u64) -> Self {
        let log = MemoryLog::new(profile);
        Self {
            profile,
            first_block,
            blocks: vec![],
            log,
            heads: vec![],
        }
    }

    pub(crate) fn append(&mut self, leaves: Vec<LeafPayload>) {
        self.log.append(&leaves);
        let number = self.first_block + self.blocks.len() as u64;
        self.heads
            .push(self.log.head(7, Scheme::StateRoot1, number));
        self.blocks.push(leaves);
    }

    pub(crate) fn unwind(&mut self, blocks: usize) {
        let kept = self.blocks[..blocks].to_vec();
        let mut fresh = Self::new(self.profile, self.first_block);
        kept.into_iter().for_each(|block| fresh.append(block));
        *self = fresh;
    }

    pub(crate) fn next_block(&self) -> u64 {
        self.first_block + self.blocks.len() as u64
    }

    pub(crate) fn leaf_count(&self) -> u64 {
        self.log.leaf_count()
    }

    /// Compares everything that a view answers, at positions that `seed` chooses.
    pub(crate) fn compare(&self, view: &View, pruned_to: u64, seed: u64) {
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
            self.compare_proofs(view, &old, pruned_to, seed.rotate_left(at as u32 * 7));
            // Between any two heads, whatever was pruned.
            for new in some_blocks.map(|i| self.heads[i % self.heads.len()]) {
                if 0 < old.leaf_count && old.leaf_count < new.leaf_count {
                    let at = At::Block(new.block_number);
                    let proof = view.prove_consistency(old.block_number, at).unwrap();
                    proof.verify(&old, &new).unwrap();
                }
            }
            assert_eq!(view.root_at(old.leaf_count).unwrap(), old.root);
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
                for refused in [
                    view.leaf_hash(i).map(drop),
                    view.prove_inclusion(i, at).map(drop),
                    view.prove_range(i..TxNum(n), at).map(drop),
                    view.prove_multi(&[i], at).map(drop),
                    view.prove_many(&[i], at).map(drop),
                ] {
                    assert!(
                        matches!(refused, Err(Error::Segment(_))),
                        "{i}: {refused:?}"
                    );
                }
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
