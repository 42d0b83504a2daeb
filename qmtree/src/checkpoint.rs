//! A backup of a database in use, and the opening that proves it one.

use crate::error::Error;
use crate::open::{Opened, recover_state};
use crate::writer::Writer;
use qmtree_proofs::{Head, TxNum};
use qmtree_storage::{JournalWriter, read_database_header, write_checkpoint};
use std::path::Path;
use std::sync::Arc;

impl Writer {
    /// Writes the checkpoint of the state now.
    pub(crate) fn checkpoint(&mut self, target: &Path) -> Result<Head, Error> {
        // So that the files depend on the blocks, and not on the speed of a thread.
        self.finish_sealing()?;
        self.attest()?;
        // The log itself is whole now, whatever becomes of the target.
        self.touched = false;
        let found = checkpoint_of_files(&self.opened, target, Some(&self.state.head))?;
        debug_assert_eq!(found, self.state.head);
        Ok(found)
    }
}

/// Writes the checkpoint of what the disk holds, beside a writer or without one. It must end at
/// the head `expected`, if there is one.
pub(crate) fn checkpoint_of_files(
    opened: &Opened,
    target: &Path,
    expected: Option<&Head>,
) -> Result<Head, Error> {
    let mut found = None;
    write_checkpoint(&*opened.disk, &opened.dir, target, |folder| {
        let disk = Arc::clone(&opened.disk);
        let identity = read_database_header(&*disk, folder)?;
        let recovered = recover_state(&Opened::new(Arc::clone(&disk), folder, identity))?;
        let head = recovered.state.head;
        if expected.is_some_and(|expected| *expected != head) {
            return Err(Error::Check {
                what: "the head of the checkpoint",
                tx_num: TxNum(head.leaf_count.saturating_sub(1)),
            });
        }
        if recovered.journal.torn_tail.is_some() {
            // What a writer was just appending. The newest file is our own copy.
            JournalWriter::resume(disk, recovered.journal)?;
        }
        found = Some(head);
        Ok(())
    })?;
    Ok(found.expect("the checkpoint was verified"))
}
