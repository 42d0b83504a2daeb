//! Chains that run inside their database.

use qmtree::Db;
use qmtree_execution_adapter::engine::{ChainGenesis, LogChain, PreparedBlock, RunError};

/// The chain that a block continues: the one that is running, that of the database, or a new one.
pub(super) fn chain(
    db: &mut Db,
    running: Option<LogChain>,
    genesis: Option<&ChainGenesis>,
    block: &PreparedBlock,
    check_state_root: bool,
) -> Result<LogChain, RunError> {
    match (running, genesis) {
        (Some(chain), _) => Ok(chain),
        (None, Some(genesis)) => {
            LogChain::begin(db, genesis)?;
            open(db, check_state_root)
        }
        (None, None) if db.view().blocks().is_some() => open(db, check_state_root),
        (None, None) => LogChain::begin_before(db, block),
    }
}

fn open(db: &Db, check_state_root: bool) -> Result<LogChain, RunError> {
    match check_state_root {
        true => LogChain::open(db),
        false => LogChain::without_state_root(db),
    }
}
