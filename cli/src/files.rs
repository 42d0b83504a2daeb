//! Heads and proofs in files.

use crate::error::CliError;
use qmtree_proofs::{Head, Proof};
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

/// Larger files are no proofs: this is a range witness of about 11 million leaves.
const MAX_FILE_LEN: u64 = 1 << 30;

/// Reads a head from its JSON form.
pub(crate) fn read_head(path: &Path) -> Result<Head, CliError> {
    serde_json::from_slice(&read(path)?).map_err(|source| CliError::Json {
        path: path.into(),
        expected: "head (a JSON object, as `qm head --json` prints it)",
        source,
    })
}

/// Reads a proof, binary or JSON.
pub(crate) fn read_proof(path: &Path) -> Result<Proof, CliError> {
    let bytes = read(path)?;
    if bytes.trim_ascii_start().starts_with(b"{") {
        serde_json::from_slice(&bytes).map_err(|source| CliError::Json {
            path: path.into(),
            expected: "proof",
            source,
        })
    } else {
        Proof::from_bytes(&bytes).map_err(|source| CliError::Decode {
            path: path.into(),
            source,
        })
    }
}

/// Writes a whole file anew.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), CliError> {
    File::create(path)
        .and_then(|mut file| file.write_all(bytes))
        .map_err(|source| CliError::Io {
            path: path.into(),
            action: "write",
            source,
        })
}

fn read(path: &Path) -> Result<Vec<u8>, CliError> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MAX_FILE_LEN).read_to_end(&mut bytes));
    read.map_err(|source| CliError::Io {
        path: path.into(),
        action: "read",
        source,
    })?;
    Ok(bytes)
}
