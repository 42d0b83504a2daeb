//! NOMT: a binary trie over a B-tree, which syncs every commit.

use crate::Failure;
use crate::contender::{Proofs, Store};
use crate::measure::Times;
use crate::workload::Writes;
use alloy_primitives::B256;
use bitvec::order::Msb0;
use bitvec::view::BitView;
use nomt::hasher::{Blake3Hasher, ValueHasher};
use nomt::trie::LeafData;
use nomt::{KeyReadWrite, Nomt, Options, SessionParams};
use std::path::Path;

pub(crate) struct Trie(Nomt<Blake3Hasher>);

/// Threads of a commit, as many as the stores beside it use.
const THREADS: usize = 2;

impl Trie {
    pub(crate) fn create(folder: &Path, keys: u64) -> Result<Self, Failure> {
        let mut options = Options::new();
        options.path(folder);
        options.commit_concurrency(THREADS);
        // Pages of 4 KiB that hold six levels each: about one for four keys, half of them free.
        let buckets = u32::try_from(keys / 2).unwrap_or(u32::MAX);
        options.hashtable_buckets(buckets.max(64_000));
        Ok(Self(Nomt::open(options)?))
    }
}

impl Store for Trie {
    type Block = Vec<(B256, Vec<u8>)>;

    fn prepare(&self, writes: &Writes) -> Self::Block {
        let writes = writes.iter();
        writes.map(|(key, value)| (*key, value.to_vec())).collect()
    }

    fn write(&mut self, block: Self::Block) -> Result<(), Failure> {
        let session = self.0.begin_session(SessionParams::default());
        block.iter().for_each(|(key, _)| session.warm_up(key.0));
        let writes = block.into_iter();
        let writes = writes.map(|(key, value)| (key.0, KeyReadWrite::Write(Some(value))));
        Ok(session.finish(writes.collect())?.commit(&self.0)?)
    }

    fn prove(&mut self, expected: &Writes) -> Result<Option<Proofs>, Failure> {
        let root = self.0.root().into_inner();
        let session = self.0.begin_session(SessionParams::default());
        let (mut make, mut verify, mut bytes) = (Times::default(), Times::default(), Vec::new());
        for (key, value) in expected {
            let proof = make.of(|| session.prove(key.0))?;
            // No encoding of its own: key and hash of the value at the end, then the siblings.
            bytes.push(64 + 32 * proof.siblings.len());
            let confirmed = verify.of(|| {
                let path = key.0.view_bits::<Msb0>();
                let verified = proof.verify::<Blake3Hasher>(path, root).ok()?;
                let leaf = LeafData {
                    key_path: key.0,
                    value_hash: Blake3Hasher::hash_value(value.as_slice()),
                };
                verified.confirm_value(&leaf).ok()
            });
            if confirmed != Some(true) {
                return Err(format!("key {key}: the proof does not verify").into());
            }
        }
        Ok(Some(Proofs::new(make, verify, &bytes)))
    }

    fn close(self) -> Result<(), Failure> {
        Ok(())
    }
}
