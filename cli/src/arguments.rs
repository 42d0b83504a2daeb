//! Arguments that several commands share.

use clap::ValueEnum;
use qmtree::Durability;
use qmtree_execution_adapter::TraceMode;
use qmtree_proofs::{Profile, Scheme};

/// A hash profile by its name on the command line.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum ProfileName {
    /// Keccak-256, which an EVM verifies.
    Keccak,
    /// BLAKE3, for speed.
    Blake3,
}

impl ProfileName {
    pub(crate) fn profile(self) -> Profile {
        match self {
            Self::Keccak => Profile::Keccak256,
            Self::Blake3 => Profile::Blake3,
        }
    }
}

/// A leaf scheme by its name on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SchemeName {
    /// preStateHash is the root of the state log before the transaction.
    StateRoot,
    /// preStateHash is the root over the values that the transaction read.
    ReadSet,
}

impl SchemeName {
    pub(crate) fn scheme(self) -> Scheme {
        match self {
            Self::StateRoot => Scheme::StateRoot1,
            Self::ReadSet => Scheme::ReadSet1,
        }
    }
}

/// How much of an execution is committed to, by its name on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TraceName {
    /// Status, gas, output and logs.
    Outcome,
    /// Every step, each of which can be proved.
    Full,
    /// Every step, as one hash.
    Flat,
}

impl TraceName {
    pub(crate) fn mode(self) -> TraceMode {
        match self {
            Self::Outcome => TraceMode::Outcome,
            Self::Full => TraceMode::Full,
            Self::Flat => TraceMode::Flat,
        }
    }
}

/// `immediate`, `grouped:N` or `buffered`.
pub(crate) fn parse_durability(text: &str) -> Result<Durability, String> {
    match text.split_once(':') {
        None if text == "immediate" => Ok(Durability::Immediate),
        None if text == "buffered" => Ok(Durability::Buffered),
        Some(("grouped", blocks)) => match blocks.parse() {
            Ok(blocks @ 1..) => Ok(Durability::Grouped { blocks }),
            _ => Err(format!("{blocks:?} is not a number of blocks, at least 1")),
        },
        _ => Err("expected immediate, grouped:N or buffered".to_owned()),
    }
}

/// What [`parse_durability`] takes.
pub(crate) fn durability_name(durability: Durability) -> String {
    match durability {
        Durability::Immediate => "immediate".to_owned(),
        Durability::Buffered => "buffered".to_owned(),
        Durability::Grouped { blocks } => format!("grouped:{blocks}"),
        other => format!("{other:?}").to_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durabilities_have_one_name() {
        for name in ["immediate", "buffered", "grouped:1", "grouped:4294967295"] {
            assert_eq!(durability_name(parse_durability(name).unwrap()), name);
        }
        for name in [
            "",
            "Immediate",
            "grouped",
            "grouped:",
            "grouped:0",
            "grouped:4294967296",
        ] {
            parse_durability(name).unwrap_err();
        }
    }
}
