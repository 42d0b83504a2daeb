//! Finds files of state tests.

use super::error::StateTestError;
use std::fs;
use std::path::{Path, PathBuf};

/// A file to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Where it is.
    pub path: PathBuf,
    /// It was asked for by its own name, rather than found in a folder.
    pub named: bool,
}

/// The files of a list of files and folders, in the list's order; those of a folder by name.
///
/// In folders, at any depth, these are the ones that end in `.json` or `.json.zst`. Hidden files
/// and folders and links to folders are left out.
///
/// # Errors
/// [`StateTestError::Io`] for what is not there or may not be read, [`StateTestError::EmptyFolder`]
/// for a folder without such files.
pub fn find(paths: &[PathBuf]) -> Result<Vec<Found>, StateTestError> {
    let mut found = Vec::new();
    for path in paths {
        let metadata = fs::metadata(path).map_err(io(path, "open"))?;
        if metadata.is_dir() {
            let files = files_below(path)?;
            if files.is_empty() {
                return Err(StateTestError::EmptyFolder { path: path.clone() });
            }
            found.extend(files.into_iter().map(|path| Found { path, named: false }));
        } else {
            found.push(Found {
                path: path.clone(),
                named: true,
            });
        }
    }
    Ok(found)
}

fn files_below(folder: &Path) -> Result<Vec<PathBuf>, StateTestError> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).map_err(io(&folder, "list"))? {
            let entry = entry.map_err(io(&folder, "list"))?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.starts_with('.') {
                continue;
            }
            let path = entry.path();
            if entry.file_type().map_err(io(&path, "open"))?.is_dir() {
                folders.push(path);
            } else if name.ends_with(".json") || name.ends_with(".json.zst") {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Says of an error which file it is about.
pub(super) fn io(
    path: &Path,
    action: &'static str,
) -> impl FnOnce(std::io::Error) -> StateTestError {
    let path = path.to_path_buf();
    move |source| StateTestError::Io {
        path,
        action,
        source,
    }
}
