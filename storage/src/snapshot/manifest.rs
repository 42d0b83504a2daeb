//! The manifest of a folder of snapshot files: a checkpoint note (C2SP tlog-checkpoint) whose
//! extension lines are a head and the hash of each file (docs/FORMAT.md, section 10.6).
//!
//! A signature says who vouches for these files; the leaves are verified against a trusted head
//! all the same. What leaves do not bind, where blocks end, only the signature vouches for.

use super::error::SnapshotError;
use super::key::{NoteSigner, NoteVerifier, signature_line};
use super::name::SnapshotName;
use crate::durable;
use crate::io::Disk;
use alloy_primitives::hex;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use qmtree_proofs::{Digest, Head};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Longest manifest that is read: about 100,000 files.
const MAX_LEN: usize = 16 << 20;
const PREFIX: &str = "v1.0-qmtree-manifest.";
const SUFFIX: &str = ".note";

/// A file as a manifest lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ManifestEntry {
    /// Its name.
    pub name: SnapshotName,
    /// Its length in bytes.
    pub len_bytes: u64,
    /// BLAKE3 of all of it.
    pub blake3: Digest,
}

/// Which files make up a snapshot, and of what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The head that the snapshot was made at. Trust it only where the note is signed by someone
    /// whom you trust.
    pub head: Head,
    /// The files, each name once.
    pub files: Vec<ManifestEntry>,
}

/// A manifest with its signatures, which are not verified yet.
#[derive(Clone, Debug)]
pub struct SignedManifest {
    path: PathBuf,
    manifest: Manifest,
    /// What is signed.
    text: String,
    note: String,
    signatures: Vec<(String, Vec<u8>)>,
}

impl Manifest {
    /// What is signed: origin, leaf count, root, head, files.
    fn text(&self) -> String {
        let Head {
            chain_id,
            profile,
            scheme,
            leaf_count,
            root,
            ..
        } = self.head;
        let mut text = format!(
            "qmtree/execution/{chain_id}/{profile}/{scheme}\n{leaf_count}\n{}\nhead {}\n",
            STANDARD.encode(root),
            hex::encode(self.head.to_bytes())
        );
        for entry in &self.files {
            let ManifestEntry {
                name,
                len_bytes,
                blake3,
            } = entry;
            text += &format!("{name} {len_bytes} {}\n", hex::encode(blake3));
        }
        text
    }

    /// The note, signed if there is a key.
    #[must_use]
    pub fn to_note(&self, signer: Option<&NoteSigner>) -> String {
        let text = self.text();
        let signature = signer.map_or(String::new(), |signer| signer.sign(&text));
        format!("{text}\n{signature}")
    }

    /// Reads a note; `path` is for errors. One text for each manifest.
    ///
    /// # Errors
    /// [`SnapshotError::Manifest`].
    pub fn parse(path: &Path, note: &[u8]) -> Result<SignedManifest, SnapshotError> {
        let bad = |line, what| SnapshotError::Manifest {
            path: path.to_owned(),
            line,
            what,
        };
        let note = std::str::from_utf8(note).map_err(|_| bad(1, "is not UTF-8"))?;
        let (text, signed) = note
            .split_once("\n\n")
            .ok_or_else(|| bad(1, "no empty line before the signatures"))?;
        let text = format!("{text}\n");
        let manifest = parse_text(&text).map_err(|(line, what)| bad(line, what))?;
        // Whatever is not spelled as we spell it, origin and root among them.
        let ours = manifest.text();
        if ours != text {
            let differs = ours.lines().zip(text.lines()).position(|(a, b)| a != b);
            return Err(bad(
                differs.unwrap_or_default() + 1,
                "does not agree with the head",
            ));
        }
        let first = text.lines().count() + 2;
        let mut signatures = Vec::new();
        for (line, number) in signed.split_terminator('\n').zip(first..) {
            let (name, signature) =
                signature_line(line).ok_or_else(|| bad(number, "is no signature"))?;
            signatures.push((name.to_owned(), signature));
        }
        if !signed.is_empty() && !signed.ends_with('\n') {
            return Err(bad(first, "the last line is not ended"));
        }
        Ok(SignedManifest {
            path: path.to_owned(),
            manifest,
            text,
            note: note.to_owned(),
            signatures,
        })
    }
}

impl SignedManifest {
    /// What the note says, signed or not.
    #[must_use]
    pub fn unverified(&self) -> &Manifest {
        &self.manifest
    }

    /// What the note says, if this key has signed it.
    ///
    /// # Errors
    /// [`SnapshotError::Unsigned`].
    pub fn verify(&self, verifier: &NoteVerifier) -> Result<&Manifest, SnapshotError> {
        let signed = self
            .signatures
            .iter()
            .any(|(name, signature)| verifier.verifies(&self.text, name, signature));
        if signed {
            Ok(&self.manifest)
        } else {
            Err(SnapshotError::Unsigned {
                path: self.path.clone(),
                key: verifier.name().to_owned(),
            })
        }
    }

    /// The note, as it was read.
    #[must_use]
    pub fn note(&self) -> &str {
        &self.note
    }

    /// Names of the keys that signed, or say so.
    pub fn signers(&self) -> impl Iterator<Item = &str> {
        self.signatures.iter().map(|(name, _)| name.as_str())
    }
}

/// The fields of the text, or the line that is wrong. The caller compares the spelling.
fn parse_text(text: &str) -> Result<Manifest, (usize, &'static str)> {
    let mut lines = text.lines().zip(1..).skip(3);
    let (line, _) = lines.next().ok_or((4, "no head"))?;
    let head = line
        .strip_prefix("head ")
        .and_then(|text| hex::decode(text).ok());
    let head = head.and_then(|bytes| Head::from_bytes(&bytes).ok());
    let head = head.ok_or((4, "no head"))?;
    let (mut files, mut names) = (Vec::new(), BTreeSet::new());
    for (line, number) in lines {
        let entry = parse_entry(line).ok_or((number, "is no file of a snapshot"))?;
        if !names.insert(entry.name) {
            return Err((number, "a file is listed twice"));
        }
        files.push(entry);
    }
    Ok(Manifest { head, files })
}

fn parse_entry(line: &str) -> Option<ManifestEntry> {
    let mut fields = line.splitn(3, ' ');
    Some(ManifestEntry {
        name: SnapshotName::parse(fields.next()?)?,
        len_bytes: fields.next()?.parse().ok()?,
        blake3: hex::decode_to_array(fields.next()?).ok()?,
    })
}

/// The newest manifest of a folder: its number and where it is.
///
/// # Errors
/// [`SnapshotError::Io`] if the folder cannot be listed.
pub fn newest_manifest(
    disk: &dyn Disk,
    folder: &Path,
) -> Result<Option<(u64, PathBuf)>, SnapshotError> {
    Ok(manifests(disk, folder)?.pop())
}

/// Reads a manifest.
///
/// # Errors
/// [`SnapshotError::Io`]; [`SnapshotError::Manifest`].
pub fn read_manifest(disk: &dyn Disk, path: &Path) -> Result<SignedManifest, SnapshotError> {
    let bytes = disk.map(path).map_err(SnapshotError::io(path, "read"))?;
    if bytes.len() > MAX_LEN {
        return Err(SnapshotError::Manifest {
            path: path.to_owned(),
            line: 1,
            what: "longer than 16 MiB",
        });
    }
    Manifest::parse(path, &bytes)
}

/// Writes the next manifest of a folder, durably, and unlinks the older ones.
///
/// # Errors
/// [`SnapshotError::Io`].
pub fn write_manifest(
    disk: &dyn Disk,
    folder: &Path,
    manifest: &Manifest,
    signer: Option<&NoteSigner>,
) -> Result<PathBuf, SnapshotError> {
    write_note(disk, folder, &manifest.to_note(signer))
}

/// Writes a note as it is as the next manifest of a folder; otherwise as [`write_manifest`].
///
/// # Errors
/// [`SnapshotError::Io`].
pub fn write_note(disk: &dyn Disk, folder: &Path, note: &str) -> Result<PathBuf, SnapshotError> {
    let older = manifests(disk, folder)?;
    let number = older
        .last()
        .map_or(0, |(number, _)| *number)
        .saturating_add(1);
    let path = folder.join(format!("{PREFIX}{number}{SUFFIX}"));
    durable::create(disk, &path, |file| file.append(note.as_bytes()))
        .map_err(SnapshotError::io(&path, "write"))?;
    for (_, old) in older {
        durable::remove(disk, &old).map_err(SnapshotError::io(&old, "remove"))?;
    }
    Ok(path)
}

/// The number of a manifest by its name; the newest has the largest. `None` if it is no such name.
#[must_use]
pub fn manifest_number(name: &str) -> Option<u64> {
    let text = name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?;
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

/// All manifests by number.
fn manifests(disk: &dyn Disk, folder: &Path) -> Result<Vec<(u64, PathBuf)>, SnapshotError> {
    let names = disk
        .list(folder)
        .map_err(SnapshotError::io(folder, "list"))?;
    let number = |name: &PathBuf| Some((manifest_number(name.to_str()?)?, folder.join(name)));
    let mut found: Vec<_> = names.iter().filter_map(number).collect();
    found.sort();
    Ok(found)
}
