//! Keeping a folder of snapshot files: listing, dropping old leaves, comparing hashes.

use super::export::entries;
use super::plan::{Progress, advance};
use super::set::SnapshotSet;
use crate::error::Error;
use qmtree_proofs::Head;
use qmtree_storage::snapshot::{
    Manifest, ManifestEntry, NoteSigner, NoteVerifier, SignedManifest, SnapshotContent,
    SnapshotError, SnapshotFile, SnapshotHeader, SnapshotName, SnapshotParts, has_file,
    newest_manifest, read_manifest, receive_file, write_manifest, write_note, write_snapshot,
};
use qmtree_storage::{Disk, RealDisk, create_folder};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A folder of snapshot files with a manifest.
#[derive(Debug)]
pub struct SnapshotFolder {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) folder: PathBuf,
}

/// What a snapshot file says about itself, unverified.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SnapshotInfo {
    /// Where it is.
    pub path: PathBuf,
    /// What it holds, of which range.
    pub name: SnapshotName,
    /// Its leaves, or those that its roots stand for; in files of the state log, its entries.
    pub leaves: Range<u64>,
    /// Blocks that end in it.
    pub blocks: Range<u64>,
    /// Its length in bytes.
    pub len_bytes: u64,
    /// The head of the log that ends with it.
    pub head: Head,
}

impl SnapshotInfo {
    fn of(file: &SnapshotFile) -> Self {
        let header = file.header();
        Self {
            path: file.path().to_path_buf(),
            name: header.name,
            leaves: header.leaves(),
            blocks: file.blocks(),
            len_bytes: file.len_bytes(),
            head: header.head,
        }
    }

    /// Opens one file, and reads what it says about itself.
    ///
    /// # Errors
    /// [`Error::Snapshot`].
    pub fn read(path: &Path) -> Result<Self, Error> {
        Ok(Self::of(&SnapshotFile::open(&RealDisk, path)?))
    }
}

impl SnapshotFolder {
    /// A folder on the operating system's disk.
    #[must_use]
    pub fn new(folder: impl AsRef<Path>) -> Self {
        Self::on(Arc::new(RealDisk), folder.as_ref())
    }

    /// A folder on a disk of the caller's.
    #[must_use]
    pub fn on(disk: Arc<dyn Disk>, folder: &Path) -> Self {
        let folder = folder.to_path_buf();
        Self { disk, folder }
    }

    /// Where the snapshot files are, whatever is in them.
    ///
    /// # Errors
    /// [`Error::Io`] if the folder cannot be listed.
    pub fn paths(&self) -> Result<Vec<PathBuf>, Error> {
        SnapshotSet::paths(&*self.disk, &self.folder)
    }

    /// The snapshot files, by content and range. Other files are left out.
    ///
    /// # Errors
    /// [`Error::Snapshot`] if one cannot be read.
    pub fn files(&self) -> Result<Vec<SnapshotInfo>, Error> {
        let set = self.set()?;
        let mut files: Vec<_> = set.files().iter().map(SnapshotInfo::of).collect();
        files.sort_by_key(|file| file.name);
        Ok(files)
    }

    /// The newest manifest, if there is one.
    ///
    /// # Errors
    /// [`Error::Snapshot`].
    pub fn manifest(&self) -> Result<Option<SignedManifest>, Error> {
        let newest = newest_manifest(&*self.disk, &self.folder)?;
        let read = newest.map(|(_, path)| read_manifest(&*self.disk, &path));
        Ok(read.transpose()?)
    }

    /// Takes a manifest from elsewhere, as it is and with its signatures.
    ///
    /// # Errors
    /// [`Error::Snapshot`] if it is none, or as the disk says.
    pub fn receive_manifest(&self, note: &str) -> Result<PathBuf, Error> {
        Manifest::parse(&self.folder, note.as_bytes())?;
        Ok(write_note(&*self.disk, &self.folder, note)?)
    }

    /// True if the folder has a file as the manifest lists it. Hashes it.
    ///
    /// # Errors
    /// [`Error::Snapshot`] if another file has its name.
    pub fn has(&self, entry: &ManifestEntry) -> Result<bool, Error> {
        Ok(has_file(&*self.disk, &self.folder, entry)?)
    }

    /// Takes a file from elsewhere: it gets its name once it is durable and is what the manifest
    /// lists. The folder is made if need be.
    ///
    /// # Errors
    /// [`Error::Snapshot`] if it is another, or as the disk or the reader says.
    pub fn receive(
        &self,
        entry: &ManifestEntry,
        from: &mut dyn std::io::Read,
    ) -> Result<(), Error> {
        create_folder(&*self.disk, &self.folder).map_err(|source| Error::Io {
            path: self.folder.clone(),
            action: "create",
            source,
        })?;
        Ok(receive_file(&*self.disk, &self.folder, entry, from)?)
    }

    /// Compares each file that the manifest lists with its length and hash, and the manifest with
    /// its signature if a key is given. Returns the manifest.
    ///
    /// # Errors
    /// [`Error::Snapshot`] at the first difference, or if there is no manifest.
    pub fn check_manifest(
        &self,
        verifier: Option<&NoteVerifier>,
        progress: &Progress,
    ) -> Result<Manifest, Error> {
        let Some(signed) = self.manifest()? else {
            return Err(SnapshotError::Io {
                path: self.folder.join("v1.0-qmtree-manifest.*.note"),
                action: "find the manifest",
                source: std::io::ErrorKind::NotFound.into(),
            }
            .into());
        };
        let manifest = match verifier {
            Some(verifier) => signed.verify(verifier)?.clone(),
            None => signed.unverified().clone(),
        };
        for entry in &manifest.files {
            let path = self.folder.join(entry.name.to_string());
            let file = SnapshotFile::open(&*self.disk, &path)?;
            let differs = |what| Err(Error::from(SnapshotError::Differs { path, what }));
            if file.len_bytes() != entry.len_bytes {
                return differs("length");
            }
            if file.blake3() != entry.blake3 {
                return differs("content");
            }
            let leaves = file.header().leaves();
            advance(progress, leaves.end - leaves.start);
        }
        Ok(manifest)
    }

    /// Drops the leaves of files that lie wholly before `twig`, and keeps the roots of their twigs.
    /// What is left can still be imported from roots. Returns how many files went.
    ///
    /// # Errors
    /// [`Error::Snapshot`] if a file cannot be read or written.
    pub fn retain_from(&self, twig: u64, signer: Option<&NoteSigner>) -> Result<usize, Error> {
        let set = self.set()?;
        let (mut written, mut gone, mut count) = (Vec::new(), Vec::new(), 0);
        for file in set.files() {
            let header = *file.header();
            let content = header.name.content;
            if content == SnapshotContent::Tags && header.name.to <= twig {
                gone.push(file);
            }
            if content != SnapshotContent::Execution || header.name.to > twig {
                continue;
            }
            let name = SnapshotName {
                content: SnapshotContent::Roots,
                ..header.name
            };
            let parts = SnapshotParts {
                header: SnapshotHeader { name, ..header },
                roots: file.roots(),
                blocks: &[],
                tags: &[],
            };
            if !self.disk.exists(&self.folder.join(name.to_string())) {
                let entry: Result<_, Error> =
                    write_snapshot(&*self.disk, &self.folder, &parts, |_| Ok(()));
                written.push(entry?);
            }
            gone.push(file);
            count += 1;
        }
        self.finish(&set, &gone, written, signer)?;
        Ok(count)
    }

    pub(super) fn set(&self) -> Result<SnapshotSet, Error> {
        let paths = SnapshotSet::paths(&*self.disk, &self.folder)?;
        SnapshotSet::open(&*self.disk, &paths)
    }

    /// Writes the manifest of what stays and what is new, and removes what goes.
    pub(super) fn finish(
        &self,
        set: &SnapshotSet,
        gone: &[&SnapshotFile],
        written: Vec<ManifestEntry>,
        signer: Option<&NoteSigner>,
    ) -> Result<(), Error> {
        if written.is_empty() && gone.is_empty() {
            return Ok(());
        }
        let is_gone = |file: &&SnapshotFile| gone.iter().any(|gone| gone.path() == file.path());
        let kept: Vec<_> = set.files().iter().filter(|file| !is_gone(file)).collect();
        let mut files = entries(&*self.disk, &self.folder, &kept)?;
        files.extend(written);
        files.sort_by_key(|entry| entry.name);
        let head = match self.manifest()? {
            Some(old) => old.unverified().head,
            // Without a manifest: the head of the file that reaches furthest.
            None => {
                let heads = set.files().iter().map(|file| file.header().head);
                let furthest = heads.max_by_key(|head| head.leaf_count);
                furthest.ok_or(super::SnapshotRefusal::Empty)?
            }
        };
        let manifest = Manifest { head, files };
        write_manifest(&*self.disk, &self.folder, &manifest, signer)?;
        for file in gone {
            let failed = |source| Error::Io {
                path: file.path().to_path_buf(),
                action: "remove",
                source,
            };
            self.disk.remove(file.path()).map_err(failed)?;
        }
        let failed = |source| Error::Io {
            path: self.folder.clone(),
            action: "sync",
            source,
        };
        self.disk.sync_dir(&self.folder).map_err(failed)
    }
}
