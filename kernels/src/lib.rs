//! Multi-lane hashing for the QMTree log, chosen at run time.
//!
//! A tree is hashed in batches of short messages of one length: leaves of 128 bytes, nodes of two
//! digests. [`Keccak256`] and [`Blake3`] implement [`TreeHasher`] on them, [`Hasher`] is either,
//! by [`Profile`]. They compute what the portable hashers of `qmtree-proofs` compute, bit for bit;
//! only the time differs.
//!
//! ```
//! use qmtree_kernels::Hasher;
//! use qmtree_proofs::{Profile, TreeHasher};
//!
//! let hasher = Hasher::new(Profile::Keccak256);
//! let leaves = [[1; 128], [2; 128], [3; 128], [4; 128]];
//! let mut level_0 = [[0; 32]; 4];
//! hasher.hash_leaves(&leaves, &mut level_0);
//!
//! // Two digests side by side are a pair: a level is the next one's input as it lies in memory.
//! let (pairs, _) = level_0.as_flattened().as_chunks();
//! let mut level_1 = [[0; 32]; 2];
//! hasher.hash_nodes(0, pairs, &mut level_1);
//! assert_eq!(level_1[1], hasher.hash_node(0, &level_0[2], &level_0[3]));
//! ```
//!
//! # Lanes
//!
//! A hash is a long line of steps, each of which waits for the one before. Independent messages
//! need not wait for each other: put one into each lane of a wide register, and every instruction
//! moves all of them on. Eight Keccak states of 25 words are 25 registers of 512 bits:
//!
//! ```text
//!              lane 0      lane 1            lane 7
//! register 0   word 0 of   word 0 of   ...   word 0 of
//! register 1   word 1 of   word 1 of   ...   word 1 of
//!   ...        message 0   message 1         message 7
//! ```
//!
//! Loading transposes, storing transposes back; both cost little beside the rounds. Since every
//! length is fixed, there is no buffer either: the words go where they belong, and the padding is
//! a constant. A group costs the same however few lanes are in use, less than two hashes one at a
//! time, so the last few messages of a batch go as a padded group and only a single one alone.
//! Batches in multiples of the lanes waste nothing; long ones let the next group be fetched while
//! this one is hashed.
//!
//! A chain of leaves is serial, lanes or not: each leaf holds the hash of the one before. The
//! Keccak profile absorbs a leaf at once, so its chain runs at the speed of one message. BLAKE3
//! takes it in two blocks, of which only the second knows that hash: the first goes in lanes.
//!
//! [`Keccak256::hash_messages`] takes messages of any length, such as the nodes of Ethereum's tries:
//! block by block in the same lanes, messages of about the same length beside each other.
//!
//! # Choice at run time
//!
//! [`KeccakKernel`] and [`Blake3Kernel`] name the ways there are. `new()` takes the fastest that
//! this CPU runs, `with_kernel()` any other that it runs, for tests and comparisons. The choice is
//! looked at once a batch. So a plain build for the oldest x86-64 is fast on the newest, and build
//! flags are not merely needless: with `-C target-cpu=native` the compiler vectorises scalar
//! Keccak where it should not, and may make it three times slower.
//!
//! Elsewhere than on x86-64, Keccak is portable code; BLAKE3 has NEON on aarch64.
//!
//! # Speed
//!
//! Nanoseconds per message, one thread, in cache, on a Zen 5 server core at 4.5 GHz (Rust 1.95,
//! no flags); a twig is 2048 leaves and the 2047 nodes above them, in microseconds:
//!
//! | | leaf | node | chained leaf | twig |
//! |---|---|---|---|---|
//! | tiny-keccak, one by one | 256 | 259 | 258 | 1055 |
//! | Keccak `Portable` | 219 | 219 | 216 | 897 |
//! | Keccak `Bmi2` | 182 | 183 | 181 | 748 |
//! | Keccak `Avx2` | 78 | 76 | 181 | 315 |
//! | Keccak `Avx512` | 25 | 25 | 181 | 104 |
//! | `blake3::hash`, one by one | 164 | 63 | 166 | 465 |
//! | BLAKE3 `Portable` | 95 | 48 | 95 | 294 |
//! | BLAKE3 `Sse41` | 54 | 27 | 74 | 168 |
//! | BLAKE3 `Avx2` | 28 | 14 | 61 | 86 |
//! | BLAKE3 `Avx512` | 12 | 6.3 | 54 | 38 |
//!
//! docs/decisions/0002-hashing-kernels.md says why these kernels and no others.
//!
//! # Unsafe code
//!
//! Calls into code with more CPU features than the caller's, and loads and stores through
//! pointers, are `unsafe`, and nothing else is. A hasher only ever holds a kernel that its CPU
//! runs; that is what the calls rest on.

#![deny(unsafe_code)]

mod blake3;
mod hasher;
mod keccak;
mod prefetch;

pub use crate::blake3::{Blake3, Blake3Kernel};
pub use hasher::Hasher;
pub use keccak::{Keccak256, KeccakKernel};

#[cfg(doc)]
use qmtree_proofs::{Profile, TreeHasher};
