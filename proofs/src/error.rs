//! What can be wrong with a proof: its shape, its bytes, or what it claims.

use crate::codec::Kind;
use crate::hash::Profile;
use crate::level::TxNum;
use crate::state::{EntryError, EntryId};
use alloc::string::ToString;
use alloy_primitives::B256;
use core::fmt;

/// Parts of a proof that cannot belong together.
///
/// Proof types check this when they are made, so a value of theirs always has the one shape that
/// its positions and leaf count dictate.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShapeError {
    /// A leaf that the tree does not have.
    OutsideTree {
        /// The position asked for.
        tx_num: TxNum,
        /// Leaves in the tree.
        leaf_count: u64,
    },
    /// A proof of nothing: no leaves, or a range whose end is not after its start.
    Empty,
    /// Positions of a multi-proof that are not strictly ascending.
    Unsorted {
        /// The earlier of the two.
        previous: TxNum,
        /// The one that should have been larger.
        next: TxNum,
    },
    /// More positions than a multi-proof can list.
    TooMany {
        /// How many there are.
        count: u64,
    },
    /// An older tree that is empty or not smaller than the newer one.
    NotOlder {
        /// Leaves in the tree that should be older.
        old_leaf_count: u64,
        /// Leaves in the newer tree.
        leaf_count: u64,
    },
    /// More or fewer digests than the positions and the leaf count dictate.
    DigestCount {
        /// How many they dictate.
        expected: u64,
        /// How many there are.
        found: u64,
    },
    /// A link to a leaf before leaf 0.
    FirstLink,
    /// More or fewer leaves than the range has positions.
    LeafCount {
        /// Positions in the range.
        expected: u64,
        /// Leaves given.
        found: u64,
    },
    /// Erigon's form of a range of several leaves without the path of its last one.
    LastPath {
        /// Leaves given.
        leaves: u64,
    },
    /// A form of Erigon's for another profile than Keccak: there is none.
    NotKeccak {
        /// The profile asked for.
        found: Profile,
    },
    /// An entry that the state log does not have.
    OutsideLog {
        /// The id asked for.
        entry_id: EntryId,
        /// Entries in the log.
        entry_count: u64,
    },
    /// Ids of a state proof that are not strictly ascending.
    EntriesUnsorted {
        /// The earlier of the two.
        previous: EntryId,
        /// The one that should have been larger.
        next: EntryId,
    },
    /// 128 bytes that are no entry.
    Entry(EntryError),
    /// An entry that cannot have its id: the first one is the sentinel and supersedes none, and
    /// the others are not; and none supersedes one that comes after it.
    EntryPosition {
        /// Its id.
        entry_id: EntryId,
    },
    /// A value of an extract that has 32 bytes, and so is a word, or more than a value can have.
    ValueLength {
        /// Its bytes.
        found: usize,
    },
    /// A value beside an entry of an extract that holds another one.
    OtherValue {
        /// Id of the entry.
        entry_id: EntryId,
    },
}

/// Why bytes are not a proof or a head.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// The input ends too early.
    Truncated {
        /// Offset of the field that is cut.
        offset: usize,
        /// Bytes that the rest of the input must have, if that fits 64 bits.
        needed: u64,
        /// Bytes that are there.
        available: usize,
    },
    /// The input goes on after the proof.
    TrailingBytes {
        /// Offset of the first byte too many.
        offset: usize,
        /// How many.
        extra: usize,
    },
    /// Not a proof of ours.
    Magic {
        /// The first four bytes.
        found: [u8; 4],
    },
    /// A format version that this release does not read.
    Version {
        /// The version byte.
        found: u8,
    },
    /// A profile id that this release does not know.
    Profile {
        /// The profile byte.
        found: u8,
    },
    /// A leaf scheme that this release does not know.
    Scheme {
        /// The scheme byte.
        found: u8,
    },
    /// A proof of another kind than the one asked for, or of an unknown kind.
    Kind {
        /// The kind byte.
        found: u8,
        /// The kind that was asked for; `None` if any known one would do.
        expected: Option<u8>,
    },
    /// A head of an empty log with a root, or of a log with leaves and none.
    RootOfEmptyLog,
    /// A `ProofPath` of Erigon's with a length that no path has.
    PathLength {
        /// Bytes that it has.
        found: u64,
    },
    /// A byte that says yes or no and is neither 1 nor 0.
    Flag {
        /// The byte.
        found: u8,
    },
    /// Not the structure that was asked for.
    OtherMagic {
        /// The four bytes it starts with.
        expected: [u8; 4],
        /// The first four bytes.
        found: [u8; 4],
    },
    /// Flags of an entry in an extract that this version does not know.
    ExtractFlags {
        /// The flags.
        found: u8,
    },
    /// Fields that cannot belong together.
    Shape(ShapeError),
}

/// Why a proof does not hold under the trusted head.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VerifyError {
    /// Hash rules differ between the proof, the head and the hasher.
    Profile {
        /// What the proof or the hasher uses.
        found: Profile,
        /// What the head uses.
        trusted: Profile,
    },
    /// The proof was made for a tree of another size than the head's.
    LeafCount {
        /// Leaves in the proof's tree.
        found: u64,
        /// Leaves in the head's tree.
        trusted: u64,
    },
    /// The proof is about other leaves than the caller asked for.
    Position {
        /// First position that differs, in the proof.
        found: TxNum,
        /// The position the caller expects there.
        expected: TxNum,
    },
    /// The proof covers more or fewer leaves than the caller asked for.
    Coverage {
        /// Leaves the proof covers.
        found: u64,
        /// Leaves the caller gave.
        expected: u64,
    },
    /// The path ends in another root.
    RootMismatch {
        /// The root that the proof leads to.
        computed: B256,
        /// The root in the trusted head.
        trusted: B256,
    },
    /// A leaf whose link is not the hash of the leaf before it.
    BrokenChain {
        /// The leaf with the wrong link.
        tx_num: TxNum,
    },
    /// A root inside the proof that is not the trusted one.
    ClaimedRoot {
        /// The root in the proof.
        claimed: B256,
        /// The root in the trusted head.
        trusted: B256,
    },
    /// A leaf hash inside the proof that is not the hash of the leaf beside it.
    ClaimedLeafHash {
        /// Which leaf.
        tx_num: TxNum,
    },
    /// Two heads that are not of one log: chain id, profile or scheme differ.
    ForeignHead,
    /// The proof was made for a state log of another size than the head's.
    EntryCount {
        /// Entries in the proof's log.
        found: u64,
        /// Entries in the head's log.
        trusted: u64,
    },
    /// The head says nothing about the state after this transaction.
    AfterHead {
        /// The transaction asked about.
        tx_num: TxNum,
        /// Leaves in the head's log.
        leaf_count: u64,
    },
    /// An entry whose active bit is not set, where the proof says that it is.
    Inactive {
        /// The entry.
        entry_id: EntryId,
    },
    /// An entry that says nothing about the time in question: it was written later, or it is not
    /// shown to have been valid then and ends none that was.
    NotAtThatTime {
        /// The entry.
        entry_id: EntryId,
    },
    /// The proof does not say whether the key is there.
    Unproven {
        /// The key.
        key: B256,
    },
    /// A key that no map can hold: 32 zero bytes, or 32 bytes of 0xff.
    ReservedKey {
        /// The key.
        key: B256,
    },
    /// The proof shows another value than the one expected, or a value where none is expected, or
    /// none where one is.
    OtherValue {
        /// The key.
        key: B256,
    },
    /// Positions or digest counts that cannot belong to the head's tree.
    Shape(ShapeError),
}

/// Why a proof could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProveError<E> {
    /// The question has no answer in this tree.
    Shape(ShapeError),
    /// The source of the nodes failed.
    Source(E),
}

impl fmt::Display for ShapeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutsideTree { tx_num, leaf_count } => {
                write!(f, "no leaf {tx_num} in a tree of {leaf_count} leaves")
            }
            Self::Empty => f.write_str("a proof must cover at least one leaf"),
            Self::Unsorted { previous, next } => {
                write!(f, "positions must ascend, but {next} follows {previous}")
            }
            Self::TooMany { count } => {
                write!(
                    f,
                    "{count} positions are more than a multi-proof can list (2^32 - 1)"
                )
            }
            Self::NotOlder {
                old_leaf_count,
                leaf_count,
            } => write!(
                f,
                "a tree of {old_leaf_count} leaves is not an earlier, non-empty state of one of \
                 {leaf_count}"
            ),
            Self::DigestCount { expected, found } => {
                write!(f, "expected {expected} digests, found {found}")
            }
            Self::FirstLink => f.write_str("leaf 0 must have a zero previousLeafHash"),
            Self::LeafCount { expected, found } => {
                write!(f, "expected {expected} leaves, found {found}")
            }
            Self::LastPath { leaves } => {
                write!(f, "{leaves} leaves need the path of the last one too")
            }
            Self::NotKeccak { found } => write!(
                f,
                "Erigon's forms exist for the profile keccak only, not for {found}"
            ),
            Self::OutsideLog {
                entry_id,
                entry_count,
            } => write!(
                f,
                "no entry {entry_id} in a state log of {entry_count} entries"
            ),
            Self::EntriesUnsorted { previous, next } => {
                write!(f, "entries must ascend, but {next} follows {previous}")
            }
            Self::Entry(entry) => entry.fmt(f),
            Self::EntryPosition { entry_id } => {
                write!(f, "these bytes cannot be entry {entry_id} of a state log")
            }
            Self::ValueLength { found } => write!(
                f,
                "a value of {found} bytes; a value that has a hash has at most 65536, and not 32"
            ),
            Self::OtherValue { entry_id } => {
                write!(
                    f,
                    "the value beside entry {entry_id} is not the one it holds"
                )
            }
        }
    }
}

/// A kind byte, with its name if it has one.
struct KindName(u8);

impl fmt::Display for KindName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Kind::from_id(self.0) {
            Some(kind) => write!(f, "{} ({})", self.0, kind.name()),
            None => self.0.fmt(f),
        }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated {
                offset,
                needed,
                available,
            } => write!(
                f,
                "cut short at byte {offset}: {needed} bytes needed there, {available} left"
            ),
            Self::TrailingBytes { offset, extra } => {
                write!(f, "{extra} bytes too many, from byte {offset}")
            }
            Self::Magic { found } => {
                write!(
                    f,
                    "not a QMTree proof: starts with {found:02x?} instead of \"QMPF\""
                )
            }
            Self::Version { found } => {
                write!(
                    f,
                    "proof format version {found}; this release reads version 1"
                )
            }
            Self::Profile { found } => {
                write!(
                    f,
                    "unknown hash profile {found}; known are 1 (keccak) and 2 (blake3)"
                )
            }
            Self::Scheme { found } => write!(
                f,
                "unknown leaf scheme {found}; known are 1 (state-root/1) and 2 (read-set/1)"
            ),
            Self::Kind {
                found,
                expected: Some(expected),
            } => write!(
                f,
                "a proof of kind {} where kind {} is expected",
                KindName(*found),
                KindName(*expected)
            ),
            Self::Kind {
                found,
                expected: None,
            } => {
                write!(f, "a proof of kind {}; known are 1 to 7", KindName(*found))
            }
            Self::RootOfEmptyLog => f.write_str("the root of an empty log is zero, and only that"),
            Self::PathLength { found } => write!(
                f,
                "a ProofPath of {found} bytes; they have 8 + 32 * (U + 13), U from 1 to 53"
            ),
            Self::Flag { found } => write!(f, "a flag is 0 or 1, not {found}"),
            Self::OtherMagic { expected, found } => write!(
                f,
                "starts with {found:02x?} instead of {:?}",
                expected.escape_ascii().to_string()
            ),
            Self::ExtractFlags { found } => {
                write!(f, "unknown flags {found:#04x} of an entry of an extract")
            }
            Self::Shape(shape) => shape.fmt(f),
        }
    }
}

impl fmt::Display for VerifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Profile { found, trusted } => {
                write!(
                    f,
                    "the proof uses profile {found}, the trusted head {trusted}"
                )
            }
            Self::LeafCount { found, trusted } => write!(
                f,
                "the proof is for a tree of {found} leaves, the trusted head has {trusted}; \
                 ask for a proof at that head"
            ),
            Self::Position { found, expected } => {
                write!(f, "the proof is about leaf {found}, not {expected}")
            }
            Self::Coverage { found, expected } => {
                write!(f, "the proof covers {found} leaves, not {expected}")
            }
            Self::RootMismatch { computed, trusted } => {
                write!(
                    f,
                    "the proof leads to root {computed}, the trusted head has {trusted}"
                )
            }
            Self::BrokenChain { tx_num } => {
                write!(f, "leaf {tx_num} does not link to the leaf before it")
            }
            Self::ClaimedRoot { claimed, trusted } => {
                write!(
                    f,
                    "the proof claims root {claimed}, the trusted head has {trusted}"
                )
            }
            Self::ClaimedLeafHash { tx_num } => {
                write!(
                    f,
                    "the proof claims a hash for leaf {tx_num} that is not the leaf's"
                )
            }
            Self::ForeignHead => {
                f.write_str("the heads differ in chain id, profile or scheme: not one log")
            }
            Self::EntryCount { found, trusted } => write!(
                f,
                "the proof is for a state log of {found} entries, the trusted head has {trusted}; \
                 ask for a proof at that head"
            ),
            Self::AfterHead { tx_num, leaf_count } => write!(
                f,
                "the trusted head has {leaf_count} leaves and says nothing about txNum {tx_num}; \
                 ask for a proof at a later head"
            ),
            Self::Inactive { entry_id } => {
                write!(f, "entry {entry_id} is not the current version of its key")
            }
            Self::NotAtThatTime { entry_id } => {
                write!(
                    f,
                    "entry {entry_id} says nothing about the state at that time"
                )
            }
            Self::Unproven { key } => {
                write!(f, "the proof does not say whether key {key} is there")
            }
            Self::ReservedKey { key } => write!(f, "key {key} is reserved"),
            Self::OtherValue { key } => {
                write!(
                    f,
                    "the proof shows another value of key {key} than the one expected"
                )
            }
            Self::Shape(shape) => shape.fmt(f),
        }
    }
}

impl<E: fmt::Display> fmt::Display for ProveError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shape(shape) => shape.fmt(f),
            Self::Source(_) => f.write_str("cannot read a node of the log"),
        }
    }
}

impl core::error::Error for ShapeError {}
impl core::error::Error for DecodeError {}
impl core::error::Error for VerifyError {}
impl<E: core::error::Error + 'static> core::error::Error for ProveError<E> {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Shape(_) => None,
            Self::Source(source) => Some(source),
        }
    }
}

impl From<ShapeError> for DecodeError {
    fn from(shape: ShapeError) -> Self {
        Self::Shape(shape)
    }
}

impl From<ShapeError> for VerifyError {
    fn from(shape: ShapeError) -> Self {
        Self::Shape(shape)
    }
}

impl<E> From<ShapeError> for ProveError<E> {
    fn from(shape: ShapeError) -> Self {
        Self::Shape(shape)
    }
}
