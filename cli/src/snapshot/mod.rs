//! `qm snapshot`: history in `.seg` files.

mod export;
mod import;
mod keep;
mod key;
mod show;
#[cfg(feature = "object-store")]
mod store;
mod verify;

use crate::error::{CliError, OptionError};
use crate::files::read_head;
use clap::{Args, Subcommand};
use qmtree::Db;
use qmtree::proofs::Head;
use qmtree::snapshot::{NoteSigner, NoteVerifier, SnapshotFolder};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const AFTER_HELP: &str = "\
One node writes files, and anyone may keep and hand them on:
  qm snapshot export --db log --out files
  qm head --db log --json > head.json
Another takes them, and trusts the head alone:
  qm snapshot verify --head head.json files
  qm snapshot import --db copy --head head.json files
Or reads them where they lie: commands that read a log take --snapshot for --db,
  qm prove --snapshot files --head head.json 42 -o proof
Of a log with a state, files have every entry and value there ever was; or what is live, with
`export --state live`. From that a node starts without history, and goes on with the same roots.

FILES are snapshot files, or folders of them.
Exit codes: 0 done or valid, 1 files that do not lead to the trusted head, 2 anything else.";

/// Move history between nodes in .seg files.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Snapshot {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Export(export::Export),
    Verify(verify::Verify),
    Import(import::Import),
    Backfill(import::Backfill),
    List(show::List),
    Inspect(show::Inspect),
    Merge(keep::Merge),
    Retain(keep::Retain),
    Keygen(key::Keygen),
    #[cfg(feature = "object-store")]
    Upload(store::Upload),
    #[cfg(feature = "object-store")]
    Download(store::Download),
}

impl Snapshot {
    pub(crate) fn run(&self) -> Result<(), CliError> {
        match &self.what {
            What::Export(command) => command.run(),
            What::Verify(command) => command.run(),
            What::Import(command) => command.run(),
            What::Backfill(command) => command.run(),
            What::List(command) => command.run(),
            What::Inspect(command) => command.run(),
            What::Merge(command) => command.run(),
            What::Retain(command) => command.run(),
            What::Keygen(command) => command.run(),
            #[cfg(feature = "object-store")]
            What::Upload(command) => command.run(),
            #[cfg(feature = "object-store")]
            What::Download(command) => command.run(),
        }
    }
}

/// What is trusted: a head, or whoever signed the manifest beside the files.
#[derive(Debug, Args)]
struct Trusted {
    /// The head that is trusted, JSON as `qm head --json` prints it.
    #[arg(long, value_name = "HEAD", required_unless_present = "key")]
    head: Option<PathBuf>,
    #[command(flatten)]
    vouched: Vouched,
}

/// Who vouches for what leaves do not bind: where blocks end, and tags.
#[derive(Debug, Default, Args)]
struct Vouched {
    /// Trust the manifest of the folder that FILES is, if this key (its text, or a file with it)
    /// signed it, and the head in it; and take the files that it lists and no others, after
    /// comparing them with their hashes.
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// Another trusted head, of an earlier block; may be given several times. Leaves do not bind
    /// where blocks end; these do.
    #[arg(long, value_name = "HEAD")]
    known_head: Vec<PathBuf>,
}

/// Opens the snapshot files of a folder for reading, beside a head or a key that is trusted.
pub(crate) fn open_in_place(
    folder: &Path,
    head: Option<&Path>,
    key: Option<&str>,
) -> Result<Db, CliError> {
    let vouched = Vouched {
        key: key.map(str::to_owned),
        known_head: Vec::new(),
    };
    let trusted = Trusted {
        head: head.map(Path::to_path_buf),
        vouched,
    };
    let taken = trusted.take(&[folder.to_path_buf()])?;
    let opened = SnapshotFolder::new(folder).open(&taken.files, &taken.head);
    opened.map_err(in_snapshot)
}

/// Files that are taken, beside the head that they must lead to.
struct Taken {
    head: Head,
    files: Vec<PathBuf>,
}

impl Trusted {
    /// The files that are meant, of those whom a signature covers, and the head.
    fn take(&self, files: &[PathBuf]) -> Result<Taken, CliError> {
        let (signed, files) = self.vouched.files(files)?;
        let head = match (&self.head, signed) {
            (Some(path), _) => read_head(path)?,
            (None, Some(head)) => head,
            (None, None) => return Err(bad("--head", OptionError::TrustMissing)),
        };
        Ok(Taken { head, files })
    }
}

impl Vouched {
    fn known_heads(&self) -> Result<Vec<Head>, CliError> {
        self.known_head.iter().map(|path| read_head(path)).collect()
    }

    /// The files that are meant. With a key those of the manifest alone, which have the hashes that it
    /// lists, and its head: nobody has signed any other file.
    fn files(&self, files: &[PathBuf]) -> Result<(Option<Head>, Vec<PathBuf>), CliError> {
        let Some(key) = &self.key else {
            return Ok((None, expand(files)?));
        };
        let verifier = verifier(key)?;
        let [folder] = files else {
            return Err(bad("--key", OptionError::OtherFiles));
        };
        if !folder.is_dir() {
            return Err(bad("--key", OptionError::FolderMissing));
        }
        let folder = SnapshotFolder::new(folder);
        let manifest = folder.check_manifest(Some(&verifier), &None);
        let manifest = manifest.map_err(in_snapshot)?;
        Ok((Some(manifest.head), folder.listed(&manifest)))
    }
}

/// Twigs of a file.
fn power_of_two(text: &str) -> Result<u64, String> {
    match text.parse::<u64>() {
        Ok(number) if number.is_power_of_two() => Ok(number),
        _ => Err("not a power of two".to_owned()),
    }
}

fn bad(option: &str, source: OptionError) -> CliError {
    CliError::Options {
        path: option.into(),
        source,
    }
}

fn in_snapshot(source: qmtree::Error) -> CliError {
    CliError::Snapshot {
        source: Box::new(source),
    }
}

/// The snapshot files that are meant by files and folders.
fn expand(files: &[PathBuf]) -> Result<Vec<PathBuf>, CliError> {
    let mut paths = Vec::new();
    for file in files {
        if file.is_dir() {
            paths.extend(SnapshotFolder::new(file).paths().map_err(in_snapshot)?);
        } else {
            paths.push(file.clone());
        }
    }
    Ok(paths)
}

/// A key by its text, or by a file that holds it.
fn key_text(key: &str) -> Result<String, CliError> {
    if key.contains('+') && !Path::new(key).exists() {
        return Ok(key.to_owned());
    }
    let text = std::fs::read_to_string(key).map_err(|source| CliError::Io {
        path: key.into(),
        action: "read",
        source,
    })?;
    Ok(text.trim().to_owned())
}

fn verifier(key: &str) -> Result<NoteVerifier, CliError> {
    NoteVerifier::parse(&key_text(key)?).map_err(|source| CliError::Key { source })
}

/// Who signs manifests.
#[derive(Debug, Args)]
struct Signing {
    /// Sign the manifest with the key in this file, as `qm snapshot keygen` makes it.
    #[arg(long, value_name = "FILE")]
    sign: Option<PathBuf>,
}

impl Signing {
    fn signer(&self) -> Result<Option<Arc<NoteSigner>>, CliError> {
        let Some(path) = &self.sign else {
            return Ok(None);
        };
        let text = std::fs::read_to_string(path).map_err(|source| CliError::Io {
            path: path.clone(),
            action: "read",
            source,
        })?;
        let signer = NoteSigner::parse(text.trim()).map_err(|source| CliError::Key { source })?;
        Ok(Some(Arc::new(signer)))
    }
}
