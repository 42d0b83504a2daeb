//! What is exported, and what came of it.

use qmtree_proofs::Head;
use qmtree_storage::snapshot::{ManifestEntry, NoteSigner};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// What is exported of the state log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum StateExport {
    /// Every entry and every value there ever was, as far as the log has one.
    #[default]
    Full,
    /// What is live: keys, values and what proves them. Whoever starts from it has no history.
    Live,
    /// Nothing: the execution log alone, which can be read in place.
    None,
}

/// What is exported, and how.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ExportOptions {
    /// The block whose head the snapshot is made at; the newest if not given. Take one that will
    /// not be unwound.
    pub to_block: Option<u64>,
    /// The first twig; those before are in other files, or pruned here.
    pub from_twig: u64,
    /// Twigs in the largest new file, rounded down to a power of two.
    pub file_twigs: u64,
    /// What is exported of the state log, if there is one.
    pub state: StateExport,
    /// Files that are written at the same time.
    pub threads: usize,
    /// Signs the manifest.
    pub signer: Option<Arc<NoteSigner>>,
    /// Counts the leaves that are written.
    pub progress: Option<Arc<AtomicU64>>,
}

impl Default for ExportOptions {
    /// Everything up to the newest block, in files of 64 twigs (12.6 MB), unsigned.
    fn default() -> Self {
        Self {
            to_block: None,
            from_twig: 0,
            file_twigs: 64,
            state: StateExport::Full,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            signer: None,
            progress: None,
        }
    }
}

impl ExportOptions {
    /// Sets [`to_block`](Self::to_block).
    #[must_use]
    pub fn with_to_block(self, to_block: u64) -> Self {
        let to_block = Some(to_block);
        Self { to_block, ..self }
    }

    /// Sets [`from_twig`](Self::from_twig).
    #[must_use]
    pub fn with_from_twig(self, from_twig: u64) -> Self {
        Self { from_twig, ..self }
    }

    /// Sets [`file_twigs`](Self::file_twigs); 0 counts as 1.
    #[must_use]
    pub fn with_file_twigs(self, file_twigs: u64) -> Self {
        let file_twigs = file_twigs.max(1);
        Self { file_twigs, ..self }
    }

    /// Sets [`state`](Self::state).
    #[must_use]
    pub fn with_state(self, state: StateExport) -> Self {
        Self { state, ..self }
    }

    /// Sets [`threads`](Self::threads); 0 counts as 1.
    #[must_use]
    pub fn with_threads(self, threads: usize) -> Self {
        let threads = threads.max(1);
        Self { threads, ..self }
    }

    /// Sets [`signer`](Self::signer).
    #[must_use]
    pub fn with_signer(self, signer: Arc<NoteSigner>) -> Self {
        let signer = Some(signer);
        Self { signer, ..self }
    }

    /// Sets [`progress`](Self::progress).
    #[must_use]
    pub fn with_progress(self, progress: Arc<AtomicU64>) -> Self {
        let progress = Some(progress);
        Self { progress, ..self }
    }
}

/// What an export left in its folder.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Exported {
    /// The head that whoever imports the files must trust.
    pub head: Head,
    /// All files of the folder, as the manifest lists them.
    pub files: Vec<ManifestEntry>,
    /// How many of them are new.
    pub written: usize,
    /// The manifest.
    pub manifest: PathBuf,
}
