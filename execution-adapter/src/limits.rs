//! How much work blocks may make that come from strangers.
//!
//! A header can claim any gas limit, and gas is what bounds time and memory of an execution. So before
//! anything is executed from a witness, what its headers claim is held against limits that are part of
//! the program's rules (docs/PROVERS.md, "Limits").

use core::fmt;

/// Largest gas limit of a block that is executed from a witness: 2^31.
///
/// The largest known from public chains with Ethereum's rules is a thirtieth of it. A block can take
/// memory that grows with the root of its gas and the root of its calls' depth: 32 bytes * sqrt(512 * gas *
/// 1024 frames) is 1 GiB for the memory of frames; docs/BENCHMARKS.md has what was measured.
pub const MAX_BLOCK_GAS: u64 = 1 << 31;

/// Largest sum of gas of a range, which is what its headers say was used, and
/// [`SYSTEM_GAS`] for each block: 2^42. That is some three days of Ethereum's largest blocks.
pub const MAX_RANGE_GAS: u64 = 1 << 42;

/// What the system calls of a block may use beside its transactions: four calls of 30 million
/// (EIP-2935, 4788, 7002 and 7251). Their code is in the state, which a stranger can make up.
pub const SYSTEM_GAS: u64 = 4 * 30_000_000;

/// More work than is taken on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LimitError {
    /// The gas limit of a block is above [`MAX_BLOCK_GAS`].
    BlockGas {
        /// Number of the block.
        block: u64,
        /// Its gas limit.
        found: u64,
    },
    /// With this block a range takes more gas than [`MAX_RANGE_GAS`].
    RangeGas {
        /// Number of the block.
        block: u64,
        /// The gas of the range up to it.
        found: u64,
    },
}

/// Adds up what blocks may take.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Work {
    gas: u64,
}

impl Work {
    /// Takes on the next block.
    pub(crate) fn add(&mut self, block: &alloy_consensus::Header) -> Result<(), LimitError> {
        check_block(block)?;
        let gas = block.gas_used.saturating_add(SYSTEM_GAS);
        self.gas = self.gas.saturating_add(gas);
        match self.gas > MAX_RANGE_GAS {
            true => Err(LimitError::RangeGas {
                block: block.number,
                found: self.gas,
            }),
            false => Ok(()),
        }
    }
}

/// Refuses a block that may take more than [`MAX_BLOCK_GAS`].
pub(crate) fn check_block(block: &alloy_consensus::Header) -> Result<(), LimitError> {
    match block.gas_limit > MAX_BLOCK_GAS {
        true => Err(LimitError::BlockGas {
            block: block.number,
            found: block.gas_limit,
        }),
        false => Ok(()),
    }
}

impl fmt::Display for LimitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BlockGas { block, found } => write!(
                f,
                "block {block} has a gas limit of {found}; blocks of up to {MAX_BLOCK_GAS} are executed \
                 from witnesses"
            ),
            Self::RangeGas { block, found } => write!(
                f,
                "the blocks up to {block} take {found} gas, system calls included; ranges of up to \
                 {MAX_RANGE_GAS} are executed: make shorter ones"
            ),
        }
    }
}

impl core::error::Error for LimitError {}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_consensus::Header;

    #[test]
    fn the_limits_themselves_are_allowed() {
        let block = |gas_limit, gas_used| Header {
            gas_limit,
            gas_used,
            ..Header::default()
        };
        assert_eq!(check_block(&block(MAX_BLOCK_GAS, 0)), Ok(()));
        let found = MAX_BLOCK_GAS + 1;
        let refused = check_block(&block(found, 0));
        assert_eq!(refused, Err(LimitError::BlockGas { block: 0, found }));
        let mut work = Work::default();
        let full = block(MAX_BLOCK_GAS, MAX_RANGE_GAS - SYSTEM_GAS);
        assert_eq!(work.add(&full), Ok(()));
        assert!(matches!(
            work.add(&block(1, 0)),
            Err(LimitError::RangeGas { .. })
        ));
        let mut work = Work::default();
        let blocks = MAX_RANGE_GAS / SYSTEM_GAS;
        for _ in 0..blocks {
            work.add(&block(1, 0)).unwrap();
        }
        work.add(&block(1, 0)).unwrap_err();
        // What does not fit into a number is too much as well.
        work.add(&block(1, u64::MAX)).unwrap_err();
    }
}
