//! Proofs as files: word files with the ending `.seg` (docs/FORMAT.md, section 14.2).

use crate::envelope::{Envelope, EnvelopeError, MAX_PROOF_LEN};
use alloy_primitives::{B256, keccak256};
use qmtree_proofs::statement::{BlockRecord, PublicInputs, StatementError};
use qmtree_storage::snapshot::words::{WordError, WordFile, WordLayout};
use qmtree_storage::snapshot::{PackError, pack_word, unpack_word};

/// Longest file that is read.
pub const MAX_ARTIFACT_LEN: u64 = 512 << 20;

const MAGIC: [u8; 8] = *b"QMPROOFS";
const VERSION: u32 = 2;
/// Word 0: magic, version, the hash of what follows, first and last block, statement, program id,
/// backend.
const HEADER_LEN: usize = 156;
const WORDS: u64 = 4;
/// Records of a range of a million blocks.
const MAX_RECORDS_LEN: usize = (1 << 20) * BlockRecord::ENCODED_LEN;
/// Room for the longest proof and everything beside it.
const MAX_ENVELOPE_LEN: usize = MAX_PROOF_LEN + (2 << 20);

/// A proof about a range of blocks with all that it takes to verify it: public inputs, the blocks,
/// and the envelope.
///
/// That its parts belong together is checked when it is made or read. Whether the proof holds is for
/// [`verify`](crate::verify) to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProofArtifact {
    public_inputs: PublicInputs,
    blocks: Vec<BlockRecord>,
    envelope: Envelope,
}

/// Why bytes or parts are no artifact.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// Not a word file, or a damaged one.
    #[error("not a word file")]
    Words {
        /// What is wrong with it.
        #[from]
        source: WordError,
    },
    /// A word that does not unpack.
    #[error("the {word}")]
    Packed {
        /// Which word.
        word: &'static str,
        /// What is wrong with it.
        source: PackError,
    },
    /// A word file of another kind.
    #[error("word 0 is not that of a proof")]
    Magic,
    /// A version that this release does not read.
    #[error("version {found} of proof files is not known here")]
    Version {
        /// The version.
        found: u32,
    },
    /// More or fewer words than a proof has.
    #[error("{found} words instead of 4")]
    WordCount {
        /// How many there are.
        found: u64,
    },
    /// The words are not those that the header was made for.
    #[error("the words have hash {found}, and the header says {expected}; fetch the file again")]
    Checksum {
        /// Their hash.
        found: B256,
        /// The one in the header.
        expected: B256,
    },
    /// A field of the header that is not what the words say.
    #[error("the {field} in the header is not that of the proof")]
    Header {
        /// Which.
        field: &'static str,
    },
    /// Public inputs or blocks that are none, or do not belong together.
    #[error("public inputs and blocks")]
    Statement {
        /// What is wrong with them.
        #[from]
        source: StatementError,
    },
    /// An envelope that is none.
    #[error("not a proof envelope")]
    Envelope {
        /// What is wrong with it.
        #[from]
        source: EnvelopeError,
    },
    /// The proof is about something else than the public inputs.
    #[error("the proof is about {found}, and the public inputs have {expected}")]
    OtherStatement {
        /// The statement or program of the proof.
        found: B256,
        /// That of the public inputs.
        expected: B256,
    },
}

impl ProofArtifact {
    /// Puts a proof together with what it is about.
    ///
    /// # Errors
    /// [`ArtifactError::Statement`] if the blocks are not those of the public inputs;
    /// [`ArtifactError::OtherStatement`] if the proof is not about these.
    pub fn new(
        public_inputs: PublicInputs,
        blocks: Vec<BlockRecord>,
        envelope: Envelope,
    ) -> Result<Self, ArtifactError> {
        public_inputs.check_blocks(&blocks)?;
        let statement = envelope.statement();
        let program = &public_inputs.program;
        let backend = qmtree_proofs::statement::Program::backend_id(envelope.backend());
        for (found, expected) in [
            (statement.digest, public_inputs.digest()),
            (statement.program_id, program.id),
            (backend, program.backend),
        ] {
            if found != expected {
                return Err(ArtifactError::OtherStatement { found, expected });
            }
        }
        Ok(Self {
            public_inputs,
            blocks,
            envelope,
        })
    }

    /// What is proved.
    #[must_use]
    pub const fn public_inputs(&self) -> &PublicInputs {
        &self.public_inputs
    }

    /// The blocks of the range.
    #[must_use]
    pub fn blocks(&self) -> &[BlockRecord] {
        &self.blocks
    }

    /// The proof.
    #[must_use]
    pub const fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// The name of the file by the pattern of Erigon's: `v1.0-qmtree-proof.<from>-<to>.seg`, blocks
    /// `from..to`.
    #[must_use]
    pub fn file_name(&self) -> String {
        let PublicInputs {
            first_block,
            last_block,
            ..
        } = self.public_inputs;
        let to = last_block.saturating_add(1);
        format!("v1.0-qmtree-proof.{first_block}-{to}.seg")
    }

    /// The file.
    ///
    /// # Errors
    /// [`ArtifactError::Packed`] if there is no memory.
    pub fn to_bytes(&self) -> Result<Vec<u8>, ArtifactError> {
        let pack = |word, bytes: &[u8]| {
            pack_word(bytes).map_err(|source| ArtifactError::Packed { word, source })
        };
        let inputs = self.public_inputs.to_bytes();
        let records: Vec<u8> = self.blocks.iter().flat_map(BlockRecord::to_bytes).collect();
        let envelope = self.envelope.to_bytes();
        let header = self.header(content_hash(&inputs, &records, &envelope));
        let words = [
            header,
            inputs,
            pack("blocks", &records)?,
            pack("envelope", &envelope)?,
        ];
        let layout = WordLayout::new(words.iter().map(|word| word.len() as u64))?;
        let mut bytes = layout.head().to_vec();
        for word in &words {
            let prefix = layout.prefix(word.len() as u64);
            bytes.extend_from_slice(prefix.ok_or(WordError::Unwritable)?);
            bytes.extend_from_slice(word);
        }
        Ok(bytes)
    }

    fn header(&self, content: B256) -> Vec<u8> {
        let inputs = &self.public_inputs;
        let mut header = Vec::with_capacity(HEADER_LEN);
        header.extend_from_slice(&MAGIC);
        header.extend_from_slice(&VERSION.to_be_bytes());
        header.extend_from_slice(content.as_slice());
        header.extend_from_slice(&inputs.first_block.to_be_bytes());
        header.extend_from_slice(&inputs.last_block.to_be_bytes());
        header.extend_from_slice(inputs.digest().as_slice());
        header.extend_from_slice(inputs.program.id.as_slice());
        // A name has at most 32 bytes, none of them zero.
        let mut name = [0; 32];
        for (place, byte) in name.iter_mut().zip(self.envelope.backend().bytes()) {
            *place = byte;
        }
        header.extend_from_slice(&name);
        header
    }

    /// Reads a file, and checks that its parts belong together.
    ///
    /// Safe on untrusted bytes: what unpacks is bounded by the limits of its parts, about half a GiB.
    ///
    /// # Errors
    /// [`ArtifactError`] names the first thing that is wrong.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ArtifactError> {
        let file = WordFile::parse(bytes)?;
        let found = file.word_count();
        if found != WORDS {
            return Err(ArtifactError::WordCount { found });
        }
        let mut words = file.words();
        let mut next = |limit: usize| {
            let word = words.next_word(limit)?;
            word.ok_or(ArtifactError::WordCount { found: 0 })
        };
        let header = next(HEADER_LEN)?;
        let expected = read_header(&header)?;
        let inputs = next(PublicInputs::ENCODED_LEN)?;
        let most = usize::try_from(MAX_ARTIFACT_LEN).unwrap_or(usize::MAX);
        let (records, envelope) = (next(most)?, next(most)?);
        let unpack = |word, packed: &[u8], limit| {
            unpack_word(packed, limit).map_err(|source| ArtifactError::Packed { word, source })
        };
        let records = unpack("blocks", &records, MAX_RECORDS_LEN)?;
        let envelope = unpack("envelope", &envelope, MAX_ENVELOPE_LEN)?;
        let found = content_hash(&inputs, &records, &envelope);
        if found != expected {
            return Err(ArtifactError::Checksum { found, expected });
        }
        let artifact = Self::new(
            PublicInputs::from_bytes(&inputs)?,
            read_records(&records)?,
            Envelope::from_bytes(&envelope)?,
        )?;
        match header.as_ref() == artifact.header(found).as_slice() {
            true => Ok(artifact),
            false => Err(ArtifactError::Header { field: "summary" }),
        }
    }
}

/// The hash of the words behind the header, in the header. All of the rest is compared.
fn read_header(header: &[u8]) -> Result<B256, ArtifactError> {
    let (magic, rest) = header.split_first_chunk().ok_or(ArtifactError::Magic)?;
    if *magic != MAGIC {
        return Err(ArtifactError::Magic);
    }
    let (version, rest) = rest.split_first_chunk().ok_or(ArtifactError::Magic)?;
    match u32::from_be_bytes(*version) {
        VERSION => {}
        found => return Err(ArtifactError::Version { found }),
    }
    let (content, _) = rest.split_first_chunk().ok_or(ArtifactError::Magic)?;
    Ok(B256::new(*content))
}

fn read_records(bytes: &[u8]) -> Result<Vec<BlockRecord>, ArtifactError> {
    let (records, rest) = bytes.as_chunks::<{ BlockRecord::ENCODED_LEN }>();
    if !rest.is_empty() {
        return Err(ArtifactError::Header {
            field: "number of blocks",
        });
    }
    let records = records.iter().map(|record| BlockRecord::from_bytes(record));
    Ok(records.collect::<Result<_, _>>()?)
}

/// Binds the words as they are unpacked, so that it does not depend on the packer.
fn content_hash(inputs: &[u8], records: &[u8], envelope: &[u8]) -> B256 {
    let hashes = [inputs, records, envelope].map(|word| keccak256(word).0);
    keccak256(hashes.as_flattened())
}
