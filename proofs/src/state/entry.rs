//! The entry: one version of one key, 128 bytes of four words like every leaf.

use crate::hash::{LEAF_LEN, TreeHasher};
use crate::level::{TWIG_SHIFT, TwigId, TxNum};
use alloy_primitives::{B256, keccak256};
use core::fmt;

const TOMBSTONE: u64 = 1;
const SUPERSEDES: u64 = 2;
const HASHED: u64 = 4;

/// Position of an entry in the state log, counted from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId(pub u64);

impl EntryId {
    /// The twig that holds this entry.
    #[must_use]
    pub const fn twig_id(self) -> TwigId {
        TwigId(self.0 >> TWIG_SHIFT)
    }

    /// The entry's index inside its twig, `0..2048`.
    #[must_use]
    pub const fn index_in_twig(self) -> u64 {
        TxNum(self.0).index_in_twig()
    }
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The value of a key as an entry holds it: 32 bytes, and what they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StateWord {
    /// The value itself, which has 32 bytes.
    Value(B256),
    /// The keccak256 of a value that has another length, in every profile.
    Hash(B256),
}

impl StateWord {
    /// The word of `value`: itself if it has 32 bytes, else its hash.
    #[must_use]
    pub fn of(value: &[u8]) -> Self {
        match <[u8; 32]>::try_from(value) {
            Ok(word) => Self::Value(B256::new(word)),
            Err(_) => Self::Hash(keccak256(value)),
        }
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn word(&self) -> B256 {
        match self {
            Self::Value(word) | Self::Hash(word) => *word,
        }
    }
}

/// One version of one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    /// The key; zero for the sentinel, which is entry 0 and each of its later versions.
    pub key: B256,
    /// The next larger live key, 32 bytes of 0xff if there is none; zero in a tombstone.
    pub next_key: B256,
    /// The value; a zero [`StateWord::Value`] in the sentinel and in tombstones.
    pub value: StateWord,
    /// The transaction that wrote the entry.
    pub tx_num: TxNum,
    /// The entry of the same key that ends with this one, if there is one.
    pub supersedes: Option<EntryId>,
    /// True if the key is deleted. A tombstone was never active.
    pub tombstone: bool,
}

/// Why 128 bytes are not an entry.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryError {
    /// Flags that this version does not know.
    Flags {
        /// The flags word.
        found: u64,
    },
    /// Bytes that must be zero and are not: the last eight, or the id of an entry that supersedes
    /// none.
    NotZero,
    /// The next key is not larger than the key.
    Order {
        /// The key.
        key: B256,
    },
    /// A tombstone with a next key or a value, or one that ends nothing.
    Tombstone,
    /// The sentinel, whose key is zero, with a value or deleted; or the largest key, which is no
    /// key of the map.
    ReservedKey,
}

impl Entry {
    /// The largest key, which stands behind the last one and is no key of the map.
    pub const END: B256 = B256::repeat_byte(0xff);

    /// The first entry of every state log.
    #[must_use]
    pub const fn sentinel(next_key: B256, tx_num: TxNum) -> Self {
        Self {
            key: B256::ZERO,
            next_key,
            value: StateWord::Value(B256::ZERO),
            tx_num,
            supersedes: None,
            tombstone: false,
        }
    }

    /// True for keys that no map holds: zero, the sentinel's, and 32 bytes of 0xff.
    #[must_use]
    pub fn is_reserved(key: &B256) -> bool {
        *key == B256::ZERO || *key == Self::END
    }

    /// True if the entry says that `key` is absent: it lies between the entry's keys.
    #[must_use]
    pub fn excludes(&self, key: &B256) -> bool {
        !self.tombstone && self.key < *key && *key < self.next_key
    }

    /// True if `value` is what this entry commits to.
    #[must_use]
    pub fn holds(&self, value: &[u8]) -> bool {
        !self.tombstone && self.key != B256::ZERO && StateWord::of(value) == self.value
    }

    /// The flags word of the encoding.
    pub(crate) fn flags(&self) -> u64 {
        let hashed = matches!(self.value, StateWord::Hash(_));
        let flags = [
            (self.tombstone, TOMBSTONE),
            (self.supersedes.is_some(), SUPERSEDES),
            (hashed, HASHED),
        ];
        let set = flags.into_iter().filter(|(set, _)| *set);
        set.map(|(_, bit)| bit).sum()
    }

    /// The 128 bytes that are hashed and stored.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; LEAF_LEN] {
        let meta = [
            self.tx_num.0,
            self.supersedes.unwrap_or_default().0,
            self.flags(),
            0,
        ];
        let mut bytes = [0; LEAF_LEN];
        let words = [self.key, self.next_key, self.value.word()];
        let (front, back) = bytes.split_at_mut(96);
        for (chunk, word) in front.as_chunks_mut::<32>().0.iter_mut().zip(words) {
            *chunk = word.0;
        }
        for (chunk, number) in back.as_chunks_mut::<8>().0.iter_mut().zip(meta) {
            *chunk = number.to_be_bytes();
        }
        bytes
    }

    /// The entry whose 128 bytes these are. There is one encoding per entry.
    ///
    /// # Errors
    /// [`EntryError`] names the rule of docs/FORMAT.md, section 1.4, that they break.
    pub fn from_bytes(bytes: &[u8; LEAF_LEN]) -> Result<Self, EntryError> {
        let (front, back) = bytes.split_at(96);
        let mut words = front.as_chunks::<32>().0.iter().copied().map(B256::new);
        let mut word = || words.next().unwrap_or_default();
        let (key, next_key, value) = (word(), word(), word());
        let mut numbers = back.as_chunks::<8>().0.iter().copied();
        let mut number = || numbers.next().map_or(0, u64::from_be_bytes);
        let (tx_num, supersedes, flags, zero) = (number(), number(), number(), number());
        if flags & !(TOMBSTONE | SUPERSEDES | HASHED) != 0 {
            return Err(EntryError::Flags { found: flags });
        }
        if zero != 0 || (flags & SUPERSEDES == 0 && supersedes != 0) {
            return Err(EntryError::NotZero);
        }
        let entry = Self {
            key,
            next_key,
            value: if flags & HASHED == 0 {
                StateWord::Value(value)
            } else {
                StateWord::Hash(value)
            },
            tx_num: TxNum(tx_num),
            supersedes: (flags & SUPERSEDES != 0).then_some(EntryId(supersedes)),
            tombstone: flags & TOMBSTONE != 0,
        };
        entry.check()?;
        Ok(entry)
    }

    /// Checks the rules of docs/FORMAT.md, section 1.4, that concern one entry alone.
    pub(super) fn check(&self) -> Result<(), EntryError> {
        let no_value = self.value == StateWord::Value(B256::ZERO);
        if self.tombstone {
            let empty = no_value && self.next_key == B256::ZERO && self.supersedes.is_some();
            if !empty {
                return Err(EntryError::Tombstone);
            }
        } else if self.key >= self.next_key {
            return Err(EntryError::Order { key: self.key });
        }
        let sentinel = self.key == B256::ZERO;
        if (sentinel && (self.tombstone || !no_value)) || self.key == Self::END {
            return Err(EntryError::ReservedKey);
        }
        Ok(())
    }

    /// The leaf hash under the rules of `hasher`. One hash, no allocation.
    #[must_use]
    pub fn hash(&self, hasher: &impl TreeHasher) -> B256 {
        B256::new(hasher.hash_leaf(&self.to_bytes()))
    }
}

impl fmt::Display for EntryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flags { found } => write!(f, "entry with unknown flags {found:#x}"),
            Self::NotZero => f.write_str("entry with bytes that must be zero and are not"),
            Self::Order { key } => {
                write!(f, "entry of key {key} whose next key is not larger")
            }
            Self::Tombstone => {
                f.write_str("tombstone with a next key or a value, or that ends no entry")
            }
            Self::ReservedKey => f.write_str(
                "keys of 32 zero bytes and of 32 bytes 0xff are reserved; \
                 the sentinel has no value and no end",
            ),
        }
    }
}

impl core::error::Error for EntryError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> Entry {
        Entry {
            key: B256::repeat_byte(1),
            next_key: B256::repeat_byte(2),
            value: StateWord::Hash(B256::repeat_byte(3)),
            tx_num: TxNum(0x0102_0304_0506_0708),
            supersedes: Some(EntryId(9)),
            tombstone: false,
        }
    }

    #[test]
    fn bytes_round_trip_and_every_bit_counts() {
        let tombstone = Entry {
            next_key: B256::ZERO,
            value: StateWord::Value(B256::ZERO),
            tombstone: true,
            ..entry()
        };
        for entry in [entry(), tombstone, Entry::sentinel(Entry::END, TxNum(7))] {
            let bytes = entry.to_bytes();
            assert_eq!(Entry::from_bytes(&bytes), Ok(entry));
            for bit in 0..bytes.len() * 8 {
                let mut forged = bytes;
                forged[bit / 8] ^= 1 << (bit % 8);
                if let Ok(other) = Entry::from_bytes(&forged) {
                    assert_ne!(other, entry);
                    assert_eq!(other.to_bytes(), forged);
                }
            }
        }
    }

    #[test]
    fn malformed_entries_are_refused() {
        let with = |at: usize, value: u8| {
            let mut bytes = entry().to_bytes();
            bytes[at] = value;
            Entry::from_bytes(&bytes)
        };
        assert_eq!(with(119, 14), Err(EntryError::Flags { found: 14 }));
        assert_eq!(with(127, 1), Err(EntryError::NotZero));
        assert_eq!(with(119, 4), Err(EntryError::NotZero));
        assert_eq!(with(119, 3), Err(EntryError::Tombstone));
        let key = B256::repeat_byte(1);
        let equal = Entry {
            next_key: key,
            ..entry()
        };
        assert_eq!(
            Entry::from_bytes(&equal.to_bytes()),
            Err(EntryError::Order { key })
        );
        let valued = Entry {
            key: B256::ZERO,
            ..entry()
        };
        assert_eq!(
            Entry::from_bytes(&valued.to_bytes()),
            Err(EntryError::ReservedKey)
        );
    }

    #[test]
    fn a_value_is_its_own_word_only_with_32_bytes() {
        let word = B256::repeat_byte(7);
        assert_eq!(StateWord::of(word.as_slice()), StateWord::Value(word));
        for value in [
            &b""[..],
            &[7; 31],
            &[7; 33],
            &[1; 135],
            &[1; 136],
            &[1; 5000],
        ] {
            assert_eq!(StateWord::of(value), StateWord::Hash(keccak256(value)));
        }
        // A value that is the hash of another one is not taken for it.
        let hash = keccak256(b"account");
        let entry = Entry {
            value: StateWord::of(hash.as_slice()),
            ..entry()
        };
        assert!(entry.holds(hash.as_slice()) && !entry.holds(b"account"));
    }
}
