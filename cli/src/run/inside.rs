//! Chains that run inside their database.

use qmtree::Db;
use qmtree_execution_adapter::engine::{ChainGenesis, LogChain, PreparedBlock, RunError};

/// The chain that a block continues: the one that is open, that of the database, or a new one.
pub(super) fn chain(
    db: &mut Db,
    open: Option<LogChain>,
    genesis: Option<&ChainGenesis>,
    block: &PreparedBlock,
) -> Result<LogChain, RunError> {
    match (open, genesis) {
        (Some(chain), _) => Ok(chain),
        (None, Some(genesis)) => LogChain::open_or_begin(db, genesis),
        (None, None) if db.view().blocks().is_some() => LogChain::open(db),
        (None, None) => LogChain::begin_before(db, block),
    }
}
