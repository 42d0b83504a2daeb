//! The hashers that are compared, by name.

use crate::one_by_one::TinyKeccak;
use qmtree_kernels::{Blake3, Blake3Kernel, Keccak256, KeccakKernel};
use qmtree_proofs::{Profile, TreeHasher};

/// A hasher in a comparison: one message at a time through a common crate, or a kernel.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Contender {
    /// `tiny-keccak`, one message at a time.
    TinyKeccak(TinyKeccak),
    /// The `blake3` crate, one message at a time.
    Blake3Crate(qmtree_proofs::Blake3),
    /// A kernel of the Keccak-256 profile.
    Keccak256(Keccak256),
    /// A kernel of the BLAKE3 profile.
    Blake3(Blake3),
}

impl Contender {
    /// What the kernels of `profile` are measured against.
    ///
    /// # Panics
    /// Never: this crate is released together with the profiles.
    #[must_use]
    pub fn one_by_one(profile: Profile) -> Self {
        match profile {
            Profile::Keccak256 => Self::TinyKeccak(TinyKeccak),
            Profile::Blake3 => Self::Blake3Crate(qmtree_proofs::Blake3),
            other => unreachable!("no yardstick for the profile {other}"),
        }
    }

    /// Every kernel of `profile` that this CPU runs, slowest first: plain Rust before all others.
    #[must_use]
    pub fn kernels(profile: Profile) -> Vec<Self> {
        let keccak = KeccakKernel::available()
            .filter_map(Keccak256::with_kernel)
            .map(Self::Keccak256);
        let blake3 = Blake3Kernel::available()
            .filter_map(Blake3::with_kernel)
            .map(Self::Blake3);
        keccak
            .chain(blake3)
            .filter(|contender| contender.hasher().profile() == profile)
            .collect()
    }

    /// The yardstick of `profile`, then its kernels.
    #[must_use]
    pub fn all(profile: Profile) -> Vec<Self> {
        let mut all = Self::kernels(profile);
        all.insert(0, Self::one_by_one(profile));
        all
    }

    /// The yardstick of `profile`, its plain Rust, and the fastest kernel of this CPU.
    ///
    /// # Panics
    /// Never: plain Rust runs everywhere.
    #[must_use]
    pub fn slowest_and_fastest(profile: Profile) -> [Self; 3] {
        let kernels = Self::kernels(profile);
        let (Some(portable), Some(fastest)) = (kernels.first(), kernels.last()) else {
            unreachable!("plain Rust runs everywhere");
        };
        [Self::one_by_one(profile), *portable, *fastest]
    }

    /// The name in reports: the crate, or the kernel in lower case.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::TinyKeccak(_) => "tiny-keccak".to_owned(),
            Self::Blake3Crate(_) => "blake3-crate".to_owned(),
            Self::Keccak256(hasher) => format!("{:?}", hasher.kernel()).to_lowercase(),
            Self::Blake3(hasher) => format!("{:?}", hasher.kernel()).to_lowercase(),
        }
    }

    /// The hasher itself. Behind a pointer, which costs about a nanosecond a call, not a message.
    #[must_use]
    pub fn hasher(&self) -> &dyn TreeHasher {
        match self {
            Self::TinyKeccak(hasher) => hasher,
            Self::Blake3Crate(hasher) => hasher,
            Self::Keccak256(hasher) => hasher,
            Self::Blake3(hasher) => hasher,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_yardstick_comes_first_and_portable_second() {
        for (profile, yardstick) in Profile::ALL
            .into_iter()
            .zip(["tiny-keccak", "blake3-crate"])
        {
            let all = Contender::all(profile);
            assert!(all.iter().all(|c| c.hasher().profile() == profile));
            assert_eq!(all[0].name(), yardstick);
            assert_eq!(all[1].name(), "portable");
            let [first, second, third] = Contender::slowest_and_fastest(profile);
            assert_eq!(first.name(), yardstick);
            assert_eq!(second.name(), "portable");
            assert_eq!(third.name(), all[all.len() - 1].name());
        }
    }
}
