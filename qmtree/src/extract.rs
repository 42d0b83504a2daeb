//! What a stateless executor needs of the log: an extract of the state and the edge of the leaves.

use crate::error::Error;
use crate::observe;
use crate::state_log::{KeyUse, Moment};
use crate::view::{At, View};
use qmtree_proofs::state::{Compaction, StateExtract};
use qmtree_proofs::statement::LogEdge;
use qmtree_proofs::{Head, TxNum};

impl View {
    /// What it takes to read and write these keys without the state log, under this view's head or
    /// that of an older block: the entries, and the right edge of the log, with shared nodes once.
    ///
    /// Costs a lookup for each key, a node for each level above it, and for an older head a look at
    /// each entry since then. The writer is not held up.
    ///
    /// # Errors
    /// [`Error::NoSuchBlock`]; [`Error::CompactedState`]; [`Error::Segment`] if an entry cannot be read
    /// or is pruned.
    pub fn extract_state(&self, keys: &[KeyUse], at: At) -> Result<StateExtract, Error> {
        let compaction = self.state.state_log.compaction();
        if compaction != Compaction::OFF {
            return Err(Error::CompactedState { compaction });
        }
        let head = self.head_of(at)?;
        let moment = Moment {
            entry_count: head.entry_count,
            last: match at {
                At::Head => None,
                At::Block(_) => head.leaf_count.checked_sub(1).map(TxNum),
            },
        };
        observe::prove("extract", keys.len(), || {
            self.state_log()?.extract(&self.hasher, keys, moment)
        })
    }

    /// The edge of the execution log under this view's head or that of an older block: enough to
    /// append leaves.
    ///
    /// # Errors
    /// [`Error::NoSuchBlock`]; [`Error::Segment`] if the last leaf is pruned or damaged.
    pub fn edge(&self, at: At) -> Result<LogEdge, Error> {
        let head = self.head_of(at)?;
        let Some(last) = head.leaf_count.checked_sub(1).map(TxNum) else {
            return Ok(LogEdge::empty(head.chain_id, head.profile, head.scheme));
        };
        let proof = self.prove_inclusion(last, at)?;
        let leaf_hash = self.leaf_hash(last)?;
        // A proof of the last leaf under this head is what an edge is made of.
        LogEdge::from_proof(head, leaf_hash, &proof).map_err(|_| Error::NoSuchLeaf {
            tx_num: last,
            leaf_count: head.leaf_count,
        })
    }

    fn head_of(&self, at: At) -> Result<Head, Error> {
        match at {
            At::Head => Ok(*self.head()),
            At::Block(number) => self.head_at(number),
        }
    }
}
