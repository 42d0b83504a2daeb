//! Reading at a head.

use crate::error::Error;
use crate::observe;
use crate::snapshot::SnapshotRefusal;
use crate::state::{Source, State};
use crate::state_log::StateLog;
use crate::tx_index::tx_nums;
use alloy_primitives::B256;
use qmtree_kernels::Hasher;
use qmtree_proofs::state::{Entry, EntryId, StateProof};
use qmtree_proofs::{
    ConsistencyProof, Head, InclusionProof, Leaf, MultiProof, Prover, RangeProof, RangeWitness,
    TxNum, Witness,
};
use qmtree_storage::tag_of;
use rayon::prelude::*;
use std::ops::Range;
use std::sync::Arc;

/// Proofs that one task makes, so that the right edge is hashed once for all of them.
const PROOFS_PER_TASK: usize = 64;

/// Which state of the log a proof is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum At {
    /// The view's own head.
    #[default]
    Head,
    /// The head after a block.
    Block(u64),
}

/// The log as it was at one head.
///
/// A view is cheap to make and to clone, and stays valid and unchanged while the writer appends,
/// seals, prunes or unwinds; readers never wait for the writer. It keeps what it needs alive, so
/// hold it as long as you read and no longer.
#[derive(Clone, Debug)]
pub struct View {
    pub(crate) state: Arc<State>,
    pub(crate) hasher: Hasher,
}

impl View {
    pub(crate) fn new(state: Arc<State>) -> Self {
        let hasher = Hasher::new(state.head.profile);
        Self { state, hasher }
    }

    /// The head that the view is pinned at.
    #[must_use]
    pub fn head(&self) -> &Head {
        &self.state.head
    }

    /// Numbers of the first and the last block, if there are any.
    #[must_use]
    pub fn blocks(&self) -> Option<(u64, u64)> {
        Some((self.state.first_block()?, self.state.head.block_number))
    }

    /// The head after a block, pruned or not.
    ///
    /// # Errors
    /// [`Error::NoSuchBlock`].
    pub fn head_at(&self, block_number: u64) -> Result<Head, Error> {
        let end = self.state.block_end(block_number)?;
        Ok(Head {
            block_number,
            leaf_count: end.leaf_count,
            root: end.root,
            entry_count: end.entry_count,
            state_root: end.state_root,
            ..self.state.head
        })
    }

    /// The root of the first `leaf_count` leaves. Costs at most one hash per level.
    ///
    /// # Errors
    /// [`Error::NoSuchLeaf`] if there are fewer; [`Error::Segment`] if a node cannot be read.
    pub fn root_at(&self, leaf_count: u64) -> Result<B256, Error> {
        Ok(self.prover(leaf_count)?.root())
    }

    /// The transaction numbers of a block, half-open.
    ///
    /// # Errors
    /// [`Error::NoSuchBlock`].
    pub fn block_range(&self, block_number: u64) -> Result<Range<TxNum>, Error> {
        let end = self.state.block_end(block_number)?.leaf_count;
        Ok(TxNum(self.state.block_start(block_number)?)..TxNum(end))
    }

    /// The block that a leaf belongs to.
    ///
    /// # Errors
    /// [`Error::NoSuchLeaf`].
    pub fn block_of(&self, tx_num: TxNum) -> Result<u64, Error> {
        self.state.block_of(tx_num)
    }

    /// A leaf.
    ///
    /// # Errors
    /// [`Error::NoSuchLeaf`]; [`Error::Segment`] if it is pruned or damaged.
    pub fn leaf(&self, tx_num: TxNum) -> Result<Leaf, Error> {
        self.source().leaf(tx_num)
    }

    /// A leaf's hash.
    ///
    /// # Errors
    /// As [`leaf`](Self::leaf).
    pub fn leaf_hash(&self, tx_num: TxNum) -> Result<B256, Error> {
        self.state.check_leaf(tx_num)?;
        self.state.check_unpruned(tx_num)?;
        self.source().read(0, tx_num.0).map(B256::new)
    }

    /// The numbers of the leaves that a transaction made, ascending; none if there are none, or they
    /// are pruned. Usually it is one.
    ///
    /// The log knows a transaction by the first eight bytes of its hash, and neither leaf nor head
    /// commits to these: whoever needs to be sure compares the transaction itself with what the
    /// leaf commits to. Another transaction comes up too if its hash begins with the same 64
    /// bits: by chance once in thousands of millions of lookups, on purpose after 2^64 trials for
    /// one that is given, or 2^32 for any two.
    ///
    /// Costs a few microseconds with an index ([`TxIndex`](crate::TxIndex)). What the index does not
    /// cover, as it lags behind, or is off, or the database is open for reading only, is searched:
    /// 8 bytes a leaf.
    ///
    /// # Errors
    /// [`Error::Segment`] if tags that are needed are damaged.
    pub fn tx_nums_of(&self, tx_hash: &B256) -> Result<Vec<TxNum>, Error> {
        tx_nums(&self.state, tag_of(tx_hash))
    }

    /// The leaves of a range, in either direction.
    pub fn leaves(
        &self,
        range: Range<TxNum>,
    ) -> impl DoubleEndedIterator<Item = Result<(TxNum, Leaf), Error>> + '_ {
        let source = self.source();
        (range.start.0..range.end.0).map(move |i| Ok((TxNum(i), source.leaf(TxNum(i))?)))
    }

    /// Proves the position of a leaf.
    ///
    /// # Errors
    /// [`Error::Shape`] if that tree has no such leaf, [`Error::NoSuchBlock`];
    /// [`Error::Segment`] if the leaf is pruned or damaged.
    pub fn prove_inclusion(&self, tx_num: TxNum, at: At) -> Result<InclusionProof, Error> {
        observe::prove("inclusion", 1, || {
            self.state.check_unpruned(tx_num)?;
            Ok(self.prover_at(at)?.inclusion(tx_num)?)
        })
    }

    /// A leaf with the proof of its position: all that a verifier needs beside the head.
    ///
    /// # Errors
    /// As [`prove_inclusion`](Self::prove_inclusion).
    pub fn witness(&self, tx_num: TxNum, at: At) -> Result<Witness, Error> {
        let proof = self.prove_inclusion(tx_num, at)?;
        Ok(Witness::new(self.leaf(tx_num)?, proof)?)
    }

    /// Proves the positions of a run of leaves.
    ///
    /// # Errors
    /// As [`prove_inclusion`](Self::prove_inclusion); also if the range is empty.
    pub fn prove_range(&self, range: Range<TxNum>, at: At) -> Result<RangeProof, Error> {
        observe::prove("range", 1, || {
            self.state.check_unpruned(range.start)?;
            Ok(self.prover_at(at)?.range(range.start, range.end)?)
        })
    }

    /// A run of leaves with the proof of their positions.
    ///
    /// # Errors
    /// As [`prove_range`](Self::prove_range).
    pub fn range_witness(&self, range: Range<TxNum>, at: At) -> Result<RangeWitness, Error> {
        let proof = self.prove_range(range.clone(), at)?;
        let previous = self.leaf(range.start)?.previous_leaf_hash;
        let payloads = self
            .leaves(range)
            .map(|leaf| Ok(leaf?.1.payload().to_bytes()));
        Ok(RangeWitness::new(
            previous,
            payloads.collect::<Result<_, Error>>()?,
            proof,
        )?)
    }

    /// Proves the positions of any leaves, in ascending order, with shared nodes once.
    ///
    /// # Errors
    /// As [`prove_inclusion`](Self::prove_inclusion); also if there are none or they do not ascend.
    pub fn prove_multi(&self, tx_nums: &[TxNum], at: At) -> Result<MultiProof, Error> {
        observe::prove("multi", 1, || {
            tx_nums
                .iter()
                .try_for_each(|tx_num| self.state.check_unpruned(*tx_num))?;
            Ok(self.prover_at(at)?.multi(tx_nums)?)
        })
    }

    /// Proves the position of each leaf by itself, on all threads of rayon's pool.
    ///
    /// # Errors
    /// As [`prove_inclusion`](Self::prove_inclusion), for one of the leaves that fail.
    pub fn prove_many(&self, tx_nums: &[TxNum], at: At) -> Result<Vec<InclusionProof>, Error> {
        observe::prove("inclusion", tx_nums.len(), || self.prove_each(tx_nums, at))
    }

    fn prove_each(&self, tx_nums: &[TxNum], at: At) -> Result<Vec<InclusionProof>, Error> {
        let parts = tx_nums.par_chunks(PROOFS_PER_TASK).map(|tx_nums| {
            let prover = self.prover_at(at)?;
            tx_nums
                .iter()
                .map(|tx_num| {
                    self.state.check_unpruned(*tx_num)?;
                    Ok(prover.inclusion(*tx_num)?)
                })
                .collect::<Result<Vec<_>, Error>>()
        });
        Ok(parts.collect::<Result<Vec<_>, Error>>()?.concat())
    }

    /// Proves that the log at an older block is a prefix of the log `at`, pruned or not.
    ///
    /// # Errors
    /// [`Error::NoSuchBlock`]; [`Error::Shape`] if the older log is empty or not smaller.
    pub fn prove_consistency(&self, old_block: u64, at: At) -> Result<ConsistencyProof, Error> {
        observe::prove("consistency", 1, || {
            let old = self.state.block_end(old_block)?.leaf_count;
            Ok(self.prover_at(at)?.consistency(old)?)
        })
    }

    /// The value of a key.
    ///
    /// # Errors
    /// [`Error::Segment`] if an entry cannot be read.
    pub fn get(&self, key: &B256) -> Result<Option<Vec<u8>>, Error> {
        self.state_log()?.get(key, None)
    }

    /// The value that a key had after a transaction. Costs a step for each of its versions since.
    ///
    /// # Errors
    /// [`Error::NoSuchLeaf`] if there is no such transaction; [`Error::Segment`] if an entry cannot
    /// be read.
    pub fn get_at(&self, key: &B256, tx_num: TxNum) -> Result<Option<Vec<u8>>, Error> {
        self.state.check_leaf(tx_num)?;
        self.state_log()?.get(key, Some(tx_num))
    }

    /// The keys from `from` upwards with their values, now or after transaction `at`.
    ///
    /// # Errors
    /// As [`get_at`](Self::get_at), also for each item.
    pub fn state_from(
        &self,
        from: &B256,
        at: Option<TxNum>,
    ) -> Result<impl Iterator<Item = Result<(B256, Vec<u8>), Error>> + '_, Error> {
        at.map_or(Ok(()), |at| self.state.check_leaf(at))?;
        self.state_log()?.iter(from, at)
    }

    /// Proves the value of a key, or its absence, now or after transaction `at`. The proof holds
    /// under this view's head.
    ///
    /// # Errors
    /// [`Error::NoState`] if nothing was ever written; [`Error::Batch`] for a key that no map can
    /// hold; [`Error::NoSuchLeaf`] if there is no such transaction; [`Error::Segment`] if an entry
    /// cannot be read.
    pub fn prove_state(&self, key: &B256, at: Option<TxNum>) -> Result<StateProof, Error> {
        self.prove_states(std::slice::from_ref(key), at)
    }

    /// Proves the values or absences of several keys in one proof, with shared nodes once.
    ///
    /// # Errors
    /// As [`prove_state`](Self::prove_state); also if there are no keys.
    pub fn prove_states(&self, keys: &[B256], at: Option<TxNum>) -> Result<StateProof, Error> {
        at.map_or(Ok(()), |at| self.state.check_leaf(at))?;
        observe::prove("state", keys.len(), || {
            self.state_log()?.prove(&self.hasher, keys, at)
        })
    }

    /// Proves each key by itself, on all threads of rayon's pool.
    ///
    /// # Errors
    /// As [`prove_state`](Self::prove_state), for one of the keys that fail.
    pub fn prove_each_state(
        &self,
        keys: &[B256],
        at: Option<TxNum>,
    ) -> Result<Vec<StateProof>, Error> {
        keys.par_iter()
            .map(|key| self.prove_state(key, at))
            .collect()
    }

    /// An entry of the state log.
    ///
    /// # Errors
    /// [`Error::NoSuchEntry`]; [`Error::Segment`] if it cannot be read.
    pub fn entry(&self, id: EntryId) -> Result<Entry, Error> {
        self.state_log()?.entry(id)
    }

    /// Keys that are live, and keys that there ever were.
    #[must_use]
    pub fn key_counts(&self) -> (u64, u64) {
        let log = &self.state.state_log;
        (log.live_keys(), log.all_keys())
    }

    /// Bytes of memory of the index of keys, which this view shares with others and with the writer.
    ///
    /// By count of its nodes, not as the allocator has it. Costs a visit of each, a few milliseconds
    /// for a million keys.
    #[must_use]
    pub fn index_bytes(&self) -> u64 {
        self.state.state_log.index_bytes()
    }

    /// The state log, unless this is a snapshot whose files of it are not there.
    pub(crate) fn state_log(&self) -> Result<&StateLog, Error> {
        let (log, entry_count) = (&self.state.state_log, self.state.head.entry_count);
        match log.entry_count() == entry_count {
            true => Ok(log),
            false => Err(SnapshotRefusal::StateMissing { entry_count }.into()),
        }
    }

    fn source(&self) -> Source<'_> {
        Source::new(&self.state)
    }

    fn prover_at(&self, at: At) -> Result<Prover<Source<'_>>, Error> {
        self.prover(match at {
            At::Head => self.state.head.leaf_count,
            At::Block(block_number) => self.state.block_end(block_number)?.leaf_count,
        })
    }

    fn prover(&self, leaf_count: u64) -> Result<Prover<Source<'_>>, Error> {
        if let Some(last) = leaf_count.checked_sub(1) {
            self.state.check_leaf(TxNum(last))?;
        }
        Prover::new(self.source(), &self.hasher, leaf_count)
    }
}
