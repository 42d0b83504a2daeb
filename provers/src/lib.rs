//! Provers of QMTree's public inputs behind one interface: bytes in, bytes out.
//!
//! ```text
//! input -> ProverBackend::prove -> Envelope -> VerifierBackend::verify(what the caller expects)
//!            exec     executes again; its proof is its input
//!            mock     proves nothing, and cannot be mistaken for something that does
//!            process  a worker of anybody's, over JSON lines (docs/PROVERS.md)
//! ```
//!
//! What is proved is a [`Statement`]: the digest of
//! [`PublicInputs`](qmtree_proofs::statement::PublicInputs), by a program with an id. A verifier is
//! told both by its caller, never by the envelope, and a [`Policy`] says whose word counts: by default
//! only that of verifiers that check a cryptographic proof.
//!
//! [`conformance`] is the test suite that every backend has to pass; [`serve`] makes a worker of a
//! backend. zkVM SDKs are not linked here: they live in workers.
#![forbid(unsafe_code)]

mod artifact;
mod backend;
pub mod conformance;
mod envelope;
mod error;
mod exec;
mod files;
mod mock;
mod policy;
#[cfg(unix)]
mod process;
mod program;
mod protocol;
mod serve;

pub use artifact::{ArtifactError, MAX_ARTIFACT_LEN, ProofArtifact};
pub use backend::{
    BackendInfo, Control, Executed, ProveRequest, ProverBackend, Statement, Trust, Verified,
    VerifierBackend, VerifierInfo,
};
pub use envelope::{Attestation, Envelope, EnvelopeError, MAX_PROOF_LEN};
pub use error::BackendError;
pub use exec::ExecBackend;
pub use mock::MockBackend;
pub use policy::{Policy, verify};
#[cfg(unix)]
pub use process::{ProcessBackend, ProcessVerifier, WorkerConfig, WorkerLimits};
#[cfg(feature = "range")]
pub use program::{ExpectedRange, RangeProgram};
pub use program::{GuestProgram, ProgramError, ProgramOutput};
pub use serve::serve;
