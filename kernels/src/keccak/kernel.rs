//! The ways to compute Keccak-256, and which of them this CPU has.

/// One way to compute Keccak-256, named for the instructions it needs. Slowest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeccakKernel {
    /// Plain Rust, one message at a time.
    Portable,
    /// The same with BMI1 and BMI2 of x86-64, one message at a time.
    Bmi2,
    /// Four messages at a time in AVX2 registers; chains and single messages as [`Self::Bmi2`].
    Avx2,
    /// Eight messages at a time in AVX-512F registers; chains and single messages as
    /// [`Self::Bmi2`].
    Avx512,
}

impl KeccakKernel {
    /// Every kernel, whether this CPU has it or not, slowest first.
    pub const ALL: [Self; 4] = [Self::Portable, Self::Bmi2, Self::Avx2, Self::Avx512];

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
        #[cfg(target_arch = "x86_64")]
        {
            let bmi2 = is_x86_feature_detected!("bmi1") && is_x86_feature_detected!("bmi2");
            match self {
                Self::Portable => true,
                Self::Bmi2 => bmi2,
                Self::Avx2 => bmi2 && is_x86_feature_detected!("avx2"),
                Self::Avx512 => bmi2 && is_x86_feature_detected!("avx512f"),
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            matches!(self, Self::Portable)
        }
    }

    /// Messages that the kernel hashes at a time: what a batch should be a multiple of.
    #[must_use]
    pub const fn lanes(self) -> usize {
        match self {
            Self::Portable | Self::Bmi2 => 1,
            Self::Avx2 => 4,
            Self::Avx512 => 8,
        }
    }
}
