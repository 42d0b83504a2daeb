//! What a range says of itself, compared before any of it is executed.

use super::error::RangeError;
use super::input::RangeInput;
use crate::block::EthBlock;
use crate::chain::ChainSpec;
use crate::execute::ExecuteError;
use crate::limits::{LimitError, Work};
use alloc::boxed::Box;
use alloc::vec::Vec;
use qmtree_proofs::Head;
use qmtree_proofs::statement::{
    BlockPlace, Program, PublicInputs, StatementError, StatementSetup, TraceMode, WitnessKind,
};

/// A range of either kind of witness, before its execution.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    pub(crate) chain: &'a ChainSpec,
    pub(crate) head: &'a Head,
    pub(crate) witness: WitnessKind,
    pub(crate) mode: TraceMode,
    pub(crate) program: Program,
    pub(crate) blocks: Vec<&'a EthBlock>,
}

/// Why a range is not executed.
#[derive(Debug)]
pub(crate) enum PlanError {
    Statement(StatementError),
    Limit(LimitError),
    Chain {
        log: u64,
        rules: u64,
    },
    Rules {
        number: u64,
        source: Box<ExecuteError>,
    },
}

impl Plan<'_> {
    pub(crate) fn setup(&self) -> StatementSetup {
        StatementSetup {
            rules: self.chain.digest(),
            witness: self.witness,
            mode: self.mode,
            program: self.program,
        }
    }

    fn places(&self) -> Vec<BlockPlace> {
        let place = |block: &&EthBlock| BlockPlace {
            number: block.header.number,
            hash: block.header.hash_slow(),
            parent_hash: block.header.parent_hash,
        };
        self.blocks.iter().map(place).collect()
    }

    /// Checks that the blocks follow the head and each other, under rules that are known, and make no
    /// more work than is taken on. Costs a hash for each header.
    pub(crate) fn check(&self) -> Result<Vec<BlockPlace>, PlanError> {
        let (log, rules) = (self.head.chain_id, self.chain.chain_id());
        if log != rules {
            return Err(PlanError::Chain { log, rules });
        }
        let mut work = Work::default();
        for block in &self.blocks {
            work.add(block).map_err(PlanError::Limit)?;
        }
        let places = self.places();
        BlockPlace::check_all(self.head, &places).map_err(PlanError::Statement)?;
        for header in self.blocks.iter().map(|block| &block.header) {
            let spec = self.chain.spec_id(header.number, header.timestamp);
            spec.map_err(|source| PlanError::Rules {
                number: header.number,
                source: Box::new(ExecuteError::Chain {
                    block: header.number,
                    source,
                }),
            })?;
        }
        Ok(places)
    }

    /// [`check`](Self::check), and that all is as in these public inputs that is known before.
    pub(crate) fn check_for(&self, expected: &PublicInputs) -> Result<(), PlanError> {
        let places = self.check()?;
        expected
            .check_plan(&self.setup(), self.head, &places)
            .map_err(PlanError::Statement)
    }
}

impl RangeInput {
    pub(super) fn plan(&self) -> Plan<'_> {
        Plan {
            chain: &self.chain,
            head: self.edge.head(),
            witness: WitnessKind::Execution,
            mode: self.mode,
            program: self.program,
            blocks: self.blocks.iter().map(|block| &block.block).collect(),
        }
    }

    /// Checks that the execution of this range can lead to these public inputs, without executing
    /// anything: chain, rules, head before, trace mode, program, the numbers and hashes of the blocks
    /// and their links, and the limits that a range has to keep.
    ///
    /// # Errors
    /// [`RangeError`] with the first thing that differs.
    pub fn check_for(&self, expected: &PublicInputs) -> Result<(), RangeError> {
        Ok(self.plan().check_for(expected)?)
    }
}

impl From<PlanError> for RangeError {
    fn from(error: PlanError) -> Self {
        match error {
            PlanError::Statement(error) => Self::Statement(error),
            PlanError::Limit(error) => Self::Limit(error),
            PlanError::Chain { log, rules } => Self::Chain { log, rules },
            PlanError::Rules { number, source } => Self::Block {
                number,
                source: Box::new(crate::stateless::StatelessError::Execute(source)),
            },
        }
    }
}
