//! A proof and what it says of itself, as bytes: docs/FORMAT.md, section 14.1.

use crate::backend::Statement;
use alloy_primitives::B256;

/// Longest proof. Room for the input of a few hundred blocks, which re-execution has as its proof.
pub const MAX_PROOF_LEN: usize = 256 << 20;

const MAGIC: [u8; 4] = *b"QMEV";
/// Of proofs that prove nothing, so that no reader of the others takes one for another.
const MOCK_MAGIC: [u8; 4] = *b"QMMK";
const VERSION: u8 = 1;
const MAX_NAME_LEN: usize = 32;
const MAX_PUBLIC_VALUES_LEN: usize = 4096;
const MAX_COLLATERAL_LEN: usize = 1 << 20;

/// A proof, the backend and the program that made it, and what it claims to show.
///
/// Nothing in it is believed. It has one encoding, and what is made or decoded is within the limits
/// of the format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    mock: bool,
    backend: String,
    backend_version: String,
    format: String,
    encoding: String,
    statement: Statement,
    public_values: Vec<u8>,
    proof: Vec<u8>,
    attestation: Option<Attestation>,
}

/// What a quote of an enclave is judged with. It expires, so it travels with the quote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attestation {
    /// Certificates, revocation lists and so on, in the form of the backend.
    pub collateral: Vec<u8>,
    /// When it was good, in seconds since 1970.
    pub as_of: u64,
}

/// Why bytes or parts are no envelope.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum EnvelopeError {
    /// The first four bytes are others.
    #[error("it does not begin with QMEV or QMMK")]
    Magic,
    /// A version that this release does not read.
    #[error("version {found} of envelopes is not known here")]
    Version {
        /// The version byte.
        found: u8,
    },
    /// The bytes end too early.
    #[error("it ends in the {field}")]
    Truncated {
        /// The field that is cut.
        field: &'static str,
    },
    /// The bytes go on.
    #[error("{extra} bytes behind its end")]
    TrailingBytes {
        /// How many.
        extra: usize,
    },
    /// A part that is longer than it may be.
    #[error("the {field} has {len} bytes, and may have {limit}")]
    TooLong {
        /// Which part.
        field: &'static str,
        /// Its length.
        len: usize,
        /// The most.
        limit: usize,
    },
    /// A name that is none.
    #[error("{field} {found:?}: 1 to 32 of a-z, 0-9, -, . and _")]
    Name {
        /// Which name.
        field: &'static str,
        /// What is there, as far as it can be shown.
        found: String,
    },
    /// A byte that is neither 0 nor 1.
    #[error("a mark of {found}")]
    Mark {
        /// The byte.
        found: u8,
    },
    /// A proof without bytes.
    #[error("a proof of no bytes")]
    Empty,
}

impl Envelope {
    /// An envelope without attestation, whose public values are the digest of the statement.
    ///
    /// # Errors
    /// [`EnvelopeError`] for names that are none, an empty proof, and one that is too long.
    pub fn new(
        backend: &str,
        backend_version: &str,
        format: &str,
        statement: Statement,
        proof: Vec<u8>,
    ) -> Result<Self, EnvelopeError> {
        Self {
            mock: false,
            backend: backend.to_owned(),
            backend_version: backend_version.to_owned(),
            format: format.to_owned(),
            encoding: "raw".to_owned(),
            statement,
            public_values: statement.digest.to_vec(),
            proof,
            attestation: None,
        }
        .checked()
    }

    /// The same as a mock, which has another magic.
    #[must_use]
    pub(crate) fn into_mock(mut self) -> Self {
        self.mock = true;
        self
    }

    /// The same with a name for how the proof's bytes are to be read.
    ///
    /// # Errors
    /// [`EnvelopeError::Name`].
    pub fn with_encoding(mut self, encoding: &str) -> Result<Self, EnvelopeError> {
        encoding.clone_into(&mut self.encoding);
        self.checked()
    }

    /// The same with public values as the proof system has them.
    ///
    /// # Errors
    /// [`EnvelopeError::TooLong`].
    pub fn with_public_values(mut self, public_values: Vec<u8>) -> Result<Self, EnvelopeError> {
        self.public_values = public_values;
        self.checked()
    }

    /// The same with what a quote is judged with.
    ///
    /// # Errors
    /// [`EnvelopeError::TooLong`].
    pub fn with_attestation(mut self, attestation: Attestation) -> Result<Self, EnvelopeError> {
        self.attestation = Some(attestation);
        self.checked()
    }

    fn checked(self) -> Result<Self, EnvelopeError> {
        check_name("backend", &self.backend)?;
        check_name("version of the backend", &self.backend_version)?;
        check_name("format", &self.format)?;
        check_name("encoding", &self.encoding)?;
        let values = self.public_values.len();
        check_len("public values", values, MAX_PUBLIC_VALUES_LEN)?;
        check_len("proof", self.proof.len(), MAX_PROOF_LEN)?;
        if self.proof.is_empty() {
            return Err(EnvelopeError::Empty);
        }
        if let Some(attestation) = &self.attestation {
            let len = attestation.collateral.len();
            check_len("collateral", len, MAX_COLLATERAL_LEN)?;
        }
        Ok(self)
    }

    /// Whether it proves nothing by its own word.
    #[must_use]
    pub const fn is_mock(&self) -> bool {
        self.mock
    }

    /// Name of the backend.
    #[must_use]
    pub fn backend(&self) -> &str {
        &self.backend
    }

    /// Version of the backend.
    #[must_use]
    pub fn backend_version(&self) -> &str {
        &self.backend_version
    }

    /// The form of the proof.
    #[must_use]
    pub fn format(&self) -> &str {
        &self.format
    }

    /// How the proof's bytes are to be read.
    #[must_use]
    pub fn encoding(&self) -> &str {
        &self.encoding
    }

    /// What the proof claims to show.
    #[must_use]
    pub const fn statement(&self) -> &Statement {
        &self.statement
    }

    /// What the program committed to, as the proof system has it.
    #[must_use]
    pub fn public_values(&self) -> &[u8] {
        &self.public_values
    }

    /// The proof.
    #[must_use]
    pub fn proof(&self) -> &[u8] {
        &self.proof
    }

    /// What a quote is judged with.
    #[must_use]
    pub const fn attestation(&self) -> Option<&Attestation> {
        self.attestation.as_ref()
    }

    /// The one encoding.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.proof.len() + self.public_values.len() + 512);
        out.extend_from_slice(if self.mock { &MOCK_MAGIC } else { &MAGIC });
        out.push(VERSION);
        for name in [
            &self.backend,
            &self.backend_version,
            &self.format,
            &self.encoding,
        ] {
            out.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
            out.extend_from_slice(name.as_bytes());
        }
        out.extend_from_slice(self.statement.program_id.as_slice());
        out.extend_from_slice(self.statement.digest.as_slice());
        put(&mut out, &self.public_values);
        put(&mut out, &self.proof);
        match &self.attestation {
            Some(attestation) => {
                out.push(1);
                out.extend_from_slice(&attestation.as_of.to_be_bytes());
                put(&mut out, &attestation.collateral);
            }
            None => out.push(0),
        }
        out
    }

    /// Decodes what [`to_bytes`](Self::to_bytes) encodes, and nothing else. Takes no more memory than
    /// the input.
    ///
    /// # Errors
    /// [`EnvelopeError`] names the first thing that is wrong.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        let mut reader = Reader(bytes);
        let mock = match reader.array("magic")? {
            MAGIC => false,
            MOCK_MAGIC => true,
            _ => return Err(EnvelopeError::Magic),
        };
        match reader.array("version")? {
            [VERSION] => {}
            [found] => return Err(EnvelopeError::Version { found }),
        }
        let envelope = Self {
            mock,
            backend: reader.name("backend")?,
            backend_version: reader.name("version of the backend")?,
            format: reader.name("format")?,
            encoding: reader.name("encoding")?,
            statement: Statement {
                program_id: B256::new(reader.array("program id")?),
                digest: B256::new(reader.array("statement")?),
            },
            public_values: reader.bytes("public values", MAX_PUBLIC_VALUES_LEN)?,
            proof: reader.bytes("proof", MAX_PROOF_LEN)?,
            attestation: match reader.array("mark of an attestation")? {
                [0] => None,
                [1] => Some(Attestation {
                    as_of: u64::from_be_bytes(reader.array("time")?),
                    collateral: reader.bytes("collateral", MAX_COLLATERAL_LEN)?,
                }),
                [found] => return Err(EnvelopeError::Mark { found }),
            },
        };
        match reader.0.len() {
            0 => envelope.checked(),
            extra => Err(EnvelopeError::TrailingBytes { extra }),
        }
    }
}

/// A name is 1 to 32 of `a-z`, `0-9`, `-`, `.` and `_`, so that it is safe to print and to compare.
pub(crate) fn check_name(field: &'static str, name: &str) -> Result<(), EnvelopeError> {
    let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_');
    if (1..=MAX_NAME_LEN).contains(&name.len()) && name.bytes().all(allowed) {
        return Ok(());
    }
    Err(EnvelopeError::Name {
        field,
        found: name.chars().take(MAX_NAME_LEN).collect(),
    })
}

fn check_len(field: &'static str, len: usize, limit: usize) -> Result<(), EnvelopeError> {
    match len <= limit {
        true => Ok(()),
        false => Err(EnvelopeError::TooLong { field, len, limit }),
    }
}

/// Lengths fit: parts are within their limits.
fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(bytes);
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], EnvelopeError> {
        let split = self.0.split_first_chunk();
        let (front, rest) = split.ok_or(EnvelopeError::Truncated { field })?;
        self.0 = rest;
        Ok(*front)
    }

    fn take(&mut self, field: &'static str, len: usize) -> Result<&'a [u8], EnvelopeError> {
        let split = self.0.split_at_checked(len);
        let (front, rest) = split.ok_or(EnvelopeError::Truncated { field })?;
        self.0 = rest;
        Ok(front)
    }

    fn name(&mut self, field: &'static str) -> Result<String, EnvelopeError> {
        let [len] = self.array(field)?;
        let bytes = self.take(field, usize::from(len))?;
        let name = String::from_utf8_lossy(bytes).into_owned();
        check_name(field, &name)?;
        Ok(name)
    }

    fn bytes(&mut self, field: &'static str, limit: usize) -> Result<Vec<u8>, EnvelopeError> {
        let len = u32::from_be_bytes(self.array(field)?);
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        check_len(field, len, limit)?;
        Ok(self.take(field, len)?.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope() -> Envelope {
        let statement = Statement {
            program_id: B256::repeat_byte(1),
            digest: B256::repeat_byte(2),
        };
        let proof = b"a proof".to_vec();
        Envelope::new("exec", "0.1.0", "input", statement, proof).unwrap()
    }

    #[test]
    fn envelopes_have_one_encoding() {
        let attested = envelope().with_attestation(Attestation {
            collateral: vec![7; 100],
            as_of: 1_700_000_000,
        });
        for envelope in [envelope(), envelope().into_mock(), attested.unwrap()] {
            let bytes = envelope.to_bytes();
            assert_eq!(Envelope::from_bytes(&bytes).unwrap(), envelope);
            for bit in 0..bytes.len() * 8 {
                let mut flipped = bytes.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                if let Ok(other) = Envelope::from_bytes(&flipped) {
                    assert_ne!(other, envelope);
                    assert_eq!(other.to_bytes(), flipped);
                }
            }
            for len in 0..bytes.len() {
                Envelope::from_bytes(&bytes[..len]).unwrap_err();
            }
            let longer = [&bytes[..], &[0]].concat();
            assert!(matches!(
                Envelope::from_bytes(&longer),
                Err(EnvelopeError::TrailingBytes { extra: 1 })
            ));
        }
    }

    #[test]
    fn parts_that_are_too_long_or_no_names_are_refused() {
        let statement = *envelope().statement();
        let new = |backend: &str, proof: Vec<u8>| {
            Envelope::new(backend, "1", "raw", statement, proof).map(drop)
        };
        for name in ["", "Exec", "a b", "a\n", &"x".repeat(33), "\u{e9}"] {
            let refused = new(name, vec![1]).unwrap_err();
            assert!(matches!(refused, EnvelopeError::Name { .. }), "{name}");
        }
        assert!(matches!(new("a", Vec::new()), Err(EnvelopeError::Empty)));
        assert!(envelope().with_public_values(vec![0; 4097]).is_err());
        // Lengths that are only claimed take no memory.
        let mut bytes = envelope().to_bytes();
        let at = bytes.len() - 1 - b"a proof".len() - 4;
        bytes[at..at + 4].copy_from_slice(&u32::MAX.to_be_bytes());
        let refused = Envelope::from_bytes(&bytes).unwrap_err();
        assert!(matches!(
            refused,
            EnvelopeError::TooLong { field: "proof", .. }
        ));
        bytes[at..at + 4].copy_from_slice(&(200u32 << 20).to_be_bytes());
        let refused = Envelope::from_bytes(&bytes).unwrap_err();
        assert!(matches!(
            refused,
            EnvelopeError::Truncated { field: "proof" }
        ));
    }
}
