//! `qm replay`: blocks executed again from their witnesses, and what that shows.

use super::input::RangeArguments;
use super::report::{BlockJson, InputsJson, say_inputs};
use crate::error::CliError;
use crate::files::write;
use crate::output::{json, say};
use alloy_primitives::B256;
use clap::Args;
use qmtree_execution_adapter::PROGRAM_VERSION;
use qmtree_proofs::statement::Program;
use qmtree_provers::RangeProgram;
use serde::Serialize;
use std::path::PathBuf;

/// Execute blocks again from their witnesses, offline, and print what that shows
///
/// No state and no database are needed, and nothing is written. What is printed are the public inputs
/// that a proof about these blocks has: rules, heads of the log before and after, a root that binds
/// each block, and the statement, which is the digest of all that.
///
/// With --write-input the bytes are written that a prover's program reads (docs/FORMAT.md, section
/// 12.5); --name and --program-id say whose program that is.
///
/// Exit codes: 0 all blocks hold, 1 a block does not, or blocks do not follow each other, 2 input that
/// cannot be used.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Replay {
    #[command(flatten)]
    range: RangeArguments,
    /// The backend that the statement is for.
    #[arg(long, value_name = "NAME", default_value = "exec")]
    name: String,
    /// The id of its program; of `exec` it is known.
    #[arg(long, value_name = "HASH")]
    program_id: Option<B256>,
    /// Write what the program reads.
    #[arg(long, value_name = "FILE")]
    write_input: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    public_inputs: InputsJson,
    blocks: Vec<BlockJson>,
}

impl Replay {
    pub(crate) fn run(&self) -> Result<(), CliError> {
        let id = self.program_id.unwrap_or_else(RangeProgram::id);
        let program = Program::new(PROGRAM_VERSION, &self.name, id);
        let input = self.range.read(program)?;
        let output = input.execute()?;
        if let Some(path) = &self.write_input {
            write(path, &input.to_bytes())?;
        }
        if self.json {
            return json(&Line {
                public_inputs: InputsJson::new(&output.public_inputs),
                blocks: BlockJson::all(&output.records),
            });
        }
        for block in &output.blocks {
            say(format_args!(
                "block {}: {} gas, {} leaves, state root {}",
                block.number, block.gas_used, block.leaves, block.state_root
            ))?;
        }
        say_inputs(&output.public_inputs)
    }
}
