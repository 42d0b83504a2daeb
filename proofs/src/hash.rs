//! The hash rules: how leaves and nodes become digests, in two profiles.
//!
//! | | Keccak-256 profile | BLAKE3 profile |
//! |---|---|---|
//! | leaf | `keccak256(128 bytes)` | `blake3(128 bytes)` |
//! | node | `keccak256(tag, left, right)`, 65 bytes | `blake3_keyed(key, left, right)`, key = tag then 31 zero bytes |
//!
//! A leaf is never as long as a node, and the tag binds the node's level, so no leaf is ever a
//! node and no node fits another level. This file alone knows how levels relate to tags
//! (docs/FORMAT.md, "Hashing").
//!
//! The unit of hashing is a batch: [`TreeHasher`] takes slices, so that `qmtree-kernels` can fill
//! the lanes of wide registers. The hashers here are the portable ones.

use crate::keccak::{digest_bytes, keccak256_short, permute_short};
use crate::level::TWIG_LEVEL;
use core::fmt;

/// Bytes of a leaf: four words of 32.
pub const LEAF_LEN: usize = 128;
/// Bytes of the first three words of a leaf, all that the chain does not determine.
pub const PAYLOAD_LEN: usize = 96;
/// Bytes of two child digests side by side.
pub const PAIR_LEN: usize = 64;

/// The output of a hash, as batches carry it. Single values are `B256` elsewhere.
pub type Digest = [u8; 32];

/// Which hash functions a database, a head or a proof uses. Profiles are never mixed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum Profile {
    /// Keccak-256, bit-compatible with generation G3 of the QMTree proof of concept. The default.
    Keccak256 = 1,
    /// BLAKE3, for speed where no EVM verifies.
    Blake3 = 2,
}

impl Profile {
    /// Every profile, in the order of their ids.
    pub const ALL: [Self; 2] = [Self::Keccak256, Self::Blake3];

    /// The byte that names the profile in every format.
    #[must_use]
    pub const fn id(self) -> u8 {
        self as u8
    }

    /// The profile named by `id`, if this version knows it.
    #[must_use]
    pub const fn from_id(id: u8) -> Option<Self> {
        match id {
            1 => Some(Self::Keccak256),
            2 => Some(Self::Blake3),
            _ => None,
        }
    }

    /// The name of the profile in text and JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Keccak256 => "keccak",
            Self::Blake3 => "blake3",
        }
    }

    /// The profile called `name`, if this version knows it.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.name() == name)
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Hashes leaves and nodes in batches, by the rules of one [`Profile`].
///
/// Implementations differ in speed only: for equal input they return equal bytes.
pub trait TreeHasher {
    /// The profile whose rules this hasher follows.
    fn profile(&self) -> Profile;

    /// Hashes each leaf.
    ///
    /// # Panics
    /// If `out` is not as long as `leaves`.
    fn hash_leaves(&self, leaves: &[[u8; LEAF_LEN]], out: &mut [Digest]);

    /// Hashes each pair of children under `tag`.
    ///
    /// # Panics
    /// If `out` is not as long as `pairs`.
    fn hash_nodes(&self, tag: u8, pairs: &[[u8; PAIR_LEN]], out: &mut [Digest]);

    /// Hashes leaves that form a chain: the fourth word of each is the hash of the one before it,
    /// `previous` for the first. Returns the last hash, `previous` if there are no leaves.
    ///
    /// The chain is serial by construction. Cost: one leaf hash each, at single-message speed.
    ///
    /// # Panics
    /// If `out` is not as long as `payloads`.
    fn chain_leaves(
        &self,
        previous: Digest,
        payloads: &[[u8; PAYLOAD_LEN]],
        out: &mut [Digest],
    ) -> Digest;

    /// Hashes one leaf. Never allocates.
    fn hash_leaf(&self, leaf: &[u8; LEAF_LEN]) -> Digest {
        let mut out = [[0; 32]];
        self.hash_leaves(core::slice::from_ref(leaf), &mut out);
        let [digest] = out;
        digest
    }

    /// Hashes one node from its two children. Never allocates.
    fn hash_node(&self, tag: u8, left: &Digest, right: &Digest) -> Digest {
        let mut out = [[0; 32]];
        self.hash_nodes(tag, &[join(left, right)], &mut out);
        let [digest] = out;
        digest
    }
}

/// The tag of the node at `level`, made from two children one level below.
///
/// Inside a twig the tag is the children's level, 0..=10; above the twig roots it is the node's
/// own level, 12 and up. Tag 11 belongs to the root of a state twig.
///
/// # Panics
/// If `level` is 0, which leaves have, or above 255.
#[must_use]
pub fn level_tag(level: u32) -> u8 {
    let tag = if level <= TWIG_LEVEL {
        level - 1
    } else {
        level
    };
    u8::try_from(tag).expect("levels end at 64")
}

/// Two digests side by side, the body of a node.
#[must_use]
pub(crate) fn join(left: &Digest, right: &Digest) -> [u8; PAIR_LEN] {
    let mut pair = [0; PAIR_LEN];
    let (l, r) = pair.split_at_mut(32);
    l.copy_from_slice(left);
    r.copy_from_slice(right);
    pair
}

/// Digests as node bodies: `[d0 d1][d2 d3]...`; a last odd digest is left out.
#[must_use]
pub(crate) fn pairs(digests: &[Digest]) -> &[[u8; PAIR_LEN]] {
    digests.as_flattened().as_chunks().0
}

/// The portable hasher of the Keccak-256 profile.
#[derive(Clone, Copy, Debug, Default)]
pub struct Keccak256;

impl TreeHasher for Keccak256 {
    fn profile(&self) -> Profile {
        Profile::Keccak256
    }

    fn hash_leaves(&self, leaves: &[[u8; LEAF_LEN]], out: &mut [Digest]) {
        assert_eq!(leaves.len(), out.len(), "one digest per leaf");
        for (leaf, digest) in leaves.iter().zip(out) {
            *digest = keccak256_short(leaf);
        }
    }

    fn hash_nodes(&self, tag: u8, pairs: &[[u8; PAIR_LEN]], out: &mut [Digest]) {
        assert_eq!(pairs.len(), out.len(), "one digest per pair");
        for (pair, digest) in pairs.iter().zip(out) {
            *digest = keccak256_short(&node_message(tag, pair));
        }
    }

    fn chain_leaves(
        &self,
        previous: Digest,
        payloads: &[[u8; PAYLOAD_LEN]],
        out: &mut [Digest],
    ) -> Digest {
        keccak_chain(previous, payloads, out, permute_short)
    }
}

/// The chain of leaf hashes of the Keccak-256 profile over any permutation.
///
/// Digests stay in words from one leaf to the next. `permute` is inlined into the loop, so a
/// caller with more CPU features compiles the whole chain with them.
#[doc(hidden)]
#[inline(always)]
pub fn keccak_chain(
    previous: Digest,
    payloads: &[[u8; PAYLOAD_LEN]],
    out: &mut [Digest],
    permute: impl Fn([u64; 25]) -> [u64; 4],
) -> Digest {
    assert_eq!(payloads.len(), out.len(), "one digest per leaf");
    let mut link = words::<4>(&previous);
    for (payload, digest) in payloads.iter().zip(out) {
        let [a, b, c, d, e, f, g, h, i, j, k, l] = words(payload);
        let [m, n, o, p] = link;
        // Word 16 holds both ends of the padding: 128 bytes are one word short of the rate.
        let q = 0x8000_0000_0000_0001;
        link = permute([
            a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, 0, 0, 0, 0, 0, 0, 0, 0,
        ]);
        *digest = digest_bytes(link);
    }
    digest_bytes(link)
}

/// Little-endian words of `bytes`; missing ones are zero.
#[inline(always)]
fn words<const N: usize>(bytes: &[u8]) -> [u64; N] {
    let mut words = [0; N];
    for (word, chunk) in words.iter_mut().zip(bytes.as_chunks::<8>().0) {
        *word = u64::from_le_bytes(*chunk);
    }
    words
}

fn node_message(tag: u8, pair: &[u8; PAIR_LEN]) -> [u8; PAIR_LEN + 1] {
    let mut message = [tag; PAIR_LEN + 1];
    let (_, body) = message.split_at_mut(1);
    body.copy_from_slice(pair);
    message
}

/// The portable hasher of the BLAKE3 profile.
#[derive(Clone, Copy, Debug, Default)]
pub struct Blake3;

impl TreeHasher for Blake3 {
    fn profile(&self) -> Profile {
        Profile::Blake3
    }

    fn hash_leaves(&self, leaves: &[[u8; LEAF_LEN]], out: &mut [Digest]) {
        assert_eq!(leaves.len(), out.len(), "one digest per leaf");
        for (leaf, digest) in leaves.iter().zip(out) {
            *digest = *blake3::hash(leaf).as_bytes();
        }
    }

    fn hash_nodes(&self, tag: u8, pairs: &[[u8; PAIR_LEN]], out: &mut [Digest]) {
        assert_eq!(pairs.len(), out.len(), "one digest per pair");
        let key = blake3_node_key(tag);
        for (pair, digest) in pairs.iter().zip(out) {
            *digest = *blake3::keyed_hash(&key, pair).as_bytes();
        }
    }

    fn chain_leaves(
        &self,
        previous: Digest,
        payloads: &[[u8; PAYLOAD_LEN]],
        out: &mut [Digest],
    ) -> Digest {
        assert_eq!(payloads.len(), out.len(), "one digest per leaf");
        let mut link = previous;
        for (payload, digest) in payloads.iter().zip(out) {
            link = self.hash_leaf(&leaf_message(payload, &link));
            *digest = link;
        }
        link
    }
}

/// The key under which the BLAKE3 profile hashes nodes with `tag`.
#[doc(hidden)]
#[must_use]
pub const fn blake3_node_key(tag: u8) -> [u8; 32] {
    let mut key = [0; 32];
    key[0] = tag;
    key
}

/// The 128 bytes of a leaf, from its payload and the hash of the leaf before it.
#[doc(hidden)]
#[inline]
#[must_use]
pub fn leaf_message(payload: &[u8; PAYLOAD_LEN], previous: &Digest) -> [u8; LEAF_LEN] {
    let mut message = [0; LEAF_LEN];
    let (front, back) = message.split_at_mut(PAYLOAD_LEN);
    front.copy_from_slice(payload);
    back.copy_from_slice(previous);
    message
}

/// Forwards every method, each through the macro `$call`.
macro_rules! forward {
    ($self:ident => $call:ident) => {
        fn profile(&$self) -> Profile {
            $call!($self, hasher => hasher.profile())
        }

        fn hash_leaves(&$self, leaves: &[[u8; LEAF_LEN]], out: &mut [Digest]) {
            $call!($self, hasher => hasher.hash_leaves(leaves, out))
        }

        fn hash_nodes(&$self, tag: u8, pairs: &[[u8; PAIR_LEN]], out: &mut [Digest]) {
            $call!($self, hasher => hasher.hash_nodes(tag, pairs, out))
        }

        fn chain_leaves(
            &$self,
            previous: Digest,
            payloads: &[[u8; PAYLOAD_LEN]],
            out: &mut [Digest],
        ) -> Digest {
            $call!($self, hasher => hasher.chain_leaves(previous, payloads, out))
        }

        fn hash_leaf(&$self, leaf: &[u8; LEAF_LEN]) -> Digest {
            $call!($self, hasher => hasher.hash_leaf(leaf))
        }

        fn hash_node(&$self, tag: u8, left: &Digest, right: &Digest) -> Digest {
            $call!($self, hasher => hasher.hash_node(tag, left, right))
        }
    };
}

macro_rules! by_profile {
    ($self:ident, $hasher:ident => $call:expr) => {
        match $self {
            Self::Keccak256 => {
                let $hasher = Keccak256;
                $call
            }
            Self::Blake3 => {
                let $hasher = Blake3;
                $call
            }
        }
    };
}

macro_rules! by_reference {
    ($self:ident, $hasher:ident => $call:expr) => {{
        let $hasher = &**$self;
        $call
    }};
}

/// A profile hashes with its portable hasher.
impl TreeHasher for Profile {
    forward!(self => by_profile);
}

impl<H: TreeHasher + ?Sized> TreeHasher for &H {
    forward!(self => by_reference);
}
