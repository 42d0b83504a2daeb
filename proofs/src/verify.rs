//! The comparisons with the trusted head that every verification shares.

use crate::error::VerifyError;
use crate::hash::{Digest, Profile, TreeHasher};
use crate::head::Head;
use alloy_primitives::B256;

/// Refuses a proof, or a hasher, that is not for the head's tree.
pub(crate) fn check_head(
    hasher: &impl TreeHasher,
    head: &Head,
    profile: Profile,
    leaf_count: u64,
) -> Result<(), VerifyError> {
    for found in [profile, hasher.profile()] {
        if found != head.profile {
            return Err(VerifyError::Profile {
                found,
                trusted: head.profile,
            });
        }
    }
    if leaf_count != head.leaf_count {
        return Err(VerifyError::LeafCount {
            found: leaf_count,
            trusted: head.leaf_count,
        });
    }
    Ok(())
}

/// Compares the computed root with the trusted one.
pub(crate) fn check_root(computed: Digest, head: &Head) -> Result<(), VerifyError> {
    let computed = B256::new(computed);
    if computed == head.root {
        Ok(())
    } else {
        Err(VerifyError::RootMismatch {
            computed,
            trusted: head.root,
        })
    }
}
