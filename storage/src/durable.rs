//! The one place where our files come into being, are renamed or go away.

use crate::database::is_name_of_ours;
use crate::io::{Disk, DiskFile};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// Ending of the names of files that are being made.
const TEMPORARY: &str = "tmp";

/// Makes a file so that after a crash it is there whole or not at all: write under a temporary
/// name, sync, rename, sync the folder. Returns the file, open at its end.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`] if there is such a file; the disk's, or those of `write`. A
/// temporary file may then be left behind.
pub(crate) fn create(
    disk: &dyn Disk,
    path: &Path,
    write: impl FnOnce(&mut dyn DiskFile) -> io::Result<()>,
) -> io::Result<Box<dyn DiskFile>> {
    let create_new = |temporary: &Path| disk.create_new(temporary);
    create_with(disk, path, create_new, write)
}

/// [`create`] for a sealed file, which is long and seldom read soon.
///
/// # Errors
/// As [`create`].
pub(crate) fn create_sealed(
    disk: &dyn Disk,
    path: &Path,
    write: impl FnOnce(&mut dyn DiskFile) -> io::Result<()>,
) -> io::Result<()> {
    let create_new = |temporary: &Path| disk.create_new_bulk(temporary);
    create_with(disk, path, create_new, write).map(drop)
}

fn create_with(
    disk: &dyn Disk,
    path: &Path,
    create_new: impl FnOnce(&Path) -> io::Result<Box<dyn DiskFile>>,
    write: impl FnOnce(&mut dyn DiskFile) -> io::Result<()>,
) -> io::Result<Box<dyn DiskFile>> {
    let temporary = temporary_of(path);
    if disk.exists(&temporary) {
        disk.remove(&temporary)?;
    }
    let mut file = create_new(&temporary)?;
    write(&mut *file)?;
    file.sync()?;
    disk.rename(&temporary, path)?;
    disk.sync_dir(parent_of(path))?;
    Ok(file)
}

/// Unlinks a file for good.
///
/// # Errors
/// The disk's.
pub(crate) fn remove(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    disk.remove(path)?;
    disk.sync_dir(parent_of(path))
}

/// Makes a folder and those above it that are missing, for good.
///
/// # Errors
/// The disk's.
pub fn create_folder(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    let is_missing = |folder: &&Path| !folder.as_os_str().is_empty() && !disk.exists(folder);
    let missing: Vec<&Path> = path.ancestors().take_while(is_missing).collect();
    let existing = path.ancestors().nth(missing.len()).unwrap_or(path);
    disk.create_dir_all(path)?;
    // The one that was there may be ours as well, made just before a crash. If we may not read the
    // folder that it lies in, it is not.
    match disk.sync_dir(parent_of(existing)) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
        synced => synced?,
    }
    missing
        .iter()
        .rev()
        .try_for_each(|folder| disk.sync_dir(parent_of(folder)))
}

/// Gives a sealed file a second name, or copies it where the disk cannot. Durable once the folder
/// of `to` is synced.
///
/// # Errors
/// The disk's, of the kind [`io::ErrorKind::NotFound`] if the file is not there any more.
pub(crate) fn link_or_copy(disk: &dyn Disk, from: &Path, to: &Path) -> io::Result<()> {
    match disk.hard_link(from, to) {
        Err(error) if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::AlreadyExists) => {
            write_copy(disk, &disk.map(from)?, to)
        }
        linked => linked,
    }
}

/// Copies a file that may be growing, as it is now. Durable as [`link_or_copy`].
///
/// # Errors
/// The disk's.
pub(crate) fn copy(disk: &dyn Disk, from: &Path, to: &Path) -> io::Result<()> {
    write_copy(disk, &disk.read(from)?, to)
}

fn write_copy(disk: &dyn Disk, bytes: &[u8], to: &Path) -> io::Result<()> {
    let mut file = disk.create_new(to)?;
    file.append(bytes)?;
    file.sync()
}

/// Gives a folder its name for good, once all that is in it is durable.
///
/// # Errors
/// The disk's.
pub(crate) fn rename_folder(disk: &dyn Disk, from: &Path, to: &Path) -> io::Result<()> {
    disk.rename(from, to)?;
    disk.sync_dir(parent_of(to))
}

/// Unlinks the files in a folder that were being made when a crash came, and returns how many.
/// Only the writer, who holds the lock of the database, may call this.
///
/// # Errors
/// The disk's.
pub fn remove_temporary_files(disk: &dyn Disk, folder: &Path) -> io::Result<usize> {
    let names = disk.list(folder)?;
    let mut count = 0;
    for name in names.iter().filter(|name| is_temporary(name)) {
        disk.remove(&folder.join(name))?;
        count += 1;
    }
    if count > 0 {
        disk.sync_dir(folder)?;
    }
    Ok(count)
}

/// True if a file of ours that is being made has this name. Other files with that ending are none of
/// our business.
pub(crate) fn is_temporary(name: &Path) -> bool {
    let is_ending = name.extension().is_some_and(|ending| ending == TEMPORARY);
    is_ending
        && name
            .file_stem()
            .is_some_and(|stem| is_name_of_ours(Path::new(stem)))
}

fn temporary_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(TEMPORARY);
    name.into()
}

fn parent_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        // The root has no parent, and neither of them another name for it.
        _ if path.has_root() => path,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::{Fate, SimDisk};

    fn make(disk: &SimDisk) -> io::Result<()> {
        create(disk, Path::new("a"), |file| file.append(b"whole")).map(drop)
    }

    #[test]
    fn a_file_is_there_whole_or_not_at_all() {
        let whole = SimDisk::new();
        make(&whole).unwrap();
        for (step, seed) in (0..whole.steps()).flat_map(|step| (0..8).map(move |s| (step, s))) {
            for fate in Fate::ALL {
                let disk = SimDisk::with_seed(seed);
                disk.crash_at(step, fate);
                make(&disk).unwrap_err();
                let found = disk.after_crash();
                if found.exists(Path::new("a")) {
                    assert_eq!(found.content(Path::new("a")).unwrap(), b"whole");
                    assert!(make(&found).is_err(), "a name is not taken over");
                } else {
                    // What is left under the temporary name is not in the way.
                    make(&found).unwrap();
                }
            }
        }
        let found = whole.power_loss(Fate::Lost);
        assert_eq!(found.files(), [Path::new("a")]);
        remove(&whole, Path::new("a")).unwrap();
        assert!(whole.power_loss(Fate::Lost).files().is_empty());
    }

    #[test]
    fn folders_are_made_for_good_also_if_a_crash_came_before() {
        for (step, fate) in (0..6).flat_map(|step| Fate::ALL.map(|fate| (step, fate))) {
            let disk = SimDisk::with_seed(step);
            disk.crash_at(step, fate);
            create_folder(&disk, Path::new("a/b/c")).unwrap_err();
            let found = disk.after_crash();
            create_folder(&found, Path::new("a/b/c")).unwrap();
            assert!(
                found.power_loss(Fate::Lost).exists(Path::new("a/b/c")),
                "{step} {fate:?}"
            );
        }
    }

    #[test]
    fn a_folder_that_was_made_and_not_synced_is_synced() {
        for first in ["a", "a/b"] {
            let disk = SimDisk::new();
            disk.create_dir_all(Path::new("a")).unwrap();
            create_folder(&disk, Path::new(first)).unwrap();
            create_folder(&disk, Path::new("a/b")).unwrap();
            assert!(disk.power_loss(Fate::Lost).exists(Path::new("a/b")));
        }
    }

    #[test]
    fn only_temporary_files_are_removed() {
        let disk = SimDisk::new();
        let ours = [
            "d/0000000000000000.qmj.tmp",
            "d/0000000000000000-0000000000000001.qms.tmp",
            "d/0000000000000000-0000000000000001.qmp.tmp",
            "d/qmtree.db.tmp",
        ];
        let others = ["d/0.qmj.tmp", "d/a", "d/a.tmp", "d/b.qms.tmp", "d/tmp"];
        for name in ours.iter().chain(&others) {
            disk.set_content(Path::new(name), Vec::new());
        }
        assert_eq!(remove_temporary_files(&disk, Path::new("d")).unwrap(), 4);
        assert_eq!(remove_temporary_files(&disk, Path::new("d")).unwrap(), 0);
        let left = disk.power_loss(Fate::Lost).files();
        assert_eq!(left, others.map(Path::new));
    }

    #[test]
    fn every_path_has_a_folder_to_sync() {
        let parents = [
            ("a", "."),
            ("a/b", "a"),
            ("/a", "/"),
            ("/", "/"),
            ("./a", "."),
        ];
        for (path, parent) in parents {
            assert_eq!(parent_of(Path::new(path)), Path::new(parent));
        }
    }
}
