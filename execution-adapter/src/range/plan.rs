//! What a range says of itself, compared before any of it is executed.

use super::PROGRAM_VERSION;
use super::error::RangeError;
use super::input::RangeInput;
use crate::block::EthBlock;
use crate::chain::ChainSpec;
use crate::execute::ExecuteError;
use crate::header_rules::check_header;
use crate::limits::{LimitError, Work};
use crate::verify::Mismatch;
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
    Header {
        number: u64,
        mismatch: Mismatch,
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

    /// Checks that the blocks follow the head and each other, by number and hash and by what a header
    /// has to be behind another one, under rules that are known, and make no more work than is taken
    /// on. Costs a hash for each header.
    ///
    /// What the first block follows is in no block: its witness may have the header.
    pub(crate) fn check(&self) -> Result<(), PlanError> {
        self.check_links()?;
        self.check_headers()
    }

    /// [`check`](Self::check), and that all is as in these public inputs that is known before.
    pub(crate) fn check_for(&self, expected: &PublicInputs) -> Result<(), PlanError> {
        let places = self.check_links()?;
        expected
            .check_plan(&self.setup(), self.head, &places)
            .map_err(PlanError::Statement)?;
        self.check_headers()
    }

    /// Numbers and hashes, and the limits.
    fn check_links(&self) -> Result<Vec<BlockPlace>, PlanError> {
        let (log, rules) = (self.head.chain_id, self.chain.chain_id());
        if log != rules {
            return Err(PlanError::Chain { log, rules });
        }
        // The statement names the version of the rules, so it has to be that of these.
        if self.program.version != PROGRAM_VERSION {
            return Err(PlanError::Statement(StatementError::Number {
                field: "the version of the program",
                found: self.program.version.into(),
                expected: PROGRAM_VERSION.into(),
            }));
        }
        let mut work = Work::default();
        for block in &self.blocks {
            work.add(block).map_err(PlanError::Limit)?;
        }
        let places = self.places();
        BlockPlace::check_all(self.head, &places).map_err(PlanError::Statement)?;
        Ok(places)
    }

    /// Each header by itself and behind the one before it, which is known to be its parent.
    fn check_headers(&self) -> Result<(), PlanError> {
        let mut parent = None;
        for header in self.blocks.iter().map(|block| &block.header) {
            let number = header.number;
            let spec = self.chain.spec_id(number, header.timestamp);
            spec.map_err(|source| PlanError::Rules {
                number,
                source: Box::new(ExecuteError::Chain {
                    block: number,
                    source,
                }),
            })?;
            if let Some(parent) = parent.replace(header) {
                let checked = check_header(self.chain, header, parent);
                checked.map_err(|mismatch| PlanError::Header { number, mismatch })?;
            }
        }
        Ok(())
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
    /// and their links, what headers have to be behind each other, and the limits that a range has to keep.
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
            PlanError::Header { number, mismatch } => Self::Block {
                number,
                source: Box::new(mismatch.into()),
            },
        }
    }
}
