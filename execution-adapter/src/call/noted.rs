//! Values, noted as they are read.

use crate::state_log::ReadStateLog;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use alloy_primitives::B256;
use core::cell::RefCell;

/// Passes reads through, and notes each key with its value.
#[derive(Debug)]
pub struct Noted<R> {
    log: R,
    values: RefCell<BTreeMap<B256, Option<Vec<u8>>>>,
}

impl<R> Noted<R> {
    pub(crate) const fn new(log: R) -> Self {
        Self {
            log,
            values: RefCell::new(BTreeMap::new()),
        }
    }

    /// What was read, by key.
    pub(crate) fn into_values(self) -> BTreeMap<B256, Option<Vec<u8>>> {
        self.values.into_inner()
    }
}

impl<R: ReadStateLog> ReadStateLog for Noted<R> {
    type Error = R::Error;

    fn value(&self, key: &B256) -> Result<Option<Vec<u8>>, R::Error> {
        let value = self.log.value(key)?;
        // Nobody else holds the cell: reading calls nothing back.
        if let Ok(mut values) = self.values.try_borrow_mut() {
            values.insert(*key, value.clone());
        }
        Ok(value)
    }
}
