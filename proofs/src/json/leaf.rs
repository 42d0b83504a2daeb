//! The JSON forms of leaves: objects of three or four hashes.

use super::read::{Element, Hash, Object, Seen, read_object};
use crate::hash::PAYLOAD_LEN;
use crate::leaf::{Leaf, LeafPayload};
use alloy_primitives::B256;
use serde::de::{self, Deserialize, Deserializer, MapAccess};

/// The words of a leaf, in their order.
pub(super) const WORD_NAMES: [&str; 4] = [
    "preStateHash",
    "stateChangeHash",
    "transitionHash",
    "previousLeafHash",
];

/// The first `N` words of a leaf.
pub(super) struct Words<const N: usize>([B256; N]);

impl<const N: usize> Object for Words<N> {
    const WHAT: &'static str = if N == WORD_NAMES.len() {
        "a leaf"
    } else {
        "the payload of a leaf"
    };
    const NAMES: &'static [&'static str] = WORD_NAMES.split_at(N).0;
    type Value = Self;

    fn read<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        let word = map.next_value::<Hash>()?.0;
        let mut words = self.0.iter_mut().zip(WORD_NAMES);
        if let Some((slot, _)) = words.find(|(_, known)| *known == name) {
            *slot = word;
        }
        Ok(())
    }

    fn finish<E: de::Error>(self, seen: Seen) -> Result<Self, E> {
        seen.all_of(Self::NAMES)?;
        Ok(self)
    }
}

impl<'de, const N: usize> Deserialize<'de> for Words<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read_object(deserializer, Self([B256::ZERO; N]))
    }
}

impl From<Words<3>> for LeafPayload {
    fn from(words: Words<3>) -> Self {
        let Words([pre_state_hash, state_change_hash, transition_hash]) = words;
        Self {
            pre_state_hash,
            state_change_hash,
            transition_hash,
        }
    }
}

impl<'de> Deserialize<'de> for LeafPayload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Words::<3>::deserialize(deserializer).map(Self::from)
    }
}

impl<'de> Deserialize<'de> for Leaf {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Words([a, b, c, previous]) = Words::deserialize(deserializer)?;
        Ok(LeafPayload::from(Words([a, b, c])).after(previous))
    }
}

impl<'de> Element<'de> for [u8; PAYLOAD_LEN] {
    const WHAT: &'static str = "a list of leaf payloads";
    type Form = Words<3>;

    fn new<E: de::Error>(form: Words<3>, _: Option<&Self>) -> Result<Self, E> {
        Ok(LeafPayload::from(form).to_bytes())
    }
}
