//! `qm snapshot keygen`.

use crate::error::CliError;
use crate::output::say;
use clap::Args;
use qmtree::snapshot::NoteSigner;
use std::fs::OpenOptions;
use std::io::{Read as _, Write as _};
use std::path::PathBuf;

/// Make a key that signs manifests
///
/// The secret goes into a file that only you can read; the public key is printed, for --key of
/// those who import. Both have the text form of C2SP signed notes.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Keygen {
    /// Name of the key, without spaces and without +; a domain of yours, say.
    #[arg(long)]
    name: String,
    /// New file for the secret.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

impl Keygen {
    pub(crate) fn run(&self) -> Result<(), CliError> {
        let failed = |action| {
            let path = self.output.clone();
            move |source| CliError::Io {
                path,
                action,
                source,
            }
        };
        let mut seed = [0; 32];
        std::fs::File::open("/dev/urandom")
            .and_then(|mut random| random.read_exact(&mut seed))
            .map_err(failed("find randomness for"))?;
        let signer = NoteSigner::from_seed(&self.name, &seed);
        let signer = signer.map_err(|source| CliError::Key { source })?;
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let secret = signer.to_secret_text();
        options
            .open(&self.output)
            .and_then(|mut file| writeln!(file, "{secret}"))
            .map_err(failed("write"))?;
        say(signer.verifier())
    }
}
