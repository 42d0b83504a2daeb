//! Where the database of a bench is.

use crate::error::{CliError, in_database};
use qmtree::{Db, Identity, Options};
use qmtree_proofs::{Profile, Scheme};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A folder of the user's, which stays, or a temporary one, which goes.
#[derive(Debug)]
pub(super) struct Place {
    db: PathBuf,
    /// Removed when it is dropped.
    _temporary: Option<TempDir>,
}

impl Place {
    pub(super) fn new(db: Option<&Path>) -> Result<Self, CliError> {
        if let Some(db) = db {
            return Ok(Self {
                db: db.into(),
                _temporary: None,
            });
        }
        let made = tempfile::Builder::new().prefix("qm-bench-").tempdir();
        let temporary = made.map_err(|source| CliError::Io {
            path: std::env::temp_dir(),
            action: "create a folder",
            source,
        })?;
        Ok(Self {
            db: temporary.path().join("db"),
            _temporary: Some(temporary),
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.db
    }

    /// A folder that goes with the bench, named after the database and lying beside it.
    #[cfg(feature = "rocksdb")]
    pub(super) fn beside(&self, name: &str) -> PathBuf {
        let mut path = self.db.as_os_str().to_owned();
        path.push(format!(".rocksdb-{name}"));
        path.into()
    }

    pub(super) fn failed(&self) -> impl Fn(qmtree::Error) -> CliError + use<> {
        in_database(&self.db)
    }

    /// Makes the database.
    pub(super) fn create(&self, profile: Profile, options: Options) -> Result<Db, CliError> {
        let identity = Identity {
            profile,
            scheme: Scheme::StateRoot1,
            chain_id: 1337,
        };
        Db::create(&self.db, identity, options).map_err(self.failed())
    }
}

/// Brings the files of a folder into the page cache, which they are written past.
pub(super) fn read_all(folder: &Path) -> Result<(), CliError> {
    let failed = |path: &Path| {
        let path = path.to_path_buf();
        move |source| CliError::Io {
            path,
            action: "read",
            source,
        }
    };
    for entry in std::fs::read_dir(folder).map_err(failed(folder))? {
        let path = entry.map_err(failed(folder))?.path();
        std::fs::read(&path).map_err(failed(&path))?;
    }
    Ok(())
}
