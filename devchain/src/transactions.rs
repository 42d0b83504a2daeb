//! Signs transactions of every type that a fork has.

use crate::actors::{ACTORS, Actor};
use crate::error::DevChainError;
use crate::rules::{CHAIN_ID, Fork};
use alloy_consensus::transaction::Recovered;
use alloy_consensus::{
    TxEip1559, TxEip2930, TxEip4844, TxEip4844Variant, TxEip7702, TxEnvelope, TxLegacy,
};
use alloy_eips::eip2930::{AccessList, AccessListItem};
use alloy_eips::eip4844::BlobTransactionSidecar;
use alloy_eips::eip7702::{Authorization, SignedAuthorization};
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, keccak256};

/// What a transaction does.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) to: TxKind,
    pub(crate) value: u64,
    pub(crate) data: Bytes,
    pub(crate) gas: u64,
}

/// Which type it has.
#[derive(Clone, Debug)]
pub(crate) enum Type {
    Legacy,
    AccessList,
    DynamicFee,
    /// With so many blobs.
    Blobs(u8),
    Delegating(Vec<SignedAuthorization>),
}

/// The actors' keys and what they signed last.
#[derive(Debug)]
pub(crate) struct Wallet {
    actors: Vec<(Actor, u64)>,
    signed: u64,
}

impl Wallet {
    pub(crate) fn new() -> Result<Self, DevChainError> {
        let actors = (0..ACTORS).map(|index| Ok((Actor::new(index)?, 0)));
        Ok(Self {
            actors: actors.collect::<Result<_, DevChainError>>()?,
            signed: 0,
        })
    }

    /// The actor with a number, of as many as there are.
    pub(crate) fn address(&self, actor: u64) -> Address {
        self.slot(actor)
            .map_or(Address::ZERO, |(actor, _)| actor.address)
    }

    /// The address of the next contract that an actor creates.
    pub(crate) fn next_created(&self, actor: u64) -> Address {
        self.slot(actor)
            .map_or(Address::ZERO, |(actor, nonce)| actor.address.create(*nonce))
    }

    fn slot(&self, actor: u64) -> Option<&(Actor, u64)> {
        let index = usize::try_from(actor % ACTORS).ok()?;
        self.actors.get(index)
    }

    fn take_nonce(&mut self, actor: u64) -> Result<(Actor, u64), DevChainError> {
        let index = usize::try_from(actor % ACTORS).unwrap_or(0);
        let slot = self.actors.get_mut(index);
        let (actor, nonce) = slot.ok_or_else(k256::ecdsa::Error::new)?;
        *nonce += 1;
        Ok((actor.clone(), *nonce - 1))
    }

    /// The authority of an actor given to a contract; uses up a nonce of theirs.
    pub(crate) fn authorize(
        &mut self,
        actor: u64,
        to: Address,
    ) -> Result<SignedAuthorization, DevChainError> {
        let (actor, nonce) = self.take_nonce(actor)?;
        actor.authorize(Authorization {
            chain_id: U256::from(CHAIN_ID),
            address: to,
            nonce,
        })
    }

    /// The authority of an actor that is to go with the next transaction of that same actor, whose
    /// nonce goes up first.
    pub(crate) fn authorize_after_next(
        &self,
        actor: u64,
        to: Address,
    ) -> Result<SignedAuthorization, DevChainError> {
        let (actor, nonce) = self.slot(actor).ok_or_else(k256::ecdsa::Error::new)?;
        actor.authorize(Authorization {
            chain_id: U256::from(CHAIN_ID),
            address: to,
            nonce: nonce + 1,
        })
    }

    /// A nonce went to an authorization.
    pub(crate) fn skip_nonce(&mut self, actor: u64) -> Result<(), DevChainError> {
        self.take_nonce(actor).map(drop)
    }

    /// An authorization that comes too late: its nonce was used.
    pub(crate) fn authorize_stale(
        &self,
        actor: u64,
        to: Address,
    ) -> Result<SignedAuthorization, DevChainError> {
        let (actor, _) = self.slot(actor).ok_or_else(k256::ecdsa::Error::new)?;
        actor.authorize(Authorization {
            chain_id: U256::from(CHAIN_ID),
            address: to,
            nonce: 0,
        })
    }

    /// The type that comes next: all that the fork has, in turn.
    pub(crate) fn usual_type(&self, fork: Fork) -> Type {
        let turn = self.signed % 4;
        if fork < Fork::Berlin || turn == 0 {
            Type::Legacy
        } else if turn == 1 {
            Type::AccessList
        } else if fork < Fork::London {
            Type::Legacy
        } else {
            Type::DynamicFee
        }
    }

    /// Signs a transaction for a block with this base fee.
    pub(crate) fn sign(
        &mut self,
        fork: Fork,
        base_fee: Option<u64>,
        actor: u64,
        tx_type: Type,
        call: Call,
    ) -> Result<Recovered<TxEnvelope>, DevChainError> {
        const TIP: u128 = 1_000_000_000;
        self.signed += 1;
        let (actor, nonce) = self.take_nonce(actor)?;
        let max_fee = 2 * u128::from(base_fee.unwrap_or(0)) + TIP;
        let Call {
            to,
            value,
            data: input,
            gas: gas_limit,
        } = call;
        let value = U256::from(value);
        let access_list = access_list(to);
        let recipient = to.to().copied().unwrap_or_default();
        let tx: TxEnvelope = match tx_type {
            Type::Legacy => actor
                .sign(TxLegacy {
                    chain_id: (fork >= Fork::SpuriousDragon).then_some(CHAIN_ID),
                    nonce,
                    gas_price: max_fee,
                    gas_limit,
                    to,
                    value,
                    input,
                })?
                .into(),
            Type::AccessList => actor
                .sign(TxEip2930 {
                    chain_id: CHAIN_ID,
                    nonce,
                    gas_price: max_fee,
                    gas_limit,
                    to,
                    value,
                    access_list,
                    input,
                })?
                .into(),
            Type::DynamicFee => actor
                .sign(TxEip1559 {
                    chain_id: CHAIN_ID,
                    nonce,
                    gas_limit,
                    max_fee_per_gas: max_fee,
                    max_priority_fee_per_gas: TIP,
                    to,
                    value,
                    access_list: AccessList::default(),
                    input,
                })?
                .into(),
            Type::Blobs(count) => {
                let tx = TxEip4844 {
                    chain_id: CHAIN_ID,
                    nonce,
                    gas_limit,
                    max_fee_per_gas: max_fee,
                    max_priority_fee_per_gas: TIP,
                    to: recipient,
                    value,
                    access_list,
                    blob_versioned_hashes: (0..count).map(|blob| blob_hash(nonce, blob)).collect(),
                    max_fee_per_blob_gas: TIP,
                    input,
                };
                actor
                    .sign(TxEip4844Variant::<BlobTransactionSidecar>::TxEip4844(tx))?
                    .into()
            }
            Type::Delegating(authorization_list) => actor
                .sign(TxEip7702 {
                    chain_id: CHAIN_ID,
                    nonce,
                    gas_limit,
                    max_fee_per_gas: max_fee,
                    max_priority_fee_per_gas: TIP,
                    to: recipient,
                    value,
                    access_list: AccessList::default(),
                    authorization_list,
                    input,
                })?
                .into(),
        };
        Ok(Recovered::new_unchecked(tx, actor.address))
    }
}

/// The recipient and its first two slots.
fn access_list(to: TxKind) -> AccessList {
    let slots = vec![B256::ZERO, B256::with_last_byte(1)];
    let items = to.to().map(|address| AccessListItem {
        address: *address,
        storage_keys: slots,
    });
    AccessList(items.into_iter().collect())
}

/// Of a blob that never was.
fn blob_hash(nonce: u64, blob: u8) -> B256 {
    let mut hash = keccak256(format!("qmtree dev chain blob {nonce} {blob}"));
    hash.0[0] = 1;
    hash
}
