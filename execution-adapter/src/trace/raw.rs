//! What the execution thread hands over: plain events, nothing hashed yet.
//!
//! A batch is a few flat lists, so that recording is a handful of copies and a batch can be
//! cleared and used again without giving memory back. Events name the step they belong to by its
//! index in the batch.

use super::layout::Message;
use alloc::vec::Vec;
use alloy_primitives::U256;
use core::ops::Range;

/// The captured fields of a step, before the opcode but for `effects`.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RawStep {
    pub(super) gas_remaining: u64,
    pub(super) pc: u32,
    pub(super) stack_height: u16,
    pub(super) opcode: u8,
    /// How many of [`Batch::effects`] it has.
    pub(super) effects: u8,
}

/// Steps of one frame whose machine state is committed to once, before the first of them. They are up
/// to the first step of the next stretch.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RawStretch {
    /// Gas cost of the last step.
    pub(super) last_cost: u64,
    /// The first step, by index in the batch.
    pub(super) step: u32,
    /// Before the first step.
    pub(super) memory_words: u32,
    pub(super) depth: u16,
    /// How many items from the top are in [`Batch::items`], since they may have changed since the
    /// stretch before this one in the same frame.
    pub(super) pushed: u16,
}

/// Words of memory that may have changed before a step, whole words.
#[derive(Clone, Copy, Debug)]
pub(super) struct RawWrite {
    pub(super) step: u32,
    pub(super) first_word: u32,
    /// How many, the next ones of [`Batch::words`].
    pub(super) words: u32,
}

/// What goes into the last word of a record before it is hashed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fill {
    /// It is there.
    Nothing,
    /// The hash of the next so many of [`Batch::bytes`].
    BytesHash(u32),
    /// The place of a long call input in the memory before the step: offset and length, and the size
    /// of that memory in words.
    LongInput(u64, u64, u32),
}

/// An effect of the step before it.
#[derive(Clone, Copy, Debug)]
pub(super) struct RawEffect {
    /// The step, or [`NOT_A_STEP`].
    pub(super) step: u32,
    pub(super) message: Message,
    pub(super) fill: Fill,
}

/// Step of an effect that no step has: what opens the outermost frame.
pub(super) const NOT_A_STEP: u32 = u32::MAX;

/// A frame whose first step is the next one.
#[derive(Clone, Copy, Debug)]
pub(super) struct RawFrame {
    pub(super) step: u32,
    pub(super) depth: u16,
    /// The effect that opened it, by index in the batch.
    pub(super) opener: u32,
    pub(super) message: Message,
}

/// A frame goes on after a call: its return data is new.
#[derive(Clone, Copy, Debug)]
pub(super) struct RawReturn {
    pub(super) step: u32,
    pub(super) depth: u16,
    /// The effect whose last word is the hash of the data, by index in the batch; none if empty.
    pub(super) effect: Option<u32>,
}

/// A transaction ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct RawEnd {
    /// Before the step with this index.
    pub(super) step: u32,
    /// And before the group with this index.
    pub(super) group: u32,
    /// Steps that it had.
    pub(super) count: u64,
    /// Whether its steps are to be forgotten.
    pub(super) dropped: bool,
}

/// Events of consecutive steps, of one or more transactions.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) steps: Vec<RawStep>,
    pub(super) stretches: Vec<RawStretch>,
    /// The stretches that a group begins with, by index.
    pub(super) groups: Vec<u32>,
    pub(super) items: Vec<U256>,
    pub(super) writes: Vec<RawWrite>,
    pub(super) words: Vec<[u8; 32]>,
    pub(super) effects: Vec<RawEffect>,
    pub(super) bytes: Vec<u8>,
    pub(super) frames: Vec<RawFrame>,
    pub(super) returns: Vec<RawReturn>,
    pub(super) ends: Vec<RawEnd>,
    /// Refund counter of the frame before each step, if asked for.
    pub(super) refunds: Vec<i64>,
}

impl Batch {
    /// Forgets the events and keeps the memory.
    pub(super) fn clear(&mut self) {
        let Self {
            steps,
            stretches,
            groups,
            items,
            writes,
            words,
            effects,
            bytes,
            frames,
            returns,
            ends,
            refunds,
        } = self;
        steps.clear();
        stretches.clear();
        groups.clear();
        items.clear();
        writes.clear();
        words.clear();
        effects.clear();
        bytes.clear();
        frames.clear();
        returns.clear();
        ends.clear();
        refunds.clear();
    }

    /// Whether there is nothing to hand over.
    pub(super) fn is_empty(&self) -> bool {
        self.steps.is_empty() && self.ends.is_empty() && self.effects.is_empty()
    }

    /// Index of the next step.
    pub(super) fn next_step(&self) -> u32 {
        index(self.steps.len())
    }

    /// The steps of the stretch with this index.
    pub(super) fn steps_of(&self, stretch: usize) -> Range<usize> {
        let first = |place: usize| Some(self.stretches.get(place)?.step as usize);
        let from = first(stretch).unwrap_or(self.steps.len());
        from..first(stretch + 1).unwrap_or(self.steps.len())
    }

    /// The stretches of the group with this index.
    pub(super) fn stretches_of(&self, group: usize) -> Range<usize> {
        let first = |place: usize| self.groups.get(place).map(|first| *first as usize);
        let from = first(group).unwrap_or(self.stretches.len());
        from..first(group + 1).unwrap_or(self.stretches.len())
    }

    /// The steps of the group with this index.
    pub(super) fn steps_of_group(&self, group: usize) -> Range<usize> {
        let stretches = self.stretches_of(group);
        self.steps_of(stretches.start).start..self.steps_of(stretches.end).start
    }

    /// Bytes of events, for the limit.
    pub(super) fn weight(&self) -> u64 {
        let bytes = 16 * self.steps.len()
            + 24 * self.stretches.len()
            + 32 * self.items.len()
            + 32 * self.words.len()
            + self.bytes.len()
            + 128 * (self.effects.len() + self.frames.len());
        bytes as u64
    }
}

/// A place in a batch.
///
/// # Panics
/// From 2^31 on, which the execution thread keeps batches below.
pub(super) fn index(place: usize) -> u32 {
    assert!(place < 1 << 31, "a batch is handed over long before");
    u32::try_from(place).expect("checked above")
}
