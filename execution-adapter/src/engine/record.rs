//! Makes witnesses of the state log: executes blocks on a database, and notes what they touch.

use crate::chain::ChainSpec;
use crate::execute::TracerFor;
use crate::range::PROGRAM_VERSION;
use crate::state_log::{ReadStateLog, Write, keeps_all};
use crate::state_witness::{
    BlockRun, StateBlock, StateBlockError, StateWitness, WitnessedLog, WriteStateLog, check_place,
};
use crate::trace::{TraceError, TraceOptions, Tracer};
use crate::tracing::NoTracer;
use crate::transition::TraceMode;
use alloy_primitives::{B256, keccak256};
use qmtree::proofs::statement::Program;
use qmtree::proofs::{Head, LeafPayload, Scheme, TxNum};
use qmtree::{At, Error, KeyUse, View};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Why a witness of the state log could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// A witness of nothing.
    #[error("no blocks to make a witness of")]
    Empty,
    /// The log has leaves of another scheme, and no state.
    #[error(
        "the log has leaves of scheme {found}, and no state to make a witness of; a database of scheme state-root/1 has one"
    )]
    Scheme {
        /// The scheme of the log.
        found: Scheme,
    },
    /// The log cannot be read, or has no block before the first.
    #[error("the log before block {block}")]
    Log {
        /// Number of the first block.
        block: u64,
        /// Why.
        source: Box<Error>,
    },
    /// A block cannot be executed.
    #[error("block {number}")]
    Block {
        /// Its number.
        number: u64,
        /// Why.
        source: Box<StateBlockError<Arc<Error>>>,
    },
    /// Blocks must follow each other.
    #[error("block {found} where block {expected} is to come")]
    Order {
        /// The number that was to come.
        expected: u64,
        /// The number that came.
        found: u64,
    },
    /// A block of the log has another leaf than this one.
    #[error(
        "leaf {tx_num} of the log is not that of this block; it is another block, or the log was made with another --trace mode"
    )]
    OtherLeaf {
        /// The leaf.
        tx_num: TxNum,
    },
    /// The tracer failed.
    #[error("{0}")]
    Trace(TraceError),
}

/// Executes consecutive blocks on the state before the first of them, and makes the witness from which
/// that can be repeated without the log.
///
/// The blocks may be in the log, and are then compared with it, or come next. Costs about an execution
/// of the blocks, and a proof for every key that they touch. The writer goes on meanwhile.
///
/// # Errors
/// [`RecordError`].
pub fn record_state_witness(
    view: &View,
    chain: &ChainSpec,
    mode: TraceMode,
    blocks: Vec<StateBlock>,
) -> Result<StateWitness, RecordError> {
    match mode {
        TraceMode::Outcome => record_with(view, chain, mode, blocks, NoTracer),
        _ => {
            let options = TraceOptions::new(mode, view.head().profile);
            let threads = std::thread::available_parallelism().map_or(1, usize::from);
            let tracer = Tracer::threaded(options, threads).map_err(RecordError::Trace)?;
            record_with(view, chain, mode, blocks, tracer)
        }
    }
}

fn record_with<T>(
    view: &View,
    chain: &ChainSpec,
    mode: TraceMode,
    blocks: Vec<StateBlock>,
    mut tracer: T,
) -> Result<StateWitness, RecordError>
where
    T: TracerFor<WitnessedLog<RecordedLog>>,
{
    let first = blocks.first().ok_or(RecordError::Empty)?;
    let first = first.block.header.number;
    let of_log = |source: Error| RecordError::Log {
        block: first,
        source: Box::new(source),
    };
    let found = view.head().scheme;
    if found != Scheme::StateRoot1 {
        return Err(RecordError::Scheme { found });
    }
    let (head, at) = head_before(view, first).map_err(of_log)?;
    let mut log = RecordedLog::new(view.clone(), &head, at);
    let whole = keeps_all(&log).map_err(|e| of_block(first, e.into()))?;
    let mut next = (first, head.leaf_count);
    for block in &blocks {
        let (expected, first_tx_num) = next;
        let number = block.block.header.number;
        if number != expected {
            return Err(RecordError::Order {
                expected,
                found: number,
            });
        }
        check_place(chain, &log, number - 1, block).map_err(|e| of_block(number, e))?;
        let run = BlockRun {
            chain,
            block,
            first_tx_num: TxNum(first_tx_num),
            whole,
        };
        let ran = run.run(log, tracer).map_err(|e| of_block(number, e))?;
        (log, tracer) = (ran.log, ran.tracer);
        if let Some(tx_num) = other_leaf(view, first_tx_num, &ran.leaves).map_err(of_log)? {
            return Err(RecordError::OtherLeaf { tx_num });
        }
        next = (
            number.saturating_add(1),
            first_tx_num + ran.leaves.len() as u64,
        );
    }
    Ok(StateWitness {
        chain: chain.clone(),
        edge: view.edge(at).map_err(of_log)?,
        program: host_program(),
        mode,
        extract: view.extract_state(&log.uses(), at).map_err(of_log)?,
        blocks,
    })
}

/// The program as it runs outside of any machine, by the name that the re-execution backend knows it by;
/// whoever proves it elsewhere puts another in its place.
fn host_program() -> Program {
    let version = PROGRAM_VERSION.to_be_bytes();
    let id = keccak256([b"qmtree/range-program/", &version[..]].concat());
    Program::new(PROGRAM_VERSION, "exec", id)
}

fn of_block(number: u64, source: StateBlockError<Arc<Error>>) -> RecordError {
    RecordError::Block {
        number,
        source: Box::new(source),
    }
}

/// The head before a block, and where a view has it.
fn head_before(view: &View, block: u64) -> Result<(Head, At), Error> {
    let newest = view.head();
    match block.checked_sub(1) {
        Some(before) if view.blocks().is_some_and(|(_, last)| last == before) => {
            Ok((*newest, At::Head))
        }
        // A log begins with a state that is a block of its own; there is none before block 0.
        before => {
            let before = before.unwrap_or(u64::MAX);
            Ok((view.head_at(before)?, At::Block(before)))
        }
    }
}

/// The first of these leaves that the log has otherwise. The state before them is not compared:
/// here it has no root.
fn other_leaf(view: &View, first: u64, leaves: &[LeafPayload]) -> Result<Option<TxNum>, Error> {
    for (leaf, tx_num) in leaves.iter().zip((first..).map(TxNum)) {
        if tx_num.0 >= view.head().leaf_count {
            break;
        }
        let known = view.leaf(tx_num)?.payload();
        let words = |leaf: &LeafPayload| (leaf.state_change_hash, leaf.transition_hash);
        if words(&known) != words(leaf) {
            return Ok(Some(tx_num));
        }
    }
    Ok(None)
}

/// A log as it was, with what blocks wrote since, which notes every key that it is asked for.
#[derive(Debug)]
pub(crate) struct RecordedLog {
    view: View,
    /// The last transaction of the past, unless it is the view's own head.
    at: Option<TxNum>,
    empty: bool,
    written: BTreeMap<B256, Option<Vec<u8>>>,
    /// Keys, and whether they were deleted.
    used: RefCell<BTreeMap<B256, bool>>,
}

impl RecordedLog {
    fn new(view: View, head: &Head, at: At) -> Self {
        Self {
            view,
            at: match at {
                At::Head => None,
                At::Block(_) => head.leaf_count.checked_sub(1).map(TxNum),
            },
            empty: head.entry_count == 0,
            written: BTreeMap::new(),
            used: RefCell::default(),
        }
    }

    fn uses(&self) -> Vec<KeyUse> {
        let used = self.used.borrow();
        let uses = used.iter().map(|(key, deleted)| KeyUse {
            key: *key,
            deleted: *deleted,
        });
        uses.collect()
    }
}

impl ReadStateLog for RecordedLog {
    type Error = Arc<Error>;

    fn value(&self, key: &B256) -> Result<Option<Vec<u8>>, Arc<Error>> {
        if let Some(written) = self.written.get(key) {
            return Ok(written.clone());
        }
        self.used.borrow_mut().entry(*key).or_insert(false);
        match self.at {
            _ if self.empty => Ok(None),
            None => self.view.get(key).map_err(Arc::new),
            Some(at) => self.view.get_at(key, at).map_err(Arc::new),
        }
    }
}

impl WriteStateLog for RecordedLog {
    fn root(&mut self) -> B256 {
        B256::ZERO
    }

    fn write(&mut self, _: TxNum, writes: Vec<Write>) -> Result<(), Arc<Error>> {
        let used = self.used.get_mut();
        for (key, value) in writes {
            *used.entry(key).or_insert(false) |= value.is_none();
            self.written.insert(key, value);
        }
        Ok(())
    }
}
