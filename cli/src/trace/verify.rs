//! `qm trace verify`: an opening against the commitment, with nothing else.

use super::step::Line;
use crate::arguments::ProfileName;
use crate::error::CliError;
use crate::files::read_opening;
use crate::output::json;
use alloy_primitives::B256;
use clap::Args;
use qmtree_execution_adapter::{StepOpening, StepsCommitment, verify_step};
use std::path::PathBuf;

/// Verify the opening of a step
///
/// Needs no block and no database: only the root and number of steps, which a leaf's transitionHash
/// binds. Exit code 0: it holds. 1: it does not. 2: the file is no opening.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct VerifyStep {
    /// File that `qm trace step -o` wrote.
    opening: PathBuf,
    /// Steps root of the transition.
    #[arg(long, value_name = "HASH")]
    root: B256,
    /// Number of steps.
    #[arg(long, value_name = "N")]
    steps: u64,
    /// Number of the step, from 0.
    #[arg(long, value_name = "I")]
    step: u64,
    /// Hash profile of the steps' log.
    #[arg(long, value_enum, default_value_t = ProfileName::Keccak)]
    profile: ProfileName,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl VerifyStep {
    pub(crate) fn run(&self) -> Result<(), CliError> {
        let path = &self.opening;
        let bytes = read_opening(path)?;
        let opening = StepOpening::from_bytes(&bytes).map_err(|source| CliError::NoOpening {
            path: path.clone(),
            source,
        })?;
        let commitment = StepsCommitment {
            root: self.root,
            count: self.steps,
        };
        let verified = verify_step(self.profile.profile(), &commitment, self.step, &opening);
        let line = verified.and_then(|()| Line::new(&commitment, self.step, &opening));
        let line = line.map_err(|source| CliError::InvalidStep {
            path: path.clone(),
            source,
        })?;
        if self.json { json(&line) } else { line.say() }
    }
}
