//! What one transaction number writes to the state log.

use super::error::word;
use super::lists::{Lists, slots_of};
use super::{ReadStateLog, StateLogError, keys};
use crate::capture::StateAccess;
use crate::state_item::StateItem;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use alloy_consensus::Header;
use alloy_primitives::{Address, B256, U256};

/// A key of the state log and its new value; `None` to delete it.
pub type Write = (B256, Option<Vec<u8>>);

/// What a batch depends on beside the writes of its transaction number.
#[derive(Clone, Copy, Debug)]
pub struct BatchContext<'a> {
    /// Which lists the log keeps.
    pub lists: Lists,
    /// The header of the block, in the batch of its begin; `None` in all others.
    pub header: Option<&'a Header>,
}

/// The batch of one transaction number, by ascending key.
///
/// An account that ends takes all slots of its list with it, so the cost is that of its writes and of
/// every slot that a destroyed account ever had. `log` tells the values before the batch.
///
/// # Errors
/// [`StateLogError::Read`] if the log cannot be read, [`StateLogError::UnknownCode`] for a code that
/// is in neither, [`StateLogError::List`] and [`StateLogError::Word`] for a log that is not a
/// chain's state.
pub fn batch_of<R: ReadStateLog>(
    log: &R,
    access: &StateAccess,
    context: BatchContext<'_>,
) -> Result<Vec<Write>, StateLogError<R::Error>> {
    let mut batch = Batch {
        log,
        lists: context.lists,
        writes: BTreeMap::new(),
    };
    if let Some(header) = context.header {
        batch.begin_block(header)?;
    }
    let deleted = access.writes.iter().filter_map(|item| match item {
        StateItem::Account(address, None) => Some(*address),
        _ => None,
    });
    // Destroyed accounts that are there again have no deletion among the writes.
    let ended: BTreeSet<Address> = deleted.chain(access.destroyed.iter().copied()).collect();
    for address in ended {
        batch.end_account(address)?;
    }
    for item in &access.writes {
        batch.write(item, access)?;
    }
    Ok(batch.writes.into_iter().collect())
}

struct Batch<'a, R> {
    log: &'a R,
    lists: Lists,
    writes: BTreeMap<B256, Option<Vec<u8>>>,
}

impl<R: ReadStateLog> Batch<'_, R> {
    fn begin_block(&mut self, header: &Header) -> Result<(), StateLogError<R::Error>> {
        // The list ends in an address that is always there, so that it is there if it is empty.
        self.list_account(Address::ZERO)?;
        if let Some(parent) = header.number.checked_sub(1) {
            let (key, hash) = (keys::block_hash(parent), header.parent_hash.to_vec());
            if self.value(&key)?.as_ref() != Some(&hash) {
                self.put(key, hash);
            }
        }
        self.put(keys::header(), alloy_rlp::encode(header));
        Ok(())
    }

    fn write(
        &mut self,
        item: &StateItem,
        access: &StateAccess,
    ) -> Result<(), StateLogError<R::Error>> {
        match *item {
            StateItem::Account(address, Some(_)) => {
                self.put(keys::account(address), item.value_bytes());
                self.list_account(address)
            }
            StateItem::Account(address, None) => {
                self.writes.insert(keys::account(address), None);
                Ok(())
            }
            StateItem::Storage(address, slot, value) => self.write_slot(address, slot, value),
            StateItem::Code(_, Some(hash)) => self.write_code(hash, access),
            // Another account may have the same code, so codes stay.
            StateItem::Code(_, None) => Ok(()),
        }
    }

    fn write_slot(
        &mut self,
        address: Address,
        slot: B256,
        value: U256,
    ) -> Result<(), StateLogError<R::Error>> {
        let key = keys::storage(address, slot);
        if value.is_zero() {
            self.writes.insert(key, None);
            return Ok(());
        }
        // A live slot is in the list already.
        if self.lists != Lists::None && self.value(&key)?.is_none() {
            let (first, next) = (keys::first_slot(address), keys::next_slot(address, slot));
            self.list(first, next, slot)?;
        }
        self.put(key, value.to_be_bytes::<32>().to_vec());
        Ok(())
    }

    fn write_code(
        &mut self,
        hash: B256,
        access: &StateAccess,
    ) -> Result<(), StateLogError<R::Error>> {
        let key = keys::code(hash);
        if self.value(&key)?.is_some() {
            return Ok(());
        }
        let place = access.codes.binary_search_by_key(&hash, |(hash, _)| *hash);
        let code = place.ok().and_then(|place| access.codes.get(place));
        let (_, code) = code.ok_or(StateLogError::UnknownCode { hash })?;
        self.put(key, code.to_vec());
        Ok(())
    }

    /// Deletes an account, its slots, and the list of these.
    fn end_account(&mut self, address: Address) -> Result<(), StateLogError<R::Error>> {
        for slot in slots_of(self.log, address)? {
            self.writes.insert(keys::storage(address, slot), None);
            self.writes.insert(keys::next_slot(address, slot), None);
            self.writes.insert(keys::first_slot(address), None);
        }
        self.writes.insert(keys::account(address), None);
        Ok(())
    }

    fn list_account(&mut self, address: Address) -> Result<(), StateLogError<R::Error>> {
        if self.lists != Lists::Whole {
            return Ok(());
        }
        let next = keys::next_account(address);
        self.list(keys::first_account(), next, address.into_word())
    }

    /// Puts an item in front of its list, unless it is in it.
    fn list(&mut self, first: B256, next: B256, item: B256) -> Result<(), StateLogError<R::Error>> {
        if self.value(&next)?.is_some() {
            return Ok(());
        }
        let behind = match self.value(&first)? {
            Some(value) => word(first, &value)?,
            None => item,
        };
        self.put(next, behind.to_vec());
        self.put(first, item.to_vec());
        Ok(())
    }

    fn put(&mut self, key: B256, value: Vec<u8>) {
        self.writes.insert(key, Some(value));
    }

    /// The value with what the batch wrote so far.
    fn value(&self, key: &B256) -> Result<Option<Vec<u8>>, StateLogError<R::Error>> {
        match self.writes.get(key) {
            Some(written) => Ok(written.clone()),
            None => self.log.value(key).map_err(StateLogError::Read),
        }
    }
}
