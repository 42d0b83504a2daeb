//! `qm leaf`: one leaf.

use super::Source;
use crate::error::CliError;
use crate::output::say;
use alloy_primitives::B256;
use clap::Args;
use qmtree::View;
use qmtree_kernels::Hasher;
use qmtree_proofs::TxNum;

/// Print a leaf: its four words, its hash and its block
///
/// With --tx-hash all leaves that the transaction made, usually one. The log knows a transaction by
/// the first eight bytes of its hash; whoever needs to be sure compares the transaction itself.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct LeafCommand {
    #[command(flatten)]
    source: Source,
    /// Print JSON, an object for each leaf.
    #[arg(long)]
    json: bool,
    /// Hash of the transaction that made the leaf.
    #[arg(long, value_name = "HASH", conflicts_with = "tx_num")]
    tx_hash: Option<B256>,
    /// Transaction number of the leaf.
    #[arg(value_name = "TXNUM", required_unless_present = "tx_hash")]
    tx_num: Option<u64>,
}

impl LeafCommand {
    pub(crate) fn run(&self) -> Result<(), CliError> {
        let view = self.source.open()?.view();
        if let Some(tx_num) = self.tx_num {
            return self.print(&view, TxNum(tx_num));
        }
        let tx_hash = self.tx_hash.unwrap_or_default();
        let found = view.tx_nums_of(&tx_hash).map_err(self.source.failed())?;
        if found.is_empty() {
            return Err(CliError::NoLeafOf {
                path: self.source.path().to_path_buf(),
                tx_hash,
            });
        }
        found
            .into_iter()
            .try_for_each(|tx_num| self.print(&view, tx_num))
    }

    fn print(&self, view: &View, tx_num: TxNum) -> Result<(), CliError> {
        let leaf = view.leaf(tx_num).map_err(self.source.failed())?;
        let block = view.block_of(tx_num).map_err(self.source.failed())?;
        let hash = leaf.hash(&Hasher::new(view.head().profile));
        if self.json {
            return say(serde_json::json!({
                "txNum": tx_num,
                "blockNumber": block,
                "preStateHash": leaf.pre_state_hash,
                "stateChangeHash": leaf.state_change_hash,
                "transitionHash": leaf.transition_hash,
                "previousLeafHash": leaf.previous_leaf_hash,
                "leafHash": hash,
            }));
        }
        say(format_args!("leaf                {tx_num}"))?;
        say(format_args!("block               {block}"))?;
        say(format_args!("pre-state hash      {}", leaf.pre_state_hash))?;
        say(format_args!(
            "state change hash   {}",
            leaf.state_change_hash
        ))?;
        say(format_args!("transition hash     {}", leaf.transition_hash))?;
        say(format_args!(
            "previous leaf hash  {}",
            leaf.previous_leaf_hash
        ))?;
        say(format_args!("leaf hash           {hash}"))
    }
}
