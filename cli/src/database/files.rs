//! The files of a database, as a folder lists them.

use crate::error::CliError;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

const FOLDERS: [&str; 2] = ["journal", "segments"];

/// Lengths of the files that the engine keeps: those of the folder itself, journal and segments.
pub(crate) fn list(db: &Path) -> Result<BTreeMap<PathBuf, u64>, CliError> {
    let mut files = BTreeMap::new();
    add_files(db, &mut files)?;
    for folder in FOLDERS {
        add_files(&db.join(folder), &mut files)?;
    }
    Ok(files)
}

/// Bytes of the files in a folder.
pub(crate) fn folder_len(folder: &Path) -> Result<u64, CliError> {
    let mut files = BTreeMap::new();
    add_files(folder, &mut files)?;
    Ok(files.values().sum())
}

fn add_files(folder: &Path, files: &mut BTreeMap<PathBuf, u64>) -> Result<(), CliError> {
    let failed = |source| CliError::Io {
        path: folder.to_path_buf(),
        action: "list",
        source,
    };
    let entries = match fs::read_dir(folder) {
        // The index is there only if it was made.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(failed)?,
    };
    for entry in entries {
        let entry = entry.map_err(failed)?;
        match entry.metadata() {
            Ok(metadata) if metadata.is_file() => {
                files.insert(entry.path(), metadata.len());
            }
            Ok(_) => {}
            // Gone since it was listed, as beside a writer.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
    }
    Ok(())
}
