//! Blocks made by hand, on chains of their own rules.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses a part of it"
)]

use alloy_consensus::proofs::{calculate_receipt_root, calculate_transaction_root};
use alloy_consensus::{BlockBody, Header, SignableTransaction as _, TxEnvelope, TxLegacy};
use alloy_eips::eip1559::BaseFeeParams;
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256, hex};
use qmtree_execution_adapter::engine::{ChainGenesis, ExecutedLeaves, execute_to_leaves};
use qmtree_execution_adapter::{
    BlockInput, ChainSpec, EthBlock, MemoryState, NoTracer, ReadSet, StateScope, recover_senders,
};

/// Forks of a chain that has them from its start on.
pub const FRONTIER: &str = "";
pub const SPURIOUS_DRAGON: &str =
    r#","homesteadBlock":0,"eip150Block":0,"eip155Block":0,"eip158Block":0"#;
pub const SHANGHAI: &str = r#","homesteadBlock":0,"eip150Block":0,"eip155Block":0,"eip158Block":0,
    "byzantiumBlock":0,"constantinopleBlock":0,"petersburgBlock":0,"istanbulBlock":0,"berlinBlock":0,
    "londonBlock":0,"terminalTotalDifficulty":0,"shanghaiTime":0"#;
pub const CANCUN: &str = r#","homesteadBlock":0,"eip150Block":0,"eip155Block":0,"eip158Block":0,
    "byzantiumBlock":0,"constantinopleBlock":0,"petersburgBlock":0,"istanbulBlock":0,"berlinBlock":0,
    "londonBlock":0,"terminalTotalDifficulty":0,"shanghaiTime":0,"cancunTime":0"#;

pub const CHAIN_ID: u64 = 7331;
/// Some point of the curve: whoever signs with it has some sender, which is all that tests need.
const R: U256 = U256::from_be_bytes(hex!(
    "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"
));

/// A chain's genesis file, with accounts given as JSON members.
pub fn genesis_json(forks: &str, alloc: &str) -> String {
    format!(
        r#"{{"config":{{"chainId":{CHAIN_ID}{forks}}},"nonce":"0x0","timestamp":"0x0",
            "extraData":"0x","gasLimit":"0x1c9c380","difficulty":"0x0",
            "mixHash":"0x{:064x}","coinbase":"0x{:040x}","alloc":{{{alloc}}}}}"#,
        0, 0
    )
}

pub fn genesis(forks: &str) -> ChainGenesis {
    ChainGenesis::from_json(genesis_json(forks, "").as_bytes()).unwrap()
}

/// A transaction whose sender is whoever its signature says.
pub fn call(nonce: u64, to: Address, value: u64, gas_limit: u64) -> TxEnvelope {
    transaction(nonce, TxKind::Call(to), value, gas_limit, Bytes::new())
}

pub fn transaction(nonce: u64, to: TxKind, value: u64, gas_limit: u64, input: Bytes) -> TxEnvelope {
    let tx = TxLegacy {
        chain_id: None,
        nonce,
        gas_price: 1_000_000_000,
        gas_limit,
        to,
        value: U256::from(value),
        input,
    };
    let signature = Signature::new(R, U256::from(1), false);
    TxEnvelope::Legacy(tx.into_signed(signature))
}

/// A block whose header says nothing of what comes of it.
pub fn block(parent: &Header, transactions: Vec<TxEnvelope>) -> EthBlock {
    let header = Header {
        number: parent.number + 1,
        parent_hash: parent.hash_slow(),
        timestamp: parent.timestamp + 12,
        gas_limit: parent.gas_limit,
        base_fee_per_gas: parent.next_block_base_fee(BaseFeeParams::ethereum()),
        beneficiary: Address::repeat_byte(0xfe),
        withdrawals_root: parent.withdrawals_root,
        parent_beacon_block_root: parent.parent_beacon_block_root,
        blob_gas_used: parent.blob_gas_used,
        excess_blob_gas: parent.excess_blob_gas,
        transactions_root: calculate_transaction_root(&transactions),
        ..Header::default()
    };
    let withdrawals = header.withdrawals_root.map(|_| Default::default());
    EthBlock {
        header,
        body: BlockBody {
            transactions,
            ommers: Vec::new(),
            withdrawals,
        },
    }
}

pub fn execute(
    chain: &ChainSpec,
    block: &EthBlock,
    state: MemoryState,
) -> ExecutedLeaves<MemoryState, NoTracer> {
    let senders = recover_senders(block).unwrap();
    let input = BlockInput {
        chain,
        block,
        senders: &senders,
        keep_changes: true,
    };
    execute_to_leaves(input, state, NoTracer, &mut ReadSet).unwrap()
}

/// Executes a block and fills in what its header says of that. Returns the state after it.
pub fn seal(chain: &ChainSpec, block: &mut EthBlock, state: MemoryState) -> MemoryState {
    let executed = execute(chain, block, state).executed;
    block.header.gas_used = executed.outcome.gas_used;
    block.header.receipts_root = calculate_receipt_root(&executed.outcome.receipts);
    block.header.logs_bloom = executed.outcome.bloom();
    let mut cached = executed.state;
    cached.merge_transitions(revm::database::states::bundle_state::BundleRetention::PlainState);
    let changes = cached.take_bundle();
    let mut state = cached.database;
    if state.scope() == StateScope::Complete {
        state.apply(&changes);
        block.header.state_root = state.state_root();
        state.insert_block_hash(block.header.number, block.header.hash_slow());
    }
    state
}

/// Gives an account code and storage; a balance of one ether without code.
pub fn insert(state: &mut MemoryState, address: Address, code: &[u8], storage: &[(u64, u64)]) {
    let balance = if code.is_empty() { 10u64.pow(18) } else { 0 };
    let storage = storage
        .iter()
        .map(|(slot, value)| (U256::from(*slot), U256::from(*value)));
    let code = Bytes::copy_from_slice(code);
    state.insert_account(address, U256::from(balance), 0, code, storage);
}

pub fn slot(number: u64) -> B256 {
    B256::from(U256::from(number))
}
