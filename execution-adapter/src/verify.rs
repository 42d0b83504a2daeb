//! Checks a block and what came of it against its header.

use crate::block::EthBlock;
use alloc::vec::Vec;
use alloy_consensus::proofs::{
    calculate_ommers_root, calculate_receipt_root, calculate_transaction_root,
    calculate_withdrawals_root,
};
use alloy_consensus::{ReceiptEnvelope, Transaction as _, TxReceipt as _};
use alloy_eips::eip7685::Requests;
use alloy_primitives::{B256, Bloom};
use core::fmt;
use revm::primitives::hardfork::SpecId;

/// What is known of the state below a block, and so what can be checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateScope {
    /// All that the block needs, system contracts included.
    Complete,
    /// What its transactions read, and no more: what the system calls return is not known.
    Transactions,
}

/// How many blocks back an ommer may be (Yellow Paper, section 11.1).
const OMMER_DEPTH: u64 = 6;

/// A field of a header or block that was checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Field {
    /// `transactionsRoot`.
    TransactionsRoot,
    /// `sha3Uncles`.
    OmmersHash,
    /// The number of an ommer, which is one of the six before the block's.
    OmmerNumber,
    /// `withdrawalsRoot`.
    WithdrawalsRoot,
    /// `gasUsed`.
    GasUsed,
    /// `receiptsRoot`.
    ReceiptsRoot,
    /// `logsBloom`.
    LogsBloom,
    /// `blobGasUsed`.
    BlobGasUsed,
    /// `requestsHash`.
    RequestsHash,
    /// `stateRoot`.
    StateRoot,
    /// `hash`.
    Hash,
    /// `parentHash`.
    ParentHash,
    /// `number`.
    Number,
    /// `timestamp`.
    Timestamp,
    /// `gasLimit`.
    GasLimit,
    /// `baseFeePerGas`.
    BaseFee,
    /// `excessBlobGas`.
    ExcessBlobGas,
}

/// A field that is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// The field.
    pub field: Field,
    /// What the block says.
    pub expected: Value,
    /// What was found instead.
    pub found: Value,
}

/// The value of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A number, such as an amount of gas.
    Number(u64),
    /// A hash or root.
    Hash(B256),
    /// Any number that is neither below nor above these.
    Within {
        /// The lowest.
        lowest: u64,
        /// The highest.
        highest: u64,
    },
    /// A bloom filter.
    Bloom(alloc::boxed::Box<Bloom>),
    /// The field is not there.
    Absent,
}

/// What came of executing a block.
#[derive(Clone, Debug)]
pub struct BlockOutcome {
    /// The rules that it was executed under.
    pub spec: SpecId,
    /// A receipt for each transaction. Before Byzantium they have a status that is not in the
    /// chain's.
    pub receipts: Vec<ReceiptEnvelope>,
    /// EIP-7685 requests.
    pub requests: Requests,
    /// Gas used by all transactions.
    pub gas_used: u64,
    /// Blob gas used by all transactions.
    pub blob_gas_used: u64,
}

/// Checks what needs no execution: the roots over the block's body.
///
/// `ommers_known` is false where the ommers are not part of the source, so that their list is
/// empty whatever the header says.
///
/// # Errors
/// The first [`Mismatch`].
pub fn check_body(block: &EthBlock, ommers_known: bool) -> Result<(), Mismatch> {
    let (header, body) = (&block.header, &block.body);
    let root = calculate_transaction_root(&body.transactions);
    same(Field::TransactionsRoot, header.transactions_root, root)?;
    // Ommers are paid, so none may come in that the header does not name.
    if ommers_known || !body.ommers.is_empty() {
        let hash = calculate_ommers_root(&body.ommers);
        same(Field::OmmersHash, header.ommers_hash, hash)?;
    }
    for ommer in &body.ommers {
        // What an ommer is paid follows from how far back it is.
        let back = header.number.checked_sub(ommer.number);
        if !back.is_some_and(|back| (1..=OMMER_DEPTH).contains(&back)) {
            let expected = header.number.saturating_sub(1);
            return same(Field::OmmerNumber, expected, ommer.number);
        }
    }
    let withdrawals = body.withdrawals.as_ref();
    let root = withdrawals.map(|withdrawals| calculate_withdrawals_root(withdrawals));
    same(Field::WithdrawalsRoot, header.withdrawals_root, root)?;
    let blob_gas = body
        .transactions
        .iter()
        .filter_map(|tx| tx.blob_gas_used())
        .sum::<u64>();
    let blob_gas = header.blob_gas_used.is_some().then_some(blob_gas);
    same(Field::BlobGasUsed, header.blob_gas_used, blob_gas)
}

/// Checks what came of a block's execution.
///
/// # Errors
/// The first [`Mismatch`].
pub fn check_outcome(
    block: &EthBlock,
    outcome: &BlockOutcome,
    scope: StateScope,
) -> Result<(), Mismatch> {
    let header = &block.header;
    same(Field::GasUsed, header.gas_used, outcome.gas_used)?;
    let bloom = outcome.bloom();
    same(Field::LogsBloom, header.logs_bloom, bloom)?;
    // Receipts held a state root before Byzantium, which is not known after each transaction.
    if outcome.spec.is_enabled_in(SpecId::BYZANTIUM) {
        let root = calculate_receipt_root(&outcome.receipts);
        same(Field::ReceiptsRoot, header.receipts_root, root)?;
    }
    if let Some(blob_gas) = header.blob_gas_used {
        same(Field::BlobGasUsed, blob_gas, outcome.blob_gas_used)?;
    }
    if scope == StateScope::Complete {
        let prague = outcome.spec.is_enabled_in(SpecId::PRAGUE);
        let hash = prague.then(|| outcome.requests.requests_hash());
        same(Field::RequestsHash, header.requests_hash, hash)?;
    }
    Ok(())
}

/// Checks the hash of a header against the one its source gives.
///
/// # Errors
/// The [`Mismatch`].
pub fn check_hash(block: &EthBlock, hash: B256) -> Result<(), Mismatch> {
    same(Field::Hash, hash, block.header.hash_slow())
}

/// Compares one field.
pub(crate) fn same<T: Into<Value> + PartialEq>(
    field: Field,
    expected: T,
    found: T,
) -> Result<(), Mismatch> {
    if expected == found {
        return Ok(());
    }
    Err(Mismatch {
        field,
        expected: expected.into(),
        found: found.into(),
    })
}

impl BlockOutcome {
    /// The logs of all receipts.
    #[must_use]
    pub fn bloom(&self) -> Bloom {
        let blooms = self.receipts.iter().map(|receipt| receipt.bloom());
        blooms.fold(Bloom::ZERO, |all, bloom| all | bloom)
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl From<B256> for Value {
    fn from(hash: B256) -> Self {
        Self::Hash(hash)
    }
}

impl From<Bloom> for Value {
    fn from(bloom: Bloom) -> Self {
        Self::Bloom(alloc::boxed::Box::new(bloom))
    }
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Absent, T::into)
    }
}

impl Field {
    /// The name of the field in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::TransactionsRoot => "transactionsRoot",
            Self::OmmersHash => "sha3Uncles",
            Self::OmmerNumber => "the number of an ommer",
            Self::WithdrawalsRoot => "withdrawalsRoot",
            Self::GasUsed => "gasUsed",
            Self::ReceiptsRoot => "receiptsRoot",
            Self::LogsBloom => "logsBloom",
            Self::BlobGasUsed => "blobGasUsed",
            Self::RequestsHash => "requestsHash",
            Self::StateRoot => "stateRoot",
            Self::Hash => "hash",
            Self::ParentHash => "parentHash",
            Self::Number => "number",
            Self::Timestamp => "timestamp",
            Self::GasLimit => "gasLimit",
            Self::BaseFee => "baseFeePerGas",
            Self::ExcessBlobGas => "excessBlobGas",
        }
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            field,
            expected,
            found,
        } = self;
        write!(f, "{} is {found}, expected {expected}", field.name())
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Hash(hash) => write!(f, "{hash}"),
            Self::Within {
                lowest,
                highest: u64::MAX,
            } => write!(f, "at least {lowest}"),
            Self::Within { lowest, highest } => write!(f, "{lowest} to {highest}"),
            // 256 bytes help nobody; their hash tells two blooms apart.
            Self::Bloom(bloom) => {
                write!(
                    f,
                    "a bloom with hash {}",
                    alloy_primitives::keccak256(bloom.as_slice())
                )
            }
            Self::Absent => f.write_str("absent"),
        }
    }
}

impl core::error::Error for Mismatch {}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use alloy_consensus::{BlockBody, Header};

    fn block(number: u64, ommers: Vec<Header>) -> EthBlock {
        let mut block = EthBlock::new(
            Header {
                number,
                ..Header::default()
            },
            BlockBody::default(),
        );
        block.body.ommers = ommers;
        block
    }

    fn ommer(number: u64) -> Header {
        Header {
            number,
            ..Header::default()
        }
    }

    #[test]
    fn ommers_that_the_header_does_not_name_are_refused_whatever_is_known() {
        let forged = block(10, vec![ommer(9)]);
        for known in [true, false] {
            let mismatch = check_body(&forged, known).map_err(|mismatch| mismatch.field);
            assert_eq!(mismatch, Err(Field::OmmersHash), "{known}");
        }
        let mut named = forged;
        named.header.ommers_hash = calculate_ommers_root(&named.body.ommers);
        for known in [true, false] {
            check_body(&named, known).expect("as the header says");
        }
        let mut left_out = block(10, Vec::new());
        left_out.header.ommers_hash = named.header.ommers_hash;
        check_body(&left_out, false).expect("not part of the source");
        check_body(&left_out, true).expect_err("the header names one");
    }

    #[test]
    fn ommers_are_one_to_six_blocks_back() {
        for number in [0, 3, 10, 11, u64::MAX] {
            let mut far = block(10, vec![ommer(number)]);
            far.header.ommers_hash = calculate_ommers_root(&far.body.ommers);
            let mismatch = check_body(&far, true).map_err(|mismatch| mismatch.field);
            assert_eq!(mismatch, Err(Field::OmmerNumber), "{number}");
        }
        let mut near = block(10, vec![ommer(4), ommer(9)]);
        near.header.ommers_hash = calculate_ommers_root(&near.body.ommers);
        check_body(&near, true).expect("both are near enough");
    }
}
