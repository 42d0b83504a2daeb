//! The JSON form of the head, and of the names in it.

use super::read::{Hash, Number, Object, Seen, read_name, read_object};
use crate::hash::Profile;
use crate::head::{Head, Scheme};
use alloy_primitives::B256;
use serde::de::{self, Deserialize, Deserializer, MapAccess};

impl<'de> Deserialize<'de> for Profile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let expected = "a profile, \"keccak\" or \"blake3\"";
        read_name(deserializer, expected, Self::from_name)
    }
}

impl<'de> Deserialize<'de> for Scheme {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let expected = "a leaf scheme, \"state-root/1\" or \"read-set/1\"";
        read_name(deserializer, expected, Self::from_name)
    }
}

impl<'de> Deserialize<'de> for Head {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fields = HeadFields {
            head: Self::empty(0, Profile::Keccak256, Scheme::StateRoot1),
            head_hash: None,
        };
        read_object(deserializer, fields)
    }
}

struct HeadFields {
    head: Head,
    head_hash: Option<B256>,
}

const REQUIRED: &[&str] = HeadFields::NAMES.split_at(8).0;

impl Object for HeadFields {
    const WHAT: &'static str = "a head";
    const NAMES: &'static [&'static str] = &[
        "chainId",
        "profile",
        "scheme",
        "blockNumber",
        "leafCount",
        "root",
        "entryCount",
        "stateRoot",
        "headHash",
    ];
    type Value = Head;

    fn read<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        let head = &mut self.head;
        match name {
            "chainId" => head.chain_id = map.next_value::<Number>()?.0,
            "profile" => head.profile = map.next_value()?,
            "scheme" => head.scheme = map.next_value()?,
            "blockNumber" => head.block_number = map.next_value::<Number>()?.0,
            "leafCount" => head.leaf_count = map.next_value::<Number>()?.0,
            "root" => head.root = map.next_value::<Hash>()?.0,
            "entryCount" => head.entry_count = map.next_value::<Number>()?.0,
            "stateRoot" => head.state_root = map.next_value::<Hash>()?.0,
            "headHash" => self.head_hash = Some(map.next_value::<Hash>()?.0),
            _ => unreachable!("not in NAMES"),
        }
        Ok(())
    }

    fn finish<E: de::Error>(self, seen: Seen) -> Result<Head, E> {
        seen.all_of(REQUIRED)?;
        self.head.check().map_err(E::custom)?;
        let computed = self.head.hash();
        match self.head_hash {
            Some(claimed) if claimed != computed => Err(E::custom(format_args!(
                "headHash is {claimed}, but the fields hash to {computed}"
            ))),
            _ => Ok(self.head),
        }
    }
}
