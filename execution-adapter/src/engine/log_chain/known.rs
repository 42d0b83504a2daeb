//! Blocks that are in the log, and states that are compared with it.

use crate::engine::error::RunError;
use crate::engine::run::{BlockReport, PreparedBlock, in_block};
use crate::execute::begin_transition;
use crate::memory_state::MemoryState;
use crate::state_item::StateItem;
use crate::state_log::{StateLogDb, StateLogError};
use crate::transition::TraceMode;
use crate::verify::{StateScope, check_body, check_hash};
use qmtree::{Db, View};

/// The block in the log that has the number of this one; it must be this one.
///
/// The first leaf of a block binds its hash, and so all of it.
pub(super) fn find(
    db: &Db,
    prepared: &PreparedBlock,
    mode: TraceMode,
) -> Result<Option<BlockReport>, RunError> {
    let block = &prepared.block;
    let number = block.header.number;
    let view = db.view();
    let newest = view.blocks().map(|(_, newest)| newest);
    if newest.is_none_or(|newest| number > newest) {
        return Ok(None);
    }
    let failed = in_block(number);
    let mismatch = |mismatch| RunError::Mismatch {
        block: number,
        mismatch,
    };
    // The body and the file's own hash are not part of what is compared.
    check_body(block, prepared.ommers_known).map_err(mismatch)?;
    if let Some(hash) = prepared.hash {
        check_hash(block, hash).map_err(mismatch)?;
    }
    let expected = begin_transition(&prepared.chain, block, mode);
    let expected = expected.map_err(|source| RunError::Execute(Box::new(source)))?;
    let first = view.block_range(number).map_err(&failed)?.start;
    let found = view.leaf(first).map_err(&failed)?.transition_hash;
    if expected != found {
        return Err(RunError::OtherBlock {
            block: number,
            expected,
            found,
        });
    }
    let head = view.head_at(number).map_err(&failed)?;
    BlockReport::of(db, block, head).map(Some).map_err(failed)
}

/// Checks that the log has the state that a file brings.
///
/// A log that knows a part of the state only has no say about accounts that it does not have, so
/// these are refused too.
pub(super) fn compare(
    block: u64,
    state: &MemoryState,
    view: &View,
    scope: StateScope,
) -> Result<(), RunError> {
    let log = StateLogDb::new(view);
    for item in state.as_writes().writes {
        let in_log = in_log(&log, &item).map_err(|source| RunError::StateLog { source })?;
        let unknown = scope == StateScope::Transactions && in_log.value_bytes().is_empty();
        if item == in_log && !unknown {
            continue;
        }
        let value = |item: &StateItem| match item.value_bytes() {
            bytes if bytes.is_empty() => "nothing".to_owned(),
            bytes => alloy_primitives::hex::encode_prefixed(bytes),
        };
        return Err(RunError::OtherState {
            block,
            what: match item {
                StateItem::Account(address, _) => format!("account {address}"),
                StateItem::Storage(address, slot, _) => format!("slot {slot} of {address}"),
                StateItem::Code(address, _) => format!("the code of {address}"),
            },
            file: value(&item),
            log: value(&in_log),
        });
    }
    Ok(())
}

/// The same key with its value in the log.
fn in_log(
    log: &StateLogDb<&View>,
    item: &StateItem,
) -> Result<StateItem, StateLogError<qmtree::Error>> {
    Ok(match *item {
        StateItem::Account(address, _) => StateItem::Account(address, log.account(address)?),
        StateItem::Storage(address, slot, _) => {
            StateItem::Storage(address, slot, log.slot(address, slot)?)
        }
        StateItem::Code(address, _) => {
            let account = log.account(address)?;
            StateItem::Code(address, account.and_then(|account| account.code()))
        }
    })
}
