//! Keccak-256 of leaves and nodes: the hasher, over one kernel or another.

#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "vector loads and stores go through pointers")]
mod avx2;
#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "vector loads and stores go through pointers")]
mod avx512;
#[cfg(target_arch = "x86_64")]
mod groups;
mod kernel;
#[cfg(target_arch = "x86_64")]
mod messages;
#[cfg(target_arch = "x86_64")]
mod rounds;
#[cfg(target_arch = "x86_64")]
mod scalar;

pub use kernel::KeccakKernel;

use qmtree_proofs::{Digest, LEAF_LEN, PAIR_LEN, PAYLOAD_LEN, Profile, TreeHasher};

/// Word 16 after a leaf of 128 bytes: first and last padding bit.
#[cfg(target_arch = "x86_64")]
const LEAF_PADDING: u64 = LAST_PADDING | 1;
/// Word 8 after a node of 65 bytes: the first padding bit, above the last byte of the pair.
#[cfg(target_arch = "x86_64")]
const NODE_PADDING: u64 = 1 << 8;
/// Word 16, the last of a block: the last padding bit.
#[cfg(target_arch = "x86_64")]
const LAST_PADDING: u64 = 1 << 63;

/// The portable code, which every CPU runs.
const PORTABLE: qmtree_proofs::Keccak256 = qmtree_proofs::Keccak256;

/// The hasher of the Keccak-256 profile, on the fastest kernel of this CPU.
///
/// It computes what [`qmtree_proofs::Keccak256`] computes, faster. A copy is one byte.
#[derive(Clone, Copy, Debug)]
pub struct Keccak256 {
    /// Only ever a kernel that this CPU runs: the calls below rest on it.
    kernel: KeccakKernel,
}

impl Keccak256 {
    /// A hasher on the fastest kernel of this CPU. Cheap, but made to be kept.
    #[must_use]
    pub fn new() -> Self {
        Self {
            kernel: KeccakKernel::detect(),
        }
    }

    /// A hasher on `kernel`, or nothing if this CPU does not run it.
    #[must_use]
    pub fn with_kernel(kernel: KeccakKernel) -> Option<Self> {
        kernel.is_available().then_some(Self { kernel })
    }

    /// The kernel in use.
    #[must_use]
    pub const fn kernel(self) -> KeccakKernel {
        self.kernel
    }
}

#[cfg_attr(
    target_arch = "x86_64",
    expect(
        unsafe_code,
        reason = "a call into code with more CPU features is unsafe"
    )
)]
impl Keccak256 {
    /// Hashes messages of any length, such as the nodes of Ethereum's tries.
    ///
    /// Messages of about the same length fill the lanes best; they are sorted for it.
    ///
    /// # Panics
    /// If there are not as many digests as messages.
    pub fn hash_messages(&self, messages: &[&[u8]], out: &mut [Digest]) {
        match self.kernel {
            // SAFETY: both constructors make sure that this CPU runs the kernel.
            #[cfg(target_arch = "x86_64")]
            KeccakKernel::Avx512 => unsafe { avx512::hash_messages(messages, out) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            KeccakKernel::Avx2 => unsafe { avx2::hash_messages(messages, out) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            KeccakKernel::Bmi2 => unsafe { scalar::hash_messages(messages, out) },
            _ => {
                assert_eq!(messages.len(), out.len(), "one digest per message");
                for (message, digest) in messages.iter().zip(out) {
                    *digest = qmtree_proofs::keccak::keccak256(message);
                }
            }
        }
    }
}

impl Default for Keccak256 {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg_attr(
    target_arch = "x86_64",
    expect(
        unsafe_code,
        reason = "a call into code with more CPU features is unsafe"
    )
)]
impl TreeHasher for Keccak256 {
    fn profile(&self) -> Profile {
        Profile::Keccak256
    }

    fn hash_leaves(&self, leaves: &[[u8; LEAF_LEN]], out: &mut [Digest]) {
        match self.kernel {
            // SAFETY: both constructors make sure that this CPU runs the kernel.
            #[cfg(target_arch = "x86_64")]
            KeccakKernel::Avx512 => unsafe { avx512::hash_leaves(leaves, out) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            KeccakKernel::Avx2 => unsafe { avx2::hash_leaves(leaves, out) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            KeccakKernel::Bmi2 => unsafe { scalar::hash_leaves(leaves, out) },
            _ => PORTABLE.hash_leaves(leaves, out),
        }
    }

    fn hash_nodes(&self, tag: u8, pairs: &[[u8; PAIR_LEN]], out: &mut [Digest]) {
        match self.kernel {
            // SAFETY: both constructors make sure that this CPU runs the kernel.
            #[cfg(target_arch = "x86_64")]
            KeccakKernel::Avx512 => unsafe { avx512::hash_nodes(tag, pairs, out) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            KeccakKernel::Avx2 => unsafe { avx2::hash_nodes(tag, pairs, out) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            KeccakKernel::Bmi2 => unsafe { scalar::hash_nodes(tag, pairs, out) },
            _ => PORTABLE.hash_nodes(tag, pairs, out),
        }
    }

    fn chain_leaves(
        &self,
        previous: Digest,
        payloads: &[[u8; PAYLOAD_LEN]],
        out: &mut [Digest],
    ) -> Digest {
        match self.kernel {
            // SAFETY: both constructors make sure that this CPU runs the kernel, and each of
            // these needs BMI1 and BMI2 (`KeccakKernel::is_available`).
            #[cfg(target_arch = "x86_64")]
            KeccakKernel::Bmi2 | KeccakKernel::Avx2 | KeccakKernel::Avx512 => unsafe {
                scalar::chain_leaves(previous, payloads, out)
            },
            _ => PORTABLE.chain_leaves(previous, payloads, out),
        }
    }
}
