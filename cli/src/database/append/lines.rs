//! Blocks as JSON lines.

use super::Given;
use super::input::Input;
use crate::error::CliError;
use alloy_primitives::{B256, hex};
use qmtree::StateBatch;
use qmtree_proofs::{LeafPayload, TxNum};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};
use std::borrow::Cow;
use std::fmt;
use std::io::{BufRead as _, Read as _};
use std::marker::PhantomData;

/// A line longer than this is refused: about two million leaves.
const MAX_LINE_LEN: u64 = 512 << 20;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    block: u64,
    leaves: Vec<Object<LeafLine>>,
    #[serde(default)]
    batches: Vec<Object<BatchLine>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct LeafLine {
    pre_state_hash: Hash,
    state_change_hash: Hash,
    transition_hash: Hash,
    tx_hash: Option<Hash>,
}

/// What a transaction writes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct BatchLine {
    tx_num: u64,
    writes: Vec<Object<WriteLine>>,
}

/// A key with its new value, or null to delete it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WriteLine {
    key: Hash,
    value: Option<Value>,
}

/// Something that is written as an object: what serde derives would take an array of its fields too.
#[derive(Debug)]
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Object)
    }
}

/// A hash as `0x` and 64 hex digits, in no other way.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(try_from = "Cow<'_, str>")]
struct Hash(B256);

impl TryFrom<Cow<'_, str>> for Hash {
    type Error = &'static str;

    fn try_from(text: Cow<'_, str>) -> Result<Self, Self::Error> {
        let digits = text.strip_prefix("0x").filter(|digits| digits.len() == 64);
        let hash = digits.and_then(|digits| digits.parse().ok());
        hash.map(Self)
            .ok_or("invalid hash: expected a string of 0x and 64 hex digits")
    }
}

/// A value as `0x` and two hex digits a byte, in no other way.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Cow<'_, str>")]
struct Value(Vec<u8>);

impl TryFrom<Cow<'_, str>> for Value {
    type Error = &'static str;

    fn try_from(text: Cow<'_, str>) -> Result<Self, Self::Error> {
        let digits = text.strip_prefix("0x");
        let digits = digits.filter(|text| text.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let bytes = digits.and_then(|digits| hex::decode(digits).ok());
        bytes
            .map(Self)
            .ok_or("invalid value: expected a string of 0x and two hex digits a byte")
    }
}

impl From<Line> for Given {
    fn from(line: Line) -> Self {
        let payload = |Object(leaf): &Object<LeafLine>| LeafPayload {
            pre_state_hash: leaf.pre_state_hash.0,
            state_change_hash: leaf.state_change_hash.0,
            transition_hash: leaf.transition_hash.0,
        };
        let tx_hash = |Object(leaf): &Object<LeafLine>| leaf.tx_hash.unwrap_or_default().0;
        Self {
            number: line.block,
            leaves: line.leaves.iter().map(payload).collect(),
            tx_hashes: line.leaves.iter().map(tx_hash).collect(),
            batches: line.batches.into_iter().map(StateBatch::from).collect(),
        }
    }
}

impl From<Object<BatchLine>> for StateBatch {
    fn from(Object(line): Object<BatchLine>) -> Self {
        let writes = line.writes.into_iter();
        let writes = writes.map(|Object(write)| (write.key.0, write.value.map(|value| value.0)));
        Self {
            tx_num: TxNum(line.tx_num),
            writes: writes.collect(),
        }
    }
}

/// Lines, and where in them we are.
pub(super) struct Lines {
    pub(super) input: Input,
    line: Vec<u8>,
    pub(super) number: u64,
}

impl Lines {
    pub(super) fn new(input: Input) -> Self {
        Self {
            input,
            line: Vec::new(),
            number: 0,
        }
    }

    /// The block of the next line that is not blank, if there is one.
    pub(super) fn next(&mut self) -> Result<Option<Given>, CliError> {
        loop {
            let read = self.read_line();
            if !read.map_err(|source| self.input.failed(source))? {
                return Ok(None);
            }
            let line = self.line.trim_ascii_end();
            if line.is_empty() {
                continue;
            }
            let parsed: Result<Object<Line>, _> = serde_json::from_slice(line);
            let Object(line) = parsed.map_err(|error| self.refused(&error))?;
            return Ok(Some(line.into()));
        }
    }

    /// What is wrong with the line, and where: by our count of lines, not by that of the parser, who
    /// has seen no other.
    fn refused(&self, error: &serde_json::Error) -> CliError {
        let (text, column) = (error.to_string(), error.column());
        let place = format!(" at line {} column {column}", error.line());
        CliError::Line {
            path: self.input.path.clone(),
            number: self.number,
            column,
            what: text.strip_suffix(&place).unwrap_or(&text).to_owned(),
        }
    }

    /// Reads a line; false at the end of the input.
    fn read_line(&mut self) -> std::io::Result<bool> {
        self.line.clear();
        let mut limited = (&mut self.input.reader).take(MAX_LINE_LEN);
        let read = limited.read_until(b'\n', &mut self.line)? as u64;
        self.input.bytes += read;
        self.number += 1;
        if read == MAX_LINE_LEN && self.line.last() != Some(&b'\n') {
            let (number, limit) = (self.number, MAX_LINE_LEN >> 20);
            let what = format!("line {number} is longer than {limit} MiB");
            return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, what));
        }
        Ok(read > 0)
    }
}
