//! The ways to compute BLAKE3, and which of them this CPU has.

use blake3::platform::Platform;

/// One way to compute BLAKE3, named for the instructions it needs. Slowest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Blake3Kernel {
    /// Plain Rust, one message at a time.
    Portable,
    /// Four messages at a time in SSE2 registers.
    Sse2,
    /// Four messages at a time, with SSE4.1.
    Sse41,
    /// Four messages at a time on aarch64.
    Neon,
    /// Eight messages at a time in AVX2 registers.
    Avx2,
    /// Sixteen messages at a time in AVX-512 registers (F and VL). Missing from builds without a
    /// C compiler.
    Avx512,
}

impl Blake3Kernel {
    /// Every kernel, whether this CPU has it or not, slowest first.
    pub const ALL: [Self; 6] = [
        Self::Portable,
        Self::Sse2,
        Self::Sse41,
        Self::Neon,
        Self::Avx2,
        Self::Avx512,
    ];

    /// The fastest kernel that this CPU runs. Cheap: a few loads of cached CPU features.
    #[must_use]
    pub fn detect() -> Self {
        Self::available().last().unwrap_or(Self::Portable)
    }

    /// The kernels that this CPU runs, slowest first.
    pub fn available() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|kernel| kernel.is_available())
    }

    /// Whether this CPU runs the kernel.
    #[must_use]
    pub fn is_available(self) -> bool {
        self.platform().is_some()
    }

    /// Messages that the kernel hashes at a time: what a batch should be a multiple of.
    #[must_use]
    pub const fn lanes(self) -> usize {
        match self {
            Self::Portable => 1,
            Self::Sse2 | Self::Sse41 | Self::Neon => 4,
            Self::Avx2 => 8,
            Self::Avx512 => 16,
        }
    }

    /// The number of messages, `count` or a little more, that the kernel does in the fewest goes:
    /// full lanes, and for less than that a power of two.
    pub(super) const fn whole_groups(self, count: usize) -> usize {
        let go = count.next_power_of_two();
        count.next_multiple_of(if go < self.lanes() { go } else { self.lanes() })
    }

    /// What the `blake3` crate calls the kernel, if this CPU runs it.
    ///
    /// Some builds of the crate have no AVX-512 or no NEON, and then no name for it. Those two are
    /// recognised by their lanes in what the crate detects.
    pub(super) fn platform(self) -> Option<Platform> {
        match self {
            Self::Portable => Some(Platform::portable()),
            #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
            Self::Sse2 => Platform::sse2(),
            #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
            Self::Sse41 => Platform::sse41(),
            #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
            Self::Avx2 => Platform::avx2(),
            #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
            Self::Avx512 => Some(Platform::detect()).filter(|p| p.simd_degree() == 16),
            #[cfg(target_arch = "aarch64")]
            Self::Neon => Some(Platform::detect()).filter(|p| p.simd_degree() == 4),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_groups_are_full_lanes_or_powers_of_two() {
        let padded = |kernel: Blake3Kernel| [1, 2, 3, 5, 8, 9, 15].map(|n| kernel.whole_groups(n));
        assert_eq!(padded(Blake3Kernel::Portable), [1, 2, 3, 5, 8, 9, 15]);
        assert_eq!(padded(Blake3Kernel::Sse41), [1, 2, 4, 8, 8, 12, 16]);
        assert_eq!(padded(Blake3Kernel::Avx2), [1, 2, 4, 8, 8, 16, 16]);
        assert_eq!(padded(Blake3Kernel::Avx512), [1, 2, 4, 8, 8, 16, 16]);
    }
}
