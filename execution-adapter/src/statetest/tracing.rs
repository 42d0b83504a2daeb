//! The traced run of a case: the one place where a tracer is plugged in.

use super::post::PreState;
use super::run::{Outcome, TestContext, execute_inspected};
use super::setup::Setup;
use revm::Inspector;
use revm::interpreter::Interpreter;
use revm::interpreter::interpreter::EthInterpreter;

/// Whether each case runs a second time, with a tracer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tracing {
    /// Once, without one.
    Off,
    /// Twice; both have to come to the same.
    #[default]
    On,
}

/// What a tracer saw of a transaction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Steps {
    /// Opcodes that began to run, in all call frames.
    pub opcodes: u64,
}

/// Runs a case with the tracer.
pub(super) fn execute_traced(pre: &PreState, setup: &Setup) -> Result<(Outcome, Steps), String> {
    let mut counter = Counter::default();
    let outcome = execute_inspected(pre, setup, &mut counter)?;
    Ok((outcome, counter.0))
}

#[derive(Debug, Default)]
struct Counter(Steps);

impl Inspector<TestContext<'_>, EthInterpreter> for Counter {
    fn step(&mut self, _: &mut Interpreter<EthInterpreter>, _: &mut TestContext<'_>) {
        self.0.opcodes += 1;
    }
}
