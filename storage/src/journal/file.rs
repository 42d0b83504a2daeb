//! A journal file: its name, its header, and when it may go.

use crate::header::{FIELDS_AT, HeaderError, HeaderKind};
use crate::identity::Identity;
use crate::io::Disk;
use crate::journal::error::JournalError;
use crate::journal::state::{JournalState, STATE_LEN};
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

/// Bytes of a file before its first record.
pub(crate) const HEADER_LEN: usize = 256;
const HEADER: HeaderKind<HEADER_LEN> = HeaderKind {
    magic: "QMJOURNL",
    version: 1,
};
/// Where the base head begins.
const BASE_AT: usize = FIELDS_AT + 8;
const EXTENSION: &str = "qmj";

const _: () = assert!(BASE_AT == 32 && BASE_AT + STATE_LEN == 163);
const _: () = assert!(163 + 1 + 4 + 84 + 4 == HEADER_LEN);

/// One file of a journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalFile {
    /// Where it is.
    pub path: PathBuf,
    /// Number of its first record.
    pub first_seq: u64,
    /// The most leaves that the log had, before its first record or after any of its records. Once
    /// so many are sealed, the file is no longer needed.
    pub max_leaf_count: u64,
    /// The most entries that the state log had, likewise.
    pub max_entry_count: u64,
}

/// What the header of a journal file says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FileHeader {
    pub(crate) identity: Identity,
    pub(crate) first_seq: u64,
    pub(crate) base: JournalState,
    /// What the checksums of the file's records start from.
    pub(crate) salt: u32,
}

impl FileHeader {
    pub(crate) fn to_bytes(self) -> [u8; HEADER_LEN] {
        let (first_seq, salt) = (self.first_seq.to_le_bytes(), self.salt.to_le_bytes());
        HEADER.to_bytes(
            self.identity,
            &[&first_seq, &self.base.to_bytes(), &[0], &salt],
        )
    }

    /// Reads the header of the file at `path`, and checks it against the database and the name.
    pub(crate) fn read(path: &Path, bytes: &[u8], expected: Identity) -> Result<Self, HeaderError> {
        let (found, mut fields) = HEADER.read(path, bytes)?;
        let path = path.to_path_buf();
        if found != expected {
            return Err(HeaderError::OtherDatabase {
                path,
                found,
                expected,
            });
        }
        let Some(first_seq) = fields.u64() else {
            return Err(HeaderError::Field {
                path,
                offset: FIELDS_AT,
            });
        };
        let bad = |offset| HeaderError::Field { path, offset };
        let base = JournalState::decode(&mut fields);
        let Some(base) = base.filter(|base| base.check(expected).is_ok()) else {
            return Err(bad(BASE_AT));
        };
        match (fields.u8(), fields.u32(), fields.is_zero()) {
            (Some(0), Some(salt), true) => Ok(Self {
                identity: found,
                first_seq,
                base,
                salt,
            }),
            _ => Err(bad(BASE_AT + STATE_LEN)),
        }
    }
}

/// The path of the file whose first record is `first_seq`.
pub(crate) fn path_of(folder: &Path, first_seq: u64) -> PathBuf {
    folder.join(format!("{first_seq:016x}.{EXTENSION}"))
}

/// The journal files in a folder, oldest first. Other files are passed over.
pub(crate) fn list(disk: &dyn Disk, folder: &Path) -> Result<Vec<(u64, PathBuf)>, JournalError> {
    let names = disk.list(folder).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => JournalError::Missing {
            folder: folder.to_path_buf(),
        },
        _ => JournalError::io(folder, "list the journal files")(source),
    })?;
    let mut files = Vec::new();
    for name in names {
        if has_journal_ending(&name) {
            let path = folder.join(&name);
            match first_seq_of(&name) {
                Some(first_seq) => files.push((first_seq, path)),
                None => return Err(JournalError::Name { path }),
            }
        }
    }
    files.sort();
    Ok(files)
}

/// True if this is the ending of a journal file.
pub(crate) fn has_journal_ending(name: &Path) -> bool {
    name.extension() == Some(OsStr::new(EXTENSION))
}

/// True if this is the name of a journal file.
pub(crate) fn is_journal_file(name: &Path) -> bool {
    first_seq_of(name).is_some()
}

/// The number in a name, if the name is the one that `path_of` gives to the number.
fn first_seq_of(name: &Path) -> Option<u64> {
    let first_seq = u64::from_str_radix(name.file_stem()?.to_str()?, 16).ok()?;
    (path_of(Path::new(""), first_seq) == name).then_some(first_seq)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::B256;
    use qmtree_proofs::{Profile, Scheme};

    const IDENTITY: Identity = Identity {
        profile: Profile::Keccak256,
        scheme: Scheme::StateRoot1,
        chain_id: 1,
    };

    fn read(bytes: &[u8]) -> Result<FileHeader, HeaderError> {
        FileHeader::read(Path::new("a"), bytes, IDENTITY)
    }

    /// Where the field begins that `read` refuses in a header with these fields.
    fn refused(first_seq: u64, base: &[u8], more: &[u8]) -> usize {
        match read(&HEADER.to_bytes(IDENTITY, &[&first_seq.to_le_bytes(), base, more])) {
            Err(HeaderError::Field { offset, .. }) => offset,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_header_is_read_back() {
        let base = JournalState::empty(IDENTITY);
        let header = FileHeader {
            identity: IDENTITY,
            first_seq: 7,
            base,
            salt: 0x0403_0201,
        };
        let bytes = header.to_bytes();
        assert_eq!(bytes[163..169], [0, 1, 2, 3, 4, 0]);
        let read = read(&bytes).unwrap();
        assert_eq!(
            (read.identity, read.first_seq, read.base, read.salt),
            (IDENTITY, 7, base, 0x0403_0201)
        );
    }

    #[test]
    fn a_base_that_cannot_be_is_refused_though_the_checksum_holds() {
        let base = JournalState::empty(IDENTITY);
        let other = JournalState::empty(Identity {
            chain_id: 2,
            ..IDENTITY
        });
        let leaf = JournalState {
            last_leaf_hash: B256::repeat_byte(1),
            ..base
        };
        for base in [other, leaf] {
            assert_eq!(refused(0, &base.to_bytes(), &[]), 32);
        }
        assert_eq!(refused(0, &base.to_bytes(), &[1]), 163);
        assert_eq!(refused(0, &base.to_bytes(), &[0, 9, 9, 9, 9, 1]), 163);
        let [front @ .., _] = base.to_bytes();
        assert_eq!(refused(0, &front, &[2]), 32);
    }

    #[test]
    fn names_and_numbers_belong_together() {
        let name = path_of(Path::new(""), 0x1f);
        assert_eq!(name, Path::new("000000000000001f.qmj"));
        assert_eq!(first_seq_of(&name), Some(0x1f));
        assert_eq!(
            first_seq_of(&path_of(Path::new(""), u64::MAX)),
            Some(u64::MAX)
        );
        for wrong in [
            "1f.qmj",
            "000000000000001F.qmj",
            "000000000000001g.qmj",
            ".qmj",
            "",
        ] {
            assert_eq!(first_seq_of(Path::new(wrong)), None, "{wrong}");
        }
    }
}
