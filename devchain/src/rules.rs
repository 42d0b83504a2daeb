//! The forks of the chain and when they come.

use alloy_eips::eip7840::BlobParams;
use alloy_evm::eth::spec::EthExecutorSpec;
use alloy_hardforks::{EthereumHardfork, EthereumHardforks, ForkCondition};
use alloy_primitives::{Address, U256, address};

/// EIP-155 chain id of the chain.
pub(crate) const CHAIN_ID: u64 = 20_260;
/// How many blocks each fork has.
pub(crate) const BLOCKS_PER_FORK: u64 = 16;
/// Seconds since 1970 of block 0.
pub(crate) const GENESIS_TIME: u64 = 1_600_000_000;
/// Seconds between blocks: enough that the difficulty stays at its minimum under every rule.
pub(crate) const BLOCK_TIME: u64 = 20;
/// The least difficulty there is, and that of every block before Paris.
pub(crate) const DIFFICULTY: u64 = 131_072;
/// Where deposits are made, as on mainnet.
pub(crate) const DEPOSIT_CONTRACT: Address = address!("0x00000000219ab540356cBB839Cbe05303d7705Fa");

/// The sets of rules, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fork {
    Frontier,
    Homestead,
    Tangerine,
    SpuriousDragon,
    Byzantium,
    /// With Constantinople, in the same block.
    Petersburg,
    /// With Muir Glacier.
    Istanbul,
    Berlin,
    /// With Arrow and Gray Glacier.
    London,
    Paris,
    Shanghai,
    Cancun,
    Prague,
    Osaka,
    Bpo1,
    Bpo2,
}

impl Fork {
    /// All, oldest first.
    pub(crate) const ALL: [Self; 16] = [
        Self::Frontier,
        Self::Homestead,
        Self::Tangerine,
        Self::SpuriousDragon,
        Self::Byzantium,
        Self::Petersburg,
        Self::Istanbul,
        Self::Berlin,
        Self::London,
        Self::Paris,
        Self::Shanghai,
        Self::Cancun,
        Self::Prague,
        Self::Osaka,
        Self::Bpo1,
        Self::Bpo2,
    ];

    /// The fork of a block.
    pub(crate) fn of_block(number: u64) -> Self {
        let started = Self::ALL
            .iter()
            .rev()
            .find(|fork| fork.first_block() <= number);
        started.copied().unwrap_or(Self::Frontier)
    }

    /// Its first block.
    pub(crate) fn first_block(self) -> u64 {
        self as u64 * BLOCKS_PER_FORK
    }

    /// The time of its first block.
    pub(crate) fn first_time(self) -> u64 {
        block_time(self.first_block())
    }

    /// Its blob parameters, from Cancun on.
    pub(crate) fn blobs(self) -> Option<BlobParams> {
        match self {
            Self::Cancun => Some(BlobParams::cancun()),
            Self::Prague => Some(BlobParams::prague()),
            Self::Osaka => Some(BlobParams::osaka()),
            Self::Bpo1 => Some(BlobParams::bpo1()),
            Self::Bpo2 => Some(BlobParams::bpo2()),
            _ => None,
        }
    }
}

/// Seconds since 1970 of a block.
pub(crate) fn block_time(number: u64) -> u64 {
    GENESIS_TIME + number * BLOCK_TIME
}

/// The total difficulty that proof of stake begins at: that of the block before Paris.
pub(crate) fn terminal_total_difficulty() -> U256 {
    U256::from(Fork::Paris.first_block() * DIFFICULTY)
}

/// The schedule as the executor asks for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules;

impl EthereumHardforks for Rules {
    fn ethereum_fork_activation(&self, fork: EthereumHardfork) -> ForkCondition {
        let block = |fork: Fork| ForkCondition::Block(fork.first_block());
        let time = |fork: Fork| ForkCondition::Timestamp(fork.first_time());
        match fork {
            EthereumHardfork::Frontier => block(Fork::Frontier),
            EthereumHardfork::Homestead => block(Fork::Homestead),
            EthereumHardfork::Tangerine => block(Fork::Tangerine),
            EthereumHardfork::SpuriousDragon => block(Fork::SpuriousDragon),
            EthereumHardfork::Byzantium => block(Fork::Byzantium),
            EthereumHardfork::Constantinople | EthereumHardfork::Petersburg => {
                block(Fork::Petersburg)
            }
            EthereumHardfork::Istanbul | EthereumHardfork::MuirGlacier => block(Fork::Istanbul),
            EthereumHardfork::Berlin => block(Fork::Berlin),
            EthereumHardfork::London
            | EthereumHardfork::ArrowGlacier
            | EthereumHardfork::GrayGlacier => block(Fork::London),
            EthereumHardfork::Paris => ForkCondition::TTD {
                activation_block_number: Fork::Paris.first_block(),
                fork_block: Some(Fork::Paris.first_block()),
                total_difficulty: terminal_total_difficulty(),
            },
            EthereumHardfork::Shanghai => time(Fork::Shanghai),
            EthereumHardfork::Cancun => time(Fork::Cancun),
            EthereumHardfork::Prague => time(Fork::Prague),
            EthereumHardfork::Osaka => time(Fork::Osaka),
            EthereumHardfork::Bpo1 => time(Fork::Bpo1),
            EthereumHardfork::Bpo2 => time(Fork::Bpo2),
            _ => ForkCondition::Never,
        }
    }
}

impl EthExecutorSpec for Rules {
    fn deposit_contract_address(&self) -> Option<Address> {
        Some(DEPOSIT_CONTRACT)
    }
}
