//! Hash rules, proof types and verification of the QMTree log: `no_std`, no I/O, no `unsafe`.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod codec;
mod consistency;
mod error;
mod frontier;
mod hash;
mod head;
mod inclusion;
#[cfg(feature = "serde")]
mod json;
#[doc(hidden)]
pub mod keccak;
mod leaf;
mod level;
mod memory_log;
mod multi;
mod null_hashes;
mod proof;
mod prove;
mod range;
mod siblings;
mod verify;
mod witness;

pub mod erigon;
pub mod state;
pub mod statement;

pub use consistency::ConsistencyProof;
pub use error::{DecodeError, ProveError, ShapeError, VerifyError};
pub use frontier::Frontier;
pub use hash::{
    Blake3, Digest, Keccak256, LEAF_LEN, PAIR_LEN, PAYLOAD_LEN, Profile, TreeHasher, level_tag,
};
#[doc(hidden)]
pub use hash::{blake3_node_key, keccak_chain, leaf_message};
pub use head::{Head, Scheme};
pub use inclusion::InclusionProof;
pub use leaf::{Leaf, LeafPayload};
pub use level::{MAX_ROOT_LEVEL, TWIG_LEAVES, TWIG_LEVEL, TWIG_SHIFT, TwigId, TxNum, root_level};
pub use memory_log::{MemoryLog, MissingNode};
pub use multi::MultiProof;
pub use null_hashes::null_hash;
pub use proof::Proof;
pub use prove::{NodeSource, Prover};
pub use range::RangeProof;
pub use witness::{RangeWitness, Witness};
