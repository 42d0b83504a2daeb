//! The lines that a host and a worker exchange: docs/PROVERS.md.

use crate::envelope::Attestation;
use alloy_primitives::B256;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Version of the protocol.
pub(crate) const VERSION: u32 = 1;
/// Longest line that is sent to a worker; what stands in files does not count.
pub(crate) const MAX_REQUEST_LEN: usize = 32 << 10;

/// What a host asks.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Request {
    pub(crate) v: u32,
    pub(crate) id: String,
    pub(crate) op: Op,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) dir: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) program: Option<ProgramRef>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) input: Option<InputRef>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) statement: Option<B256>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) format: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) proof: Option<ProofRef>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) deadline_ms: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Op {
    Info,
    Execute,
    Prove,
    Verify,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct ProgramRef {
    pub(crate) vk: B256,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct InputRef {
    pub(crate) stdin_path: String,
    pub(crate) keccak256: B256,
}

/// A proof, in a request to verify it.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct ProofRef {
    pub(crate) proof_path: String,
    pub(crate) backend_version: String,
    pub(crate) format: String,
    pub(crate) encoding: String,
    pub(crate) public_values_b64: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tee: Option<Tee>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Tee {
    pub(crate) collateral_b64: String,
    pub(crate) as_of: u64,
}

/// What a worker answers.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Response {
    pub(crate) v: u32,
    pub(crate) id: String,
    pub(crate) ok: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<WorkerError>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) backend: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) backend_version: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) trust: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) program_vk: Option<B256>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) can: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) formats: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) format: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) encoding: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) public_values_b64: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) proof_path: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) proof_b64: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) report: Option<Report>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tee: Option<Tee>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Report {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cycles: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) proving_ms: Option<u64>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct WorkerError {
    pub(crate) code: String,
    #[serde(default)]
    pub(crate) message: String,
}

impl Request {
    pub(crate) fn new(op: Op, id: String) -> Self {
        Self {
            v: VERSION,
            id,
            op,
            dir: None,
            program: None,
            input: None,
            statement: None,
            format: None,
            proof: None,
            deadline_ms: None,
        }
    }
}

impl Tee {
    pub(crate) fn new(attestation: &Attestation) -> Self {
        Self {
            collateral_b64: to_base64(&attestation.collateral),
            as_of: attestation.as_of,
        }
    }

    pub(crate) fn attestation(&self) -> Option<Attestation> {
        Some(Attestation {
            collateral: from_base64(&self.collateral_b64)?,
            as_of: self.as_of,
        })
    }
}

pub(crate) fn to_base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

pub(crate) fn from_base64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// A file in the folder of an exchange: a name, and nothing that leads elsewhere.
pub(crate) fn is_file_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    (1..=64).contains(&name.len()) && !name.starts_with('.') && name.bytes().all(allowed)
}
