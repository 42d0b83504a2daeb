//! One record: its framing, and the two kinds of body.
//!
//! ```text
//! 0        4      8     16        24       32    36    40                40 + length
//! | marker | kind | seq | durable | length | crc | 0   | body ...        | crc | 0   |
//! ```
//!
//! Both checksums start from the salt of the file, so that no bytes of another file, and none that
//! somebody put into a leaf, are a record of this one.

use crate::header::{Fields, join};
use crate::journal::error::Damage;
use crate::journal::state::JournalState;
use crate::tag::{NO_TAG, TAG_LEN, Tag};
use alloy_primitives::B256;
use crc32c::crc32c_append;
use qmtree_proofs::{Head, LEAF_LEN, PAYLOAD_LEN};

/// A record of the journal: one step of the log. Payloads are borrowed from the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JournalRecord<'a> {
    /// A block was appended.
    Block {
        /// Number of its first leaf, if it has any: the leaf count before it.
        first_tx_num: u64,
        /// Hash of the leaf before the block.
        previous_leaf_hash: B256,
        /// Words 0 to 2 of each leaf.
        payloads: &'a [[u8; PAYLOAD_LEN]],
        /// The tag of each leaf's transaction; empty if no leaf has one.
        tags: &'a [Tag],
        /// What the block appended to the state log.
        entries: EntryPart<'a>,
        /// The head after the block.
        head: Head,
        /// Hash of the last leaf after the block.
        last_leaf_hash: B256,
    },
    /// The newest blocks were dropped.
    Unwind {
        /// The head after unwinding.
        head: Head,
        /// Hash of its last leaf; zero if there is none.
        last_leaf_hash: B256,
        /// True if a block is left.
        any_block: bool,
    },
}

/// Entries of the state log, and the values that they commit to by a hash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EntryPart<'a> {
    /// The entries, in order; they follow those before the block.
    pub entries: &'a [[u8; LEAF_LEN]],
    /// The values, as [`put_value`] writes them, by ascending place of their entry.
    pub values: &'a [u8],
}

/// Appends a value to the values of a block: place of its entry among those of the block, length,
/// bytes.
///
/// # Panics
/// If the value has 2^32 bytes or more.
pub fn put_value(out: &mut Vec<u8>, place: u32, value: &[u8]) {
    let len = u32::try_from(value.len()).expect("a value has less than 2^32 bytes");
    out.extend_from_slice(&place.to_le_bytes());
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(value);
}

impl<'a> EntryPart<'a> {
    /// The values with the places of their entries. Ends early where the bytes are no values.
    pub fn values(&self) -> impl Iterator<Item = (u32, &'a [u8])> + use<'a> {
        let mut fields = Fields(self.values);
        std::iter::from_fn(move || take_value(&mut fields))
    }

    /// True if the values are well formed: one at most for each entry, in order, no bytes over.
    fn is_whole(&self) -> bool {
        let mut fields = Fields(self.values);
        let mut from = 0;
        while !fields.0.is_empty() {
            let Some((place, _)) = take_value(&mut fields) else {
                return false;
            };
            let known = usize::try_from(place).is_ok_and(|place| place < self.entries.len());
            if place < from || !known {
                return false;
            }
            from = place + 1;
        }
        true
    }
}

fn take_value<'a>(fields: &mut Fields<'a>) -> Option<(u32, &'a [u8])> {
    let (place, len) = (fields.u32()?, fields.u32()?);
    Some((place, fields.slice(usize::try_from(len).ok()?)?))
}

const MARKER: [u8; 4] = *b"QMR1";
/// The kind is one byte, one of flags and two zeros, which is the same as a little-endian number of
/// four.
pub(crate) const KIND_BLOCK: u32 = 1;
/// A block with tags: flag 0.
pub(crate) const WITH_TAGS: u32 = 1 << 8;
/// A block with entries of the state log: flag 1.
pub(crate) const WITH_ENTRIES: u32 = 1 << 9;
pub(crate) const KIND_UNWIND: u32 = 2;

/// Bytes of a record before its body.
pub(crate) const FRONT_LEN: usize = 40;
/// Bytes of a record after its body.
pub(crate) const BACK_LEN: usize = 8;
/// Bytes of a block's body before the payloads.
pub(crate) const BLOCK_START_LEN: usize = 48;
/// Bytes before the entries of a block: their number, and the bytes of their values.
pub(crate) const ENTRIES_START_LEN: usize = 16;
/// Bytes of a block's body after the payloads.
pub(crate) const BLOCK_END_LEN: usize = Head::ENCODED_LEN + 32;

const _: () = assert!(4 + 1 + 3 + 8 + 8 + 8 + 4 + 4 == FRONT_LEN && 4 + 4 == BACK_LEN);
const _: () = assert!(8 + 8 + 32 == BLOCK_START_LEN && 98 + 32 == BLOCK_END_LEN);

/// What a record says before its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RecordFront {
    pub(crate) kind: u32,
    pub(crate) seq: u64,
    /// When this was written, all records with smaller numbers were synced.
    pub(crate) durable: u64,
    /// Bytes of the body.
    pub(crate) length: u64,
}

impl RecordFront {
    pub(crate) fn to_bytes(self, salt: u32) -> [u8; FRONT_LEN] {
        let kind = self.kind.to_le_bytes();
        let [seq, durable, length] = [self.seq, self.durable, self.length].map(u64::to_le_bytes);
        let covered: [u8; 32] = join(&[&MARKER, &kind, &seq, &durable, &length]);
        join(&[&covered, &crc32c_append(salt, &covered).to_le_bytes()])
    }

    /// The front in these bytes, if they are one: marker, checksum and zeros are right.
    pub(crate) fn from_bytes(bytes: &[u8; FRONT_LEN], salt: u32) -> Option<Self> {
        let mut fields = Fields(bytes);
        let covered = fields.bytes::<32>()?;
        if fields.u32()? != crc32c_append(salt, covered) || !fields.is_zero() {
            return None;
        }
        let mut fields = Fields(covered);
        (*fields.bytes()? == MARKER).then_some(())?;
        Some(Self {
            kind: fields.u32()?,
            seq: fields.u64()?,
            durable: fields.u64()?,
            length: fields.u64()?,
        })
    }
}

/// What follows a body whose checksum is `checksum`.
pub(crate) fn record_back(checksum: u32) -> [u8; BACK_LEN] {
    join(&[&checksum.to_le_bytes()])
}

/// A record that is whole: marker, zeros and both checksums are right.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WholeRecord<'a> {
    pub(crate) front: RecordFront,
    body: &'a [u8],
}

impl<'a> WholeRecord<'a> {
    /// The whole record that `bytes` begin with, if they do. Allocates nothing.
    pub(crate) fn read(bytes: &'a [u8], salt: u32) -> Option<Self> {
        let mut fields = Fields(bytes);
        let front = RecordFront::from_bytes(fields.bytes()?, salt)?;
        let body = fields.slice(usize::try_from(front.length).ok()?)?;
        let mut back = Fields(fields.bytes::<BACK_LEN>()?);
        let whole = back.u32()? == crc32c_append(salt, body) && back.is_zero();
        whole.then_some(Self { front, body })
    }

    /// Bytes from its marker to its end.
    pub(crate) fn len(&self) -> usize {
        FRONT_LEN + self.body.len() + BACK_LEN
    }

    /// What the body says, by the kind of the record.
    pub(crate) fn decode(&self) -> Result<JournalRecord<'a>, Damage> {
        let RecordFront { kind, seq, .. } = self.front;
        let fields = Fields(self.body);
        match kind {
            KIND_UNWIND => decode_unwind(fields),
            _ if kind & !(WITH_TAGS | WITH_ENTRIES) == KIND_BLOCK => decode_block(fields, kind),
            _ => return Err(Damage::Kind { seq, kind }),
        }
        .ok_or(Damage::Body { seq })
    }
}

/// The body of a block up to its payloads.
pub(crate) fn block_start(
    first_tx_num: u64,
    leaves: u64,
    previous_leaf_hash: B256,
) -> [u8; BLOCK_START_LEN] {
    let [first, leaves] = [first_tx_num, leaves].map(u64::to_le_bytes);
    join(&[&first, &leaves, previous_leaf_hash.as_slice()])
}

/// The body of a block from behind its payloads.
pub(crate) fn block_end(head: &Head, last_leaf_hash: B256) -> [u8; BLOCK_END_LEN] {
    join(&[&head.to_bytes(), last_leaf_hash.as_slice()])
}

/// What comes before the entries of a block.
pub(crate) fn entries_start(entries: u64, values_len: u64) -> [u8; ENTRIES_START_LEN] {
    join(&[&entries.to_le_bytes(), &values_len.to_le_bytes()])
}

fn decode_entries<'a>(fields: &mut Fields<'a>) -> Option<EntryPart<'a>> {
    let entries = usize::try_from(fields.u64()?).ok()?;
    let values_len = usize::try_from(fields.u64()?).ok()?;
    let (entries, _) = fields.slice(entries.checked_mul(LEAF_LEN)?)?.as_chunks();
    let values = fields.slice(values_len)?;
    let part = EntryPart { entries, values };
    // No entries, no part: there is one form for each block.
    (!entries.is_empty() && part.is_whole()).then_some(part)
}

fn decode_block(mut fields: Fields<'_>, kind: u32) -> Option<JournalRecord<'_>> {
    let has_tags = kind & WITH_TAGS != 0;
    let first_tx_num = fields.u64()?;
    let leaves = usize::try_from(fields.u64()?).ok()?;
    let previous_leaf_hash = B256::new(*fields.bytes()?);
    let payloads = fields.slice(leaves.checked_mul(PAYLOAD_LEN)?)?;
    let (payloads, _) = payloads.as_chunks();
    let tags = if has_tags { leaves } else { 0 };
    let (tags, _) = fields.slice(tags.checked_mul(TAG_LEN)?)?.as_chunks();
    let entries = match kind & WITH_ENTRIES {
        0 => EntryPart::default(),
        _ => decode_entries(&mut fields)?,
    };
    let head = Head::from_bytes(fields.bytes::<{ Head::ENCODED_LEN }>()?).ok()?;
    let last_leaf_hash = B256::new(*fields.bytes()?);
    let block = JournalRecord::Block {
        first_tx_num,
        previous_leaf_hash,
        payloads,
        tags,
        entries,
        head,
        last_leaf_hash,
    };
    // No leaf, no tag: there is one form for each block.
    if has_tags && tags.iter().all(|tag| *tag == NO_TAG) {
        return None;
    }
    fields.0.is_empty().then_some(block)
}

fn decode_unwind(mut fields: Fields<'_>) -> Option<JournalRecord<'_>> {
    let JournalState {
        head,
        last_leaf_hash,
        any_block,
    } = JournalState::decode(&mut fields)?;
    fields.0.is_empty().then_some(JournalRecord::Unwind {
        head,
        last_leaf_hash,
        any_block,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    const SALT: u32 = 0x1234_5678;

    fn framed(front: RecordFront, body: &[u8]) -> Vec<u8> {
        [
            &front.to_bytes(SALT)[..],
            body,
            &record_back(crc32c_append(SALT, body)),
        ]
        .concat()
    }

    fn front(kind: u32, length: u64) -> RecordFront {
        RecordFront {
            kind,
            seq: 7,
            durable: 3,
            length,
        }
    }

    #[test]
    fn what_lies_behind_a_record_does_not_matter_and_what_is_cut_off_does() {
        let bytes = framed(front(9, 5), b"hello");
        let longer = [&bytes[..], b"more"].concat();
        let whole = WholeRecord::read(&longer, SALT).unwrap();
        assert_eq!(
            (whole.front, whole.body, whole.len()),
            (front(9, 5), &b"hello"[..], 53)
        );
        for len in 0..bytes.len() {
            assert!(WholeRecord::read(&bytes[..len], SALT).is_none(), "{len}");
        }
    }

    #[test]
    fn every_byte_of_a_record_matters() {
        let bytes = framed(front(KIND_BLOCK, 5), b"hello");
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1;
            assert!(WholeRecord::read(&flipped, SALT).is_none(), "{at}");
        }
    }

    #[test]
    fn a_length_beyond_the_file_is_no_record() {
        for length in [6, 1 << 40, u64::MAX - 40, u64::MAX] {
            assert!(WholeRecord::read(&framed(front(1, length), b"hello"), SALT).is_none());
        }
    }

    #[test]
    fn a_record_belongs_to_the_file_of_its_salt() {
        let bytes = framed(front(KIND_BLOCK, 5), b"hello");
        assert!(WholeRecord::read(&bytes, SALT).is_some());
        for other in [0, 1, !SALT] {
            assert!(WholeRecord::read(&bytes, other).is_none());
        }
    }

    #[test]
    fn a_block_has_as_many_tags_as_leaves_or_none() {
        let head = block_end(&Head::empty(1, PROFILE, SCHEME), B256::ZERO);
        let decode = |kind, tags: &[u8]| {
            let start = block_start(0, 2, B256::ZERO);
            let body = [&start[..], &[7; 192], tags, &head].concat();
            let bytes = framed(front(kind, body.len() as u64), &body);
            let whole = WholeRecord::read(&bytes, SALT).unwrap();
            match whole.decode()? {
                JournalRecord::Block { tags, .. } => Ok(tags.to_vec()),
                unwind @ JournalRecord::Unwind { .. } => panic!("{unwind:?}"),
            }
        };
        let tags = [[0; 8], [1; 8]];
        let (kind, body) = (KIND_BLOCK | WITH_TAGS, Damage::Body { seq: 7 });
        assert_eq!(decode(kind, tags.as_flattened()), Ok(tags.to_vec()));
        assert_eq!(decode(KIND_BLOCK, &[]), Ok(Vec::new()));
        assert_eq!(decode(KIND_BLOCK, tags.as_flattened()), Err(body));
        for wrong in [&[][..], &[1; 8], &[1; 17], &[1; 24], &[0; 16]] {
            assert_eq!(decode(kind, wrong), Err(body));
        }
    }

    #[test]
    fn entries_come_with_well_formed_values_or_not_at_all() {
        let head = block_end(&Head::empty(1, PROFILE, SCHEME), B256::ZERO);
        let decode = |kind, entries: u64, values: &[u8], cut: usize| {
            let start = block_start(0, 1, B256::ZERO);
            let part = entries_start(entries, values.len() as u64 + cut as u64);
            let count = usize::try_from(entries.min(9)).unwrap();
            let body = [
                &start[..],
                &[7; 96],
                &part,
                &vec![5; 128 * count],
                values,
                &head,
            ]
            .concat();
            let bytes = framed(front(kind, body.len() as u64), &body);
            let whole = WholeRecord::read(&bytes, SALT).unwrap();
            match whole.decode()? {
                JournalRecord::Block { entries, .. } => {
                    let values = entries
                        .values()
                        .map(|(place, value)| (place, value.to_vec()));
                    Ok((entries.entries.len(), values.collect::<Vec<_>>()))
                }
                unwind @ JournalRecord::Unwind { .. } => panic!("{unwind:?}"),
            }
        };
        let values = |list: &[(u32, &[u8])]| {
            let mut out = Vec::new();
            list.iter()
                .for_each(|(place, value)| put_value(&mut out, *place, value));
            out
        };
        let (kind, body) = (KIND_BLOCK | WITH_ENTRIES, Err(Damage::Body { seq: 7 }));
        let good = values(&[(0, b"one"), (2, b"")]);
        let expected = vec![(0, b"one".to_vec()), (2, vec![])];
        assert_eq!(decode(kind, 3, &good, 0), Ok((3, expected)));
        assert_eq!(decode(kind, 1, &[], 0), Ok((1, vec![])));
        for entries in [0, 2, u64::MAX / 128 + 1, u64::MAX] {
            assert_eq!(decode(kind, entries, &good, 0), body, "{entries} entries");
        }
        for bad in [
            &[(1, &b"a"[..]), (1, b"b")][..],
            &[(2, b"a"), (1, b"b")],
            &[(3, b"a")],
        ] {
            assert_eq!(decode(kind, 3, &values(bad), 0), body);
        }
        assert_eq!(decode(kind, 3, &good[..good.len() - 1], 0), body);
        assert_eq!(decode(kind, 3, &good, 1), body);
        assert_eq!(decode(KIND_BLOCK, 3, &good, 0), body);
    }

    #[test]
    fn whole_records_that_do_not_decode_say_so() {
        let decode = |kind, body: &[u8]| {
            let bytes = framed(front(kind, body.len() as u64), body);
            WholeRecord::read(&bytes, SALT)
                .unwrap()
                .decode()
                .unwrap_err()
        };
        assert_eq!(decode(3, b""), Damage::Kind { seq: 7, kind: 3 });
        let kind = 0x0401;
        assert_eq!(decode(kind, b""), Damage::Kind { seq: 7, kind });
        let body = Damage::Body { seq: 7 };
        assert_eq!(decode(KIND_BLOCK, b""), body);
        assert_eq!(decode(KIND_UNWIND, b""), body);
        // More leaves than bytes, so many that their length overflows, and a byte too many.
        let head = block_end(&Head::empty(1, PROFILE, SCHEME), B256::ZERO);
        for leaves in [1, u64::MAX / 96, u64::MAX / 96 + 2, u64::MAX] {
            let block = [&block_start(0, leaves, B256::ZERO)[..], &head].concat();
            assert_eq!(decode(KIND_BLOCK, &block), body);
        }
        let block = [&block_start(0, 0, B256::ZERO)[..], &head, &[0]].concat();
        assert_eq!(decode(KIND_BLOCK, &block), body);
        assert_eq!(decode(KIND_UNWIND, &[&head[..], &[0, 0]].concat()), body);
    }

    const PROFILE: qmtree_proofs::Profile = qmtree_proofs::Profile::Keccak256;
    const SCHEME: qmtree_proofs::Scheme = qmtree_proofs::Scheme::StateRoot1;

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 256,
            rng_seed: RngSeed::Fixed(2026),
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        #[test]
        fn any_body_decodes_or_is_refused(kind in prop::sample::select(vec![0, 1, 2, 3, 0x0101, 0x0201, 0x0301]), body in prop::collection::vec(any::<u8>(), 0..400)) {
            let bytes = framed(front(kind, body.len() as u64), &body);
            let _ = WholeRecord::read(&bytes, SALT).unwrap().decode();
        }

        #[test]
        fn any_bytes_are_a_record_or_not(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            prop_assert!(WholeRecord::read(&bytes, SALT).is_none());
        }
    }
}
