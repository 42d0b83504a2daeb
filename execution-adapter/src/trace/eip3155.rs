//! The steps for people: JSON lines as EIP-3155 has them, and geth's `evm --json` prints them.

use super::TraceError;
use super::effect::Effect;
use super::limits::TraceOptions;
use super::raw::Batch;
use super::replica::{Event, Replica, Seen};
use super::steps::Sink;
use super::tracer::Tracer;
use crate::transition::{StepsCommitment, TraceMode};
use revm::bytecode::opcode::OpCode;
use std::boxed::Box;
use std::format;
use std::io::{self, Write};
use std::string::{String, ToString};
use std::vec::Vec;

/// Writes each step as a line.
struct Lines<W> {
    out: W,
    replica: Replica,
    /// Refund counters of the frames, outermost first.
    refunds: Vec<i64>,
    ended: usize,
    line: String,
}

impl<W> core::fmt::Debug for Lines<W> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Lines").finish_non_exhaustive()
    }
}

impl Tracer {
    /// A tracer that commits to nothing and prints: one JSON object per step to `out`, which
    /// should be buffered. [`summary_line`] makes the last line of a transaction.
    ///
    /// Fields as of EIP-3155: `pc`, `op`, `gas`, `gasCost`, `memSize`, `stack`, `depth`,
    /// `returnData`, `refund`, `opName`, and `error` on the last step of a frame that halted.
    #[must_use]
    pub fn json_lines(options: TraceOptions, out: impl Write + Send + 'static) -> Self {
        let options = TraceOptions {
            mode: TraceMode::Full,
            ..options
        };
        let lines = Lines {
            out,
            replica: Replica::default(),
            refunds: Vec::new(),
            ended: 0,
            line: String::new(),
        };
        Self::with_sink(options, Box::new(lines)).of_each_step()
    }
}

/// The line that closes a transaction's trace, without a newline. Steps do not tell the output, so it
/// has none.
#[must_use]
pub fn summary_line(gas_used: u64, pass: bool, fork: &str) -> String {
    format!(r#"{{"gasUsed":"{gas_used:#x}","pass":{pass},"fork":"{fork}"}}"#)
}

impl<W: Write + Send> Sink for Lines<W> {
    fn consume(&mut self, mut batch: Batch) -> Result<Batch, TraceError> {
        let Self {
            out,
            replica,
            refunds,
            ended,
            line,
        } = self;
        let mut result = Ok(());
        replica.follow(&batch, |event| match event {
            Event::Step(seen) => {
                if result.is_ok() {
                    result = write_step(out, line, refunds, &seen);
                }
            }
            Event::End { dropped } => {
                refunds.clear();
                *ended += usize::from(!dropped);
            }
        });
        let flushed = result.and_then(|()| out.flush());
        batch.clear();
        flushed.map(|()| batch).map_err(|error| TraceError::Output {
            error: error.to_string(),
        })
    }

    fn commitments(
        &mut self,
        count: usize,
        out: &mut Vec<StepsCommitment>,
    ) -> Result<(), TraceError> {
        self.ended = self
            .ended
            .checked_sub(count)
            .ok_or(TraceError::OutOfOrder)?;
        out.extend((0..count).map(|_| StepsCommitment::default()));
        Ok(())
    }
}

fn write_step(
    out: &mut impl Write,
    line: &mut String,
    refunds: &mut Vec<i64>,
    seen: &Seen<'_>,
) -> io::Result<()> {
    use core::fmt::Write as _;

    let step = seen.step;
    refunds.resize(usize::from(seen.stretch.depth), 0);
    if let Some(own) = refunds.last_mut() {
        *own = seen.refund;
    }
    let refund: i64 = refunds.iter().sum();
    line.clear();
    let (pc, op, depth) = (step.pc, step.opcode, seen.stretch.depth);
    let (gas, cost) = (step.gas_remaining, seen.stretch.last_cost);
    let memory = seen.frame.memory.len();
    let written: core::fmt::Result = (|| {
        write!(
            line,
            r#"{{"pc":{pc},"op":{op},"gas":"{gas:#x}","gasCost":"{cost:#x}""#
        )?;
        write!(line, r#","memSize":{memory},"stack":["#)?;
        for (item, at) in seen.frame.stack.iter().zip(0..) {
            let comma = if at == 0 { "" } else { "," };
            write!(line, r#"{comma}"{item:#x}""#)?;
        }
        let returned = alloy_primitives::hex::encode_prefixed(&seen.frame.return_data);
        write!(
            line,
            r#"],"depth":{depth},"returnData":"{returned}","refund":{refund}"#
        )?;
        match OpCode::new(op) {
            Some(opcode) => write!(line, r#","opName":"{}""#, opcode.as_str())?,
            None => write!(line, r#","opName":"opcode {op:#x} not defined""#)?,
        }
        if halted(seen) {
            write!(line, r#","error":"halt""#)?;
        }
        writeln!(line, "}}")
    })();
    debug_assert!(written.is_ok(), "strings take everything");
    out.write_all(line.as_bytes())
}

/// Whether the frame halted with this step, rather than the call that the step made.
fn halted(seen: &Seen<'_>) -> bool {
    let effects = || seen.records().map(Effect::from_bytes);
    let calls = effects().any(|e| matches!(e, Ok(Effect::Call { .. } | Effect::Create { .. })));
    !calls && effects().any(|e| matches!(e, Ok(Effect::End { status: 2, .. })))
}
