//! The JSON forms of a witness.
//!
//! | from | `state`, `codes` | `headers` |
//! |---|---|---|
//! | reth, Erigon, ethrex today | list of byte strings | list of RLP |
//! | reth before spring 2025 | map from hash to bytes | none |
//! | geth | list | list of objects |
//! | ethrex in 2025 | `stateTrieNodes`, `storageTrieNodes`, lists of maps | map from number to header, `parentBlockHeader` |
//!
//! So a list is whatever byte strings are found in it, however deep, and the hashes beside them are
//! not looked at: they are computed anyway.

use super::MAX_HEADERS;
use super::execution_witness::ExecutionWitness;
use alloc::string::String;
use alloc::vec::Vec;
use alloy_consensus::Header;
use alloy_primitives::{Bytes, hex};
use core::fmt;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

/// Most items of a list.
pub const MAX_ITEMS: usize = 1 << 20;
/// Most bytes of an item: far above any node, header or code.
pub const MAX_ITEM_LEN: usize = 1 << 20;

/// Why a text is no witness.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WitnessFormatError {
    /// The text is no JSON, or not of this form.
    #[error("not an execution witness")]
    Json(#[from] serde_json::Error),
    /// The answer of a client that is an error.
    #[error("the client answered with an error instead of a witness: {0}")]
    Refused(String),
}

impl ExecutionWitness {
    /// Reads any of the forms in which clients return a witness, with or without the JSON-RPC
    /// envelope around it.
    ///
    /// # Errors
    /// [`WitnessFormatError`] if it is none of them, if a list has more than [`MAX_ITEMS`] items, or
    /// an item more than [`MAX_ITEM_LEN`] bytes.
    pub fn from_json(text: &[u8]) -> Result<Self, WitnessFormatError> {
        #[derive(serde::Deserialize)]
        struct Answer {
            result: Option<ExecutionWitness>,
            error: Option<Value>,
        }
        // A text that is no answer has neither of the two, and is read again as the witness itself.
        let answer: Answer = serde_json::from_slice(text)?;
        match answer {
            Answer {
                error: Some(error), ..
            } => Err(WitnessFormatError::Refused(alloc::format!("{error}"))),
            Answer {
                result: Some(witness),
                ..
            } => Ok(witness),
            _ => Ok(serde_json::from_slice(text)?),
        }
    }
}

impl<'de> serde::Deserialize<'de> for ExecutionWitness {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(WitnessVisitor)
    }
}

struct WitnessVisitor;

impl<'de> Visitor<'de> for WitnessVisitor {
    type Value = ExecutionWitness;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with `state` and `codes`, and perhaps `headers`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ExecutionWitness, A::Error> {
        let mut witness = ExecutionWitness::default();
        let (mut state, mut codes) = (false, false);
        while let Some(name) = map.next_key::<String>()? {
            match name.as_str() {
                "state" | "stateTrieNodes" => {
                    state = true;
                    map.next_value_seed(ByteStrings(&mut witness.state))?;
                }
                "storageTrieNodes" => map.next_value_seed(ByteStrings(&mut witness.state))?,
                "codes" => {
                    codes = true;
                    map.next_value_seed(ByteStrings(&mut witness.codes))?;
                }
                "keys" => map.next_value_seed(ByteStrings(&mut witness.keys))?,
                "headers" | "blockHeaders" | "parentBlockHeader" => {
                    push_headers(map.next_value()?, &mut witness.headers)
                        .map_err(serde::de::Error::custom)?;
                }
                _ => _ = map.next_value::<IgnoredAny>()?,
            }
        }
        match (state, codes) {
            (true, true) => Ok(witness),
            (false, _) => Err(serde::de::Error::missing_field("state")),
            (true, false) => Err(serde::de::Error::missing_field("codes")),
        }
    }
}

/// Collects every byte string of a value: the items of lists, the values of maps.
struct ByteStrings<'a>(&'a mut Vec<Bytes>);

impl<'de> DeserializeSeed<'de> for ByteStrings<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ByteStrings<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("0x-prefixed byte strings, in lists or maps")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        if self.0.len() >= MAX_ITEMS {
            return Err(E::custom(format_args!("more than {MAX_ITEMS} items")));
        }
        self.0.push(byte_string(text).map_err(E::custom)?);
        Ok(())
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        Ok(())
    }

    // serde_json refuses nesting deeper than 128.
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(ByteStrings(self.0))?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while map.next_key::<IgnoredAny>()?.is_some() {
            map.next_value_seed(ByteStrings(self.0))?;
        }
        Ok(())
    }
}

fn byte_string(text: &str) -> Result<Bytes, String> {
    let digits = text.strip_prefix("0x");
    let digits = digits.ok_or_else(|| alloc::format!("a byte string without 0x: {:.12}", text))?;
    if digits.len() > 2 * MAX_ITEM_LEN {
        return Err(alloc::format!(
            "a byte string of more than {MAX_ITEM_LEN} bytes"
        ));
    }
    let bytes = hex::decode(digits);
    bytes
        .map(Bytes::from)
        .map_err(|error| alloc::format!("{error}"))
}

/// Headers as RLP or as objects, alone, in a list, or in a map by number.
fn push_headers(value: Value, out: &mut Vec<Bytes>) -> Result<(), String> {
    if out.len() >= MAX_HEADERS && !matches!(value, Value::Null) {
        return Err(alloc::format!("more than {MAX_HEADERS} headers"));
    }
    match value {
        Value::Null => {}
        Value::String(text) => out.push(byte_string(&text)?),
        Value::Array(items) => {
            for item in items {
                push_headers(item, out)?;
            }
        }
        Value::Object(fields) if fields.contains_key("parentHash") => {
            let header: Header = serde_json::from_value(Value::Object(fields))
                .map_err(|error| alloc::format!("not a header: {error}"))?;
            out.push(alloy_rlp::encode(header).into());
        }
        Value::Object(fields) => {
            for (_, item) in fields {
                push_headers(item, out)?;
            }
        }
        Value::Bool(_) | Value::Number(_) => return Err("headers that are none".into()),
    }
    Ok(())
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that fails may panic"
)]
mod tests {
    use super::*;
    use alloy_primitives::keccak256;

    fn header() -> Header {
        Header {
            number: 7,
            gas_limit: 30_000_000,
            extra_data: Bytes::from_static(b"extra"),
            base_fee_per_gas: Some(7),
            ..Header::default()
        }
    }

    fn expected(headers: usize) -> ExecutionWitness {
        let bytes = |items: &[&[u8]]| -> Vec<Bytes> {
            items
                .iter()
                .map(|item| Bytes::copy_from_slice(item))
                .collect()
        };
        let rlp = alloy_rlp::encode(header());
        ExecutionWitness {
            state: bytes(&[&[0xc1, 0x01], &[0xc1, 0x02]]),
            codes: bytes(&[&[0x60, 0x00]]),
            keys: Vec::new(),
            headers: bytes(&alloc::vec![&rlp[..]; headers]),
        }
    }

    fn read(text: &str) -> ExecutionWitness {
        ExecutionWitness::from_json(text.as_bytes()).unwrap()
    }

    fn refusal(text: &str) -> String {
        use core::error::Error;
        let error = ExecutionWitness::from_json(text.as_bytes()).unwrap_err();
        let cause = error.source().map(|source| alloc::format!(": {source}"));
        alloc::format!("{error}{}", cause.unwrap_or_default())
    }

    #[test]
    fn the_form_of_today_with_and_without_its_envelope() {
        let rlp = hex::encode(alloy_rlp::encode(header()));
        let lists = alloc::format!(
            r#"{{"state":["0xc101","0xc102"],"codes":["0x6000"],"keys":[],"headers":["0x{rlp}"]}}"#
        );
        assert_eq!(read(&lists), expected(1));
        let answer = alloc::format!(r#"{{"jsonrpc":"2.0","id":1,"result":{lists}}}"#);
        assert_eq!(read(&answer), expected(1));
        let without = r#"{"state":["0xc101","0xc102"],"codes":["0x6000"],"keys":["0x01"]}"#;
        let keys = [Bytes::from_static(&[1])].to_vec();
        let expected = ExecutionWitness {
            keys,
            ..expected(0)
        };
        assert_eq!(read(without), expected);
    }

    #[test]
    fn the_map_form() {
        let hash = |byte: u8| keccak256([0xc1, byte]);
        let maps = alloc::format!(
            r#"{{"state":{{"{}":"0xc101","{}":"0xc102"}},"codes":{{"0x00":"0x6000"}},"keys":{{}}}}"#,
            hash(1),
            hash(2)
        );
        assert_eq!(read(&maps), expected(0));
    }

    #[test]
    fn headers_as_objects_as_geth_writes_them() {
        let mut object = serde_json::to_value(header()).unwrap();
        object["hash"] = alloc::format!("{}", header().hash_slow()).into();
        let geth = alloc::format!(
            r#"{{"headers":[{object}],"codes":["0x6000"],"state":["0xc101","0xc102"],"keys":null}}"#
        );
        assert_eq!(read(&geth), expected(1));
    }

    #[test]
    fn nodes_by_trie_and_headers_by_number() {
        let object = serde_json::to_value(header()).unwrap();
        let nested = alloc::format!(
            r#"{{"stateTrieNodes":["0xc101"],"storageTrieNodes":[{{"0xaa":["0xc102"]}}],
                 "codes":[{{"0xbb":"0x6000"}}],"blockHeaders":{{"7":{object}}},
                 "parentBlockHeader":{object},"chainConfig":{{"chainId":1}}}}"#
        );
        assert_eq!(read(&nested), expected(2));
    }

    #[test]
    fn what_is_no_witness_is_refused_with_a_reason() {
        let cases = [
            ("", "EOF"),
            ("[]", "invalid"),
            ("{}", "missing field `state`"),
            (r#"{"state":[]}"#, "missing field `codes`"),
            (r#"{"state":["c101"],"codes":[]}"#, "without 0x"),
            (r#"{"state":["0xc10"],"codes":[]}"#, "odd number of digits"),
            (r#"{"state":["0xzz"],"codes":[]}"#, "invalid character"),
            (r#"{"state":[5],"codes":[]}"#, "invalid type: integer"),
            (
                r#"{"state":[],"codes":[],"headers":[7]}"#,
                "headers that are none",
            ),
            (
                r#"{"state":[],"codes":[],"headers":[{"parentHash":"0x01"}]}"#,
                "not a header",
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"no such block"}}"#,
                "no such block",
            ),
        ];
        for (text, reason) in cases {
            let refusal = refusal(text);
            assert!(refusal.contains(reason), "{text}: {refusal}");
        }
    }

    #[test]
    fn sizes_are_bounded() {
        let long = "00".repeat(MAX_ITEM_LEN + 1);
        let text = alloc::format!(r#"{{"state":[],"codes":["0x{long}"]}}"#);
        assert!(refusal(&text).contains("more than 1048576 bytes"));
        let many = alloc::vec![r#""0x""#; MAX_ITEMS + 1].join(",");
        let text = alloc::format!(r#"{{"state":[{many}],"codes":[]}}"#);
        assert!(refusal(&text).contains("more than 1048576 items"));
        let headers = alloc::vec![r#""0x""#; MAX_HEADERS + 1].join(",");
        let text = alloc::format!(r#"{{"state":[],"codes":[],"headers":[{headers}]}}"#);
        assert!(refusal(&text).contains("more than 256 headers"));
        let deep = "[".repeat(100_000);
        let end = "]".repeat(100_000);
        let text = alloc::format!(r#"{{"state":{deep}{end},"codes":[]}}"#);
        assert!(refusal(&text).contains("recursion limit"));
    }
}
