//! The journal of an imported database: the blocks that end behind its segments.

use super::plan::{Plan, has_any, inside};
use super::refusal::SnapshotRefusal;
use super::state::ImportedState;
use crate::error::Error;
use crate::open::{Opened, block_end};
use alloy_primitives::B256;
use qmtree_proofs::{Digest, Head, PAYLOAD_LEN, TWIG_LEAVES};
use qmtree_storage::{BlockEnd, EntryPart, JournalState, JournalWriter, NO_TAG, Tag, TwigLanes};
use std::sync::Arc;

/// What the journal starts from, and the leaves between there and the tail.
struct Base {
    state: JournalState,
    /// Leaves of the first block of the journal that lie in segments, and their tags.
    sealed_leaves: Vec<[u8; PAYLOAD_LEN]>,
    sealed_tags: Vec<Tag>,
}

/// The blocks that end behind the sealed twigs, as the journal has them.
pub(super) fn write_journal(
    opened: &Opened,
    plan: &Plan,
    state: Option<&ImportedState>,
) -> Result<(), Error> {
    let base = base_of(plan)?;
    let blocks = &plan.tail_blocks;
    let ends = plan.block_ends(blocks, |_, _| None)?;
    let payloads = [&base.sealed_leaves[..], &plan.tail_payloads].concat();
    let mut tags = base.sealed_tags;
    tags.extend_from_slice(&plan.tail_tags);
    tags.resize(payloads.len(), NO_TAG);
    append_journal(opened, plan, base.state, (&payloads, &tags), &ends, state)
}

/// Writes a journal of these blocks behind `base`; `leaves` are those behind it, with a tag each.
pub(super) fn append_journal(
    opened: &Opened,
    plan: &Plan,
    base: JournalState,
    leaves: (&[[u8; PAYLOAD_LEN]], &[Tag]),
    ends: &[BlockEnd],
    state: Option<&ImportedState>,
) -> Result<(), Error> {
    let disk = Arc::clone(&opened.disk);
    let base = match state {
        Some(state) => behind_sealed(base, state),
        None => base,
    };
    let mut entries_done = base.head.entry_count;
    let mut journal = JournalWriter::create(disk, &opened.journal, opened.identity, 0, base)?;
    let ((mut rest, mut tags), mut done) = (leaves, base.head.leaf_count);
    let mut last = base.last_leaf_hash.0;
    let sealed = plan.sealed * TWIG_LEAVES;
    for ((block_number, _), end) in plan.tail_blocks.iter().zip(ends) {
        let count = usize::try_from(end.leaf_count - done).unwrap_or(usize::MAX);
        let split = rest
            .split_at_checked(count)
            .zip(tags.split_at_checked(count));
        let Some(((block, behind), (block_tags, tags_behind))) = split else {
            let block_number = *block_number;
            return Err(SnapshotRefusal::Blocks { block_number }.into());
        };
        let block_tags = if has_any(block_tags) { block_tags } else { &[] };
        let part = state.map(|state| state.tail.part(entries_done, end.entry_count));
        let (entries, values) = part.unwrap_or_default();
        let part = EntryPart {
            entries: &entries,
            values: &values,
        };
        journal.begin_block_with(block, block_tags, part)?;
        entries_done = end.entry_count;
        if count > 0 {
            let place = usize::try_from(end.leaf_count - 1 - sealed).ok();
            let hash = place.and_then(|place| plan.tail_hashes.get(place));
            last = hash.copied().unwrap_or(last);
        }
        let head = Head {
            block_number: *block_number,
            leaf_count: end.leaf_count,
            root: end.root,
            entry_count: end.entry_count,
            state_root: end.state_root,
            ..plan.head
        };
        journal.finish_block(&head, B256::new(last))?;
        (rest, tags, done) = (behind, tags_behind, end.leaf_count);
    }
    journal.attest()?;
    Ok(())
}

/// The same, with the entries that are in segments: those of the first block of the journal, and of
/// the ones before it, may begin earlier.
fn behind_sealed(base: JournalState, state: &ImportedState) -> JournalState {
    let head = Head {
        entry_count: state.sealed,
        state_root: state.sealed_root,
        ..base.head
    };
    JournalState { head, ..base }
}

/// The state after the last block that ends in a segment, if there is one.
fn base_of(plan: &Plan) -> Result<Base, Error> {
    let first = plan.tail_blocks.first().map(|(number, _)| *number);
    let before = match first.and_then(|first| first.checked_sub(1)) {
        Some(before) => find_block(plan, before)?,
        None => None,
    };
    let from = before.map_or(0, |(_, block)| block.leaf_count);
    let (mut sealed_leaves, mut sealed_tags) = (Vec::new(), Vec::new());
    for twig in from / TWIG_LEAVES..plan.sealed {
        let word = plan.set.twig(twig)?;
        let skip = from.saturating_sub(twig * TWIG_LEAVES);
        let skip = usize::try_from(skip).unwrap_or(usize::MAX);
        sealed_leaves.extend_from_slice(word.payloads().get(skip..).unwrap_or_default());
        let tags = plan.set.tags(twig).and_then(|tags| tags.get(skip..));
        sealed_tags.extend_from_slice(tags.unwrap_or_default());
        sealed_tags.resize(sealed_leaves.len(), NO_TAG);
    }
    let Some((block_number, block)) = before else {
        let state = JournalState::empty(plan.identity());
        return Ok(Base {
            state,
            sealed_leaves,
            sealed_tags,
        });
    };
    let (end, last_leaf_hash) = end_of(plan, block_number, block)?;
    let head = Head {
        block_number,
        leaf_count: end.leaf_count,
        root: end.root,
        entry_count: end.entry_count,
        state_root: end.state_root,
        ..plan.head
    };
    debug_assert_eq!(block_end(&head), end);
    let state = JournalState {
        head,
        last_leaf_hash: B256::new(last_leaf_hash),
        any_block: true,
    };
    Ok(Base {
        state,
        sealed_leaves,
        sealed_tags,
    })
}

type Found = (u64, qmtree_storage::snapshot::SnapshotBlock);

/// A block that ends in a sealed twig.
fn find_block(plan: &Plan, number: u64) -> Result<Option<Found>, Error> {
    // The last one listed: from the newest twigs back, as few as it takes.
    let mut end = plan.sealed;
    while end > 0 {
        let start = end.saturating_sub(64);
        let blocks = plan.set.blocks(start * TWIG_LEAVES..end * TWIG_LEAVES)?;
        if let Some(last) = blocks.last() {
            let found = (last.0 == number).then_some(*last);
            return found.map(Some).ok_or(
                SnapshotRefusal::Blocks {
                    block_number: number,
                }
                .into(),
            );
        }
        end = start;
    }
    Ok(None)
}

/// Where a block ends that ends in a sealed twig, and the hash of its last leaf.
fn end_of(
    plan: &Plan,
    number: u64,
    block: qmtree_storage::snapshot::SnapshotBlock,
) -> Result<(BlockEnd, Digest), Error> {
    let lone = |inside: &dyn Fn(u32, u64) -> Option<Digest>| {
        let ends = plan.block_ends(&[(number, block)], inside)?;
        let missing = SnapshotRefusal::Blocks {
            block_number: number,
        };
        ends.first().copied().ok_or(Error::from(missing))
    };
    let Some(last) = block.leaf_count.checked_sub(1) else {
        return Ok((lone(&|_, _| None)?, [0; 32]));
    };
    let twig = last / TWIG_LEAVES;
    let mut lanes = TwigLanes::new(plan.hasher);
    plan.derive(&mut lanes, twig..twig + 1, |derived| {
        let inside = inside(derived);
        let hash = inside(0, last).unwrap_or_default();
        Ok((lone(&inside)?, hash))
    })
}
