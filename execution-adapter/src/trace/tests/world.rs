//! A world of a few contracts, and one transaction in it.

use alloy_primitives::{Address, Bytes, U256, address};
use revm::context::result::ResultAndState;
use revm::context::{BlockEnv, CfgEnv, Context, Journal, TxEnv};
use revm::database::InMemoryDB;
use revm::inspector::NoOpInspector;
use revm::primitives::TxKind;
use revm::state::{AccountInfo, Bytecode};
use revm::{ExecuteEvm, InspectEvm, Inspector, MainBuilder, MainContext};
use std::vec;
use std::vec::Vec;

pub(crate) const CALLER: Address = address!("00000000000000000000000000000000000ca11e");
/// The contract that transactions call.
pub(crate) const MAIN: Address = address!("0000000000000000000000000000000000001000");
/// Another contract.
pub(crate) const OTHER: Address = address!("0000000000000000000000000000000000002000");

pub(crate) type Ctx = Context<BlockEnv, TxEnv, CfgEnv, InMemoryDB, Journal<InMemoryDB>, ()>;

/// The contracts and the transaction.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) db: InMemoryDB,
    pub(crate) tx: TxEnv,
}

impl World {
    /// A call of [`MAIN`] with this code.
    pub(crate) fn new(main: impl Into<Bytes>) -> Self {
        let mut db = InMemoryDB::default();
        let account = AccountInfo {
            balance: U256::from(10).pow(U256::from(24)),
            ..AccountInfo::default()
        };
        db.insert_account_info(CALLER, account);
        let tx = TxEnv::builder()
            .caller(CALLER)
            .kind(TxKind::Call(MAIN))
            .gas_limit(3_000_000)
            .build_fill();
        Self { db, tx }.with(MAIN, main)
    }

    /// One more contract.
    pub(crate) fn with(mut self, at: Address, code: impl Into<Bytes>) -> Self {
        let account = AccountInfo {
            balance: U256::from(1000),
            nonce: 1,
            ..AccountInfo::default()
        };
        let code = Bytecode::new_raw(code.into());
        self.db.insert_account_info(at, account.with_code(code));
        self
    }

    pub(crate) fn with_tx(mut self, change: impl FnOnce(&mut TxEnv)) -> Self {
        change(&mut self.tx);
        self
    }

    fn context(&self) -> Ctx {
        let mut context = Context::mainnet().with_db(self.db.clone());
        context.cfg.tx_gas_limit_cap = Some(u64::MAX);
        context.block.gas_limit = u64::MAX;
        context
    }

    /// Runs the transaction without an inspector.
    pub(crate) fn run(&self) -> ResultAndState {
        let mut evm = self.context().build_mainnet();
        evm.transact(self.tx.clone()).unwrap()
    }

    /// Runs the transaction with one.
    pub(crate) fn inspect(&self, inspector: impl Inspector<Ctx>) -> ResultAndState {
        let mut evm = self
            .context()
            .build_mainnet_with_inspector(NoOpInspector {})
            .with_inspector(inspector);
        evm.inspect_tx(self.tx.clone()).unwrap()
    }
}

/// PUSH32 of a number.
pub(crate) fn push(value: impl TryInto<U256, Error: core::fmt::Debug>) -> Vec<u8> {
    let value: U256 = value.try_into().unwrap();
    let bytes = value.to_be_bytes_trimmed_vec();
    let mut code = vec![0x5f + bytes.len() as u8];
    code.extend_from_slice(&bytes);
    code
}

/// Pushes `operands`, the last one first, so that the first is on top; then the opcode.
pub(crate) fn with_operands(opcode: u8, operands: &[u64]) -> Vec<u8> {
    let mut code: Vec<u8> = operands.iter().rev().flat_map(|o| push(*o)).collect();
    code.push(opcode);
    code
}
