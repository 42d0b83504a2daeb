//! Which rules a block runs under: fork schedule, deposit contract, blob parameters.

mod digest;
#[cfg(feature = "engine")]
mod genesis;
mod known;

pub use digest::RulesError;
#[cfg(feature = "engine")]
pub use genesis::UnsupportedFork;

use alloc::{borrow::Cow, vec::Vec};
use alloy_eips::eip7840::BlobParams;
use alloy_evm::eth::spec::EthExecutorSpec;
use alloy_hardforks::{EthereumChainHardforks, EthereumHardfork, EthereumHardforks, ForkCondition};
use alloy_primitives::Address;
use core::fmt;
use revm::primitives::hardfork::SpecId;

/// The rules of one chain: what changes when, and the constants that the forks read.
#[derive(Clone, Debug)]
pub struct ChainSpec {
    chain_id: u64,
    name: Cow<'static, str>,
    forks: EthereumChainHardforks,
    deposit_contract: Option<Address>,
    /// Blob parameters by the time from which they hold, oldest first.
    blobs: Vec<(u64, BlobParams)>,
    /// What follows from a header for the one after it, as far as that is known.
    header_rules: HeaderRules,
    /// The first fork whose rules are not known, by the time it starts at.
    unknown_from: Option<(u64, &'static str)>,
}

/// Which rules between a header and the one before it are those of Ethereum, and not a chain's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HeaderRules {
    /// Each block is later than the one before.
    pub(crate) timestamps: bool,
    /// Gas limit, base fee, excess blob gas.
    pub(crate) fees: bool,
}

/// Why there are no rules for a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChainError {
    /// No such chain among the ones built in.
    UnknownChain {
        /// EIP-155 chain id.
        chain_id: u64,
    },
    /// The block comes after a fork that this version does not know.
    UnknownFork {
        /// Name of the fork.
        fork: &'static str,
        /// When it starts, in seconds since 1970.
        from: u64,
    },
}

impl ChainSpec {
    /// The rules of a public chain: mainnet (1), sepolia, holesky or hoodi.
    ///
    /// # Errors
    /// [`ChainError::UnknownChain`] for any other; those need a genesis.
    pub fn from_chain_id(chain_id: u64) -> Result<Self, ChainError> {
        known::by_id(chain_id).ok_or(ChainError::UnknownChain { chain_id })
    }

    /// EIP-155 chain id.
    #[must_use]
    pub fn chain_id(&self) -> u64 {
        self.chain_id
    }

    /// `mainnet`, `sepolia`, `holesky`, `hoodi`, or `chain-<id>`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Which rules between headers are known.
    pub(crate) fn header_rules(&self) -> HeaderRules {
        self.header_rules
    }

    /// The EVM rules of a block.
    ///
    /// # Errors
    /// [`ChainError::UnknownFork`] if the schedule names a fork that is not supported by then.
    pub fn spec_id(&self, number: u64, timestamp: u64) -> Result<SpecId, ChainError> {
        if let Some((from, fork)) = self.unknown_from
            && timestamp >= from
        {
            return Err(ChainError::UnknownFork { fork, from });
        }
        let spec = alloy_evm::spec_by_timestamp_and_block_number(self, timestamp, number);
        Ok(spec)
    }

    /// The blob parameters of a block; none before Cancun.
    #[must_use]
    pub fn blob_params(&self, timestamp: u64) -> Option<BlobParams> {
        let active = self.blobs.iter().rev().find(|(from, _)| *from <= timestamp);
        active.map(|(_, params)| *params)
    }
}

impl EthereumHardforks for ChainSpec {
    fn ethereum_fork_activation(&self, fork: EthereumHardfork) -> ForkCondition {
        self.forks.ethereum_fork_activation(fork)
    }
}

impl EthExecutorSpec for ChainSpec {
    fn deposit_contract_address(&self) -> Option<Address> {
        self.deposit_contract
    }
}

impl fmt::Display for ChainError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownChain { chain_id } => write!(
                f,
                "chain id {chain_id} is none of mainnet (1), sepolia (11155111), holesky (17000) \
                 and hoodi (560048); give the rules of another chain with a genesis file"
            ),
            Self::UnknownFork { fork, from } => write!(
                f,
                "fork {fork}, which starts at time {from}, is not supported by this version"
            ),
        }
    }
}

impl core::error::Error for ChainError {}
