//! `qm leaf`: one leaf.

use super::Folder;
use crate::error::CliError;
use crate::output::say;
use clap::Args;
use qmtree_kernels::Hasher;
use qmtree_proofs::TxNum;

/// Print a leaf: its four words, its hash and its block.
#[derive(Debug, Args)]
pub(crate) struct LeafCommand {
    #[command(flatten)]
    folder: Folder,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Transaction number of the leaf.
    #[arg(value_name = "TXNUM")]
    tx_num: u64,
}

impl LeafCommand {
    pub(crate) fn run(&self) -> Result<(), CliError> {
        let view = self.folder.open_read_only()?.view();
        let tx_num = TxNum(self.tx_num);
        let leaf = view.leaf(tx_num).map_err(self.folder.failed())?;
        let block = view.block_of(tx_num).map_err(self.folder.failed())?;
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
