//! The folder of a database: its header, its lock, the names in it (docs/FORMAT.md, section 5).

use crate::durable;
use crate::entries::{has_entry_ending, is_entry_file};
use crate::header::{FIELDS_AT, HeaderError, HeaderKind};
use crate::identity::Identity;
use crate::io::Disk;
use crate::journal::is_journal_file;
use crate::segment::{has_segment_ending, is_segment};
use qmtree_proofs::state::Compaction;
use std::fmt::Debug;
use std::io;
use std::path::{Path, PathBuf};

/// Name of the database header.
pub const DATABASE_FILE: &str = "qmtree.db";
/// Name of the file that the writer locks.
pub const LOCK_FILE: &str = "qmtree.lock";
/// Name of the folder of the journal.
pub const JOURNAL_FOLDER: &str = "journal";
/// Name of the folder of the index.
pub const INDEX_FOLDER: &str = "index";
/// Name of the folder of the segments.
pub const SEGMENTS_FOLDER: &str = "segments";

const HEADER_LEN: usize = 128;
const HEADER: HeaderKind<HEADER_LEN> = HeaderKind {
    magic: "QMTREEDB",
    version: 1,
};

/// True if the engine gives this name to a file that it makes and renames.
pub(crate) fn is_name_of_ours(name: &Path) -> bool {
    let is_entry_file = is_entry_file(name);
    name == Path::new(DATABASE_FILE) || is_journal_file(name) || is_segment(name) || is_entry_file
}

/// True if a file in the folder of the segments ends as those of the engine do. Which endings
/// there are is said where the files are written, and nowhere else.
pub(crate) fn has_sealed_ending(name: &Path) -> bool {
    has_segment_ending(name) || has_entry_ending(name)
}

/// Makes the header of a new database in the folder `dir`, which must exist; durable on return.
///
/// Write it after the first journal file: where it is, there is a database.
///
/// # Errors
/// [`HeaderError::Io`], also if there is one already.
pub fn write_database_header(
    disk: &dyn Disk,
    dir: &Path,
    identity: Identity,
) -> Result<(), HeaderError> {
    write_database_header_with(disk, dir, identity, Compaction::OFF)
}

/// [`write_database_header`] of a database with a rule of compaction.
///
/// # Errors
/// As [`write_database_header`].
pub fn write_database_header_with(
    disk: &dyn Disk,
    dir: &Path,
    identity: Identity,
    compaction: Compaction,
) -> Result<(), HeaderError> {
    let path = dir.join(DATABASE_FILE);
    let bytes = HEADER.to_bytes(identity, &[&[compaction.entries_per_key()]]);
    durable::create(disk, &path, |file| file.append(&bytes))
        .map(drop)
        .map_err(|source| HeaderError::Io {
            path,
            action: "make the database header",
            source,
        })
}

/// Reads the header of the database in the folder `dir`.
///
/// # Errors
/// [`HeaderError::NoDatabase`] if there is none; [`HeaderError::Io`] if it cannot be read; another
/// one if it is not whole, or not of this release.
pub fn read_database_header(disk: &dyn Disk, dir: &Path) -> Result<Identity, HeaderError> {
    Ok(read_database_rules(disk, dir)?.0)
}

/// Reads the header of the database in the folder `dir`, with its rule of compaction.
///
/// # Errors
/// As [`read_database_header`].
pub fn read_database_rules(
    disk: &dyn Disk,
    dir: &Path,
) -> Result<(Identity, Compaction), HeaderError> {
    let path = dir.join(DATABASE_FILE);
    // One byte more, to see whether there is more.
    let bytes = match disk.read_start(&path, HEADER_LEN + 1) {
        Ok(bytes) => bytes,
        Err(source) if is_absence(&source) => {
            let path = dir.to_path_buf();
            return Err(HeaderError::NoDatabase { path });
        }
        Err(source) => {
            return Err(HeaderError::Io {
                path,
                action: "read the database header",
                source,
            });
        }
    };
    let (identity, mut fields) = HEADER.read(&path, &bytes)?;
    let compaction = Compaction::new(fields.u8().unwrap_or_default());
    if bytes.len() != HEADER_LEN {
        return Err(HeaderError::Length {
            path,
            found: bytes.len(),
            needed: HEADER_LEN,
        });
    }
    if !fields.is_zero() {
        return Err(HeaderError::Field {
            path,
            offset: FIELDS_AT + 1,
        });
    }
    Ok((identity, compaction))
}

/// True if there is no such file, or no folder in which it could be.
fn is_absence(error: &io::Error) -> bool {
    let kind = error.kind();
    kind == io::ErrorKind::NotFound || kind == io::ErrorKind::NotADirectory
}

/// The right to write to a database, held until it is dropped.
#[derive(Debug)]
pub struct DatabaseLock {
    _held: Box<dyn Debug + Send + Sync>,
}

/// Why the lock of a database was not to be had.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another writer has it.
    #[error("{path}: another writer has this database open; close it, or open read-only")]
    Held {
        /// The file that is locked.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("{path}: cannot take the lock")]
    Io {
        /// The file that was to be locked.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Takes the lock of the database in the folder `dir`, which must exist. Does not wait.
///
/// # Errors
/// [`LockError::Held`] if another has it; [`LockError::Io`] as the operating system says.
pub fn lock_database(disk: &dyn Disk, dir: &Path) -> Result<DatabaseLock, LockError> {
    let path = dir.join(LOCK_FILE);
    match disk.lock(&path) {
        Ok(held) => Ok(DatabaseLock { _held: held }),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(LockError::Held { path }),
        Err(source) => Err(LockError::Io { path, source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::IdentityError;
    use crate::sim::{Fate, SimDisk};
    use qmtree_proofs::{Profile, Scheme};

    const IDENTITY: Identity = Identity {
        profile: Profile::Blake3,
        scheme: Scheme::ReadSet1,
        chain_id: 0x0807_0605,
    };

    fn dir() -> &'static Path {
        Path::new("db")
    }

    fn file() -> PathBuf {
        dir().join(DATABASE_FILE)
    }

    fn disk_with_header() -> SimDisk {
        let disk = SimDisk::new();
        durable::create_folder(&disk, dir()).unwrap();
        write_database_header(&disk, dir(), IDENTITY).unwrap();
        disk
    }

    /// Replaces bytes of the header and puts the checksum right.
    fn patched(offset: usize, bytes: &[u8]) -> SimDisk {
        let disk = disk_with_header();
        let mut header = disk.content(&file()).unwrap();
        header[offset..offset + bytes.len()].copy_from_slice(bytes);
        let checksum = crc32c::crc32c(&header[..124]).to_le_bytes();
        header[124..].copy_from_slice(&checksum);
        disk.set_content(&file(), header);
        disk
    }

    fn error(disk: &SimDisk) -> HeaderError {
        read_database_header(disk, dir()).unwrap_err()
    }

    #[test]
    fn a_header_has_the_bytes_of_the_format_page() {
        let bytes = disk_with_header().content(&file()).unwrap();
        let mut expected = b"QMTREEDB\x01\0\0\0\x02\x02\x0b\x04\x05\x06\x07\x08\0\0\0\0".to_vec();
        expected.resize(124, 0);
        expected.extend(crc32c::crc32c(&expected).to_le_bytes());
        assert_eq!(bytes, expected);
    }

    #[test]
    fn a_header_is_durable_and_read_back() {
        let disk = disk_with_header().power_loss(Fate::Lost);
        assert_eq!(read_database_header(&disk, dir()).unwrap(), IDENTITY);
        assert_eq!(disk.files(), [file()]);
    }

    #[test]
    fn a_header_is_not_written_over_another() {
        let disk = disk_with_header();
        let error = write_database_header(&disk, dir(), IDENTITY).unwrap_err();
        assert_eq!(
            error.to_string(),
            "db/qmtree.db: cannot make the database header"
        );
    }

    #[test]
    fn every_bit_and_every_length_matters() {
        let disk = disk_with_header();
        let bytes = disk.content(&file()).unwrap();
        for (offset, bit) in (0..bytes.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
            disk.flip(&file(), offset, 1 << bit);
            error(&disk);
            disk.flip(&file(), offset, 1 << bit);
        }
        for len in 0..bytes.len() {
            disk.set_content(&file(), bytes[..len].to_vec());
            error(&disk);
        }
        disk.set_content(&file(), [&bytes[..], &[0]].concat());
        assert!(matches!(
            error(&disk),
            HeaderError::Length {
                found: 129,
                needed: 128,
                ..
            }
        ));
    }

    #[test]
    fn messages_say_what_is_wrong_and_how_to_mend_it() {
        let flipped = disk_with_header();
        flipped.flip(&file(), 100, 1);
        let text = error(&flipped).to_string();
        assert!(
            text.starts_with("db/qmtree.db: header checksum at byte 124 is "),
            "{text}"
        );
        assert!(text.ends_with("; restore the file from a backup"), "{text}");
        let cases = [
            (
                patched(0, b"qmtree"),
                "db/qmtree.db: does not begin with QMTREEDB; is this the right folder? \
                 If so, restore the file from a backup",
            ),
            (
                patched(8, &[2]),
                "db/qmtree.db: format version 2, this release reads 1; \
                 open it with the release that wrote it or a newer one",
            ),
            (
                patched(12, &[9]),
                "db/qmtree.db: of a kind that this release cannot open",
            ),
            (
                patched(123, &[1]),
                "db/qmtree.db: byte 25 of the header has a value of no meaning; \
                 restore the file from a backup",
            ),
        ];
        for (disk, message) in cases {
            assert_eq!(error(&disk).to_string(), message);
        }
        for (offset, byte, expected) in [
            (12, 9, IdentityError::Profile(9)),
            (13, 7, IdentityError::Scheme(7)),
            (14, 12, IdentityError::TwigShift(12)),
            (15, 3, IdentityError::GroupShift(3)),
        ] {
            let HeaderError::Identity { source, .. } = error(&patched(offset, &[byte])) else {
                panic!("byte {offset} is part of the identity")
            };
            assert_eq!(source, expected);
        }
        assert_eq!(
            error(&SimDisk::new()).to_string(),
            "db: no database here: there is no qmtree.db in it; make a database with `qm init` or \
             Db::create, or name the folder that has one"
        );
        let longer = disk_with_header();
        let bytes = longer.content(&file()).unwrap();
        longer.set_content(&file(), [&bytes[..], &[0; 100]].concat());
        assert_eq!(
            error(&longer).to_string(),
            "db/qmtree.db: more than the 128 bytes of its header; restore the file from a backup"
        );
        longer.set_content(&file(), bytes[..127].to_vec());
        assert_eq!(
            error(&longer).to_string(),
            "db/qmtree.db: 127 bytes, where the header alone has 128; restore the file from a backup"
        );
    }

    #[test]
    fn one_writer_at_a_time() {
        let disk = disk_with_header();
        let lock = lock_database(&disk, dir()).unwrap();
        assert_eq!(
            lock_database(&disk, dir()).unwrap_err().to_string(),
            "db/qmtree.lock: another writer has this database open; close it, or open read-only"
        );
        drop(lock);
        lock_database(&disk, dir()).unwrap();
        let nowhere = lock_database(&disk, Path::new("nowhere")).unwrap_err();
        assert!(matches!(nowhere, LockError::Io { .. }));
    }
}
