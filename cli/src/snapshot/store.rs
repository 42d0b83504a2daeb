//! `qm snapshot upload` and `download`: files in an object store, by URL.
//!
//! Only the newest manifest counts. Files that it lists with the same hash are passed over, and one that
//! it does not list, left by an upload that was cut off, if it is the same to the byte; others, of
//! blocks that were unwound, are replaced. Whoever downloads compares every byte with the manifest, and the
//! leaves with a trusted head afterwards.

use super::{in_snapshot, verifier};
use crate::error::CliError;
use crate::output::say;
use crate::progress::{Progress, Task, Unit};
use clap::Args;
use futures_util::{StreamExt as _, stream::BoxStream};
use object_store::path::Path as StorePath;
use object_store::{ObjectStore, ObjectStoreExt as _, PutMode, WriteMultipart, parse_url_opts};
use qmtree::snapshot::{Manifest, ManifestEntry, NoteVerifier, SnapshotFolder, manifest_number};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use tokio::runtime::Runtime;

/// Longest manifest that is fetched.
const MAX_NOTE: u64 = 16 << 20;
/// Bytes that are put at a time, and parts that are on their way at once.
const PART: usize = 8 << 20;
const PARTS: usize = 4;
/// Bytes that are compared at a time.
const CHUNK: usize = 1 << 20;

/// Put the snapshot files of a folder into an object store
///
/// URL is s3://BUCKET/PREFIX (keys and endpoint from the environment: AWS_ACCESS_KEY_ID,
/// AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_ENDPOINT, ..; in builds with the feature s3) or
/// file:///FOLDER. Files that are there already, by the newest manifest there or byte for byte, are
/// passed over. One upload at a time: a second manifest of the same number is refused.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Upload {
    /// Where to.
    #[arg(long, value_name = "URL")]
    to: String,
    /// The folder.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

/// Get the snapshot files of an object store into a folder
///
/// Files that the folder has are passed over, and a download that was cut off goes on. Each is
/// compared with the manifest. URL as for upload.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Download {
    /// Where from.
    #[arg(long, value_name = "URL")]
    from: String,
    /// Only if the manifest is signed by this key (its text, or a file with it).
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// The folder.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

impl Upload {
    pub(crate) fn run(&self) -> Result<(), CliError> {
        let store = Store::open(&self.to)?;
        let (count, files) = store.upload(&self.folder)?;
        say(format_args!("{}: {count} of {files} files put", store.url))
    }
}

impl Download {
    pub(crate) fn run(&self) -> Result<(), CliError> {
        let store = Store::open(&self.from)?;
        let key = self.key.as_deref().map(verifier).transpose()?;
        let (count, files) = store.download(&self.folder, key.as_ref())?;
        let folder = self.folder.display();
        say(format_args!("{folder}: {count} of {files} files fetched"))
    }
}

/// An object store, and what drives it.
struct Store {
    /// For messages; without credentials, which URLs here do not carry.
    url: String,
    store: Box<dyn ObjectStore>,
    prefix: StorePath,
    runtime: Runtime,
}

impl Store {
    fn open(url: &str) -> Result<Self, CliError> {
        let bad = |what: String| CliError::Store {
            url: url.to_owned(),
            action: "open",
            source: io::Error::new(io::ErrorKind::InvalidInput, what),
        };
        let parsed = url.parse().map_err(|_| bad("not a URL".to_owned()))?;
        let aws = std::env::vars().filter(|(name, _)| name.starts_with("AWS_"));
        let aws = aws.map(|(name, value)| (name.to_ascii_lowercase(), value));
        let (store, prefix) =
            parse_url_opts(&parsed, aws).map_err(|error| bad(error.to_string()))?;
        Self::new(url, store, prefix)
    }

    fn new(url: &str, store: Box<dyn ObjectStore>, prefix: StorePath) -> Result<Self, CliError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        Ok(Self {
            url: url.to_owned(),
            store,
            prefix,
            runtime: runtime.map_err(failed(url, "reach"))?,
        })
    }

    /// Puts what is not there; the manifest last, so that it never lists what is missing.
    fn upload(&self, folder: &Path) -> Result<(usize, usize), CliError> {
        let files = SnapshotFolder::new(folder);
        let progress = Progress::start(Task {
            name: "upload",
            unit: Unit::Bytes,
            total: None,
        });
        let manifest = files.check_manifest(None, &None).map_err(in_snapshot)?;
        let there = self.list()?;
        let listed = self.listed(&there)?;
        let mut count = 0;
        for entry in &manifest.files {
            let name = entry.name.to_string();
            let path = folder.join(&name);
            let there = there.get(&name) == Some(&entry.len_bytes);
            if !there || !(listed.contains(entry) || self.is_same(&name, &path)?) {
                self.put(&name, &path)?;
                count += 1;
            }
            progress
                .counter()
                .fetch_add(entry.len_bytes, Ordering::Relaxed);
        }
        let note = files.manifest().map_err(in_snapshot)?;
        let note = note.map(|note| note.note().to_owned()).unwrap_or_default();
        self.put_manifest(&note, &self.list()?)?;
        Ok((count, manifest.files.len()))
    }

    /// The files of the newest manifest there.
    fn listed(&self, there: &BTreeMap<String, u64>) -> Result<Vec<ManifestEntry>, CliError> {
        let Some((_, name)) = newest(there) else {
            return Ok(Vec::new());
        };
        let note = self.get_small(&name)?;
        let signed = Manifest::parse(Path::new(&name), &note);
        let signed = signed.map_err(|source| in_snapshot(source.into()))?;
        Ok(signed.unverified().files.clone())
    }

    /// Compares what is there with a file, byte for byte.
    fn is_same(&self, name: &str, with: &Path) -> Result<bool, CliError> {
        let unreadable = |source| CliError::Io {
            path: with.into(),
            action: "read",
            source,
        };
        let mut file = File::open(with).map_err(unreadable)?;
        let mut there = self.reader(name)?;
        let (mut ours, mut theirs) = (vec![0; CHUNK], vec![0; CHUNK]);
        loop {
            let read = there.read(&mut theirs);
            let read = read.map_err(failed(&self.url, "get"))?;
            let (ours, theirs) = (ours.get_mut(..read), theirs.get(..read));
            let (ours, theirs) = (ours.unwrap_or_default(), theirs.unwrap_or_default());
            match file.read_exact(ours) {
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
                read => read.map_err(unreadable)?,
            }
            if ours != theirs {
                return Ok(false);
            }
            if read == 0 {
                return Ok(file.read(&mut [0]).map_err(unreadable)? == 0);
            }
        }
    }

    /// The next number, unless the newest manifest is this one.
    fn put_manifest(&self, note: &str, there: &BTreeMap<String, u64>) -> Result<(), CliError> {
        let newest = newest(there);
        if let Some((_, name)) = &newest
            && self.get_small(name)? == note.as_bytes()
        {
            return Ok(());
        }
        let number = newest.map_or(1, |(number, _)| number.saturating_add(1));
        let path = self.path(&format!("v1.0-qmtree-manifest.{number}.note"));
        // Of two who upload at once only one gets this number.
        let note = note.as_bytes().to_vec().into();
        let put = self.store.put_opts(&path, note, PutMode::Create.into());
        self.runtime.block_on(put).map_err(self.failed("put"))?;
        Ok(())
    }

    /// Gets what the folder does not have, and the manifest last.
    fn download(
        &self,
        folder: &Path,
        key: Option<&NoteVerifier>,
    ) -> Result<(usize, usize), CliError> {
        let Some((_, name)) = newest(&self.list()?) else {
            let source = io::Error::new(io::ErrorKind::NotFound, "no manifest there");
            return Err(failed(&self.url, "list")(source));
        };
        let note = self.get_small(&name)?;
        let unusable = |source: qmtree::snapshot::SnapshotError| in_snapshot(source.into());
        let signed = Manifest::parse(Path::new(&name), &note).map_err(unusable)?;
        if let Some(key) = key {
            signed.verify(key).map_err(unusable)?;
        }
        let manifest = signed.unverified();
        let progress = Progress::start(Task {
            name: "download",
            unit: Unit::Bytes,
            total: Some(manifest.files.iter().map(|entry| entry.len_bytes).sum()),
        });
        let (files, mut count) = (SnapshotFolder::new(folder), 0);
        for entry in &manifest.files {
            if !files.has(entry).map_err(in_snapshot)? {
                self.get(&files, entry)?;
                count += 1;
            }
            progress
                .counter()
                .fetch_add(entry.len_bytes, Ordering::Relaxed);
        }
        let same = || {
            let ours = files.manifest().ok()??;
            (ours.note() == signed.note()).then_some(())
        };
        if same().is_none() {
            files.receive_manifest(signed.note()).map_err(in_snapshot)?;
        }
        Ok((count, manifest.files.len()))
    }

    /// Names and lengths of what is there, and not in folders below.
    fn list(&self) -> Result<BTreeMap<String, u64>, CliError> {
        let listed = self.store.list_with_delimiter(Some(&self.prefix));
        let listed = self.runtime.block_on(listed);
        let objects = listed.map_err(self.failed("list"))?.objects.into_iter();
        let named = objects.filter_map(|object| {
            let name = object.location.filename()?.to_owned();
            Some((name, object.size))
        });
        Ok(named.collect())
    }

    fn put(&self, name: &str, from: &Path) -> Result<(), CliError> {
        let unreadable = |source| CliError::Io {
            path: from.into(),
            action: "read",
            source,
        };
        let mut file = File::open(from).map_err(unreadable)?;
        let failed = self.failed("put");
        let path = self.path(name);
        self.runtime.block_on(async {
            let upload = self.store.put_multipart(&path).await.map_err(&failed)?;
            let mut upload = WriteMultipart::new_with_chunk_size(upload, PART);
            let mut buffer = vec![0; PART];
            loop {
                let read = file.read(&mut buffer).map_err(unreadable)?;
                if read == 0 {
                    break;
                }
                upload.wait_for_capacity(PARTS).await.map_err(&failed)?;
                upload.write(buffer.get(..read).unwrap_or_default());
            }
            upload.finish().await.map(drop).map_err(&failed)
        })
    }

    fn get(&self, folder: &SnapshotFolder, entry: &ManifestEntry) -> Result<(), CliError> {
        let mut reader = self.reader(&entry.name.to_string())?;
        folder.receive(entry, &mut reader).map_err(in_snapshot)
    }

    fn get_small(&self, name: &str) -> Result<Vec<u8>, CliError> {
        let mut bytes = Vec::new();
        let read = self
            .reader(name)?
            .take(MAX_NOTE + 1)
            .read_to_end(&mut bytes);
        read.map_err(failed(&self.url, "get"))?;
        Ok(bytes)
    }

    fn reader<'s>(&'s self, name: &str) -> Result<impl Read + use<'s>, CliError> {
        let path = self.path(name);
        let got = self.runtime.block_on(self.store.get(&path));
        Ok(Bytes {
            stream: got.map_err(self.failed("get"))?.into_stream(),
            runtime: &self.runtime,
            rest: Vec::new(),
            at: 0,
        })
    }

    fn path(&self, name: &str) -> StorePath {
        self.prefix.clone().join(name)
    }

    fn failed(&self, action: &'static str) -> impl Fn(object_store::Error) -> CliError + use<> {
        let url = self.url.clone();
        move |error| failed(&url, action)(io::Error::other(error.to_string()))
    }
}

fn failed(url: &str, action: &'static str) -> impl Fn(io::Error) -> CliError + use<> {
    let url = url.to_owned();
    move |source| CliError::Store {
        url: url.clone(),
        action,
        source,
    }
}

/// The newest manifest of a listing.
fn newest(there: &BTreeMap<String, u64>) -> Option<(u64, String)> {
    let numbered = |name: &String| Some((manifest_number(name)?, name.clone()));
    there.keys().filter_map(numbered).max()
}

/// A stream of bytes as a reader: what takes files knows nothing of streams.
struct Bytes<'r, B> {
    stream: BoxStream<'static, object_store::Result<B>>,
    runtime: &'r Runtime,
    rest: Vec<u8>,
    at: usize,
}

impl<B: AsRef<[u8]>> Read for Bytes<'_, B> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        while self.at == self.rest.len() {
            let Some(next) = self.runtime.block_on(self.stream.next()) else {
                return Ok(0);
            };
            let next = next.map_err(|error| io::Error::other(error.to_string()))?;
            (self.rest, self.at) = (next.as_ref().to_vec(), 0);
        }
        let mut left = self.rest.get(self.at..).unwrap_or_default();
        let read = left.read(to)?;
        self.at += read;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use object_store::memory::InMemory;
    use qmtree::proofs::{LeafPayload, Profile, Scheme};
    use qmtree::snapshot::{ExportOptions, ImportOptions, NoteSigner};
    use qmtree::{Db, Identity, Options};
    use std::sync::Arc;

    fn signer() -> NoteSigner {
        NoteSigner::from_seed("test.example", &[5; 32]).unwrap()
    }

    /// A folder with `files`, a signed snapshot of a few blocks, and the database.
    fn exported(folder: &Path, blocks: u64) -> Db {
        let identity = Identity {
            profile: Profile::Blake3,
            scheme: Scheme::StateRoot1,
            chain_id: 3,
        };
        let dir = folder.join(format!("db-{blocks}"));
        let mut db = Db::create(dir, identity, Options::bulk_load()).unwrap();
        for block in 0..blocks {
            db.append_block(block, &[LeafPayload::default(); 700])
                .unwrap();
        }
        let options = ExportOptions::default().with_file_twigs(1);
        let options = options.with_signer(Arc::new(signer()));
        db.export_snapshot(folder.join("files"), &options).unwrap();
        db
    }

    fn there_and_back(store: &Store) {
        let temporary = tempfile::tempdir().unwrap();
        let path = |name: &str| temporary.path().join(name);
        let db = exported(temporary.path(), 10);
        let (put, files) = store.upload(&path("files")).unwrap();
        assert_eq!((put, files), (4, 4));
        assert_eq!(store.upload(&path("files")).unwrap(), (0, 4));
        let key = signer().verifier();
        assert_eq!(store.download(&path("copy"), Some(&key)).unwrap(), (4, 4));
        assert_eq!(store.download(&path("copy"), Some(&key)).unwrap(), (0, 4));
        let files = SnapshotFolder::new(path("copy")).paths().unwrap();
        let options = ImportOptions::default();
        let copy = Db::import_snapshot(path("imported"), &files, &db.head(), options).unwrap();
        assert_eq!(copy.head(), db.head());
        // Grown: only what is new moves.
        let db = exported(temporary.path(), 14);
        let (put, _) = store.upload(&path("files")).unwrap();
        assert_eq!(put, 2, "another twig and another tail");
        assert_eq!(store.download(&path("copy"), Some(&key)).unwrap().0, 2);
        let read = Db::open_snapshot(path("copy"), &db.head()).unwrap();
        read.check().unwrap();
        // Signed by somebody else.
        let other = NoteSigner::from_seed("other", &[6; 32]).unwrap().verifier();
        store.download(&path("copy"), Some(&other)).unwrap_err();
    }

    #[test]
    fn a_store_in_memory() {
        let store = Store::new(
            "memory:///",
            Box::new(InMemory::new()),
            "some/prefix".into(),
        );
        there_and_back(&store.unwrap());
    }

    #[test]
    fn a_local_folder() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = temporary.path().join("store");
        std::fs::create_dir(&folder).unwrap();
        there_and_back(&Store::open(&format!("file://{}", folder.display())).unwrap());
    }

    #[test]
    fn what_is_not_as_listed_is_not_taken() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = temporary.path().join("store");
        std::fs::create_dir(&folder).unwrap();
        let store = Store::open(&format!("file://{}", folder.display())).unwrap();
        exported(temporary.path(), 10);
        store.upload(&temporary.path().join("files")).unwrap();
        let name = "v1.0-qmtree-execution.1-2.seg";
        let bytes = std::fs::read(folder.join(name)).unwrap();
        let put = |bytes: &[u8]| {
            let mut file = File::create(folder.join(name)).unwrap();
            io::Write::write_all(&mut file, bytes).unwrap();
        };
        let mut flipped = bytes.clone();
        flipped[99_999] ^= 1;
        for bad in [&flipped[..], &bytes[..1000], &[&bytes[..], &[0]].concat()] {
            put(bad);
            let copy = temporary.path().join("copy");
            let refused = store.download(&copy, None).unwrap_err();
            assert!(
                refused.chain().contains("in the manifest"),
                "{}",
                refused.chain()
            );
            assert!(!copy.join(name).exists());
        }
        put(&bytes);
        assert_eq!(
            store
                .download(&temporary.path().join("copy"), None)
                .unwrap()
                .0,
            3
        );
    }

    #[test]
    fn what_is_there_counts_by_its_content() {
        let temporary = tempfile::tempdir().unwrap();
        let path = |name: &str| temporary.path().join(name);
        std::fs::create_dir_all(path("store/below")).unwrap();
        let store = Store::open(&format!("file://{}", path("store").display())).unwrap();
        exported(temporary.path(), 10);
        let names: Vec<_> = SnapshotFolder::new(path("files"))
            .paths()
            .unwrap()
            .iter()
            .map(|path| path.file_name().unwrap().to_owned())
            .collect();
        let write = |to: PathBuf, bytes: &[u8]| {
            let mut file = File::create(to).unwrap();
            io::Write::write_all(&mut file, bytes).unwrap();
        };
        // Left by an upload that was cut off; another one of the same length; and one elsewhere.
        let bytes = |place: usize| std::fs::read(path("files").join(&names[place])).unwrap();
        write(path("store").join(&names[0]), &bytes(0));
        let mut other = bytes(1);
        other[99_999] ^= 1;
        write(path("store").join(&names[1]), &other);
        write(path("store/below").join(&names[2]), &bytes(2));
        write(path("store/below/v1.0-qmtree-manifest.7.note"), b"no note");
        assert_eq!(store.upload(&path("files")).unwrap(), (3, 4));
        assert_eq!(store.upload(&path("files")).unwrap(), (0, 4));
        assert_eq!(store.download(&path("copy"), None).unwrap(), (4, 4));
        // Somebody else was faster.
        let note = "another note";
        let there = BTreeMap::new();
        let refused = store.put_manifest(note, &there).unwrap_err();
        assert!(refused.chain().contains("put"), "{}", refused.chain());
    }

    #[test]
    fn urls_that_are_none_are_refused() {
        for url in ["", "nothing", "ftp://host/path"] {
            assert!(
                matches!(Store::open(url), Err(CliError::Store { .. })),
                "{url}"
            );
        }
    }
}
