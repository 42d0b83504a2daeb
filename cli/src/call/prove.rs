//! `qm call`: an `eth_call` on any past state, with its proof.

use super::{Line, PARTIAL, rules, tracer};
use crate::arguments::TraceName;
use crate::database::Source;
use crate::error::CliError;
use crate::files::write;
use crate::output::{print_note, say};
use alloy_primitives::{Address, Bytes, U256};
use clap::Args;
use qmtree_execution_adapter::engine::{has_whole_state, prove_call};
use qmtree_execution_adapter::{CallRequest, NoTracer, TraceMode};
use qmtree_proofs::TxNum;
use std::path::PathBuf;

/// Execute an eth_call on the state after any transaction number, and prove it
///
/// The call runs on the state after leaf --at, with all that it wrote, in the environment of the
/// block that the leaf belongs to; after the last leaf of a block, which is the default for the
/// newest, this is what a node's eth_call at that block says. It pays no fee (BASEFEE reads as zero),
/// and changes nothing. The caller must be without code, and must have the value that it sends.
///
/// With -o it writes a proof: the call, its output, and every value of the state that was read, proven
/// under the newest head (qm head --json). qm verify-call executes it again from that alone.
///
/// If this log began with a block file, which has a part of the chain's state only, what is not in it
/// reads as zero: a note says so, and "partialState" with --json. A proof is about the log; whether the
/// log has all of the chain's state is not in it.
///
/// The database must have been made by qm run under scheme state-root/1. A call that reverts is a
/// result like any other. Exit codes: 0 executed, 2 input that cannot be used.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Call {
    #[command(flatten)]
    source: Source,
    /// Run on the state after this transaction number; after the newest if not given.
    #[arg(long, value_name = "TXNUM")]
    at: Option<u64>,
    /// What is called.
    #[arg(long, value_name = "ADDRESS")]
    to: Address,
    /// Who calls.
    #[arg(long, value_name = "ADDRESS", default_value_t = Address::ZERO, hide_default_value = true)]
    from: Address,
    /// Calldata, in hex.
    #[arg(
        long,
        value_name = "HEX",
        default_value = "0x",
        hide_default_value = true
    )]
    data: Bytes,
    /// Wei to send along.
    #[arg(long, value_name = "WEI", default_value = "0")]
    value: U256,
    /// Gas limit, at most that of the block, which is the default.
    #[arg(
        long,
        value_name = "GAS",
        default_value_t = 0,
        hide_default_value = true
    )]
    gas: u64,
    /// How much of the execution the call's leaf commits to.
    #[arg(long, value_enum, default_value_t = TraceName::Outcome)]
    trace: TraceName,
    /// geth's genesis.json: the rules of a chain that is not built in.
    #[arg(long, value_name = "FILE")]
    genesis: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Write the proof to this file.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Call {
    pub(crate) fn run(&self) -> Result<(), CliError> {
        let view = self.source.open()?.view();
        let head = view.head();
        let failed = |source| CliError::Call {
            path: self.source.path().into(),
            source,
        };
        let chain = rules(head.chain_id, self.genesis.as_deref(), self.source.path())?;
        let newest = head.leaf_count.saturating_sub(1);
        let tx_num = TxNum(self.at.unwrap_or(newest));
        let request = CallRequest {
            from: self.from,
            to: self.to,
            value: self.value,
            data: self.data.clone(),
            gas: self.gas,
        };
        let (proof, outcome) = match self.trace.mode() {
            TraceMode::Outcome => prove_call(&view, &chain, tx_num, &request, NoTracer),
            mode => {
                let tracer = tracer(mode, head.profile)?;
                prove_call(&view, &chain, tx_num, &request, tracer)
            }
        }
        .map_err(failed)?;
        let bytes = proof.to_bytes();
        let partial = !has_whole_state(&view).map_err(failed)?;
        if partial {
            print_note(PARTIAL);
        }
        let mut line = Line::new(&proof, &outcome, bytes.len());
        line.partial_state = Some(partial);
        line.say(self.json)?;
        let Some(path) = &self.output else {
            return Ok(());
        };
        write(path, &bytes)?;
        if self.json {
            return Ok(());
        }
        say(format_args!("{}: {} bytes", path.display(), bytes.len()))
    }
}
