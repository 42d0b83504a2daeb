//! What every file of a database has in common: bytes 12 to 24 of its header.

use qmtree_proofs::{Profile, Scheme, TWIG_SHIFT};
use std::fmt;

/// log2 of the leaves in a group, the unit between two stored anchors.
/// docs/decisions/0003-group-shift.md says why 4.
pub const GROUP_SHIFT: u32 = 4;

/// What makes files belong to one database: hash rules, leaf scheme and chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Hash rules of the log.
    pub profile: Profile,
    /// Meaning of the leaves' words.
    pub scheme: Scheme,
    /// EIP-155 chain id.
    pub chain_id: u64,
}

/// Bytes of an encoded identity.
pub(crate) const IDENTITY_LEN: usize = 12;

/// Why twelve bytes are no identity that this release can open.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// A profile id that this release does not know.
    #[error("unknown hash profile {0}; a newer release may know it")]
    Profile(u8),
    /// A leaf scheme that this release does not know.
    #[error("unknown leaf scheme {0}; a newer release may know it")]
    Scheme(u8),
    /// Twigs of another size.
    #[error("twigs of 2^{0} leaves; this release has twigs of 2^11")]
    TwigShift(u8),
    /// Groups of another size.
    #[error("groups of 2^{0} leaves; this release has groups of 2^4")]
    GroupShift(u8),
}

impl Identity {
    pub(crate) fn to_bytes(self) -> [u8; IDENTITY_LEN] {
        let [a, b, c, d, e, f, g, h] = self.chain_id.to_le_bytes();
        let shifts = [TWIG_SHIFT, GROUP_SHIFT].map(|shift| shift.to_le_bytes()[0]);
        let [twig_shift, group_shift] = shifts;
        let (profile, scheme) = (self.profile.id(), self.scheme.id());
        [
            profile,
            scheme,
            twig_shift,
            group_shift,
            a,
            b,
            c,
            d,
            e,
            f,
            g,
            h,
        ]
    }

    pub(crate) fn from_bytes(bytes: &[u8; IDENTITY_LEN]) -> Result<Self, IdentityError> {
        let [profile, scheme, twig_shift, group_shift, chain_id @ ..] = *bytes;
        if u32::from(twig_shift) != TWIG_SHIFT {
            return Err(IdentityError::TwigShift(twig_shift));
        }
        if u32::from(group_shift) != GROUP_SHIFT {
            return Err(IdentityError::GroupShift(group_shift));
        }
        Ok(Self {
            profile: Profile::from_id(profile).ok_or(IdentityError::Profile(profile))?,
            scheme: Scheme::from_id(scheme).ok_or(IdentityError::Scheme(scheme))?,
            chain_id: u64::from_le_bytes(chain_id),
        })
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "chain {}, profile {}, scheme {}",
            self.chain_id, self.profile, self.scheme
        )
    }
}
