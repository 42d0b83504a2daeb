//! The proof of a call, and its encoding.

use super::CallError;
use crate::state_log::decode_exact;
use crate::transition::TraceMode;
use alloc::vec::Vec;
use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_rlp::{Encodable as _, RlpDecodable, RlpEncodable};
use qmtree_proofs::state::StateProof;
use qmtree_proofs::{LeafPayload, TxNum};

/// First bytes of an encoded proof.
const MAGIC: &[u8] = b"QMCALL\x00\x01";

/// Most values that are read from an encoded proof.
const MAX_VALUES: usize = 1 << 20;

/// A call, its result, and all that a verifier needs beside a head and the rules of the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallProof {
    /// The call ran on the state after this transaction number.
    pub tx_num: TxNum,
    /// The call.
    pub request: super::CallRequest,
    /// How much of the execution the leaf commits to.
    pub mode: TraceMode,
    /// What it returned.
    pub output: Bytes,
    /// The leaf that a verifier must come to.
    pub leaf: LeafPayload,
    /// What was read of the state log, by ascending key.
    pub values: Vec<ReadValue>,
    /// That these are the values after [`tx_num`](Self::tx_num).
    pub proof: StateProof,
}

/// A value of the state log; `None` if the key was absent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadValue {
    /// Key in the state log.
    pub key: B256,
    /// Its value.
    pub value: Option<Bytes>,
}

/// How a proof is encoded: RLP, in which every value has one form.
#[derive(RlpDecodable, RlpEncodable)]
struct Encoded {
    tx_num: u64,
    from: Address,
    to: Address,
    value: U256,
    data: Bytes,
    gas: u64,
    mode: u8,
    output: Bytes,
    leaf: Vec<B256>,
    values: Vec<EncodedValue>,
    proof: Bytes,
}

/// A list of one value for a value, of none for an absent one.
#[derive(RlpDecodable, RlpEncodable)]
struct EncodedValue {
    key: B256,
    value: Vec<Bytes>,
}

impl CallProof {
    /// The encoding: eight bytes of magic and version, then RLP.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let request = &self.request;
        let values = self.values.iter().map(|read| EncodedValue {
            key: read.key,
            value: read.value.iter().cloned().collect(),
        });
        let LeafPayload {
            pre_state_hash,
            state_change_hash,
            transition_hash,
        } = self.leaf;
        let encoded = Encoded {
            tx_num: self.tx_num.0,
            from: request.from,
            to: request.to,
            value: request.value,
            data: request.data.clone(),
            gas: request.gas,
            mode: self.mode as u8,
            output: self.output.clone(),
            leaf: alloc::vec![pre_state_hash, state_change_hash, transition_hash],
            values: values.collect(),
            proof: self.proof.to_bytes().into(),
        };
        let mut bytes = MAGIC.to_vec();
        encoded.encode(&mut bytes);
        bytes
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote. Safe on untrusted input: takes memory in
    /// proportion to it, and never panics.
    ///
    /// # Errors
    /// [`CallError::Rlp`] and [`CallError::Decode`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CallError> {
        let custom = |what| CallError::Rlp(alloy_rlp::Error::Custom(what));
        let rlp = bytes.strip_prefix(MAGIC);
        let rlp = rlp.ok_or_else(|| custom("it does not begin with QMCALL and version 1"))?;
        let encoded: Encoded = decode_exact(rlp).map_err(CallError::Rlp)?;
        let [pre_state_hash, state_change_hash, transition_hash] = encoded.leaf[..] else {
            return Err(custom("a leaf has three words"));
        };
        if encoded.values.len() > MAX_VALUES {
            return Err(custom("too many values"));
        }
        let values = encoded.values.into_iter().map(|read| {
            let value = match <[Bytes; 1]>::try_from(read.value) {
                Ok([value]) => Some(value),
                Err(none) if none.is_empty() => None,
                Err(_) => return Err(custom("a key has one value or none")),
            };
            Ok(ReadValue {
                key: read.key,
                value,
            })
        });
        Ok(Self {
            tx_num: TxNum(encoded.tx_num),
            request: super::CallRequest {
                from: encoded.from,
                to: encoded.to,
                value: encoded.value,
                data: encoded.data,
                gas: encoded.gas,
            },
            mode: TraceMode::from_id(encoded.mode).ok_or_else(|| custom("no such mode"))?,
            output: encoded.output,
            leaf: LeafPayload {
                pre_state_hash,
                state_change_hash,
                transition_hash,
            },
            values: values.collect::<Result<_, _>>()?,
            proof: StateProof::from_bytes(&encoded.proof).map_err(CallError::Decode)?,
        })
    }
}
