//! The rules of a chain in 32 bytes (docs/FORMAT.md, section 12.3).

use super::{ChainSpec, HeaderRules};
use alloc::borrow::Cow;
use alloc::format;
use alloc::vec::Vec;
use alloy_eips::eip7840::BlobParams;
use alloy_hardforks::{
    EthereumChainHardforks, EthereumHardfork as Fork, EthereumHardforks as _, ForkCondition,
};
use alloy_primitives::{Address, B256, U256, keccak256};
use core::fmt;

const DOMAIN: &[u8] = b"qmtree/rules/2";

/// Every fork that rules can name, in Ethereum's order, by the name that the digest knows it by.
const FORKS: &[(Fork, &str)] = &[
    (Fork::Frontier, "frontier"),
    (Fork::Homestead, "homestead"),
    (Fork::Dao, "dao"),
    (Fork::Tangerine, "tangerine"),
    (Fork::SpuriousDragon, "spuriousDragon"),
    (Fork::Byzantium, "byzantium"),
    (Fork::Constantinople, "constantinople"),
    (Fork::Petersburg, "petersburg"),
    (Fork::Istanbul, "istanbul"),
    (Fork::MuirGlacier, "muirGlacier"),
    (Fork::Berlin, "berlin"),
    (Fork::London, "london"),
    (Fork::ArrowGlacier, "arrowGlacier"),
    (Fork::GrayGlacier, "grayGlacier"),
    (Fork::Paris, "paris"),
    (Fork::Shanghai, "shanghai"),
    (Fork::Cancun, "cancun"),
    (Fork::Prague, "prague"),
    (Fork::Osaka, "osaka"),
    (Fork::Bpo1, "bpo1"),
    (Fork::Bpo2, "bpo2"),
    (Fork::Bpo3, "bpo3"),
    (Fork::Bpo4, "bpo4"),
    (Fork::Bpo5, "bpo5"),
    (Fork::Amsterdam, "amsterdam"),
];

/// Why bytes are no rules of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RulesError {
    /// They end too early, or have something behind them.
    Length,
    /// A fork that this version does not know, or that is not in its place.
    Fork,
    /// A byte that names a kind of thing, and names none.
    Kind {
        /// The byte.
        found: u8,
    },
    /// Blob parameters that cannot be computed with, or that are not in their place.
    Blobs,
}

impl ChainSpec {
    /// Binds all that the rules depend on: chain id, when which fork starts, the deposit contract, the
    /// blob parameters, and which rules between headers are Ethereum's. The name of the chain is not
    /// part of it.
    ///
    /// A proof about blocks is a proof under some rules; its verifier compares this with the digest
    /// of the rules it means.
    #[must_use]
    pub fn digest(&self) -> B256 {
        keccak256([DOMAIN, &self.to_bytes()].concat())
    }

    /// The rules as bytes, for a program that executes by them: docs/FORMAT.md, section 12.3.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::from(self.chain_id.to_be_bytes());
        let forks: Vec<_> = FORKS
            .iter()
            .filter_map(|(fork, name)| {
                let start = match self.ethereum_fork_activation(*fork) {
                    ForkCondition::Block(block) => (1, block),
                    ForkCondition::TTD {
                        activation_block_number,
                        ..
                    } => (1, activation_block_number),
                    ForkCondition::Timestamp(time) => (2, time),
                    ForkCondition::Never => return None,
                };
                Some((*name, start))
            })
            .collect();
        put_count(&mut bytes, forks.len());
        for (name, (kind, start)) in forks {
            bytes.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
            bytes.extend_from_slice(name.as_bytes());
            put_optional(&mut bytes, kind, &start.to_be_bytes());
        }
        match &self.deposit_contract {
            Some(address) => put_optional(&mut bytes, 1, address.as_slice()),
            None => bytes.push(0),
        }
        put_count(&mut bytes, self.blobs.len());
        for (from, params) in &self.blobs {
            put_blobs(&mut bytes, *from, params);
        }
        match self.unknown_from {
            Some((from, _)) => put_optional(&mut bytes, 1, &from.to_be_bytes()),
            None => bytes.push(0),
        }
        bytes.push(self.header_rules.to_byte());
        bytes
    }

    /// The rules that [`to_bytes`](Self::to_bytes) wrote, and nothing else.
    ///
    /// # Errors
    /// [`RulesError`]. Safe on untrusted bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, RulesError> {
        let mut fields = Fields(bytes);
        let chain_id = fields.u64()?;
        let forks = fields.forks()?;
        let deposit_contract = match fields.u8()? {
            0 => None,
            1 => Some(Address::from(fields.array::<20>()?)),
            found => return Err(RulesError::Kind { found }),
        };
        let blobs = fields.blobs()?;
        let unknown_from = match fields.u8()? {
            0 => None,
            1 => Some((fields.u64()?, "one that its rules do not describe")),
            found => return Err(RulesError::Kind { found }),
        };
        let header_rules = fields.u8()?;
        let header_rules = HeaderRules::from_byte(header_rules).ok_or(RulesError::Kind {
            found: header_rules,
        })?;
        if !fields.0.is_empty() {
            return Err(RulesError::Length);
        }
        Ok(Self {
            chain_id,
            name: super::known::name(chain_id)
                .map_or_else(|| Cow::Owned(format!("chain-{chain_id}")), Cow::Borrowed),
            forks: EthereumChainHardforks::new(forks),
            deposit_contract,
            blobs,
            header_rules,
            unknown_from,
        })
    }
}

impl HeaderRules {
    const TIMESTAMPS: u8 = 1;
    const FEES: u8 = 2;

    fn to_byte(self) -> u8 {
        let bit = |holds, bit| if holds { bit } else { 0 };
        bit(self.timestamps, Self::TIMESTAMPS) | bit(self.fees, Self::FEES)
    }

    fn from_byte(byte: u8) -> Option<Self> {
        let rules = Self {
            timestamps: byte & Self::TIMESTAMPS != 0,
            fees: byte & Self::FEES != 0,
        };
        (rules.to_byte() == byte).then_some(rules)
    }
}

/// What is left to read.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], RulesError> {
        let (front, rest) = self.0.split_first_chunk().ok_or(RulesError::Length)?;
        self.0 = rest;
        Ok(*front)
    }

    fn u8(&mut self) -> Result<u8, RulesError> {
        self.array().map(u8::from_be_bytes)
    }

    fn u64(&mut self) -> Result<u64, RulesError> {
        self.array().map(u64::from_be_bytes)
    }

    fn u128(&mut self) -> Result<u128, RulesError> {
        self.array().map(u128::from_be_bytes)
    }

    fn count(&mut self) -> Result<u16, RulesError> {
        self.array().map(u16::from_be_bytes)
    }

    fn forks(&mut self) -> Result<Vec<(Fork, ForkCondition)>, RulesError> {
        let mut known = FORKS.iter();
        let mut forks = Vec::new();
        for _ in 0..self.count()? {
            let len = usize::from(self.u8()?);
            let (name, rest) = self.0.split_at_checked(len).ok_or(RulesError::Length)?;
            self.0 = rest;
            // The order is fixed, so what came before is not looked at again.
            let found = known.find(|(_, known)| known.as_bytes() == name);
            let (fork, _) = found.ok_or(RulesError::Fork)?;
            let start = match (self.u8()?, self.u64()?) {
                (1, block) if *fork == Fork::Paris => ForkCondition::TTD {
                    activation_block_number: block,
                    fork_block: Some(block),
                    total_difficulty: U256::ZERO,
                },
                (1, block) => ForkCondition::Block(block),
                (2, time) if *fork != Fork::Paris => ForkCondition::Timestamp(time),
                (found, _) => return Err(RulesError::Kind { found }),
            };
            forks.push((*fork, start));
        }
        Ok(forks)
    }

    fn blobs(&mut self) -> Result<Vec<(u64, BlobParams)>, RulesError> {
        let mut blobs: Vec<(u64, BlobParams)> = Vec::new();
        for _ in 0..self.count()? {
            let from = self.u64()?;
            let params = BlobParams {
                target_blob_count: self.u64()?,
                max_blob_count: self.u64()?,
                update_fraction: self.u128()?,
                min_blob_fee: self.u128()?,
                max_blobs_per_tx: self.u64()?,
                blob_base_cost: self.u64()?,
            };
            let in_place = blobs.last().is_none_or(|(before, _)| *before <= from);
            if !in_place || !is_possible(&params) {
                return Err(RulesError::Blobs);
            }
            blobs.push((from, params));
        }
        Ok(blobs)
    }
}

impl fmt::Display for RulesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length => f.write_str("rules that end too early or too late"),
            Self::Fork => f.write_str("rules with a fork that is unknown or out of order"),
            Self::Kind { found } => write!(f, "rules with a thing of kind {found}"),
            Self::Blobs => f.write_str("rules with impossible blob parameters"),
        }
    }
}

impl core::error::Error for RulesError {}

/// Most blobs of a block that rules may allow: many times what any chain has.
const MAX_BLOBS: u64 = 1 << 15;

/// Whether what follows from blob parameters can be reckoned: nothing is divided by zero, and nothing
/// overflows.
pub(super) fn is_possible(params: &BlobParams) -> bool {
    params.update_fraction > 0
        && (1..=MAX_BLOBS).contains(&params.max_blob_count)
        && params.target_blob_count <= params.max_blob_count
}

/// Lists here have dozens of items at most; a longer one would still have a digest of its own.
fn put_count(bytes: &mut Vec<u8>, count: usize) {
    let count = u16::try_from(count).unwrap_or(u16::MAX);
    bytes.extend_from_slice(&count.to_be_bytes());
}

fn put_optional(bytes: &mut Vec<u8>, kind: u8, value: &[u8]) {
    bytes.push(kind);
    bytes.extend_from_slice(value);
}

fn put_blobs(bytes: &mut Vec<u8>, from: u64, params: &BlobParams) {
    bytes.extend_from_slice(&from.to_be_bytes());
    bytes.extend_from_slice(&params.target_blob_count.to_be_bytes());
    bytes.extend_from_slice(&params.max_blob_count.to_be_bytes());
    bytes.extend_from_slice(&params.update_fraction.to_be_bytes());
    bytes.extend_from_slice(&params.min_blob_fee.to_be_bytes());
    bytes.extend_from_slice(&params.max_blobs_per_tx.to_be_bytes());
    bytes.extend_from_slice(&params.blob_base_cost.to_be_bytes());
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that fails may panic"
)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;

    #[test]
    fn each_set_of_header_rules_has_a_byte() {
        for byte in 0..=u8::MAX {
            let rules = HeaderRules::from_byte(byte);
            assert_eq!(rules.map(HeaderRules::to_byte), (byte < 4).then_some(byte));
        }
    }

    #[test]
    fn rules_come_back_as_they_went_and_every_bit_counts() {
        let mut digests = BTreeSet::new();
        for id in [1, 11_155_111, 17_000, 560_048] {
            let chain = ChainSpec::from_chain_id(id).unwrap();
            let bytes = chain.to_bytes();
            let read = ChainSpec::from_bytes(&bytes).unwrap();
            assert_eq!(read.to_bytes(), bytes);
            assert_eq!(read.name(), chain.name());
            assert_eq!(read.header_rules, chain.header_rules);
            let numbers = [0, 1_149_999, 1_150_000, 1_920_000, 15_537_393, 15_537_394];
            for (number, time) in numbers.into_iter().zip([0, 1_700_000_000].iter().cycle()) {
                assert_eq!(read.spec_id(number, *time), chain.spec_id(number, *time));
            }
            for time in [1_710_338_135, 1_750_000_000, 1_773_000_000] {
                assert_eq!(
                    read.spec_id(30_000_000, time),
                    chain.spec_id(30_000_000, time)
                );
                assert_eq!(read.blob_params(time), chain.blob_params(time));
            }
            assert!(digests.insert(chain.digest()));
            for bit in 0..bytes.len() * 8 {
                let mut flipped = bytes.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                if let Ok(other) = ChainSpec::from_bytes(&flipped) {
                    assert_eq!(other.to_bytes(), flipped, "bit {bit}");
                    assert!(digests.insert(other.digest()));
                }
            }
            for len in 0..bytes.len() {
                ChainSpec::from_bytes(&bytes[..len]).unwrap_err();
            }
        }
    }
}
