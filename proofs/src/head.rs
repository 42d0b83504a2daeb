//! The head: a root together with all that is needed to verify against it.

use crate::codec::Reader;
use crate::error::DecodeError;
use crate::hash::Profile;
use crate::keccak::keccak256_short;
use alloy_primitives::B256;
use core::fmt;

/// Prefix of the hashed form.
const DOMAIN: &[u8; 13] = b"qmtree/head/1";

/// What the words of an execution leaf mean. One scheme per database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum Scheme {
    /// `preStateHash` is the root of the state log before the transaction. The default.
    StateRoot1 = 1,
    /// `preStateHash` is the root over the values that the transaction read.
    ReadSet1 = 2,
}

impl Scheme {
    /// The byte that names the scheme in every format.
    #[must_use]
    pub const fn id(self) -> u8 {
        self as u8
    }

    /// The scheme named by `id`, if this version knows it.
    #[must_use]
    pub const fn from_id(id: u8) -> Option<Self> {
        match id {
            1 => Some(Self::StateRoot1),
            2 => Some(Self::ReadSet1),
            _ => None,
        }
    }

    /// The name of the scheme in text and JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::StateRoot1 => "state-root/1",
            Self::ReadSet1 => "read-set/1",
        }
    }

    /// The scheme called `name`, if this version knows it.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let known = [Self::StateRoot1, Self::ReadSet1];
        known.into_iter().find(|known| known.name() == name)
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A root with the leaf count and block it belongs to: what a verifier trusts.
///
/// The root does not bind the number of leaves, so it never travels alone; [`Head::hash`] binds
/// everything here. A verifier gets its head from a source it trusts, never from a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Head {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// Hash rules of the log.
    pub profile: Profile,
    /// Meaning of the leaves' words.
    pub scheme: Scheme,
    /// Last block whose leaves are in the tree.
    pub block_number: u64,
    /// Leaves in the execution log, and so the next transaction number.
    pub leaf_count: u64,
    /// Root of the execution log; zero while it is empty.
    pub root: B256,
    /// Entries in the state log; 0 where there is none.
    pub entry_count: u64,
    /// Root of the state log; zero while it is empty.
    pub state_root: B256,
}

impl Head {
    /// Bytes of an encoded head.
    pub const ENCODED_LEN: usize = 98;

    /// The head of an empty log.
    #[must_use]
    pub const fn empty(chain_id: u64, profile: Profile, scheme: Scheme) -> Self {
        Self {
            chain_id,
            profile,
            scheme,
            block_number: 0,
            leaf_count: 0,
            root: B256::ZERO,
            entry_count: 0,
            state_root: B256::ZERO,
        }
    }

    /// The fixed-width encoding of docs/FORMAT.md, section 2.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::ENCODED_LEN] {
        let mut bytes = [0; Self::ENCODED_LEN];
        let mut rest = bytes.as_mut_slice();
        let mut put = |field: &[u8]| {
            let (front, back) = core::mem::take(&mut rest).split_at_mut(field.len());
            front.copy_from_slice(field);
            rest = back;
        };
        put(&self.chain_id.to_be_bytes());
        put(&[self.profile.id(), self.scheme.id()]);
        put(&self.block_number.to_be_bytes());
        put(&self.leaf_count.to_be_bytes());
        put(self.root.as_slice());
        put(&self.entry_count.to_be_bytes());
        put(self.state_root.as_slice());
        bytes
    }

    /// Decodes what [`to_bytes`](Self::to_bytes) encodes.
    ///
    /// # Errors
    /// [`DecodeError`] if the length is not 98, an id is unknown, or an empty log has a root.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let chain_id = reader.u64()?;
        let profile = reader.profile()?;
        let scheme = reader.u8()?;
        let scheme = Scheme::from_id(scheme).ok_or(DecodeError::Scheme { found: scheme })?;
        let head = Self {
            chain_id,
            profile,
            scheme,
            block_number: reader.u64()?,
            leaf_count: reader.u64()?,
            root: reader.digest()?,
            entry_count: reader.u64()?,
            state_root: reader.digest()?,
        };
        reader.finish()?;
        head.check()?;
        Ok(head)
    }

    /// A log is empty exactly if its root is zero.
    pub(crate) fn check(&self) -> Result<(), DecodeError> {
        for (count, root) in [
            (self.leaf_count, self.root),
            (self.entry_count, self.state_root),
        ] {
            if (count == 0) != (root == B256::ZERO) {
                return Err(DecodeError::RootOfEmptyLog);
            }
        }
        Ok(())
    }

    /// `keccak256("qmtree/head/1" || fields)`: 32 bytes that bind the whole head, in each profile.
    #[must_use]
    pub fn hash(&self) -> B256 {
        let mut message = [0; DOMAIN.len() + Self::ENCODED_LEN];
        let (domain, fields) = message.split_at_mut(DOMAIN.len());
        domain.copy_from_slice(DOMAIN);
        fields.copy_from_slice(&self.to_bytes());
        B256::new(keccak256_short(&message))
    }

    /// True if `other` is a head of the same log, as far as identity goes.
    #[must_use]
    pub fn same_log(&self, other: &Self) -> bool {
        let identity = |head: &Self| (head.chain_id, head.profile, head.scheme);
        identity(self) == identity(other)
    }
}
