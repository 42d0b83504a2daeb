//! The parts that every form is made of: objects, lists, numbers, hashes and names.

use crate::error::ShapeError;
use crate::level::TxNum;
use alloc::vec::Vec;
use alloy_primitives::{B256, hex};
use core::fmt;
use core::marker::PhantomData;
use serde::Deserialize;
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Unexpected, Visitor};

/// An object that is read field by field.
pub(super) trait Object: Sized {
    /// What the object is, for errors.
    const WHAT: &'static str;
    /// The names of its fields, 32 at most.
    const NAMES: &'static [&'static str];
    /// What it becomes.
    type Value;

    /// Reads the value of the field called `name`, which is one of `NAMES` and comes only once.
    fn read<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error>;

    /// The value, after the last field.
    fn finish<E: de::Error>(self, seen: Seen) -> Result<Self::Value, E>;
}

/// Reads an object into `fields`, which hold nothing yet.
pub(super) fn read_object<'de, D: Deserializer<'de>, T: Object>(
    deserializer: D,
    fields: T,
) -> Result<T::Value, D::Error> {
    deserializer.deserialize_map(ObjectVisitor(fields))
}

struct ObjectVisitor<T>(T);

impl<'de, T: Object> Visitor<'de> for ObjectVisitor<T> {
    type Value = T::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (an object)", T::WHAT)
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<T::Value, A::Error> {
        let mut seen = Seen {
            names: T::NAMES,
            bits: 0,
        };
        while let Some((index, name)) = map.next_key_seed(FieldName(T::NAMES))? {
            if !seen.insert(index) {
                return Err(de::Error::duplicate_field(name));
            }
            self.0.read(name, &mut map)?;
        }
        self.0.finish(seen)
    }
}

/// Which fields an object has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    names: &'static [&'static str],
    bits: u32,
}

impl Seen {
    /// False if the field was there before.
    fn insert(&mut self, index: usize) -> bool {
        let bit = 1 << index;
        let new = self.bits & bit == 0;
        self.bits |= bit;
        new
    }

    pub(super) fn has(self, name: &str) -> bool {
        let index = self.names.iter().position(|known| *known == name);
        index.is_some_and(|index| self.bits >> index & 1 == 1)
    }

    /// Refuses an object that lacks one of the fields `names`.
    pub(super) fn all_of<E: de::Error>(self, names: &[&'static str]) -> Result<(), E> {
        match names.iter().find(|name| !self.has(name)) {
            Some(name) => Err(de::Error::missing_field(name)),
            None => Ok(()),
        }
    }

    /// The first field that is not one of `names`.
    pub(super) fn other_than(self, names: &[&'static str]) -> Option<&'static str> {
        let mut other = self.names.iter().filter(|name| !names.contains(name));
        other.find(|name| self.has(name)).copied()
    }
}

/// The name of a field, as its place among those that the object may have.
struct FieldName(&'static [&'static str]);

impl<'de> DeserializeSeed<'de> for FieldName {
    type Value = (usize, &'static str);

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for FieldName {
    type Value = (usize, &'static str);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a field")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<Self::Value, E> {
        let mut known = self.0.iter().copied().enumerate();
        known
            .find(|(_, known)| *known == name)
            .ok_or_else(|| de::Error::unknown_field(beginning(name), self.0))
    }
}

/// As much of a hostile string as our errors repeat.
fn beginning(text: &str) -> &str {
    let end = text.char_indices().nth(24).map(|(end, _)| end);
    end.and_then(|end| text.get(..end)).unwrap_or(text)
}

/// An integer: a JSON number below 2^64 without fraction or exponent.
pub(super) struct Number(pub(super) u64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_u64(NumberVisitor)
    }
}

struct NumberVisitor;

impl Visitor<'_> for NumberVisitor {
    type Value = Number;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an integer, 0 to 2^64 - 1")
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Number, E> {
        Ok(Number(number))
    }
}

/// `true` or `false`.
pub(super) struct Flag(pub(super) bool);

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bool(FlagVisitor)
    }
}

struct FlagVisitor;

impl Visitor<'_> for FlagVisitor {
    type Value = Flag;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("true or false")
    }

    fn visit_bool<E: de::Error>(self, flag: bool) -> Result<Flag, E> {
        Ok(Flag(flag))
    }
}

/// A hash: a string of `0x` and 64 hex digits of either case.
pub(super) struct Hash(pub(super) B256);

impl Hash {
    fn parse(text: &str) -> Option<Self> {
        // The length is checked here because the decoder would skip a second 0x.
        let digits = text
            .strip_prefix("0x")
            .filter(|digits| digits.len() == 64)?;
        let mut hash = [0; 32];
        hex::decode_to_slice(digits, &mut hash).ok()?;
        Some(Self(B256::new(hash)))
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(HashVisitor)
    }
}

struct HashVisitor;

impl Visitor<'_> for HashVisitor {
    type Value = Hash;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a hash: a string of 0x and 64 hex digits")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Hash, E> {
        let unexpected = Unexpected::Str(beginning(text));
        Hash::parse(text).ok_or_else(|| de::Error::invalid_value(unexpected, &self))
    }
}

/// Reads a string that `from_name` knows.
pub(super) fn read_name<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    expected: &'static str,
    from_name: fn(&str) -> Option<T>,
) -> Result<T, D::Error> {
    deserializer.deserialize_str(NameVisitor {
        expected,
        from_name,
    })
}

struct NameVisitor<T> {
    expected: &'static str,
    from_name: fn(&str) -> Option<T>,
}

impl<T> Visitor<'_> for NameVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<T, E> {
        let unexpected = Unexpected::Str(beginning(name));
        (self.from_name)(name).ok_or_else(|| de::Error::invalid_value(unexpected, &self))
    }
}

/// What a list may consist of.
pub(super) trait Element<'de>: Sized {
    /// What the list is, for errors.
    const WHAT: &'static str;
    /// The form that is read.
    type Form: Deserialize<'de>;

    /// The element, which comes after `previous`.
    fn new<E: de::Error>(form: Self::Form, previous: Option<&Self>) -> Result<Self, E>;
}

impl<'de> Element<'de> for B256 {
    const WHAT: &'static str = "a list of hashes";
    type Form = Hash;

    fn new<E: de::Error>(form: Hash, _: Option<&Self>) -> Result<Self, E> {
        Ok(form.0)
    }
}

impl<'de> Element<'de> for TxNum {
    const WHAT: &'static str = "a list of ascending positions";
    type Form = Number;

    fn new<E: de::Error>(form: Number, previous: Option<&Self>) -> Result<Self, E> {
        let next = Self(form.0);
        match previous {
            Some(&previous) if previous >= next => {
                Err(de::Error::custom(ShapeError::Unsorted { previous, next }))
            }
            _ => Ok(next),
        }
    }
}

/// A list. No hint of its length is believed: it grows with what has been read.
pub(super) struct List<T>(pub(super) Vec<T>);

impl<'de, T: Element<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(ListVisitor(PhantomData))
    }
}

struct ListVisitor<T>(PhantomData<T>);

impl<'de, T: Element<'de>> Visitor<'de> for ListVisitor<T> {
    type Value = List<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::WHAT)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<List<T>, A::Error> {
        let mut list = Vec::new();
        while let Some(form) = seq.next_element()? {
            list.push(T::new(form, list.last())?);
        }
        Ok(List(list))
    }
}
