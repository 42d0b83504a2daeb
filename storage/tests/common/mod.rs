//! A small log, and scripts that write it into a journal.
#![allow(dead_code, reason = "each test program uses a part of it")]

use alloy_primitives::keccak256;
use qmtree_proofs::{Keccak256, LeafPayload, MemoryLog, Profile, Scheme};
use qmtree_storage::sim::SimDisk;
use qmtree_storage::{
    Disk, Identity, JournalError, JournalRecord, JournalState, JournalWriter, NO_TAG, Recovered,
    Tag, recover, tag_of,
};
use std::path::Path;
use std::sync::Arc;

pub(crate) const IDENTITY: Identity = Identity {
    profile: Profile::Keccak256,
    scheme: Scheme::StateRoot1,
    chain_id: 1,
};

pub(crate) fn folder() -> &'static Path {
    Path::new("db/journal")
}

/// Words 0 to 2 of test leaf `t` (testdata/README.md).
pub(crate) fn payload(t: u64) -> [u8; 96] {
    let word = |name: &[u8]| keccak256([name, &t.to_be_bytes()].concat());
    LeafPayload {
        pre_state_hash: word(b"pre"),
        state_change_hash: word(b"chg"),
        transition_hash: word(b"trn"),
    }
    .to_bytes()
}

pub(crate) fn payloads(from: u64, to: u64) -> Vec<[u8; 96]> {
    (from..to).map(payload).collect()
}

/// The tag of test leaf `t`: that of keccak256("tx" and `t` in 8 bytes); leaves with an even number
/// were made by no transaction.
pub(crate) fn tag(t: u64) -> Tag {
    if t.is_multiple_of(2) {
        NO_TAG
    } else {
        tag_of(&keccak256([&b"tx"[..], &t.to_be_bytes()].concat()))
    }
}

pub(crate) fn tags(from: u64, to: u64) -> Vec<Tag> {
    (from..to).map(tag).collect()
}

/// The state with the first `leaf_count` test leaves and this block as the last.
pub(crate) fn state(block_number: u64, leaf_count: u64) -> JournalState {
    let mut log = MemoryLog::new(Keccak256);
    let leaves: Vec<_> = payloads(0, leaf_count)
        .iter()
        .map(LeafPayload::from_bytes)
        .collect();
    log.append(&leaves);
    let head = log.head(IDENTITY.chain_id, IDENTITY.scheme, block_number);
    JournalState {
        head,
        last_leaf_hash: log.last_leaf_hash(),
        any_block: true,
    }
}

pub(crate) fn empty() -> JournalState {
    JournalState::empty(IDENTITY)
}

/// One thing to do with a journal.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    /// Append a block with so many leaves.
    Block(u64),
    /// Unwind to the state with this block and leaf count.
    Unwind(u64, u64),
    Sync,
    Rotate,
}

pub(crate) fn create(disk: &SimDisk) -> Result<JournalWriter, JournalError> {
    JournalWriter::create(Arc::new(disk.clone()), folder(), IDENTITY, 0, empty())
}

pub(crate) fn append_block(writer: &mut JournalWriter, leaves: u64) -> Result<(), JournalError> {
    let (from, block_number) = (
        writer.state().head.leaf_count,
        writer.state().head.block_number,
    );
    let next = state(block_number + 1, from + leaves);
    writer.begin_block(&payloads(from, from + leaves), &[])?;
    writer.finish_block(&next.head, next.last_leaf_hash)
}

pub(crate) fn apply(writer: &mut JournalWriter, op: Op) -> Result<(), JournalError> {
    match op {
        Op::Block(leaves) => append_block(writer, leaves),
        Op::Unwind(block_number, leaf_count) => {
            writer.append_unwind(state(block_number, leaf_count))
        }
        Op::Sync => writer.sync(),
        Op::Rotate => writer.rotate(),
    }
}

/// Makes a journal on a new disk, and returns the state before each number as well.
pub(crate) fn written(ops: &[Op]) -> (SimDisk, Vec<JournalState>) {
    let disk = SimDisk::new();
    let mut writer = create(&disk).unwrap();
    let mut states = vec![*writer.state()];
    for op in ops {
        let before = writer.next_seq();
        apply(&mut writer, *op).unwrap();
        if writer.next_seq() > before {
            states.push(*writer.state());
        }
    }
    (disk, states)
}

/// What a journal says: numbers, and records with payloads that are their own.
pub(crate) type Records = Vec<(u64, OwnedRecord)>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum OwnedRecord {
    Block {
        first_tx_num: u64,
        payloads: Vec<[u8; 96]>,
        tags: Vec<Tag>,
        after: JournalState,
    },
    Unwind {
        after: JournalState,
    },
}

pub(crate) fn read(disk: &dyn Disk) -> Result<(Recovered, Records), JournalError> {
    let mut records = Vec::new();
    let recovered = recover(disk, folder(), IDENTITY, |seq, record| {
        records.push((seq, owned(&record)));
        Ok::<(), JournalError>(())
    })?;
    Ok((recovered, records))
}

fn owned(record: &JournalRecord<'_>) -> OwnedRecord {
    match *record {
        JournalRecord::Block {
            first_tx_num,
            payloads,
            tags,
            head,
            last_leaf_hash,
            ..
        } => {
            let after = JournalState {
                head,
                last_leaf_hash,
                any_block: true,
            };
            OwnedRecord::Block {
                first_tx_num,
                payloads: payloads.to_vec(),
                tags: tags.to_vec(),
                after,
            }
        }
        JournalRecord::Unwind {
            head,
            last_leaf_hash,
            any_block,
        } => OwnedRecord::Unwind {
            after: JournalState {
                head,
                last_leaf_hash,
                any_block,
            },
        },
    }
}
