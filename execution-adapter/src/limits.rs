//! How much work blocks may make that come from strangers.
//!
//! A block can claim any amount of gas, and gas is what bounds time and memory of an execution. So before
//! anything is executed from a witness, what its blocks claim is held against limits that are part of
//! the program's rules (docs/PROVERS.md, "Limits").

use crate::block::EthBlock;
use alloy_consensus::Transaction as _;
use core::fmt;

/// The most gas that the transactions of a block may take that is executed from a witness: 2^31.
///
/// What they may take is the sum of their gas limits, or the block's where that is less. So chains whose
/// blocks have no limit to speak of are executed too, as long as their transactions have one.
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
    /// The transactions of a block may take more gas than [`MAX_BLOCK_GAS`].
    BlockGas {
        /// Number of the block.
        block: u64,
        /// What they may take.
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
    pub(crate) fn add(&mut self, block: &EthBlock) -> Result<(), LimitError> {
        check_block(block)?;
        let block = &block.header;
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
pub(crate) fn check_block(block: &EthBlock) -> Result<(), LimitError> {
    let limits = block.body.transactions.iter().map(|tx| tx.gas_limit());
    let all = limits.fold(0, u64::saturating_add);
    let found = all.min(block.header.gas_limit);
    match found > MAX_BLOCK_GAS {
        true => Err(LimitError::BlockGas {
            block: block.header.number,
            found,
        }),
        false => Ok(()),
    }
}

impl fmt::Display for LimitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BlockGas { block, found } => write!(
                f,
                "the transactions of block {block} may take {found} gas; blocks of up to {MAX_BLOCK_GAS} \
                 are executed from witnesses"
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
    use alloc::vec;
    use alloc::vec::Vec;
    use alloy_consensus::{Header, Signed, TxEnvelope, TxLegacy};
    use alloy_primitives::Signature;

    /// A block of this gas limit, with transactions of these.
    fn block(gas_limit: u64, transactions: &[u64], gas_used: u64) -> EthBlock {
        let transaction = |gas_limit: &u64| {
            let tx = TxLegacy {
                gas_limit: *gas_limit,
                ..TxLegacy::default()
            };
            let signature = Signature::test_signature();
            TxEnvelope::from(Signed::new_unhashed(tx, signature))
        };
        let mut block = EthBlock {
            header: Header {
                gas_limit,
                gas_used,
                ..Header::default()
            },
            ..EthBlock::default()
        };
        block.body.transactions = transactions.iter().map(transaction).collect::<Vec<_>>();
        block
    }

    #[test]
    fn a_block_takes_what_its_transactions_take_and_no_more_than_its_own_limit() {
        let refused = |found| Err(LimitError::BlockGas { block: 0, found });
        let over = MAX_BLOCK_GAS + 1;
        for (limit, transactions, expected) in [
            (MAX_BLOCK_GAS, vec![u64::MAX], Ok(())),
            (u64::MAX, vec![], Ok(())),
            (u64::MAX, vec![MAX_BLOCK_GAS - 1, 1], Ok(())),
            (u64::MAX, vec![MAX_BLOCK_GAS, 1], refused(over)),
            (over, vec![u64::MAX, u64::MAX], refused(over)),
        ] {
            assert_eq!(check_block(&block(limit, &transactions, 0)), expected);
        }
    }

    #[test]
    fn a_range_takes_what_its_headers_say_and_its_system_calls() {
        let mut work = Work::default();
        let full = block(MAX_BLOCK_GAS, &[], MAX_RANGE_GAS - SYSTEM_GAS);
        assert_eq!(work.add(&full), Ok(()));
        assert!(matches!(
            work.add(&block(1, &[], 0)),
            Err(LimitError::RangeGas { .. })
        ));
        let mut work = Work::default();
        let blocks = MAX_RANGE_GAS / SYSTEM_GAS;
        for _ in 0..blocks {
            work.add(&block(1, &[], 0)).unwrap();
        }
        work.add(&block(1, &[], 0)).unwrap_err();
        // What does not fit into a number is too much as well.
        work.add(&block(1, &[], u64::MAX)).unwrap_err();
    }
}
