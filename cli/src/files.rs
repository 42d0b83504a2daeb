//! Heads and proofs in files.

use crate::error::CliError;
use qmtree_proofs::{Head, Proof};
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

/// Parsing takes up to eight times the text. This is room for a range witness of 50,000 leaves.
const JSON_LIMIT: Limit = Limit {
    bytes: 16 << 20,
    text: "16 MiB, the limit for JSON",
};
/// Room for a range witness of about 11 million leaves.
const BINARY_LIMIT: Limit = Limit {
    bytes: 1 << 30,
    text: "1 GiB, the limit for binary proofs",
};

/// Room for a step with 255 effects and the longest proof.
const OPENING_LIMIT: Limit = Limit {
    bytes: 512 << 10,
    text: "512 KiB, the limit for openings of steps",
};

/// Room for all that the gas of a block can read.
const CALL_LIMIT: Limit = Limit {
    bytes: 256 << 20,
    text: "256 MiB, the limit for proofs of calls",
};

const ARTIFACT_LIMIT: Limit = Limit {
    bytes: qmtree_provers::MAX_ARTIFACT_LEN,
    text: "512 MiB, the limit for proofs about blocks",
};

/// Room for the blocks of a day and what they read.
const WITNESS_LIMIT: Limit = Limit {
    bytes: 1 << 30,
    text: "1 GiB, the limit for witnesses",
};

#[derive(Clone, Copy, Debug)]
struct Limit {
    bytes: u64,
    text: &'static str,
}

/// Reads a head from its JSON form.
pub(crate) fn read_head(path: &Path) -> Result<Head, CliError> {
    let bytes = read(path, |_| JSON_LIMIT)?;
    serde_json::from_slice(&bytes).map_err(|source| CliError::Json {
        path: path.into(),
        expected: "head (JSON as in docs/FORMAT.md, section 2)",
        source,
    })
}

/// Reads a proof, binary or JSON.
pub(crate) fn read_proof(path: &Path) -> Result<Proof, CliError> {
    let limit = |start: &[u8]| {
        if is_json(start) {
            JSON_LIMIT
        } else {
            BINARY_LIMIT
        }
    };
    let bytes = read(path, limit)?;
    if is_json(&bytes) {
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

/// Reads the proof of a call.
pub(crate) fn read_call(path: &Path) -> Result<Vec<u8>, CliError> {
    read(path, |_| CALL_LIMIT)
}

/// Reads a witness of the state log.
pub(crate) fn read_witness(path: &Path) -> Result<Vec<u8>, CliError> {
    read(path, |_| WITNESS_LIMIT)
}

/// Reads the opening of a step.
pub(crate) fn read_opening(path: &Path) -> Result<Vec<u8>, CliError> {
    read(path, |_| OPENING_LIMIT)
}

/// Reads a proof about a range of blocks.
pub(crate) fn read_artifact(path: &Path) -> Result<Vec<u8>, CliError> {
    read(path, |_| ARTIFACT_LIMIT)
}

/// An encoded proof starts with its magic, which is no JSON.
fn is_json(bytes: &[u8]) -> bool {
    bytes.trim_ascii_start().starts_with(b"{")
}

/// Writes a proof, unless [`read_proof`] would refuse it for its size; returns that.
pub(crate) fn write_proof(path: &Path, proof: &Proof, json: bool) -> Result<usize, CliError> {
    let (bytes, limit, remedy) = if json {
        let bytes = serde_json::to_vec(proof).expect("a proof has a JSON form");
        (bytes, JSON_LIMIT, "leave out --json, or prove fewer leaves")
    } else {
        (proof.to_bytes(), BINARY_LIMIT, "prove fewer leaves")
    };
    if bytes.len() as u64 > limit.bytes {
        return Err(CliError::ProofTooLarge {
            path: path.into(),
            len: bytes.len(),
            limit: limit.text,
            remedy,
        });
    }
    write(path, &bytes)?;
    Ok(bytes.len())
}

/// Refuses the name of a pipe where a file is meant.
fn check_file(path: &Path) -> Result<(), CliError> {
    if path == Path::new("-") {
        return Err(CliError::NoPipe);
    }
    Ok(())
}

/// Writes a whole file anew.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), CliError> {
    check_file(path)?;
    File::create(path)
        .and_then(|mut file| file.write_all(bytes))
        .map_err(|source| CliError::Io {
            path: path.into(),
            action: "write",
            source,
        })
}

/// A whole file, up to the limit that its start calls for.
fn read(path: &Path, limit: impl Fn(&[u8]) -> Limit) -> Result<Vec<u8>, CliError> {
    check_file(path)?;
    let failed = |source| CliError::Io {
        path: path.into(),
        action: "read",
        source,
    };
    let file = File::open(path).map_err(failed)?;
    // The length is a hint: a pipe has none, and a file may grow while it is read.
    let len = file.metadata().map_err(failed)?.len();
    let mut bytes = Vec::new();
    let first = (&file).take(JSON_LIMIT.bytes + 1);
    read_to_end(first, &mut bytes).map_err(failed)?;
    let limit = limit(&bytes);
    if len <= limit.bytes {
        let rest = (limit.bytes + 1).saturating_sub(bytes.len() as u64);
        read_to_end(file.take(rest), &mut bytes).map_err(failed)?;
    }
    if len.max(bytes.len() as u64) > limit.bytes {
        return Err(CliError::TooLarge {
            path: path.into(),
            limit: limit.text,
        });
    }
    Ok(bytes)
}

fn read_to_end(mut from: impl Read, bytes: &mut Vec<u8>) -> std::io::Result<()> {
    from.read_to_end(bytes).map(drop)
}
