//! Wire bytes to fields and back; every count is held against the input before it is used.

use crate::error::DecodeError;
use crate::hash::Profile;
use alloc::vec::Vec;
use alloy_primitives::B256;

const MAGIC: [u8; 4] = *b"QMPF";
const VERSION: u8 = 1;

/// The kind byte of an encoded proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    Inclusion = 1,
    Range = 2,
    Multi = 3,
    Consistency = 4,
    Witness = 5,
    RangeWitness = 6,
    State = 7,
}

impl Kind {
    pub(crate) const ALL: [Self; 7] = [
        Self::Inclusion,
        Self::Range,
        Self::Multi,
        Self::Consistency,
        Self::Witness,
        Self::RangeWitness,
        Self::State,
    ];

    pub(crate) fn from_id(id: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|known| *known as u8 == id)
    }

    /// The name of the kind in text and JSON.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Inclusion => "inclusion",
            Self::Range => "range",
            Self::Multi => "multi",
            Self::Consistency => "consistency",
            Self::Witness => "witness",
            Self::RangeWitness => "rangeWitness",
            Self::State => "state",
        }
    }
}

/// A proof type with a place in the wire format.
pub(crate) trait Wire: Sized {
    const KIND: Kind;

    fn profile(&self) -> Profile;
    fn encode_body(&self, out: &mut Vec<u8>);
    fn decode_body(profile: Profile, reader: &mut Reader<'_>) -> Result<Self, DecodeError>;
}

pub(crate) fn encode<T: Wire>(proof: &T) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&[VERSION, proof.profile().id(), T::KIND as u8]);
    proof.encode_body(&mut out);
    out
}

pub(crate) fn decode<T: Wire>(bytes: &[u8]) -> Result<T, DecodeError> {
    let mut reader = Reader::new(bytes);
    let (profile, kind) = read_header(&mut reader)?;
    if kind != T::KIND as u8 {
        return Err(DecodeError::Kind {
            found: kind,
            expected: Some(T::KIND as u8),
        });
    }
    let proof = T::decode_body(profile, &mut reader)?;
    reader.finish()?;
    Ok(proof)
}

/// The kind byte, if the header before it is good.
pub(crate) fn kind_of(bytes: &[u8]) -> Result<u8, DecodeError> {
    read_header(&mut Reader::new(bytes)).map(|(_, kind)| kind)
}

fn read_header(reader: &mut Reader<'_>) -> Result<(Profile, u8), DecodeError> {
    let magic = reader.array()?;
    if magic != MAGIC {
        return Err(DecodeError::Magic { found: magic });
    }
    let version = reader.u8()?;
    if version != VERSION {
        return Err(DecodeError::Version { found: version });
    }
    Ok((reader.profile()?, reader.u8()?))
}

/// Appends digests to an encoding.
pub(crate) fn put_digests(out: &mut Vec<u8>, digests: &[B256]) {
    out.reserve(digests.len() * 32);
    for digest in digests {
        out.extend_from_slice(digest.as_slice());
    }
}

/// Gives a wire type its public `to_bytes` and `from_bytes`.
macro_rules! wire_methods {
    ($type:ty) => {
        impl $type {
            /// The canonical encoding of docs/FORMAT.md, section 3.
            #[must_use]
            pub fn to_bytes(&self) -> alloc::vec::Vec<u8> {
                $crate::codec::encode(self)
            }

            /// Decodes what [`to_bytes`](Self::to_bytes) encodes, and nothing else.
            ///
            /// Safe on untrusted input: allocates no more than the input's size, never panics.
            ///
            /// # Errors
            /// [`DecodeError`](crate::DecodeError) names the first thing that is wrong.
            pub fn from_bytes(bytes: &[u8]) -> Result<Self, $crate::DecodeError> {
                $crate::codec::decode(bytes)
            }
        }
    };
}
pub(crate) use wire_methods;

/// Reads fields from the front of untrusted bytes.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self {
            rest: bytes,
            offset: 0,
        }
    }

    /// The next `len` bytes.
    pub(crate) fn take(&mut self, len: u64) -> Result<&'a [u8], DecodeError> {
        let split = usize::try_from(len)
            .ok()
            .and_then(|len| self.rest.split_at_checked(len));
        let (front, back) = split.ok_or(DecodeError::Truncated {
            offset: self.offset,
            needed: len,
            available: self.rest.len(),
        })?;
        self.offset += front.len();
        self.rest = back;
        Ok(front)
    }

    /// The next `count` arrays of `N` bytes; nothing is allocated.
    pub(crate) fn arrays<const N: usize>(
        &mut self,
        count: u64,
    ) -> Result<&'a [[u8; N]], DecodeError> {
        let needed = count.saturating_mul(N as u64);
        Ok(self.take(needed)?.as_chunks().0)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (front, back) = self
            .rest
            .split_first_chunk::<N>()
            .ok_or(DecodeError::Truncated {
                offset: self.offset,
                needed: N as u64,
                available: self.rest.len(),
            })?;
        self.offset += N;
        self.rest = back;
        Ok(*front)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, DecodeError> {
        self.array().map(u8::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, DecodeError> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, DecodeError> {
        self.array().map(u64::from_be_bytes)
    }

    pub(crate) fn digest(&mut self) -> Result<B256, DecodeError> {
        self.array().map(B256::new)
    }

    /// `count` digests, allocated only once the input is known to hold them.
    pub(crate) fn digests(&mut self, count: u64) -> Result<Vec<B256>, DecodeError> {
        Ok(self.arrays(count)?.iter().copied().map(B256::new).collect())
    }

    /// A u32 that counts items of at least `item_len` bytes each, which the rest must have.
    pub(crate) fn count(&mut self, item_len: usize) -> Result<usize, DecodeError> {
        let count = self.u32()?;
        let needed = u64::from(count) * item_len as u64;
        if needed > self.rest.len() as u64 {
            return Err(DecodeError::Truncated {
                offset: self.offset,
                needed,
                available: self.rest.len(),
            });
        }
        Ok(count as usize)
    }

    pub(crate) fn profile(&mut self) -> Result<Profile, DecodeError> {
        let id = self.u8()?;
        Profile::from_id(id).ok_or(DecodeError::Profile { found: id })
    }

    /// All that is left.
    pub(crate) const fn rest(self) -> &'a [u8] {
        self.rest
    }

    /// Refuses bytes after the last field.
    pub(crate) fn finish(self) -> Result<(), DecodeError> {
        match self.rest.len() {
            0 => Ok(()),
            extra => Err(DecodeError::TrailingBytes {
                offset: self.offset,
                extra,
            }),
        }
    }
}
