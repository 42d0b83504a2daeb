//! Whose word counts.

use crate::backend::{Control, Statement, Trust, Verified, VerifierBackend};
use crate::envelope::Envelope;
use crate::error::BackendError;

/// Which trust classes are accepted, and whether mock envelopes are looked at.
///
/// The default accepts cryptographic proofs and nothing else. Hardware alone is not enough for it:
/// keys of enclaves have been extracted with cheap means, outside of what their makers promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    accepted: Vec<Trust>,
    mock: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            accepted: vec![Trust::Cryptographic],
            mock: false,
        }
    }
}

impl Policy {
    /// Accepts proofs of this class too. Mock envelopes stay refused.
    #[must_use]
    pub fn accept(mut self, trust: Trust) -> Self {
        self.accepted.push(trust);
        self
    }

    /// Accepts anything, mock envelopes included: for tests.
    #[must_use]
    pub fn for_tests() -> Self {
        Self {
            accepted: vec![
                Trust::Cryptographic,
                Trust::Hardware,
                Trust::External,
                Trust::None,
            ],
            mock: true,
        }
    }

    /// Whether a verifier of this class counts.
    #[must_use]
    pub fn accepts(&self, trust: Trust) -> bool {
        self.accepted.contains(&trust)
    }

    /// Whether mock envelopes are looked at.
    #[must_use]
    pub const fn accepts_mock(&self) -> bool {
        self.mock
    }
}

/// Verifies that `envelope` proves `expected`, with the one of `verifiers` that is for its backend,
/// under a policy.
///
/// What is expected comes from the caller. Nothing that the envelope says of itself is believed.
///
/// # Errors
/// [`BackendError::Policy`] and [`BackendError::NoVerifier`] before anything is checked; then those of
/// [`VerifierBackend::check`].
pub fn verify(
    policy: &Policy,
    verifiers: &[&dyn VerifierBackend],
    envelope: &Envelope,
    expected: &Statement,
    control: &Control,
) -> Result<Verified, BackendError> {
    let refused = |trust| BackendError::Policy {
        backend: envelope.backend().to_owned(),
        trust,
    };
    if envelope.is_mock() && !policy.accepts_mock() {
        return Err(refused(Trust::None));
    }
    let of = |verifier: &&&dyn VerifierBackend| verifier.info().backend == envelope.backend();
    let verifier = verifiers
        .iter()
        .find(of)
        .ok_or_else(|| BackendError::NoVerifier {
            backend: envelope.backend().to_owned(),
        })?;
    let trust = verifier.info().trust;
    if !policy.accepts(trust) {
        return Err(refused(trust));
    }
    verifier.check(envelope, expected, control)?;
    Ok(Verified {
        backend: envelope.backend().to_owned(),
        trust,
        statement: *expected,
    })
}
