//! Effects: what a step does beyond stack and memory, each in a record of 128 bytes.

use super::error::TraceError;
use super::layout::tag::EFFECTS_NODE;
use super::layout::{Fields, Message, Writer, tag};
use super::raw::index;
use super::waves::pair;
use alloc::vec::Vec;
use alloy_primitives::{Address, B256, U256};
use qmtree_proofs::{Digest, PAIR_LEN, TreeHasher};

/// One effect of a step. docs/FORMAT.md, section 9.4, is the contract.
///
/// Hashes of bytes (`input_hash`, `output_hash`, `hash`) are plain Keccak-256 or BLAKE3, as the
/// profile says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Effect {
    /// SSTORE, also of the value that was there.
    Storage(Change),
    /// TSTORE, also of the value that was there.
    Transient(Change),
    /// LOG0 to LOG4, or the log of a transfer where a fork writes one (EIP-7708).
    Log {
        /// Who logs.
        address: Address,
        /// Number of topics.
        topics: u8,
        /// Hash of the topics followed by the data.
        hash: B256,
    },
    /// CALL, CALLCODE, DELEGATECALL or STATICCALL.
    Call {
        /// Which of them, in this order, from 0.
        kind: u8,
        /// Whether the callee must not change the state.
        is_static: bool,
        /// Whose storage the callee works on.
        target: Address,
        /// Whose code is run.
        code: Address,
        /// Gas handed on, stipend included.
        gas_limit: u64,
        /// Value sent, for DELEGATECALL value seen.
        value: U256,
        /// Hash of the input, or of its place if it is longer than 4096 bytes.
        input_hash: B256,
    },
    /// CREATE or CREATE2.
    Create {
        /// Which of them, from 0.
        kind: u8,
        /// Gas handed on.
        gas_limit: u64,
        /// Salt of CREATE2, else zero.
        salt: B256,
        /// Value sent.
        value: U256,
        /// Keccak-256 of the init code, in both profiles.
        init_code_hash: B256,
    },
    /// A frame ended with this step, or a call that needed no frame: of a precompile, of an account
    /// without code, or one that failed before it began.
    End {
        /// 0 success, 1 revert, 2 halt.
        status: u8,
        /// Whether a precompile ran.
        precompile: bool,
        /// Gas handed back; 0 after a halt.
        gas_remaining: u64,
        /// The contract created.
        created: Option<Address>,
        /// Hash of the output.
        output_hash: B256,
    },
    /// SELFDESTRUCT.
    SelfDestruct {
        /// Who ends.
        contract: Address,
        /// Who gets the balance.
        target: Address,
        /// The balance.
        balance: U256,
    },
}

/// A slot written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// Whose slot.
    pub address: Address,
    /// Which slot.
    pub slot: U256,
    /// Value before.
    pub old: U256,
    /// Value after.
    pub new: U256,
}

impl Effect {
    /// The 128 bytes that are hashed.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; 128] {
        match *self {
            Self::Storage(change) => change.to_bytes(tag::STORAGE),
            Self::Transient(change) => change.to_bytes(tag::TRANSIENT),
            Self::Log {
                address,
                topics,
                hash,
            } => Writer::new(tag::LOG)
                .put(1, &[topics])
                .put(2, address.as_slice())
                .put(96, hash.as_slice())
                .finish(),
            Self::Call {
                kind,
                is_static,
                target,
                code,
                gas_limit,
                value,
                input_hash,
            } => Writer::new(tag::CALL)
                .put(1, &[kind, u8::from(is_static)])
                .put(3, target.as_slice())
                .put(23, code.as_slice())
                .put(43, &gas_limit.to_be_bytes())
                .put(64, &word(value))
                .put(96, input_hash.as_slice())
                .finish(),
            Self::Create {
                kind,
                gas_limit,
                salt,
                value,
                init_code_hash,
            } => Writer::new(tag::CREATE)
                .put(1, &[kind])
                .put(2, &gas_limit.to_be_bytes())
                .put(32, salt.as_slice())
                .put(64, &word(value))
                .put(96, init_code_hash.as_slice())
                .finish(),
            Self::End {
                status,
                precompile,
                gas_remaining,
                created,
                output_hash,
            } => Writer::new(tag::END)
                .put(1, &[status, u8::from(precompile)])
                .put(3, &gas_remaining.to_be_bytes())
                .put(11, &[u8::from(created.is_some())])
                .put(12, created.unwrap_or_default().as_slice())
                .put(96, output_hash.as_slice())
                .finish(),
            Self::SelfDestruct {
                contract,
                target,
                balance,
            } => Writer::new(tag::SELF_DESTRUCT)
                .put(1, contract.as_slice())
                .put(21, target.as_slice())
                .put(64, &word(balance))
                .finish(),
        }
    }

    /// The effect with these bytes.
    ///
    /// # Errors
    /// [`TraceError::BadRecord`] if they are not exactly what [`to_bytes`](Self::to_bytes) writes
    /// for some effect.
    pub fn from_bytes(bytes: &[u8; 128]) -> Result<Self, TraceError> {
        let effect = Self::read(Fields(bytes)).ok_or(TraceError::BadRecord {
            what: "no effect begins with these two bytes",
        })?;
        // One encoding per effect: whatever was not read must be zero.
        if effect.to_bytes() != *bytes {
            return Err(TraceError::BadRecord {
                what: "unused bytes of an effect are zero, flags are 0 or 1",
            });
        }
        Ok(effect)
    }

    fn read(fields: Fields<'_>) -> Option<Self> {
        let [kind, second, third] = fields.array(0);
        let hash = B256::new(fields.array(96));
        let value = U256::from_be_bytes::<32>(fields.array(64));
        Some(match kind {
            tag::STORAGE => Self::Storage(Change::read(fields)),
            tag::TRANSIENT => Self::Transient(Change::read(fields)),
            tag::LOG if second <= 4 => Self::Log {
                address: fields.address(2),
                topics: second,
                hash,
            },
            tag::CALL if second <= 3 => Self::Call {
                kind: second,
                is_static: third == 1,
                target: fields.address(3),
                code: fields.address(23),
                gas_limit: u64::from_be_bytes(fields.array(43)),
                value,
                input_hash: hash,
            },
            tag::CREATE if second <= 1 => Self::Create {
                kind: second,
                gas_limit: u64::from_be_bytes(fields.array(2)),
                salt: B256::new(fields.array(32)),
                value,
                init_code_hash: hash,
            },
            tag::END if second <= 2 => Self::End {
                status: second,
                precompile: third == 1,
                gas_remaining: u64::from_be_bytes(fields.array(3)),
                created: (fields.array(11) == [1]).then(|| fields.address(12)),
                output_hash: hash,
            },
            tag::SELF_DESTRUCT => Self::SelfDestruct {
                contract: fields.address(1),
                target: fields.address(21),
                balance: value,
            },
            _ => return None,
        })
    }
}

impl Change {
    fn to_bytes(self, tag: u8) -> Message {
        Writer::new(tag)
            .put(1, self.address.as_slice())
            .put(32, &word(self.slot))
            .put(64, &word(self.old))
            .put(96, &word(self.new))
            .finish()
    }

    fn read(fields: Fields<'_>) -> Self {
        let word = |at| U256::from_be_bytes::<32>(fields.array(at));
        Self {
            address: fields.address(1),
            slot: word(32),
            old: word(64),
            new: word(96),
        }
    }
}

impl Effect {
    /// Whether its step is the last of a stretch: another frame goes on, or this one after a call.
    pub(super) fn ends_stretch(&self) -> bool {
        matches!(
            self,
            Self::Call { .. } | Self::Create { .. } | Self::End { .. }
        )
    }
}

/// The hash of the steps of a group: of all of them, and then what is folded onto it one by one.
pub(super) fn steps_hash(
    hasher: &impl TreeHasher,
    steps: &Message,
    folded: impl IntoIterator<Item = Message>,
) -> Digest {
    let hashes = folded.into_iter().map(|record| hasher.hash_leaf(&record));
    hashes.fold(hasher.hash_leaf(steps), |so_far, hash| {
        hasher.hash_node(EFFECTS_NODE, &so_far, &hash)
    })
}

/// Folds effects and stretches onto the steps of their groups, the first of all groups first, then the
/// second, so that all lanes have work.
#[derive(Debug, Default)]
pub(super) struct Folds {
    /// Of each group, how many there are.
    counts: Vec<u32>,
    /// By place in its group: the group, and the digest to fold.
    rounds: Vec<Vec<(u32, Digest)>>,
    pairs: Vec<[u8; PAIR_LEN]>,
    made: Vec<Digest>,
}

impl Folds {
    /// Forgets all, for so many groups.
    pub(super) fn clear(&mut self, groups: usize) {
        self.counts.clear();
        self.counts.resize(groups, 0);
        self.rounds.iter_mut().for_each(Vec::clear);
    }

    /// Notes what is to be folded next in a group.
    pub(super) fn push(&mut self, group: usize, digest: Digest) {
        let Some(count) = self.counts.get_mut(group) else {
            return;
        };
        let round = *count as usize;
        *count += 1;
        if self.rounds.len() <= round {
            self.rounds.push(Vec::new());
        }
        if let Some(round) = self.rounds.get_mut(round) {
            round.push((index(group), digest));
        }
    }

    /// Folds all onto the digests of the groups.
    pub(super) fn fold(&mut self, hasher: &impl TreeHasher, groups: &mut [Digest]) {
        for round in self.rounds.iter().take_while(|round| !round.is_empty()) {
            self.pairs.clear();
            self.pairs.extend(round.iter().map(|(group, digest)| {
                let so_far = groups.get(*group as usize).copied().unwrap_or_default();
                pair(&so_far, digest)
            }));
            self.made.resize(round.len(), [0; 32]);
            hasher.hash_nodes(EFFECTS_NODE, &self.pairs, &mut self.made);
            for ((group, _), hash) in round.iter().zip(&self.made) {
                if let Some(place) = groups.get_mut(*group as usize) {
                    *place = *hash;
                }
            }
        }
    }
}

/// A value as the EVM's 32 bytes.
fn word(value: U256) -> [u8; 32] {
    value.to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_round_trip_and_have_one_encoding() {
        let change = Change {
            address: Address::repeat_byte(1),
            slot: U256::from(2),
            old: U256::from(3),
            new: U256::MAX,
        };
        let (a, b) = (Address::repeat_byte(4), Address::repeat_byte(5));
        let hash = B256::repeat_byte(6);
        let effects = [
            Effect::Storage(change),
            Effect::Transient(change),
            Effect::Log {
                address: a,
                topics: 4,
                hash,
            },
            Effect::Call {
                kind: 2,
                is_static: true,
                target: a,
                code: b,
                gas_limit: u64::MAX,
                value: U256::from(7),
                input_hash: hash,
            },
            Effect::Create {
                kind: 1,
                gas_limit: 8,
                salt: B256::repeat_byte(9),
                value: U256::from(10),
                init_code_hash: hash,
            },
            Effect::End {
                status: 1,
                precompile: true,
                gas_remaining: 11,
                created: Some(a),
                output_hash: hash,
            },
            Effect::SelfDestruct {
                contract: a,
                target: b,
                balance: U256::from(12),
            },
        ];
        for effect in effects {
            let bytes = effect.to_bytes();
            assert_eq!(Effect::from_bytes(&bytes), Ok(effect));
            for at in 0..128 {
                let mut other = bytes;
                other[at] ^= 0x40;
                assert_ne!(
                    Effect::from_bytes(&other),
                    Ok(effect),
                    "{effect:?} byte {at}"
                );
            }
        }
    }
}
