//! Numbers as test files write them.

use alloy_primitives::{B256, U256};
use core::fmt;
use serde::de::{self, Deserialize, Deserializer, Visitor};

/// A number that may be wider than its field, as some tests want it to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Number(
    /// `None` beyond 256 bits.
    Option<U256>,
);

/// Zero.
impl Default for Number {
    fn default() -> Self {
        Self(Some(U256::ZERO))
    }
}

impl Number {
    /// Reads `0x0a`, `10`, an empty string (zero) or `0x:bigint 0x..`; hex digits need their `0x`.
    fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix("0x:bigint ").unwrap_or(text).trim();
        let (digits, radix) = match text.strip_prefix("0x").or(text.strip_prefix("0X")) {
            Some(digits) => (digits, 16),
            None => (text, 10),
        };
        if !digits.chars().all(|digit| digit.is_digit(radix)) {
            return None;
        }
        if digits.is_empty() {
            return Some(Self(Some(U256::ZERO)));
        }
        // The digits are good, so only the width can be wrong.
        Some(Self(U256::from_str_radix(digits, u64::from(radix)).ok()))
    }

    pub(super) fn u256(self) -> Option<U256> {
        self.0
    }

    pub(super) fn u128(self) -> Option<u128> {
        self.0.and_then(|value| value.try_into().ok())
    }

    pub(super) fn u64(self) -> Option<u64> {
        self.0.and_then(|value| value.try_into().ok())
    }

    pub(super) fn u8(self) -> Option<u8> {
        self.0.and_then(|value| value.try_into().ok())
    }

    pub(super) fn word(self) -> Option<B256> {
        self.0.map(B256::from)
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NumberVisitor)
    }
}

struct NumberVisitor;

impl Visitor<'_> for NumberVisitor {
    type Value = Number;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, hex with 0x or decimal")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Number, E> {
        Number::parse(text).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Number, E> {
        Ok(Number(Some(U256::from(value))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(json: &str) -> Number {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn numbers_are_read_in_every_form() {
        for json in ["\"0x0a\"", "\"0xA\"", "\"10\"", "10", "\"0x:bigint 0xa\""] {
            assert_eq!(number(json).u64(), Some(10), "{json}");
        }
        for json in ["\"\"", "\"0x\"", "0"] {
            assert_eq!(number(json).u256(), Some(U256::ZERO), "{json}");
        }
    }

    #[test]
    fn a_number_out_of_range_is_none_in_that_range() {
        let wide = number(&format!("\"0x:bigint 0x1{}\"", "0".repeat(64)));
        assert_eq!(wide.u256(), None);
        let max = number(&format!("\"0x{}\"", "f".repeat(64)));
        assert_eq!((max.u256(), max.u128()), (Some(U256::MAX), None));
        assert_eq!(number("\"0x100\"").u8(), None);
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for json in [
            "\"ten\"", "\"0xg\"", "\"a0\"", "-1", "1.5", "null", "[]", "\"0x_1\"",
        ] {
            serde_json::from_str::<Number>(json).unwrap_err();
        }
    }
}
