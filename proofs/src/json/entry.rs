//! The JSON form of an entry of the state log inside a proof.

use super::read::{Element, Flag, Hash, Number, Object, Seen, read_object};
use crate::hash::LEAF_LEN;
use crate::state::EntryId;
use alloy_primitives::B256;
use serde::de::{self, Deserialize, Deserializer, MapAccess};

/// The names of an entry's fields: its place in the proof, its words, its meta.
pub(super) const ENTRY_NAMES: [&str; 8] = [
    "entryId",
    "active",
    "key",
    "nextKey",
    "valueWord",
    "txNum",
    "supersedes",
    "flags",
];

/// An entry with its id, and whether its active bit is shown.
pub(super) struct OpenedEntry {
    pub(super) id: EntryId,
    pub(super) shown: bool,
    pub(super) bytes: [u8; LEAF_LEN],
}

/// The fields as they are read. The bytes are held against the rules by the proof.
pub(super) struct EntryFields {
    id: u64,
    shown: bool,
    words: [B256; 3],
    numbers: [u64; 3],
}

impl Object for EntryFields {
    const WHAT: &'static str = "an entry";
    const NAMES: &'static [&'static str] = &ENTRY_NAMES;
    type Value = Self;

    fn read<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        let [key, next_key, value] = &mut self.words;
        let [tx_num, supersedes, flags] = &mut self.numbers;
        match name {
            "entryId" => self.id = map.next_value::<Number>()?.0,
            "active" => self.shown = map.next_value::<Flag>()?.0,
            "key" => *key = map.next_value::<Hash>()?.0,
            "nextKey" => *next_key = map.next_value::<Hash>()?.0,
            "valueWord" => *value = map.next_value::<Hash>()?.0,
            "txNum" => *tx_num = map.next_value::<Number>()?.0,
            "supersedes" => *supersedes = map.next_value::<Number>()?.0,
            "flags" => *flags = map.next_value::<Number>()?.0,
            _ => unreachable!("not in NAMES"),
        }
        Ok(())
    }

    fn finish<E: de::Error>(self, seen: Seen) -> Result<Self, E> {
        seen.all_of(Self::NAMES)?;
        Ok(self)
    }
}

impl<'de> Deserialize<'de> for EntryFields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let nothing = Self {
            id: 0,
            shown: false,
            words: [B256::ZERO; 3],
            numbers: [0; 3],
        };
        read_object(deserializer, nothing)
    }
}

impl<'de> Element<'de> for OpenedEntry {
    const WHAT: &'static str = "a list of entries";
    type Form = EntryFields;

    fn new<E: de::Error>(form: EntryFields, _: Option<&Self>) -> Result<Self, E> {
        let mut bytes = [0; LEAF_LEN];
        let (front, back) = bytes.split_at_mut(96);
        for (chunk, word) in front.as_chunks_mut::<32>().0.iter_mut().zip(form.words) {
            *chunk = word.0;
        }
        for (chunk, number) in back.as_chunks_mut::<8>().0.iter_mut().zip(form.numbers) {
            *chunk = number.to_be_bytes();
        }
        Ok(Self {
            id: EntryId(form.id),
            shown: form.shown,
            bytes,
        })
    }
}
