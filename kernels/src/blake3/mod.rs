//! BLAKE3 of leaves and nodes, on the kernels of the `blake3` crate.
//!
//! The crate fills its lanes with the 1024-byte chunks of one long message. Behind its API lies
//! `hash_many`, which hashes many short messages; that is what a tree needs. It is hidden, and so
//! pinned to an exact version (docs/decisions/0002-hashing-kernels.md).
//!
//! A message of up to 1024 bytes is one chunk, and its hash the last chaining value of that chunk,
//! with the `ROOT` flag set in the last block. A leaf has two blocks, a node one:
//!
//! ```text
//! leaf   iv  --[ words 0, 1 : CHUNK_START ]--> cv --[ words 2, 3 : CHUNK_END | ROOT ]--> hash
//! node   key --[ left, right : KEYED_HASH | CHUNK_START | CHUNK_END | ROOT ]--> hash
//! ```
//!
//! Word 3 of a leaf is the hash of the leaf before. So in a chain the first blocks do not depend
//! on each other and go through the lanes; only the second blocks are serial.

mod compress;
mod kernel;

pub use kernel::Blake3Kernel;

use crate::prefetch::prefetch;
use blake3::IncrementCounter;
use blake3::platform::Platform;
use compress::compress;
use qmtree_proofs::{
    Digest, LEAF_LEN, PAIR_LEN, PAYLOAD_LEN, Profile, TreeHasher, blake3_node_key,
};

/// Flags of a block, by the BLAKE3 specification, table 3.
const CHUNK_START: u8 = 1;
const CHUNK_END: u8 = 2;
const ROOT: u8 = 8;
const KEYED_HASH: u8 = 16;

/// Bytes of a block.
const BLOCK_LEN: usize = 64;

/// The initial chaining value of an unkeyed hash.
const IV: [u32; 8] = [
    0x6A09_E667,
    0xBB67_AE85,
    0x3C6E_F372,
    0xA54F_F53A,
    0x510E_527F,
    0x9B05_688C,
    0x1F83_D9AB,
    0x5BE0_CD19,
];

/// Messages handed to `hash_many` at once: the lanes of the widest kernel.
const GROUP: usize = 16;

/// How the blocks of a message are hashed: from which key, with which flags.
#[derive(Clone, Copy)]
struct Mode {
    key: [u32; 8],
    /// Flags of every block.
    every: u8,
    /// Further flags of the first block.
    first: u8,
    /// Further flags of the last block; it may be the first as well.
    last: u8,
}

impl Mode {
    const LEAF: Self = Self {
        key: IV,
        every: 0,
        first: CHUNK_START,
        last: CHUNK_END | ROOT,
    };

    /// The blocks of a leaf but for the last.
    const LEAF_FRONT: Self = Self {
        last: 0,
        ..Self::LEAF
    };

    fn node(tag: u8) -> Self {
        Self {
            key: words(&blake3_node_key(tag)),
            every: KEYED_HASH,
            ..Self::LEAF
        }
    }
}

/// The hasher of the BLAKE3 profile, on the fastest kernel of this CPU.
///
/// It computes what [`qmtree_proofs::Blake3`] computes, faster.
#[derive(Clone, Copy, Debug)]
pub struct Blake3 {
    kernel: Blake3Kernel,
    /// The same kernel, as the crate names it. Only ever one that this CPU runs.
    platform: Platform,
}

impl Blake3 {
    /// A hasher on the fastest kernel of this CPU. Cheap, but made to be kept.
    #[must_use]
    pub fn new() -> Self {
        Self::with_kernel(Blake3Kernel::detect()).expect("only available kernels are detected")
    }

    /// A hasher on `kernel`, or nothing if this CPU does not run it.
    #[must_use]
    pub fn with_kernel(kernel: Blake3Kernel) -> Option<Self> {
        Some(Self {
            kernel,
            platform: kernel.platform()?,
        })
    }

    /// The kernel in use.
    #[must_use]
    pub const fn kernel(self) -> Blake3Kernel {
        self.kernel
    }

    /// Hashes messages of whole blocks.
    fn hash_batch<const LEN: usize>(self, mode: Mode, messages: &[[u8; LEN]], out: &mut [Digest]) {
        assert_eq!(messages.len(), out.len(), "one digest per message");
        let mut lanes = [&[0; LEN]; GROUP];
        let mut upcoming = messages.chunks(GROUP).skip(1);
        for (group, digests) in messages.chunks(GROUP).zip(out.chunks_mut(GROUP)) {
            prefetch(upcoming.next().unwrap_or_default());
            for (lane, message) in lanes.iter_mut().zip(group) {
                *lane = message;
            }
            self.hash_group(mode, &lanes, digests);
        }
    }

    /// Hashes the messages in the first lanes, as many as `out` has room for.
    ///
    /// A kernel does some numbers of messages in one go and others in several. So a short group
    /// takes further lanes along, whatever is in them, and their digests are dropped.
    fn hash_group<const LEN: usize>(
        self,
        mode: Mode,
        lanes: &[&[u8; LEN]; GROUP],
        out: &mut [Digest],
    ) {
        if let [digest] = out {
            *digest = hash_one(mode, lanes[0]);
            return;
        }
        let used = self.kernel.whole_groups(out.len());
        let (lanes, _) = lanes.split_at(used);
        if used == out.len() {
            return self.hash_many(mode, lanes, out);
        }
        let mut padded = [[0; 32]; GROUP];
        self.hash_many(mode, lanes, &mut padded);
        for (digest, copy) in out.iter_mut().zip(padded) {
            *digest = copy;
        }
    }

    fn hash_many<const LEN: usize>(self, mode: Mode, lanes: &[&[u8; LEN]], out: &mut [Digest]) {
        let Mode {
            key,
            every,
            first,
            last,
        } = mode;
        let out = out.as_flattened_mut();
        self.platform.hash_many(
            lanes,
            &key,
            0,
            IncrementCounter::No,
            every,
            first,
            last,
            out,
        );
    }
}

impl Default for Blake3 {
    fn default() -> Self {
        Self::new()
    }
}

impl TreeHasher for Blake3 {
    fn profile(&self) -> Profile {
        Profile::Blake3
    }

    fn hash_leaves(&self, leaves: &[[u8; LEAF_LEN]], out: &mut [Digest]) {
        self.hash_batch(Mode::LEAF, leaves, out);
    }

    fn hash_nodes(&self, tag: u8, pairs: &[[u8; PAIR_LEN]], out: &mut [Digest]) {
        self.hash_batch(Mode::node(tag), pairs, out);
    }

    fn chain_leaves(
        &self,
        previous: Digest,
        payloads: &[[u8; PAYLOAD_LEN]],
        out: &mut [Digest],
    ) -> Digest {
        assert_eq!(payloads.len(), out.len(), "one digest per leaf");
        let mut fronts = [&[0; BLOCK_LEN]; GROUP];
        let mut values = [[0; 32]; GROUP];
        let mut link = words(&previous);
        for (group, digests) in payloads.chunks(GROUP).zip(out.chunks_mut(GROUP)) {
            for (front, payload) in fronts.iter_mut().zip(group) {
                *front = payload
                    .first_chunk()
                    .expect("a payload is a block and a half");
            }
            let (values, _) = values.split_at_mut(group.len());
            self.hash_group(Mode::LEAF_FRONT, &fronts, values);
            for ((payload, value), digest) in group.iter().zip(values).zip(digests) {
                link = compress(words(value), last_block(payload, &link), Mode::LEAF.last);
                *digest = bytes(link);
            }
        }
        bytes(link)
    }
}

/// Hashes one message of whole blocks.
fn hash_one<const LEN: usize>(mode: Mode, message: &[u8; LEN]) -> Digest {
    let (blocks, _) = message.as_chunks::<BLOCK_LEN>();
    let mut cv = mode.key;
    for (i, block) in blocks.iter().enumerate() {
        let first = if i == 0 { mode.first } else { 0 };
        let last = if i + 1 == blocks.len() { mode.last } else { 0 };
        cv = compress(cv, words(block), mode.every | first | last);
    }
    bytes(cv)
}

/// The second block of a leaf: the last word of its payload, then the hash of the leaf before.
#[inline(always)]
fn last_block(payload: &[u8; PAYLOAD_LEN], previous: &[u32; 8]) -> [u32; 16] {
    let mut block = [0; 16];
    let (front, back) = block.split_at_mut(8);
    front.copy_from_slice(&words::<24>(payload)[16..]);
    back.copy_from_slice(previous);
    block
}

/// The little-endian words of `bytes`, which has as many.
#[inline(always)]
fn words<const N: usize>(bytes: &[u8]) -> [u32; N] {
    let mut words = [0; N];
    for (word, chunk) in words.iter_mut().zip(bytes.as_chunks().0) {
        *word = u32::from_le_bytes(*chunk);
    }
    words
}

/// The digest of little-endian words.
#[inline(always)]
fn bytes(words: [u32; 8]) -> Digest {
    let mut digest = [0; 32];
    for (bytes, word) in digest.as_chunks_mut().0.iter_mut().zip(words) {
        *bytes = word.to_le_bytes();
    }
    digest
}
