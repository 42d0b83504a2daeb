//! A chain that runs inside a database: its state is the state log, its leaves name the roots.

mod begin;
mod known;

use crate::block::EthBlock;
use crate::engine::error::RunError;
use crate::engine::genesis::ChainGenesis;
use crate::engine::run::{
    BlockReport, BlockState, PreparedBlock, check_identity, check_parent, execute_checked, in_block,
};
use crate::engine::state_roots::StateRoots;
use crate::engine::whole_state::whole_state;
use crate::execute::TracerFor;
use crate::leaf::{ReadSet, RuleError};
use crate::memory_state::MemoryState;
use crate::state_log::{ReadStateLog, StateLogDb, StateLogError, decode_header, keeps_all};
use crate::tracing::NoTracer;
use crate::verify::StateScope;
use alloy_consensus::Header;
use alloy_primitives::{Address, B256, U256};
use qmtree::proofs::Scheme;
use qmtree::{Db, View};
use revm::database::{BundleState, Database};
use revm::state::{AccountInfo, Bytecode};

/// Runs blocks into a database of scheme `state-root/1`, whose state log is the chain's state.
///
/// Each block is executed on the state log alone. What is kept in memory beside it is for checking
/// only: of a log that began with a whole state, a copy of the state from which Ethereum's own state
/// root is derived after each block, unless that is [left out](Self::without_state_root).
#[derive(Debug)]
pub struct LogChain {
    /// The log knows all of the state.
    complete: bool,
    /// A copy of it after the newest block, to derive state roots from.
    whole: Option<MemoryState>,
    /// Number and hash of the newest block.
    tip: (u64, B256),
}

/// The state before a block: the log, with what is needed to check the block.
#[derive(Debug)]
pub struct LogBlockState {
    log: StateLogDb<View>,
    complete: bool,
    whole: Option<MemoryState>,
}

impl LogChain {
    /// Goes on from the newest block of a log that is not empty.
    ///
    /// Of a log that knows all of its state this reads all of it; of others a header.
    ///
    /// # Errors
    /// [`RunError::NoState`] if the blocks were not executed into the log; [`RunError::StateLog`] if
    /// it cannot be read; [`RunError::OtherScheme`].
    pub fn open(db: &Db) -> Result<Self, RunError> {
        let chain = Self::without_state_root(db)?;
        let whole = match chain.complete {
            true => whole_state(&db.view())?,
            false => None,
        };
        Ok(Self { whole, ..chain })
    }

    /// The same without a copy of the state in memory: the state root of headers is not checked then,
    /// all else is.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn without_state_root(db: &Db) -> Result<Self, RunError> {
        check_scheme(db)?;
        let view = db.view();
        let number = view.head().block_number;
        let log = StateLogDb::new(&view);
        let hash = match newest_header(&log)? {
            Some(header) if header.number == number => header.hash_slow(),
            // A state that was given for the block after it.
            _ => given_hash(&log, number)?.ok_or(RunError::NoState { block: number })?,
        };
        let complete = keeps_all(&view);
        Ok(Self {
            complete: complete.map_err(|source| RunError::StateLog { source })?,
            whole: None,
            tip: (number, hash),
        })
    }

    /// Begins an empty log with the state of a genesis, or goes on with a log that began with it.
    ///
    /// # Errors
    /// As [`open`](Self::open); [`RunError::OtherBlock`] if the log began otherwise.
    pub fn open_or_begin(db: &mut Db, genesis: &ChainGenesis) -> Result<Self, RunError> {
        Self::begin(db, genesis)?;
        Self::open(db)
    }

    /// Begins an empty log with the state of a genesis, and checks that any other began with it.
    ///
    /// # Errors
    /// [`RunError::OtherBlock`] if the log began otherwise, [`RunError::OtherChain`],
    /// [`RunError::OtherScheme`], [`RunError::Database`].
    pub fn begin(db: &mut Db, genesis: &ChainGenesis) -> Result<(), RunError> {
        let ChainGenesis {
            chain,
            header,
            state,
        } = genesis;
        check_identity(db, chain, header.number, Scheme::StateRoot1)?;
        let given = begin::Given::genesis(chain, header, state)?;
        if db.view().blocks().is_none() {
            given.append(db)?;
        }
        given.check(db)
    }

    /// Begins an empty log with the state that a block file brings, as a block of its own before the
    /// file's. The file's block is executed on it first, so that no state stays behind of a block that
    /// does not hold.
    ///
    /// # Errors
    /// [`RunError::NoPreState`] if it brings none, or is about block 0; what is wrong with the block;
    /// others as [`open`](Self::open).
    pub fn begin_before(db: &mut Db, prepared: &PreparedBlock) -> Result<Self, RunError> {
        let number = prepared.block.header.number;
        check_identity(db, &prepared.chain, number, Scheme::StateRoot1)?;
        let given = begin::Given::before(prepared)?;
        if let Some(state) = prepared.state.clone() {
            execute_checked(prepared, state, NoTracer, &mut ReadSet)?;
        }
        given.append(db)?;
        Self::open(db)
    }

    /// Number and hash of the newest block.
    #[must_use]
    pub const fn tip(&self) -> (u64, B256) {
        self.tip
    }

    /// What is known of the state.
    #[must_use]
    pub const fn scope(&self) -> StateScope {
        scope(self.complete)
    }

    /// Executes a block on the state log, checks it against its header, and commits its leaves and
    /// its writes. Returns the chain after it, and the tracer for the next block.
    ///
    /// A block that is in the log is not executed again, but recognised by its first leaf. A block
    /// that brings a state must bring the state of the log.
    ///
    /// # Errors
    /// [`RunError`]; the database is then as it was.
    pub fn run_block<T>(
        mut self,
        db: &mut Db,
        prepared: &PreparedBlock,
        tracer: T,
    ) -> Result<(BlockReport, Self, T), RunError>
    where
        T: TracerFor<LogBlockState>,
    {
        let block = &prepared.block;
        let number = block.header.number;
        check_identity(db, &prepared.chain, number, Scheme::StateRoot1)?;
        if let Some(report) = known::find(db, prepared, tracer.mode())? {
            return Ok((report, self, tracer));
        }
        check_parent(block, self.tip)?;
        let view = db.view();
        if let Some(state) = &prepared.state {
            known::compare(number, state, &view, self.scope())?;
        }
        let state = LogBlockState {
            log: StateLogDb::new(view),
            complete: self.complete,
            whole: self.whole.take(),
        };
        let staged = db.begin_block(number).map_err(in_block(number))?;
        let mut roots = StateRoots::new(staged, &block.header, self.complete);
        let checked = execute_checked(prepared, state, tracer, &mut roots)?;
        let staged = roots.into_block();
        let committed = staged.commit(&checked.payloads, &checked.tx_hashes);
        let head = committed.map_err(in_block(number))?;
        let report = BlockReport {
            appended: true,
            execution: checked.execution,
            ..BlockReport::of(db, block, head).map_err(in_block(number))?
        };
        self.whole = checked.state.whole;
        self.tip = (number, report.hash);
        Ok((report, self, checked.tracer))
    }
}

const fn scope(complete: bool) -> StateScope {
    match complete {
        true => StateScope::Complete,
        false => StateScope::Transactions,
    }
}

fn check_scheme(db: &Db) -> Result<(), RunError> {
    let (leaves, database) = (Scheme::StateRoot1, db.identity().scheme);
    if leaves == database {
        return Ok(());
    }
    Err(RunError::OtherScheme { leaves, database })
}

/// The header of the newest block that was executed, or of the genesis.
fn newest_header<R>(log: &StateLogDb<R>) -> Result<Option<Header>, RunError>
where
    R: ReadStateLog<Error = qmtree::Error>,
{
    let failed = |source| RunError::StateLog { source };
    let header = log.header_rlp().map_err(failed)?;
    // A value that is no header is none of ours.
    Ok(header.and_then(|bytes| decode_header(&bytes).ok()))
}

/// The hash of the block whose state was given, from the list of hashes.
fn given_hash<R>(log: &StateLogDb<R>, number: u64) -> Result<Option<B256>, RunError>
where
    R: ReadStateLog<Error = qmtree::Error>,
{
    use revm::database::DatabaseRef as _;
    match log.block_hash_ref(number) {
        Ok(hash) => Ok(Some(hash)),
        Err(StateLogError::UnknownBlockHash { .. }) => Ok(None),
        Err(source) => Err(RunError::StateLog { source }),
    }
}

impl BlockState for LogBlockState {
    fn scope(&self) -> StateScope {
        scope(self.complete)
    }

    fn keeps_changes(&self) -> bool {
        self.whole.is_some()
    }

    fn parent(&self, child: &Header) -> Result<Option<Header>, RuleError> {
        let newest = newest_header(&self.log)?;
        // Before the first block that is executed there is none, or one that is not its parent.
        Ok(newest.filter(|newest| newest.hash_slow() == child.parent_hash))
    }

    fn advance(&mut self, _: &EthBlock, changes: &BundleState) -> Result<Option<B256>, RuleError> {
        Ok(self.whole.as_mut().map(|whole| {
            whole.apply(changes);
            whole.state_root()
        }))
    }
}

impl Database for LogBlockState {
    type Error = StateLogError<qmtree::Error>;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, Self::Error> {
        self.log.basic(address)
    }

    fn code_by_hash(&mut self, hash: B256) -> Result<Bytecode, Self::Error> {
        self.log.code_by_hash(hash)
    }

    fn storage(&mut self, address: Address, slot: U256) -> Result<U256, Self::Error> {
        self.log.storage(address, slot)
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, Self::Error> {
        self.log.block_hash(number)
    }
}
