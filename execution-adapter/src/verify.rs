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

/// A field of a header or block that was checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Field {
    /// `transactionsRoot`.
    TransactionsRoot,
    /// `sha3Uncles`.
    OmmersHash,
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
    if ommers_known {
        let hash = calculate_ommers_root(&body.ommers);
        same(Field::OmmersHash, header.ommers_hash, hash)?;
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
