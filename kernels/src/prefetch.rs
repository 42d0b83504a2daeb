//! Fetching the next leaves while these are hashed.

use qmtree_proofs::LEAF_LEN;

/// Asks the CPU to fetch `messages` into its caches while other work goes on.
///
/// Leaves often come from memory or a mapped file. Pairs are left alone: they are digests written
/// a moment ago, and in cache. Only a hint: it changes no state that a program can see.
#[inline(always)]
pub(crate) fn prefetch<const LEN: usize>(messages: &[[u8; LEN]]) {
    if LEN != LEAF_LEN {
        return;
    }
    #[cfg(target_arch = "x86_64")]
    for line in messages.as_flattened().chunks(64) {
        use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch never faults, SSE is part of x86-64, and `line` is readable anyway.
        #[expect(unsafe_code, reason = "the intrinsic takes a raw pointer")]
        unsafe {
            _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast());
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = messages;
}
