//! Runs cases.

use super::compare::{Mismatch, judge, same};
use super::constantinople;
use super::post::PreState;
use super::read::{Case, CaseId};
use super::setup::Setup;
use super::tracing::{Steps, Tracing, execute_traced};
use revm::bytecode::opcode::SSTORE;
use revm::context::result::{EVMError, ResultAndState};
use revm::database_interface::WrapDatabaseRef;
use revm::handler::MainnetContext;
use revm::interpreter::Instruction;
use revm::interpreter::interpreter::EthInterpreter;
use revm::{Context, ExecuteEvm, InspectEvm, Inspector, MainBuilder, MainContext, MainnetEvm};

/// The context that a test's inspector sees.
pub(super) type TestContext<'a> = MainnetContext<WrapDatabaseRef<&'a PreState>>;

/// How a transaction ended.
#[derive(Debug)]
pub(super) enum Outcome {
    /// It ran, whether to success or not.
    Executed(Box<ResultAndState>),
    /// It is not valid, so it changed nothing. Why, for people.
    Refused(String),
}

/// What became of a case.
#[derive(Clone, Debug)]
pub struct CaseReport {
    /// Which one.
    pub id: CaseId,
    /// Passed, or the first thing that differs.
    pub verdict: Result<(), Mismatch>,
    /// Gas used; `None` if the transaction was refused.
    pub gas_used: Option<u64>,
    /// What the tracer saw, if there was one.
    pub steps: Option<Steps>,
}

impl Case<'_> {
    /// Runs the transaction, untraced and then (unless that is off) traced, and compares.
    ///
    /// Costs two executions and the root of the whole state after. Runs on any thread.
    pub fn run(&self, tracing: Tracing) -> CaseReport {
        let setup = self.setup();
        let mut report = CaseReport {
            id: self.id(),
            verdict: Ok(()),
            gas_used: None,
            steps: None,
        };
        report.verdict = self.run_into(&mut report, &setup, tracing);
        report
    }

    fn run_into(
        &self,
        report: &mut CaseReport,
        setup: &Setup,
        tracing: Tracing,
    ) -> Result<(), Mismatch> {
        let failed = |what| Mismatch::Evm { what };
        let outcome = execute(self.pre, setup).map_err(failed)?;
        if let Outcome::Executed(executed) = &outcome {
            report.gas_used = Some(executed.result.tx_gas_used());
        }
        judge(self.expected, &outcome, self.pre, setup)?;
        if let Some(limits) = tracing.limits() {
            let (traced, steps) = execute_traced(self.pre, setup, limits).map_err(failed)?;
            same(&outcome, &traced)?;
            report.steps = Some(steps.map_err(|error| Mismatch::Trace { error })?);
        }
        Ok(())
    }
}

fn execute(pre: &PreState, setup: &Setup) -> Result<Outcome, String> {
    match &setup.tx {
        Err(why) => Ok(Outcome::Refused((*why).to_owned())),
        Ok(tx) => outcome(evm(pre, setup, ()).transact(tx.clone())),
    }
}

/// Runs a case with an inspector.
///
/// # Errors
/// What the EVM says if it fails, other than by refusing the transaction.
pub(super) fn execute_inspected<'a, I>(
    pre: &'a PreState,
    setup: &Setup,
    inspector: I,
) -> Result<Outcome, String>
where
    I: Inspector<TestContext<'a>, EthInterpreter>,
{
    match &setup.tx {
        Err(why) => Ok(Outcome::Refused((*why).to_owned())),
        Ok(tx) => outcome(evm(pre, setup, inspector).inspect_tx(tx.clone())),
    }
}

fn evm<'a, I>(pre: &'a PreState, setup: &Setup, inspector: I) -> MainnetEvm<TestContext<'a>, I> {
    let context = Context::mainnet()
        .with_db(WrapDatabaseRef(pre))
        .with_block(setup.block.clone())
        .with_cfg(setup.cfg.clone());
    let mut evm = context.build_mainnet_with_inspector(inspector);
    if setup.rules.eip1283 {
        let sstore = Instruction::new(constantinople::sstore);
        evm.instruction.insert_instruction(SSTORE, sstore, 0);
    }
    evm
}

fn outcome<E>(result: Result<ResultAndState, EVMError<E>>) -> Result<Outcome, String>
where
    E: core::fmt::Display,
{
    match result {
        Ok(executed) => Ok(Outcome::Executed(Box::new(executed))),
        Err(EVMError::Transaction(invalid)) => Ok(Outcome::Refused(invalid.to_string())),
        Err(error) => Err(error.to_string()),
    }
}
