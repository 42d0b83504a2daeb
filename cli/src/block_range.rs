//! A range of blocks on the command line: one number, or FROM..TO with both ends.

use std::ops::RangeInclusive;
use std::str::FromStr;

/// Block numbers, both ends included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BlockRange(RangeInclusive<u64>);

/// Why a text is no range of blocks.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RangeError {
    #[error("{0:?} is not the number of a block")]
    Number(String),
    #[error("block 0 is the genesis, and was never executed")]
    Genesis,
    #[error("the range ends before it begins")]
    Backwards,
}

impl BlockRange {
    pub(crate) fn numbers(&self) -> RangeInclusive<u64> {
        self.0.clone()
    }

    pub(crate) fn count(&self) -> u64 {
        // Block 0 is not in it, so this does not overflow.
        self.0.end() - self.0.start() + 1
    }
}

impl FromStr for BlockRange {
    type Err = RangeError;

    fn from_str(text: &str) -> Result<Self, RangeError> {
        let (from, to) = text.split_once("..").unwrap_or((text, text));
        let to = to.strip_prefix('=').unwrap_or(to);
        let (from, to) = (number(from)?, number(to)?);
        match from {
            0 => Err(RangeError::Genesis),
            _ if from > to => Err(RangeError::Backwards),
            _ => Ok(Self(from..=to)),
        }
    }
}

fn number(text: &str) -> Result<u64, RangeError> {
    let parsed = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    parsed.map_err(|_| RangeError::Number(text.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_are_in_a_range() {
        for (text, first, last) in [
            ("5", 5, 5),
            ("5..7", 5, 7),
            ("5..=7", 5, 7),
            ("0x10..0x11", 16, 17),
            ("1..18446744073709551615", 1, u64::MAX),
        ] {
            let range: BlockRange = text.parse().expect(text);
            assert_eq!(range, BlockRange(first..=last), "{text}");
            assert_eq!(range.count(), last - first + 1);
        }
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for text in ["", "..", "5..", "..7", "a", "-1", "5..7..9", "0x", "1.5"] {
            let refused = text.parse::<BlockRange>();
            assert!(matches!(refused, Err(RangeError::Number(_))), "{text}");
        }
        assert_eq!("7..5".parse::<BlockRange>(), Err(RangeError::Backwards));
        assert_eq!("0..5".parse::<BlockRange>(), Err(RangeError::Genesis));
    }
}
