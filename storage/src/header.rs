//! What the headers of our files have in common (docs/FORMAT.md, sections 5 to 7).
//!
//! ```text
//! 0          8            12          24                          len - 4       len
//! | magic    | version    | identity  | fields of the kind        | crc32c      |
//! ```

use crate::identity::{IDENTITY_LEN, Identity, IdentityError};
use std::io;
use std::path::{Path, PathBuf};

/// Why the header of a file is not one that this release can read.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum HeaderError {
    /// There is no database header, so no database.
    #[error(
        "{path}: no database here: there is no qmtree.db in it; make a database with `qm init` or \
         Db::create, or name the folder that has one"
    )]
    NoDatabase {
        /// The folder.
        path: PathBuf,
    },
    /// The file is shorter than its header, or longer although it has nothing else.
    #[error("{path}: {}; restore the file from a backup", length(*.found, *.needed))]
    Length {
        /// The file.
        path: PathBuf,
        /// Its length in bytes; of a file that is longer than its header, as much as was read.
        found: usize,
        /// Bytes of a header.
        needed: usize,
    },
    /// The file does not begin with the magic of its kind.
    #[error(
        "{path}: does not begin with {expected}; is this the right folder? \
             If so, restore the file from a backup"
    )]
    Magic {
        /// The file.
        path: PathBuf,
        /// What it should begin with.
        expected: &'static str,
    },
    /// A version of the format that this release does not know.
    #[error(
        "{path}: format version {found}, this release reads {supported}; \
             open it with the release that wrote it or a newer one"
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// The version in it.
        found: u32,
        /// The version that this release reads.
        supported: u32,
    },
    /// The header was changed after it was written.
    #[error(
        "{path}: header checksum at byte {offset} is {stored:08x}, computed {computed:08x} of the \
             bytes before it; restore the file from a backup"
    )]
    Checksum {
        /// The file.
        path: PathBuf,
        /// Where the checksum is.
        offset: usize,
        /// The checksum in the file.
        stored: u32,
        /// The checksum of what the file holds.
        computed: u32,
    },
    /// The header names hash rules, a scheme or sizes that this release does not know.
    #[error("{path}: of a kind that this release cannot open")]
    Identity {
        /// The file.
        path: PathBuf,
        /// What it names.
        source: IdentityError,
    },
    /// The file belongs to another database.
    #[error("{path}: belongs to {found}, this database is {expected}; move it to its own folder")]
    OtherDatabase {
        /// The file.
        path: PathBuf,
        /// Whose it is.
        found: Identity,
        /// Whose it should be.
        expected: Identity,
    },
    /// The checksum holds, but a field has a value that no release writes there.
    #[error(
        "{path}: byte {offset} of the header has a value of no meaning; \
             restore the file from a backup"
    )]
    Field {
        /// The file.
        path: PathBuf,
        /// Where the field begins.
        offset: usize,
    },
    /// The operating system refused.
    #[error("{path}: cannot {action}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

fn length(found: usize, needed: usize) -> String {
    if found > needed {
        format!("more than the {needed} bytes of its header")
    } else {
        format!("{found} bytes, where the header alone has {needed}")
    }
}

/// Where the fields of the kind begin.
pub(crate) const FIELDS_AT: usize = 12 + IDENTITY_LEN;
const CHECKSUM_LEN: usize = 4;

/// A kind of header, of `LEN` bytes.
#[derive(Debug)]
pub(crate) struct HeaderKind<const LEN: usize> {
    /// First eight bytes, in ASCII.
    pub(crate) magic: &'static str,
    pub(crate) version: u32,
}

impl<const LEN: usize> HeaderKind<LEN> {
    /// A header: what follows `fields` is zero.
    ///
    /// # Panics
    /// If there are more fields than room.
    pub(crate) fn to_bytes(&self, identity: Identity, fields: &[&[u8]]) -> [u8; LEN] {
        let common = (self.version.to_le_bytes(), identity.to_bytes());
        let common = [self.magic.as_bytes(), &common.0, &common.1];
        let mut bytes = join::<LEN>(&[&common, fields].concat());
        let (covered, checksum) = bytes.split_at_mut(LEN - CHECKSUM_LEN);
        checksum.copy_from_slice(&crc32c::crc32c(covered).to_le_bytes());
        bytes
    }

    /// Checks all that headers have in common, and returns the identity and the fields.
    pub(crate) fn read<'a>(
        &self,
        path: &Path,
        bytes: &'a [u8],
    ) -> Result<(Identity, Fields<'a>), HeaderError> {
        let path = || path.to_path_buf();
        let length = HeaderError::Length {
            path: path(),
            found: bytes.len(),
            needed: LEN,
        };
        let mut fields = Fields(bytes);
        if fields.bytes::<8>().map(<[u8; 8]>::as_slice) != Some(self.magic.as_bytes()) {
            return Err(HeaderError::Magic {
                path: path(),
                expected: self.magic,
            });
        }
        // The version comes before the length, which another version may have changed.
        let Some(found) = fields.u32() else {
            return Err(length);
        };
        if found != self.version {
            return Err(HeaderError::Version {
                path: path(),
                found,
                supported: self.version,
            });
        }
        let Some((covered, stored)) = bytes
            .first_chunk::<LEN>()
            .and_then(|header| header.split_last_chunk::<CHECKSUM_LEN>())
        else {
            return Err(length);
        };
        let (stored, computed) = (u32::from_le_bytes(*stored), crc32c::crc32c(covered));
        if stored != computed {
            return Err(HeaderError::Checksum {
                path: path(),
                offset: covered.len(),
                stored,
                computed,
            });
        }
        let Some(identity) = fields.bytes::<IDENTITY_LEN>() else {
            return Err(length);
        };
        let identity = Identity::from_bytes(identity).map_err(|source| HeaderError::Identity {
            path: path(),
            source,
        })?;
        let rest = covered.get(FIELDS_AT..).unwrap_or_default();
        Ok((identity, Fields(rest)))
    }
}

/// Fields side by side; what follows them is zero.
///
/// # Panics
/// If there are more than `N` bytes of them.
pub(crate) fn join<const N: usize>(fields: &[&[u8]]) -> [u8; N] {
    let mut bytes = [0; N];
    let mut rest = bytes.as_mut_slice();
    for field in fields {
        let (front, back) = rest.split_at_mut(field.len());
        front.copy_from_slice(field);
        rest = back;
    }
    bytes
}

/// Reads fields of fixed width, front to back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields<'a>(pub(crate) &'a [u8]);

impl<'a> Fields<'a> {
    pub(crate) fn bytes<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        let (field, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(field)
    }

    pub(crate) fn slice(&mut self, len: usize) -> Option<&'a [u8]> {
        let (field, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(field)
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.bytes::<1>().map(|[byte]| *byte)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.bytes().copied().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.bytes().copied().map(u64::from_le_bytes)
    }

    /// True if all that is left is zero.
    pub(crate) fn is_zero(&self) -> bool {
        self.0.iter().all(|byte| *byte == 0)
    }
}
