//! The form of an extract, and its bytes.

use super::nodes;
use crate::codec::{Reader, put_digests};
use crate::error::{DecodeError, ShapeError};
use crate::hash::Profile;
use crate::level::TxNum;
use crate::state::entry::{Entry, EntryId, StateWord};
use crate::state::proof::check_position;
use alloc::vec::Vec;
use alloy_primitives::B256;
use core::convert::Infallible;

const MAGIC: [u8; 4] = *b"QMSX";
const VERSION: u8 = 1;

/// Flags of an entry: bits 1 and 2 are those of the entry, bit 3 is of this form alone.
const SUPERSEDES: u8 = 2;
const HASHED: u8 = 4;
const VALUE: u8 = 8;

/// Fewest bytes of an entry: one with an empty value.
const MIN_ENTRY_LEN: usize = 8 + 1 + 64 + 8 + 4;

/// Most bytes of a value, as in a database.
pub const MAX_EXTRACT_VALUE_LEN: usize = 64 << 10;

/// An active entry of an extract.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OpenEntry {
    /// Its place in the log.
    pub id: EntryId,
    /// The entry.
    pub entry: Entry,
    /// The value whose hash the entry holds, if it is there to be read; `None` where the word is the
    /// value itself, and for neighbours that nobody reads.
    pub value: Option<Vec<u8>>,
}

/// Active entries of the state log under one head and its right edge, with shared nodes once.
///
/// [`open`](Self::open) verifies it against the head. Costs about 800 bytes for a key among
/// thousands in a log of 2^28 entries, less in smaller ones.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StateExtract {
    profile: Profile,
    entry_count: u64,
    entries: Vec<OpenEntry>,
    nodes: Vec<B256>,
}

impl StateExtract {
    /// An extract from its parts: active entries by ascending id, and the nodes in the order of
    /// docs/FORMAT.md, section 13.1.
    ///
    /// # Errors
    /// [`ShapeError`] if the parts cannot belong together.
    pub fn new(
        profile: Profile,
        entry_count: u64,
        entries: Vec<OpenEntry>,
        nodes: Vec<B256>,
    ) -> Result<Self, ShapeError> {
        let expected = checked_node_count(&entries, entry_count)?;
        let found = nodes.len() as u64;
        if found != expected {
            return Err(ShapeError::DigestCount { expected, found });
        }
        Ok(Self {
            profile,
            entry_count,
            entries,
            nodes,
        })
    }

    /// The hash rules of the log.
    #[must_use]
    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// Entries in the log under whose head the extract verifies.
    #[must_use]
    pub fn entry_count(&self) -> u64 {
        self.entry_count
    }

    /// The entries, by ascending id. What they claim is not verified by this.
    #[must_use]
    pub fn entries(&self) -> &[OpenEntry] {
        &self.entries
    }

    /// The nodes, in the order of docs/FORMAT.md, section 13.1.
    #[must_use]
    pub fn nodes(&self) -> &[B256] {
        &self.nodes
    }

    pub(super) fn into_entries(self) -> Vec<OpenEntry> {
        self.entries
    }

    /// The canonical encoding of docs/FORMAT.md, section 13.1.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(18 + 128 * self.entries.len() + 32 * self.nodes.len());
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&[VERSION, self.profile.id()]);
        out.extend_from_slice(&self.entry_count.to_be_bytes());
        let count = u32::try_from(self.entries.len()).expect("checked by `new`");
        out.extend_from_slice(&count.to_be_bytes());
        for open in &self.entries {
            put_entry(&mut out, open);
        }
        put_digests(&mut out, &self.nodes);
        out
    }

    /// Decodes what [`to_bytes`](Self::to_bytes) encodes, and nothing else.
    ///
    /// Safe on untrusted input: allocates at most twice the input's size, never panics.
    ///
    /// # Errors
    /// [`DecodeError`] names the first thing that is wrong.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let found = reader.array()?;
        if found != MAGIC {
            return Err(DecodeError::OtherMagic {
                expected: MAGIC,
                found,
            });
        }
        let version = reader.u8()?;
        if version != VERSION {
            return Err(DecodeError::Version { found: version });
        }
        let (profile, entry_count) = (reader.profile()?, reader.u64()?);
        let count = reader.count(MIN_ENTRY_LEN)?;
        let mut entries = Vec::with_capacity(count);
        for _ in 0..count {
            entries.push(read_entry(&mut reader)?);
        }
        let nodes = reader.digests(checked_node_count(&entries, entry_count)?)?;
        reader.finish()?;
        Ok(Self {
            profile,
            entry_count,
            entries,
            nodes,
        })
    }
}

fn put_entry(out: &mut Vec<u8>, open: &OpenEntry) {
    let OpenEntry { id, entry, value } = open;
    let flags = [
        (entry.supersedes.is_some(), SUPERSEDES),
        (matches!(entry.value, StateWord::Hash(_)), HASHED),
        (value.is_some(), VALUE),
    ];
    let flags: u8 = flags.iter().filter(|(set, _)| *set).map(|(_, b)| b).sum();
    out.extend_from_slice(&id.0.to_be_bytes());
    out.push(flags);
    out.extend_from_slice(entry.key.as_slice());
    out.extend_from_slice(entry.next_key.as_slice());
    out.extend_from_slice(&entry.tx_num.0.to_be_bytes());
    if let Some(older) = entry.supersedes {
        out.extend_from_slice(&older.0.to_be_bytes());
    }
    match value {
        None => out.extend_from_slice(entry.value.word().as_slice()),
        Some(value) => {
            let len = u32::try_from(value.len()).expect("checked by `new`");
            out.extend_from_slice(&len.to_be_bytes());
            out.extend_from_slice(value);
        }
    }
}

fn read_entry(reader: &mut Reader<'_>) -> Result<OpenEntry, DecodeError> {
    let id = EntryId(reader.u64()?);
    let flags = reader.u8()?;
    let has = |bit: u8| flags & bit != 0;
    if flags & !(SUPERSEDES | HASHED | VALUE) != 0 || (has(VALUE) && !has(HASHED)) {
        return Err(DecodeError::ExtractFlags { found: flags });
    }
    let (key, next_key) = (reader.digest()?, reader.digest()?);
    let tx_num = TxNum(reader.u64()?);
    let supersedes = if has(SUPERSEDES) {
        Some(EntryId(reader.u64()?))
    } else {
        None
    };
    let (word, value) = if has(VALUE) {
        let len = reader.u32()?;
        check_value_len(len as usize)?;
        let value = reader.take(len.into())?;
        (StateWord::of(value), Some(value.to_vec()))
    } else {
        let word = reader.digest()?;
        let hashed = has(HASHED);
        let word = if hashed {
            StateWord::Hash(word)
        } else {
            StateWord::Value(word)
        };
        (word, None)
    };
    let entry = Entry {
        key,
        next_key,
        value: word,
        tx_num,
        supersedes,
        tombstone: false,
    };
    Ok(OpenEntry { id, entry, value })
}

/// A value of 32 bytes is a word, and never written as a value that has a hash.
fn check_value_len(found: usize) -> Result<(), ShapeError> {
    if found == 32 || found > MAX_EXTRACT_VALUE_LEN {
        return Err(ShapeError::ValueLength { found });
    }
    Ok(())
}

fn check_open(open: &OpenEntry) -> Result<(), ShapeError> {
    let OpenEntry { id, entry, value } = open;
    entry.check().map_err(ShapeError::Entry)?;
    if entry.tombstone {
        return Err(ShapeError::EntryPosition { entry_id: *id });
    }
    check_position(*id, entry)?;
    if let Some(value) = value {
        check_value_len(value.len())?;
        if StateWord::of(value) != entry.value {
            return Err(ShapeError::OtherValue { entry_id: *id });
        }
    }
    Ok(())
}

/// Refuses entries that no extract can have; says how many nodes belong to them.
fn checked_node_count(entries: &[OpenEntry], entry_count: u64) -> Result<u64, ShapeError> {
    let count = entries.len() as u64;
    if u32::try_from(count).is_err() {
        return Err(ShapeError::TooMany { count });
    }
    for (previous, next) in entries.iter().zip(entries.iter().skip(1)) {
        let (previous, next) = (previous.id, next.id);
        if previous >= next {
            return Err(ShapeError::EntriesUnsorted { previous, next });
        }
    }
    if let Some(last) = entries.last().filter(|last| last.id.0 >= entry_count) {
        return Err(ShapeError::OutsideLog {
            entry_id: last.id,
            entry_count,
        });
    }
    entries.iter().try_for_each(check_open)?;
    let mut count = 0;
    let ids = entries.iter().map(|open| open.id.0);
    let Ok(()) = nodes::visit(ids, entry_count, |_| {
        count += 1;
        Ok::<_, Infallible>(())
    });
    Ok(count)
}
