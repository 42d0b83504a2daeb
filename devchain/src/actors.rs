//! The accounts that act: their keys are hashes of their names, known to everybody.

use crate::error::DevChainError;
use alloy_consensus::{SignableTransaction, Signed};
use alloy_eips::eip7702::{Authorization, SignedAuthorization};
use alloy_primitives::{Address, B256, Signature, keccak256};
use k256::ecdsa::SigningKey;

/// How many there are.
pub(crate) const ACTORS: u64 = 10;

/// One of them.
#[derive(Clone, Debug)]
pub(crate) struct Actor {
    key: SigningKey,
    pub(crate) address: Address,
}

impl Actor {
    pub(crate) fn new(index: u64) -> Result<Self, DevChainError> {
        let secret = keccak256(format!("qmtree dev chain actor {index}"));
        let key = SigningKey::from_slice(secret.as_slice())?;
        let address = Address::from_public_key(key.verifying_key());
        Ok(Self { key, address })
    }

    /// Deterministic (RFC 6979), with a low `s`.
    pub(crate) fn sign_hash(&self, hash: B256) -> Result<Signature, DevChainError> {
        Ok(self.key.sign_prehash_recoverable(hash.as_slice())?.into())
    }

    pub(crate) fn sign<T>(&self, tx: T) -> Result<Signed<T>, DevChainError>
    where
        T: SignableTransaction<Signature>,
    {
        let signature = self.sign_hash(tx.signature_hash())?;
        Ok(tx.into_signed(signature))
    }

    pub(crate) fn authorize(
        &self,
        what: Authorization,
    ) -> Result<SignedAuthorization, DevChainError> {
        let signature = self.sign_hash(what.signature_hash())?;
        Ok(what.into_signed(signature))
    }
}
