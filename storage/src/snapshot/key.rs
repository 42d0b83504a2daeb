//! Keys of signed notes (C2SP signed-note): Ed25519 keys with a name, in the text form that other
//! tools for such notes read.
//!
//! ```text
//! <name>+<8 hex digits>+<base64 of 01 and 32 bytes>               who verifies
//! PRIVATE+KEY+<name>+<8 hex digits>+<base64 of 01 and 32 bytes>   who signs
//! ```

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use sha2::{Digest as _, Sha256};
use std::fmt;

/// The only kind of key that is known: Ed25519.
const ED25519: u8 = 1;
const PRIVATE: &str = "PRIVATE+KEY+";

/// Why a text is no key.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// A name that is empty or has a space or a plus in it.
    #[error("a key needs a name, without spaces and without +")]
    Name,
    /// Not of the form of such keys.
    #[error("not a note key; expected name+hash+base64")]
    Form,
    /// The hash in it is another key's.
    #[error("the hash in the note key is not its own; was it copied whole?")]
    Hash,
    /// Another kind of key than Ed25519, or no point of the curve.
    #[error("not an Ed25519 key")]
    Kind,
}

/// Who signs.
pub struct NoteSigner {
    name: String,
    key: SigningKey,
}

/// Whose signature is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoteVerifier {
    name: String,
    key: VerifyingKey,
}

impl NoteSigner {
    /// A key from 32 bytes that nobody else knows.
    ///
    /// # Errors
    /// [`KeyError::Name`].
    pub fn from_seed(name: &str, seed: &[u8; 32]) -> Result<Self, KeyError> {
        check_name(name)?;
        let key = SigningKey::from_bytes(seed);
        let name = name.to_owned();
        Ok(Self { name, key })
    }

    /// Reads the text form.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let rest = text.strip_prefix(PRIVATE).ok_or(KeyError::Form)?;
        let (name, hash, seed) = parts(rest)?;
        let signer = Self::from_seed(name, &seed)?;
        check_hash(&signer.verifier(), hash)?;
        Ok(signer)
    }

    /// The text form: a secret.
    #[must_use]
    pub fn to_secret_text(&self) -> String {
        let seed = STANDARD.encode([&[ED25519], self.key.as_bytes().as_slice()].concat());
        let verifier = self.verifier();
        format!("{PRIVATE}{}+{}+{seed}", self.name, hex(verifier.hash()))
    }

    /// Who verifies what this key signs.
    #[must_use]
    pub fn verifier(&self) -> NoteVerifier {
        NoteVerifier {
            name: self.name.clone(),
            key: self.key.verifying_key(),
        }
    }

    /// A signature line of a note, with its line end.
    pub(super) fn sign(&self, text: &str) -> String {
        let signature = self.key.sign(text.as_bytes()).to_bytes();
        let hash = self.verifier().hash();
        let encoded = STANDARD.encode([&hash[..], &signature].concat());
        format!("\u{2014} {} {encoded}\n", self.name)
    }
}

impl NoteVerifier {
    /// Reads the text form.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let (name, hash, key) = parts(text)?;
        check_name(name)?;
        let key = VerifyingKey::from_bytes(&key).map_err(|_| KeyError::Kind)?;
        let name = name.to_owned();
        let verifier = Self { name, key };
        check_hash(&verifier, hash)?;
        Ok(verifier)
    }

    /// Name of the key.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The first bytes of a signature by this key.
    fn hash(&self) -> [u8; 4] {
        let hash = Sha256::new()
            .chain_update(&self.name)
            .chain_update([b'\n', ED25519])
            .chain_update(self.key.as_bytes())
            .finalize();
        hash.first_chunk().copied().unwrap_or_default()
    }

    /// True if this is a signature line over the text by this key.
    pub(super) fn verifies(&self, text: &str, name: &str, signature: &[u8]) -> bool {
        let Some((hash, signature)) = signature.split_first_chunk::<4>() else {
            return false;
        };
        let Ok(signature) = Signature::from_slice(signature) else {
            return false;
        };
        let ours = name == self.name && *hash == self.hash();
        ours && self.key.verify_strict(text.as_bytes(), &signature).is_ok()
    }
}

impl fmt::Display for NoteVerifier {
    /// The text form.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = STANDARD.encode([&[ED25519], self.key.as_bytes().as_slice()].concat());
        write!(f, "{}+{}+{key}", self.name, hex(self.hash()))
    }
}

impl fmt::Debug for NoteSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NoteSigner({})", self.name)
    }
}

/// Reads `name SPACE base64` behind the dash of a signature line.
pub(super) fn signature_line(line: &str) -> Option<(&str, Vec<u8>)> {
    let (name, encoded) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
    check_name(name).ok()?;
    Some((name, STANDARD.decode(encoded).ok()?))
}

fn check_name(name: &str) -> Result<(), KeyError> {
    let bad = |c: char| c.is_whitespace() || c == '+' || c.is_control();
    if name.is_empty() || name.contains(bad) {
        return Err(KeyError::Name);
    }
    Ok(())
}

/// Name, hash and the 32 bytes of a key.
fn parts(text: &str) -> Result<(&str, &str, [u8; 32]), KeyError> {
    let mut parts = text.splitn(3, '+');
    let (Some(name), Some(hash), Some(encoded)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(KeyError::Form);
    };
    let bytes = STANDARD.decode(encoded).map_err(|_| KeyError::Form)?;
    match bytes.split_first() {
        Some((&ED25519, key)) => Ok((name, hash, key.try_into().map_err(|_| KeyError::Form)?)),
        Some(_) => Err(KeyError::Kind),
        None => Err(KeyError::Form),
    }
}

fn check_hash(verifier: &NoteVerifier, hash: &str) -> Result<(), KeyError> {
    if hash == hex(verifier.hash()) {
        Ok(())
    } else {
        Err(KeyError::Hash)
    }
}

fn hex(hash: [u8; 4]) -> String {
    format!("{:08x}", u32::from_be_bytes(hash))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_other_tools_are_read() {
        // The key pair in the documentation of Go's package golang.org/x/mod/sumdb/note.
        let secret =
            "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
        let public = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
        let signer = NoteSigner::parse(secret).unwrap();
        assert_eq!(signer.to_secret_text(), secret);
        assert_eq!(signer.verifier().to_string(), public);
        assert_eq!(NoteVerifier::parse(public).unwrap(), signer.verifier());
        let text = "If you think cryptography is the answer to your problem,\n\
                    then you don't know what your problem is.\n";
        let line = "\u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
        assert_eq!(signer.sign(text), line);
        let (name, signature) = signature_line(line.trim_end()).unwrap();
        assert!(signer.verifier().verifies(text, name, &signature));
        assert!(!signer.verifier().verifies("other", name, &signature));
        assert!(!signer.verifier().verifies(text, "other", &signature));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let public = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
        for (text, error) in [
            ("", KeyError::Form),
            ("a+b", KeyError::Form),
            ("a+b+!", KeyError::Form),
            (&public.replace("c74f20a3", "c74f20a4"), KeyError::Hash),
            (&public.replace("Peter", "Petra"), KeyError::Hash),
            (&public.replace("+AR", "+BR"), KeyError::Kind),
            (&public.replace("PeterNeumann", "P N"), KeyError::Name),
        ] {
            assert_eq!(NoteVerifier::parse(text), Err(error), "{text}");
        }
        assert_eq!(NoteSigner::parse(public).unwrap_err(), KeyError::Form);
        for name in ["", "a b", "a+b", "a\n"] {
            assert_eq!(
                NoteSigner::from_seed(name, &[1; 32]).unwrap_err(),
                KeyError::Name
            );
        }
    }
}
