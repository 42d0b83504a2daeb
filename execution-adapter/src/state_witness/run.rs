//! A block on a state log, whatever the log is: proven entries, or a database that is recorded.

use super::database::WitnessedLog;
use super::error::StateBlockError;
use super::form::StateBlock;
use crate::block::recover_senders;
use crate::chain::ChainSpec;
use crate::execute::{BlockInput, TracerFor, execute_block};
use crate::header_rules::check_header;
use crate::leaf::LeafParts;
use crate::state_log::{
    BatchContext, ReadStateLog, StateLogDb, StateLogError, Write, batch_of, decode_header, keys,
    lists_of,
};
use crate::transition::{StepsCommitment, TransitionKind};
use crate::verify::{StateScope, check_body, check_outcome};
use alloc::boxed::Box;
use alloc::vec::Vec;
use alloy_consensus::Header;
use alloy_primitives::{B256, keccak256};
use core::fmt;
use qmtree_proofs::state::{PartialError, PartialState};
use qmtree_proofs::{LeafPayload, Scheme, TreeHasher, TxNum};

/// A state log that takes what blocks write.
pub(crate) trait WriteStateLog: ReadStateLog + fmt::Debug {
    /// The root now.
    fn root(&mut self) -> B256;

    /// Applies what a transaction number writes.
    fn write(&mut self, tx_num: TxNum, writes: Vec<Write>) -> Result<(), Self::Error>;
}

impl<H: TreeHasher> ReadStateLog for PartialState<H> {
    type Error = PartialError;

    fn value(&self, key: &B256) -> Result<Option<Vec<u8>>, PartialError> {
        Ok(self.get(key)?.map(Vec::from))
    }
}

impl<H: TreeHasher + fmt::Debug> WriteStateLog for PartialState<H> {
    fn root(&mut self) -> B256 {
        Self::root(self)
    }

    fn write(&mut self, tx_num: TxNum, writes: Vec<Write>) -> Result<(), PartialError> {
        self.apply(tx_num, &writes).map(drop)
    }
}

/// Checks that a block comes behind the newest one of a log, which has this number, and that its header
/// may follow that one's where the log has it: a log that began with the state of a later block than
/// the genesis knows no more than the hash of that block.
pub(crate) fn check_place<L: ReadStateLog>(
    chain: &ChainSpec,
    log: &L,
    newest: u64,
    block: &StateBlock,
) -> Result<(), StateBlockError<L::Error>> {
    let header = &block.block.header;
    let found = header.parent_hash;
    let (expected, parent) = match newest_header(log, newest)? {
        Some((hash, parent)) => (Some(hash), Some(parent)),
        None => (given_hash(log, newest)?, None),
    };
    if expected != Some(found) {
        return Err(StateBlockError::Parent { found, expected });
    }
    if let Some(parent) = parent {
        check_header(chain, header, &parent)?;
    }
    Ok(())
}

/// The header of the newest block, and its hash.
fn newest_header<L: ReadStateLog>(
    log: &L,
    number: u64,
) -> Result<Option<(B256, Header)>, StateLogError<L::Error>> {
    let Some(rlp) = StateLogDb::new(log).header_rlp()? else {
        return Ok(None);
    };
    let header = decode_header(&rlp).ok();
    let header = header.filter(|header| header.number == number);
    Ok(header.map(|header| (keccak256(rlp), header)))
}

/// The hash of a block whose state a log was given to begin with.
fn given_hash<L: ReadStateLog>(
    log: &L,
    number: u64,
) -> Result<Option<B256>, StateLogError<L::Error>> {
    let hash = log.value(&keys::block_hash(number));
    let hash = hash.map_err(StateLogError::Read)?;
    Ok(hash.and_then(|hash| B256::try_from(hash.as_slice()).ok()))
}

/// A block that is executed on a log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BlockRun<'a> {
    pub(crate) chain: &'a ChainSpec,
    pub(crate) block: &'a StateBlock,
    pub(crate) first_tx_num: TxNum,
    /// The log began with a whole state.
    pub(crate) whole: bool,
}

/// What came of a block.
#[derive(Debug)]
pub(crate) struct Ran<L, T> {
    pub(crate) leaves: Vec<LeafPayload>,
    pub(crate) spec_id: u8,
    pub(crate) gas_used: u64,
    pub(crate) log: L,
    pub(crate) tracer: T,
}

impl BlockRun<'_> {
    /// Executes the block on the log before it, checks what can be checked, and applies what it
    /// wrote. Senders are recovered from the signatures here.
    pub(crate) fn run<L, T>(self, log: L, tracer: T) -> Result<Ran<L, T>, StateBlockError<L::Error>>
    where
        L: WriteStateLog,
        L::Error: Clone,
        T: TracerFor<WitnessedLog<L>>,
    {
        let block = &self.block.block;
        check_body(block, self.block.ommers_known)?;
        let senders = recover_senders(block).map_err(StateBlockError::Sender)?;
        let input = BlockInput {
            chain: self.chain,
            block,
            senders: &senders,
            keep_changes: false,
        };
        let (database, failure) = WitnessedLog::new(log);
        let mut parts = Vec::with_capacity(senders.len() + 2);
        let executed = execute_block(input, database, tracer, |record| {
            parts.push(record.into_parts(Scheme::StateRoot1));
        });
        // What could not be read comes first: an executor that ran into it may blame the block.
        if let Some(missing) = failure.get() {
            return Err(StateBlockError::Missing(missing.clone()));
        }
        let mut executed = executed.map_err(|e| StateBlockError::Execute(Box::new(e)))?;
        let scope = if self.whole {
            StateScope::Complete
        } else {
            StateScope::Transactions
        };
        check_outcome(block, &executed.outcome, scope)?;
        let steps = executed.tracer.commitments()?;
        let mut log = executed.state.database.into_log();
        let leaves = self.apply(&mut log, &parts, &steps)?;
        Ok(Ran {
            leaves,
            spec_id: executed.outcome.spec as u8,
            gas_used: executed.outcome.gas_used,
            log,
            tracer: executed.tracer,
        })
    }

    /// Writes what each leaf wrote, and makes the leaves.
    fn apply<L: WriteStateLog>(
        &self,
        log: &mut L,
        parts: &[LeafParts],
        steps: &[StepsCommitment],
    ) -> Result<Vec<LeafPayload>, StateLogError<L::Error>> {
        let mut steps = steps.iter().copied();
        let mut leaves = Vec::with_capacity(parts.len());
        for (parts, tx_num) in parts.iter().zip(self.first_tx_num.0..) {
            let steps = match parts.kind {
                TransitionKind::Transaction => steps.next().unwrap_or_default(),
                _ => StepsCommitment::default(),
            };
            leaves.push(parts.payload(log.root(), &steps));
            let begins = parts.kind == TransitionKind::BlockBegin;
            let context = BatchContext {
                lists: lists_of(self.whole, parts.context.spec_id),
                header: begins.then_some(&self.block.block.header),
            };
            let writes = batch_of(&*log, &parts.access, context)?;
            if !writes.is_empty() {
                let written = log.write(TxNum(tx_num), writes);
                written.map_err(StateLogError::Read)?;
            }
        }
        Ok(leaves)
    }
}
