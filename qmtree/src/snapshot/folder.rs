//! Keeping a folder of snapshot files: listing, dropping old leaves, comparing hashes.

use super::output::Output;
use super::plan::{Progress, advance};
use super::refusal::SnapshotRefusal;
use super::set::SnapshotSet;
use crate::db::Db;
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
    /// Its twigs; of a tail, the ones that its leaves or entries are in.
    pub twigs: Range<u64>,
    /// Entries for each live key beyond which a state log compacts, 0 if it does not; 0 in files of
    /// leaves.
    pub entries_per_key: u8,
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
            twigs: header.twigs(),
            entries_per_key: header.compaction.entries_per_key(),
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
        let signed = self.manifest()?.ok_or(SnapshotRefusal::ManifestMissing)?;
        let manifest = match verifier {
            Some(verifier) => signed.verify(verifier)?.clone(),
            None => signed.unverified().clone(),
        };
        for entry in &manifest.files {
            let path = self.folder.join(entry.name.to_string());
            let file = SnapshotFile::open(&*self.disk, &path)?;
            check_listed(&manifest, &file)?;
            let leaves = file.header().leaves();
            advance(progress, leaves.end - leaves.start);
        }
        Ok(manifest)
    }

    /// Where the files are that a manifest of this folder lists. These are what a signature of it
    /// covers, once [`check_manifest`](Self::check_manifest) has compared them; other files of the
    /// folder are anybody's.
    #[must_use]
    pub fn listed(&self, manifest: &Manifest) -> Vec<PathBuf> {
        let names = manifest.files.iter().map(|entry| entry.name.to_string());
        names.map(|name| self.folder.join(name)).collect()
    }

    /// Opens these files of the folder, and no others, as [`Db::open_snapshot`] does.
    ///
    /// # Errors
    /// As [`Db::open_snapshot`].
    pub fn open(&self, files: &[PathBuf], trusted: &Head) -> Result<Db, Error> {
        Db::open_snapshot_on(Arc::clone(&self.disk), &self.folder, files, trusted)
    }

    /// Drops the leaves of files that lie wholly before `twig`, and keeps the roots of their twigs.
    /// What is left can still be imported from roots. Returns how many files went. Only files that
    /// the manifest lists count; what is dropped is compared with its hash there before.
    ///
    /// # Errors
    /// [`Error::Snapshot`] if a file cannot be read or written, or is not as listed;
    /// [`Error::Refused`] if there is no manifest.
    pub fn retain_from(&self, twig: u64, signer: Option<&NoteSigner>) -> Result<usize, Error> {
        let (manifest, set) = self.listed_files()?;
        let (mut written, mut gone, mut count) = (Vec::new(), Vec::new(), 0);
        let output = Output::new(&*self.disk, &self.folder);
        for file in set.files() {
            let header = *file.header();
            let content = header.name.content;
            if content == SnapshotContent::Tags && header.name.to <= twig {
                gone.push(header.name);
            }
            if content != SnapshotContent::Execution || header.name.to > twig {
                continue;
            }
            check_listed(&manifest, file)?;
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
            written.push(output.put(name, |disk| {
                write_snapshot(disk, &self.folder, &parts, |_| Ok::<_, Error>(()))
            })?);
            gone.push(header.name);
            count += 1;
        }
        self.finish(&output, manifest, &gone, written, signer)?;
        Ok(count)
    }

    fn set(&self) -> Result<SnapshotSet, Error> {
        let paths = SnapshotSet::paths(&*self.disk, &self.folder)?;
        SnapshotSet::open(&*self.disk, &paths)
    }

    /// The files that the manifest lists, not compared yet.
    pub(super) fn listed_files(&self) -> Result<(Manifest, SnapshotSet), Error> {
        let signed = self.manifest()?.ok_or(SnapshotRefusal::ManifestMissing)?;
        let manifest = signed.unverified().clone();
        let set = SnapshotSet::open(&*self.disk, &self.listed(&manifest))?;
        Ok((manifest, set))
    }

    /// Writes the manifest of what stays and what is new, and then removes what goes.
    pub(super) fn finish(
        &self,
        output: &Output<'_>,
        mut manifest: Manifest,
        gone: &[SnapshotName],
        written: Vec<ManifestEntry>,
        signer: Option<&NoteSigner>,
    ) -> Result<(), Error> {
        if written.is_empty() && gone.is_empty() {
            return Ok(());
        }
        let new = |name| written.iter().any(|entry| entry.name == name);
        manifest
            .files
            .retain(|entry| !gone.contains(&entry.name) && !new(entry.name));
        manifest.files.extend(written);
        manifest.files.sort_by_key(|entry| entry.name);
        write_manifest(&*self.disk, &self.folder, &manifest, signer)?;
        let gone: Vec<_> = gone
            .iter()
            .map(|name| self.folder.join(name.to_string()))
            .collect();
        output.remove_all(gone.iter().map(PathBuf::as_path))
    }
}

/// A file must be as its manifest lists it. Reads all of it.
pub(super) fn check_listed(manifest: &Manifest, file: &SnapshotFile) -> Result<(), Error> {
    let path = file.path().to_path_buf();
    let name = file.header().name;
    let entry = manifest.files.iter().find(|entry| entry.name == name);
    let what = match entry {
        Some(entry) if file.len_bytes() != entry.len_bytes => "length",
        Some(entry) if file.blake3() == entry.blake3 => return Ok(()),
        _ => "content",
    };
    Err(SnapshotError::Differs { path, what }.into())
}
