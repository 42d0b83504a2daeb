//! Mode `flat`: Keccak-256 of one RLP list of all steps, as AVS operators sign it.
//!
//! docs/FORMAT.md, section 9.6, is the contract. Every step hashes up to 16 stack items and, when it
//! changed, the whole memory, so this is many times slower than the other modes. And since the
//! length of an RLP list stands before its content, the list is kept until its transaction ends.

use super::TraceError;
use super::effect::Effect;
use super::raw::Batch;
use super::replica::{Event, Replica, Seen};
use super::steps::Sink;
use crate::transition::StepsCommitment;
use alloc::vec::Vec;
use alloy_primitives::{B256, keccak256};
use alloy_rlp::{EMPTY_LIST_CODE, Encodable, Header};

/// Stack items that are hashed, from the top.
const STACK_ITEMS: usize = 16;

/// Hashes the flat traces of transactions.
#[derive(Debug)]
pub(super) struct Flat {
    limit: u64,
    replica: Replica,
    /// The encoded steps so far.
    payload: Vec<u8>,
    count: u64,
    ended: Vec<Result<StepsCommitment, TraceError>>,
    item: Vec<u8>,
}

impl Flat {
    pub(super) fn new(limit: u64) -> Self {
        Self {
            limit,
            replica: Replica::default(),
            payload: Vec::new(),
            count: 0,
            ended: Vec::new(),
            item: Vec::new(),
        }
    }
}

impl Sink for Flat {
    fn consume(&mut self, mut batch: Batch) -> Result<Batch, TraceError> {
        let Self {
            limit,
            replica,
            payload,
            count,
            ended,
            item,
        } = self;
        replica.follow(&batch, |event| match event {
            Event::Step(mut seen) => {
                *count += 1;
                if payload.len() as u64 <= *limit {
                    encode(&mut seen, item, payload);
                }
            }
            Event::End { dropped } => {
                if !dropped {
                    ended.push(commit(payload, *count, *limit));
                }
                payload.clear();
                *count = 0;
            }
        });
        batch.clear();
        Ok(batch)
    }

    fn commitments(
        &mut self,
        count: usize,
        out: &mut Vec<StepsCommitment>,
    ) -> Result<(), TraceError> {
        if self.ended.len() < count {
            return Err(TraceError::OutOfOrder);
        }
        for ended in self.ended.drain(..count) {
            out.push(ended?);
        }
        Ok(())
    }
}

fn commit(payload: &[u8], count: u64, limit: u64) -> Result<StepsCommitment, TraceError> {
    if payload.len() as u64 > limit {
        return Err(TraceError::TooManyBytes { limit });
    }
    let mut hasher = alloy_primitives::Keccak256::new();
    let mut start = Vec::new();
    list(payload.len()).encode(&mut start);
    hasher.update(&start);
    hasher.update(payload);
    Ok(StepsCommitment {
        root: hasher.finalize(),
        count,
    })
}

/// Appends one step to the list.
fn encode(seen: &mut Seen<'_>, item: &mut Vec<u8>, payload: &mut Vec<u8>) {
    item.clear();
    let memory_hash = memory_hash(seen);
    let (step, stretch) = (seen.step, seen.stretch);
    step.pc.encode(item);
    step.opcode.encode(item);
    step.gas_remaining.encode(item);
    stretch.last_cost.encode(item);
    stack_hash(seen).encode(item);
    memory_hash.encode(item);
    stretch.depth.encode(item);
    let effects = seen.effects.iter().filter_map(|(effect, bytes)| {
        // The record has no hash yet, and is whole without it.
        Some((Effect::from_bytes(&effect.message).ok()?, *bytes))
    });
    let (mut change, mut call) = (None, None);
    for (effect, bytes) in effects {
        match effect {
            Effect::Storage(stored) => change = Some(stored),
            Effect::Call {
                code,
                value,
                gas_limit,
                kind,
                ..
            } => {
                // A delegate call sends no value, a static one neither.
                let sent = if kind < 2 { value } else { Default::default() };
                call = Some((code, sent, keccak256(bytes), gas_limit));
            }
            Effect::Create {
                value,
                gas_limit,
                init_code_hash,
                ..
            } => call = Some((Default::default(), value, init_code_hash, gas_limit)),
            _ => {}
        }
    }
    match change {
        None => item.push(EMPTY_LIST_CODE),
        Some(change) => {
            let words = [change.slot, change.old, change.new].map(B256::from);
            list(words.iter().map(Encodable::length).sum()).encode(item);
            words.iter().for_each(|word| word.encode(item));
        }
    }
    match call {
        None => item.push(EMPTY_LIST_CODE),
        Some((target, value, input_hash, gas_limit)) => {
            let value = B256::from(value);
            let fields: [&dyn Encodable; 4] = [&target, &value, &input_hash, &gas_limit];
            list(fields.iter().map(|field| field.length()).sum()).encode(item);
            fields.iter().for_each(|field| field.encode(item));
        }
    }
    list(item.len()).encode(payload);
    payload.extend_from_slice(item);
}

/// Keccak-256 of the upper items, bottom first, 32 bytes each.
fn stack_hash(seen: &Seen<'_>) -> B256 {
    let stack = &seen.frame.stack;
    let mut bytes = [[0; 32]; STACK_ITEMS];
    let upper = stack.iter().skip(stack.len().saturating_sub(STACK_ITEMS));
    let mut count = 0;
    for (word, item) in bytes.iter_mut().zip(upper) {
        *word = item.to_be_bytes();
        count += 1;
    }
    keccak256(bytes.get(..count).unwrap_or_default().as_flattened())
}

/// Keccak-256 of the memory, made again only when it changed.
fn memory_hash(seen: &mut Seen<'_>) -> B256 {
    let frame = &mut *seen.frame;
    match frame.note {
        Some((version, hash)) if version == frame.memory_version => B256::new(hash),
        _ => {
            let hash = keccak256(&frame.memory);
            frame.note = Some((frame.memory_version, hash.0));
            hash
        }
    }
}

fn list(payload_length: usize) -> Header {
    Header {
        list: true,
        payload_length,
    }
}
