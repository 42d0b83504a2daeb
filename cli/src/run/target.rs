//! The database that a block goes into: one for all, or one each.

use crate::error::{CliError, in_database};
use alloy_primitives::B256;
use qmtree::{Db, Durability, Identity, Options};
use qmtree_execution_adapter::ChainSpec;
use qmtree_proofs::{Profile, Scheme};
use std::path::{Path, PathBuf};

#[derive(Debug)]
pub(super) struct Target {
    folder: PathBuf,
    isolated: bool,
    durability: Durability,
    /// Of databases that are made here.
    scheme: Scheme,
    /// The open database, and its folder.
    open: Option<(PathBuf, Db)>,
}

impl Target {
    pub(super) fn new(
        folder: &Path,
        isolated: bool,
        durability: Durability,
        scheme: Scheme,
    ) -> Self {
        Self {
            folder: folder.into(),
            isolated,
            durability,
            scheme,
            open: None,
        }
    }

    /// The database for a block, made if it is not there.
    pub(super) fn open(&mut self, chain: &ChainSpec, block: u64) -> Result<&mut Db, CliError> {
        let path = match self.isolated {
            true => self.folder.join(format!("{}-{block}", chain.name())),
            false => self.folder.clone(),
        };
        if self.open.as_ref().is_some_and(|(open, _)| *open != path) {
            self.close()?;
        }
        let (_, db) = match self.open.take() {
            Some(open) => self.open.insert(open),
            None => {
                let db = self.open_or_create(&path, chain.chain_id())?;
                self.open.insert((path, db))
            }
        };
        Ok(db)
    }

    fn open_or_create(&self, path: &Path, chain_id: u64) -> Result<Db, CliError> {
        let options = Options::default().with_durability(self.durability);
        // A folder with anything in it is opened, which says what is wrong if it is no database.
        let exists = std::fs::read_dir(path).is_ok_and(|mut files| files.next().is_some());
        if exists {
            return Db::open(path, options).map_err(in_database(path));
        }
        if let Some(parent) = path.parent().filter(|_| self.isolated) {
            std::fs::create_dir_all(parent).map_err(|source| CliError::Io {
                path: parent.into(),
                action: "make the folder",
                source,
            })?;
        }
        let identity = Identity {
            profile: Profile::Keccak256,
            scheme: self.scheme,
            chain_id,
        };
        Db::create(path, identity, options).map_err(in_database(path))
    }

    /// Root of the open database.
    pub(super) fn root(&self) -> Option<B256> {
        self.open.as_ref().map(|(_, db)| db.head().root)
    }

    /// Makes all blocks durable.
    pub(super) fn close(&mut self) -> Result<(), CliError> {
        match self.open.take() {
            Some((path, db)) => db.close().map_err(in_database(&path)),
            None => Ok(()),
        }
    }
}
