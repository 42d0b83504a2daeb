//! Lists of what there is: of accounts, and of the slots of an account.
//!
//! A list is a chain of keys. The key of the list names its first item, the key of an item names the
//! next one, and the last item names itself. New items come in at the front; an item that is not
//! live any more stays until the list goes. So a list has each item once, adding one costs two
//! writes, and walking it costs as much as items were ever in it.

use super::error::{StateLogError, word};
use super::{ReadStateLog, keys};
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use alloy_primitives::{Address, B256};
use revm::primitives::hardfork::SpecId;

/// Which lists a batch keeps. A rule of the chain and of how its log began, so that everyone who
/// writes the same blocks writes the same entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lists {
    /// Of all accounts and all their slots: of a log that began with a whole state. Ethereum's own
    /// state root can be derived from it.
    Whole,
    /// Of the slots of each account: of a log that began with a part of a state, before Cancun,
    /// where an account may end that has any number of slots.
    Slots,
    /// None: from Cancun on an account ends only in the transaction that made it (EIP-6780), with
    /// slots that were never written to the log.
    None,
}

/// Which lists the batches of a block keep, under the rules with this number (`revm`'s `SpecId`), in a
/// log that began with a whole state or with a part of one.
pub(crate) fn lists_of(whole: bool, spec_id: u8) -> Lists {
    match whole {
        true => Lists::Whole,
        false if spec_id < SpecId::CANCUN as u8 => Lists::Slots,
        false => Lists::None,
    }
}

/// Whether the log keeps a list of all accounts: whether it began with a whole state. One look-up.
///
/// # Errors
/// [`StateLogError::Read`].
pub fn keeps_all<R: ReadStateLog>(log: &R) -> Result<bool, StateLogError<R::Error>> {
    let first = log.value(&keys::first_account());
    Ok(first.map_err(StateLogError::Read)?.is_some())
}

/// All addresses of the list of accounts, live or not; `None` if the log does not keep one.
///
/// The zero address is always among them: it ends the list.
///
/// # Errors
/// [`StateLogError::Read`], [`StateLogError::Word`] and [`StateLogError::List`].
pub fn accounts<R: ReadStateLog>(log: &R) -> Result<Option<Vec<Address>>, StateLogError<R::Error>> {
    let Some(first) = read(log, keys::first_account())? else {
        return Ok(None);
    };
    let items = walk(log, first, |item| {
        keys::next_account(Address::from_word(item))
    })?;
    Ok(Some(items.into_iter().map(Address::from_word).collect()))
}

/// All slots that the list of an account names, live or not; none if there is no list.
///
/// # Errors
/// As [`accounts`].
pub fn slots_of<R: ReadStateLog>(
    log: &R,
    address: Address,
) -> Result<Vec<B256>, StateLogError<R::Error>> {
    match read(log, keys::first_slot(address))? {
        Some(first) => walk(log, first, |item| keys::next_slot(address, item)),
        None => Ok(Vec::new()),
    }
}

fn walk<R: ReadStateLog>(
    log: &R,
    first: B256,
    key_of: impl Fn(B256) -> B256,
) -> Result<Vec<B256>, StateLogError<R::Error>> {
    let (mut items, mut seen) = (Vec::new(), BTreeSet::new());
    let mut item = first;
    loop {
        let key = key_of(item);
        // A damaged log must not send us in circles.
        if !seen.insert(item) {
            return Err(StateLogError::List { key });
        }
        items.push(item);
        let next = read(log, key)?.ok_or(StateLogError::List { key })?;
        if next == item {
            return Ok(items);
        }
        item = next;
    }
}

fn read<R: ReadStateLog>(log: &R, key: B256) -> Result<Option<B256>, StateLogError<R::Error>> {
    let value = log.value(&key).map_err(StateLogError::Read)?;
    value.map(|value| word(key, &value)).transpose()
}
