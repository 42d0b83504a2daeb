//! Proofs of the state.

use super::hashing::{Edge, place};
use super::log::StateLog;
use crate::error::Error;
use alloy_primitives::B256;
use qmtree_kernels::Hasher;
use qmtree_proofs::state::{ActiveBits, EntryId, StateProof, StateSource, open_entries};
use qmtree_proofs::{Digest, LEAF_LEN, TWIG_LEVEL, TwigId, TxNum};
use std::cell::OnceCell;

impl StateLog {
    /// One proof of the values or absences of `keys`, now or after `at`.
    pub(crate) fn prove(
        &self,
        hasher: &Hasher,
        keys: &[B256],
        at: Option<TxNum>,
    ) -> Result<StateProof, Error> {
        self.check_time(at)?;
        let evidence = keys.iter().map(|key| self.evidence(key, at));
        let evidence: Vec<_> = evidence.collect::<Result<_, _>>()?;
        let source = Source {
            log: self,
            hasher,
            edge: OnceCell::new(),
        };
        Ok(open_entries(
            &source,
            hasher,
            self.entry_count(),
            &evidence,
        )?)
    }
}

/// Reads entries and nodes of a log whose root is computed.
struct Source<'a> {
    log: &'a StateLog,
    hasher: &'a Hasher,
    edge: OnceCell<Edge>,
}

impl Source<'_> {
    fn missing(&self, level: u32, index: u64) -> Error {
        Error::NoSuchEntry {
            entry_id: EntryId(index.checked_shl(level).unwrap_or(u64::MAX)),
            entry_count: self.log.entry_count(),
        }
    }
}

impl StateSource for Source<'_> {
    type Error = Error;

    fn entry(&self, id: EntryId) -> Result<[u8; LEAF_LEN], Error> {
        self.log.entries.bytes(id)
    }

    fn entries_node(&self, level: u32, index: u64) -> Result<Digest, Error> {
        if let Some(complete) = self.log.inside_node(level, index)? {
            return Ok(complete);
        }
        let edge = match self.edge.get() {
            Some(edge) => edge,
            None => {
                let edge = self.log.edge(self.hasher)?;
                self.edge.get_or_init(|| edge)
            }
        };
        edge.node(level, index)
            .ok_or_else(|| self.missing(level, index))
    }

    fn active_bits(&self, twig: TwigId) -> Result<ActiveBits, Error> {
        Ok(self.log.active_bits(twig.0))
    }

    fn upper_node(&self, level: u32, index: u64) -> Result<Digest, Error> {
        let above = level.checked_sub(TWIG_LEVEL);
        let nodes = above.and_then(|above| self.log.upper.get(above as usize));
        let node = nodes.and_then(|nodes| nodes.get(place(index)?));
        node.copied().ok_or_else(|| self.missing(level, index))
    }
}
