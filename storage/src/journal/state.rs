//! The state of the log at a point of the journal, and what may follow it.

use crate::header::Fields;
use crate::identity::Identity;
use crate::journal::record::JournalRecord;
use alloy_primitives::B256;
use qmtree_proofs::Head;

/// The state of the log before or after a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalState {
    /// The head.
    pub head: Head,
    /// Hash of the last leaf; zero if there is none.
    pub last_leaf_hash: B256,
    /// True if there is a block. If not, the next one may have any number.
    pub any_block: bool,
}

/// What a record says that cannot be, after what came before it.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Contradiction {
    /// The head is of another database.
    #[error("its head is of another chain, profile or scheme")]
    Identity,
    /// A block does not begin where the log ends.
    #[error("its first leaf is {found}, the log has {expected} leaves")]
    FirstTxNum {
        /// What the record says.
        found: u64,
        /// The leaf count before it.
        expected: u64,
    },
    /// A block does not link to the last leaf.
    #[error("its previous leaf hash is not that of the last leaf")]
    PreviousLeafHash,
    /// The head does not have as many leaves as it should.
    #[error("its head has {found} leaves, it should have {expected}")]
    LeafCount {
        /// What the head says.
        found: u64,
        /// The leaves before the block and in it.
        expected: u64,
    },
    /// The head does not have as many entries in its state log as it should.
    #[error("its head has {found} entries in the state log, it should have {expected}")]
    EntryCount {
        /// What the head says.
        found: u64,
        /// The entries before the block and in it.
        expected: u64,
    },
    /// More leaves than can be numbered.
    #[error("the log has more than 2^64 leaves")]
    TooManyLeaves,
    /// A block is not the next one.
    #[error("its block number is {found}, it should be {expected}")]
    BlockNumber {
        /// What the head says.
        found: u64,
        /// The next number.
        expected: u64,
    },
    /// There is no number for another block.
    #[error("there is no block number after 2^64 - 1")]
    LastBlock,
    /// A block without leaves changes the root or the last leaf, or one without entries the state
    /// root.
    #[error("it has no leaves or no entries, but changes their log")]
    ChangedByNothing,
    /// An unwind does not go back.
    #[error(
        "it unwinds to block {block_number} with {leaf_count} leaves, which does not lie before it"
    )]
    Forward {
        /// The block to unwind to.
        block_number: u64,
        /// Leaves up to that block.
        leaf_count: u64,
    },
    /// There is no block, or no leaf, but something that one would have left.
    #[error("it has no block or no leaf, but a leaf or a leaf hash")]
    NotEmpty,
}

/// Bytes of an encoded state: head, hash, and a byte that is 1 if there is a block.
pub(crate) const STATE_LEN: usize = Head::ENCODED_LEN + 32 + 1;

impl JournalState {
    /// The state of a new database.
    #[must_use]
    pub fn empty(identity: Identity) -> Self {
        let Identity {
            profile,
            scheme,
            chain_id,
        } = identity;
        let head = Head::empty(chain_id, profile, scheme);
        Self {
            head,
            last_leaf_hash: B256::ZERO,
            any_block: false,
        }
    }

    pub(crate) fn to_bytes(self) -> [u8; STATE_LEN] {
        let mut bytes = [0; STATE_LEN];
        let (head, rest) = bytes.split_at_mut(Head::ENCODED_LEN);
        let (hash, flag) = rest.split_at_mut(32);
        head.copy_from_slice(&self.head.to_bytes());
        hash.copy_from_slice(self.last_leaf_hash.as_slice());
        flag.fill(self.any_block.into());
        bytes
    }

    pub(crate) fn decode(fields: &mut Fields<'_>) -> Option<Self> {
        let head = fields.bytes::<{ Head::ENCODED_LEN }>()?;
        let last_leaf_hash = fields.bytes::<32>()?;
        let any_block = match fields.u8()? {
            0 => false,
            1 => true,
            _ => return None,
        };
        let head = Head::from_bytes(head).ok()?;
        Some(Self {
            head,
            last_leaf_hash: B256::new(*last_leaf_hash),
            any_block,
        })
    }

    /// Checks what must hold of a state by itself.
    pub(crate) fn check(&self, identity: Identity) -> Result<(), Contradiction> {
        if !self.head.same_log(&Self::empty(identity).head) {
            return Err(Contradiction::Identity);
        }
        if self.head.block_number == u64::MAX {
            return Err(Contradiction::LastBlock);
        }
        let no_leaf = self.head.leaf_count == 0;
        if (no_leaf && self.last_leaf_hash != B256::ZERO) || (!self.any_block && !no_leaf) {
            return Err(Contradiction::NotEmpty);
        }
        Ok(())
    }

    /// The state after `record`, if that may follow.
    pub(crate) fn after(&self, record: &JournalRecord<'_>) -> Result<Self, Contradiction> {
        match *record {
            JournalRecord::Block {
                first_tx_num,
                previous_leaf_hash,
                payloads,
                entries,
                head,
                last_leaf_hash,
                ..
            } => {
                self.check_block_start(first_tx_num, previous_leaf_hash)?;
                self.after_block(payloads.len(), entries.entries.len(), head, last_leaf_hash)
            }
            JournalRecord::Unwind {
                head,
                last_leaf_hash,
                any_block,
            } => self.after_unwind(Self {
                head,
                last_leaf_hash,
                any_block,
            }),
        }
    }

    /// The state after a block with so many leaves and entries, if that may follow.
    pub(crate) fn after_block(
        &self,
        leaves: usize,
        entries: usize,
        head: Head,
        last_leaf_hash: B256,
    ) -> Result<Self, Contradiction> {
        let next = Self {
            head,
            last_leaf_hash,
            any_block: true,
        };
        next.check(self.identity())?;
        let before = &self.head;
        let expected = before
            .leaf_count
            .checked_add(leaves as u64)
            .ok_or(Contradiction::TooManyLeaves)?;
        if head.leaf_count != expected {
            return Err(Contradiction::LeafCount {
                found: head.leaf_count,
                expected,
            });
        }
        if self.any_block {
            let expected = before
                .block_number
                .checked_add(1)
                .ok_or(Contradiction::LastBlock)?;
            if head.block_number != expected {
                return Err(Contradiction::BlockNumber {
                    found: head.block_number,
                    expected,
                });
            }
        }
        let expected = before
            .entry_count
            .checked_add(entries as u64)
            .ok_or(Contradiction::TooManyLeaves)?;
        if head.entry_count != expected {
            return Err(Contradiction::EntryCount {
                found: head.entry_count,
                expected,
            });
        }
        if entries == 0 && head.state_root != before.state_root {
            return Err(Contradiction::ChangedByNothing);
        }
        let same_log = (head.root, last_leaf_hash) == (before.root, self.last_leaf_hash);
        if leaves == 0 && !same_log {
            return Err(Contradiction::ChangedByNothing);
        }
        Ok(next)
    }

    /// `next`, if an unwind may lead there.
    pub(crate) fn after_unwind(&self, next: Self) -> Result<Self, Contradiction> {
        next.check(self.identity())?;
        let Head {
            block_number,
            leaf_count,
            entry_count,
            ..
        } = next.head;
        let before = &self.head;
        let back = !next.any_block || (self.any_block && block_number <= before.block_number);
        if !back || leaf_count > before.leaf_count || entry_count > before.entry_count {
            return Err(Contradiction::Forward {
                block_number,
                leaf_count,
            });
        }
        Ok(next)
    }

    fn check_block_start(
        &self,
        first_tx_num: u64,
        previous_leaf_hash: B256,
    ) -> Result<(), Contradiction> {
        let expected = self.head.leaf_count;
        if first_tx_num != expected {
            return Err(Contradiction::FirstTxNum {
                found: first_tx_num,
                expected,
            });
        }
        if previous_leaf_hash != self.last_leaf_hash {
            return Err(Contradiction::PreviousLeafHash);
        }
        Ok(())
    }

    fn identity(&self) -> Identity {
        let Head {
            chain_id,
            profile,
            scheme,
            ..
        } = self.head;
        Identity {
            profile,
            scheme,
            chain_id,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::record::EntryPart;
    use qmtree_proofs::{Profile, Scheme};

    const IDENTITY: Identity = Identity {
        profile: Profile::Blake3,
        scheme: Scheme::ReadSet1,
        chain_id: 5,
    };

    /// Some state; root and hash follow from the leaf count.
    fn state(block_number: u64, leaf_count: u64) -> JournalState {
        let [.., byte] = leaf_count.to_be_bytes();
        let digest = B256::repeat_byte(byte);
        let head = Head {
            block_number,
            leaf_count,
            root: digest,
            ..empty().head
        };
        JournalState {
            head,
            last_leaf_hash: digest,
            any_block: true,
        }
    }

    fn empty() -> JournalState {
        JournalState::empty(IDENTITY)
    }

    fn block(from: &JournalState, leaves: usize, to: JournalState) -> Result<(), Contradiction> {
        let after = from.after_block(leaves, 0, to.head, to.last_leaf_hash)?;
        assert_eq!(after, to);
        Ok(())
    }

    #[test]
    fn the_first_block_has_any_number_and_each_other_the_next() {
        block(&empty(), 3, state(0, 3)).unwrap();
        block(&empty(), 0, state(7, 0)).unwrap();
        block(&empty(), 3, state(u64::MAX - 1, 3)).unwrap();
        block(&state(7, 3), 1, state(8, 4)).unwrap();
        block(&state(7, 0), 1, state(8, 1)).unwrap();
        for found in [0, 7, 9] {
            let expected = Contradiction::BlockNumber { found, expected: 8 };
            assert_eq!(block(&state(7, 3), 1, state(found, 4)), Err(expected));
        }
        let last = state(u64::MAX - 1, 3);
        for to in [state(u64::MAX, 4), state(u64::MAX, 3)] {
            assert_eq!(block(&last, 1, to), Err(Contradiction::LastBlock));
        }
        assert_eq!(
            block(&empty(), 1, state(u64::MAX, 1)),
            Err(Contradiction::LastBlock)
        );
    }

    #[test]
    fn a_block_adds_its_leaves_and_nothing_else() {
        for found in [3, 4, 6] {
            let expected = Contradiction::LeafCount { found, expected: 5 };
            assert_eq!(block(&state(7, 3), 2, state(8, found)), Err(expected));
        }
        let full = state(7, u64::MAX);
        assert_eq!(
            block(&full, 1, state(8, 1)),
            Err(Contradiction::TooManyLeaves)
        );
        let changed = JournalState {
            last_leaf_hash: B256::repeat_byte(9),
            ..state(8, 3)
        };
        assert_eq!(
            block(&state(7, 3), 0, changed),
            Err(Contradiction::ChangedByNothing)
        );
        let mut changed = state(8, 3);
        changed.head.root = B256::repeat_byte(9);
        assert_eq!(
            block(&state(7, 3), 0, changed),
            Err(Contradiction::ChangedByNothing)
        );
    }

    #[test]
    fn a_block_begins_where_the_log_ends() {
        let before = state(7, 3);
        let record = |first_tx_num, previous_leaf_hash| JournalRecord::Block {
            first_tx_num,
            previous_leaf_hash,
            payloads: &[[1; 96]],
            tags: &[],
            entries: EntryPart::default(),
            head: state(8, 4).head,
            last_leaf_hash: state(8, 4).last_leaf_hash,
        };
        assert_eq!(
            before.after(&record(3, before.last_leaf_hash)),
            Ok(state(8, 4))
        );
        let expected = Contradiction::FirstTxNum {
            found: 2,
            expected: 3,
        };
        assert_eq!(
            before.after(&record(2, before.last_leaf_hash)),
            Err(expected)
        );
        assert_eq!(
            before.after(&record(3, B256::ZERO)),
            Err(Contradiction::PreviousLeafHash)
        );
    }

    #[test]
    fn an_unwind_goes_back() {
        let before = state(7, 3);
        for to in [empty(), state(5, 0), state(5, 2), state(6, 3), before] {
            assert_eq!(before.after_unwind(to), Ok(to));
        }
        for to in [state(8, 3), state(6, 4)] {
            let Head {
                block_number,
                leaf_count,
                ..
            } = to.head;
            let expected = Contradiction::Forward {
                block_number,
                leaf_count,
            };
            assert_eq!(before.after_unwind(to), Err(expected));
        }
        let expected = Contradiction::Forward {
            block_number: 0,
            leaf_count: 0,
        };
        assert_eq!(empty().after_unwind(state(0, 0)), Err(expected));
    }

    #[test]
    fn heads_of_others_and_leaves_out_of_nowhere_are_refused() {
        let chain = Identity {
            chain_id: 6,
            ..IDENTITY
        };
        let profile = Identity {
            profile: Profile::Keccak256,
            ..IDENTITY
        };
        let scheme = Identity {
            scheme: Scheme::StateRoot1,
            ..IDENTITY
        };
        for other in [chain, profile, scheme].map(JournalState::empty) {
            assert_eq!(other.check(IDENTITY), Err(Contradiction::Identity));
            assert_eq!(block(&empty(), 0, other), Err(Contradiction::Identity));
            assert_eq!(
                state(7, 3).after_unwind(other),
                Err(Contradiction::Identity)
            );
        }
        let no_block = JournalState {
            any_block: false,
            ..state(7, 3)
        };
        let no_leaf = JournalState {
            last_leaf_hash: B256::repeat_byte(1),
            ..empty()
        };
        for wrong in [no_block, no_leaf] {
            assert_eq!(wrong.check(IDENTITY), Err(Contradiction::NotEmpty));
        }
    }

    #[test]
    fn bytes_round_trip_and_a_flag_is_0_or_1() {
        for state in [empty(), state(7, 0), state(7, 3)] {
            let bytes = state.to_bytes();
            assert_eq!(JournalState::decode(&mut Fields(&bytes)), Some(state));
            let [front @ .., _] = bytes;
            assert_eq!(JournalState::decode(&mut Fields(&front)), None);
            let flag_2 = [&front[..], &[2]].concat();
            assert_eq!(JournalState::decode(&mut Fields(&flag_2)), None);
        }
    }
}
