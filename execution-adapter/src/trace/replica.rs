//! Whole stacks and memories again, from the events: for what wants to see them as they are. The
//! events are those of [`Recorder::of_each_step`](super::capture::Recorder::of_each_step).

#[cfg(feature = "engine")]
use super::layout::Message;
use super::raw::{Batch, Fill, RawEffect, RawStep, RawStretch};
use alloc::vec::Vec;
use alloy_primitives::U256;
use core::ops::Range;

/// A frame as the EVM has it.
#[derive(Debug, Default)]
pub(super) struct Frame {
    pub(super) stack: Vec<U256>,
    pub(super) memory: Vec<u8>,
    pub(super) return_data: Vec<u8>,
    /// Counts changes of the memory.
    pub(super) memory_version: u64,
    /// Room for who watches: what it made of the memory, and of which version.
    pub(super) note: Option<(u64, [u8; 32])>,
}

/// A step with all that was there.
#[derive(Debug)]
pub(super) struct Seen<'a> {
    pub(super) step: &'a RawStep,
    /// The stretch that it is.
    pub(super) stretch: &'a RawStretch,
    pub(super) frame: &'a mut Frame,
    #[cfg_attr(
        not(feature = "engine"),
        expect(dead_code, reason = "EIP-3155 lines alone print it")
    )]
    pub(super) refund: i64,
    /// Effects and the bytes that they hash.
    pub(super) effects: &'a [(&'a RawEffect, &'a [u8])],
}

#[cfg(feature = "engine")]
impl Seen<'_> {
    /// The records of its effects, without hashes of bytes.
    pub(super) fn records(&self) -> impl Iterator<Item = &Message> {
        self.effects.iter().map(|(effect, _)| &effect.message)
    }
}

/// What is seen.
#[derive(Debug)]
pub(super) enum Event<'a> {
    Step(Seen<'a>),
    /// The transaction ended; whether it is to be forgotten.
    End {
        dropped: bool,
    },
}

/// The frames of the transaction under way.
#[derive(Debug, Default)]
pub(super) struct Replica {
    frames: Vec<Frame>,
}

impl Replica {
    /// Shows each step of a batch, and each end of a transaction.
    pub(super) fn follow(&mut self, batch: &Batch, mut see: impl FnMut(Event<'_>)) {
        let effects = with_bytes(batch);
        let mut effect = 0;
        let mut ends = batch.ends.iter().peekable();
        let mut returns = batch.returns.iter().peekable();
        let mut frames = batch.frames.iter().peekable();
        let mut writes = batch.writes.iter().peekable();
        let mut items = batch.items.as_slice();
        let mut words = batch.words.as_slice();
        for at in 0..=batch.next_step() {
            while let Some(end) = ends.next_if(|end| end.step == at) {
                self.frames.clear();
                let dropped = end.dropped;
                see(Event::End { dropped });
            }
            while let Some(returned) = returns.next_if(|returned| returned.step == at) {
                self.frames.truncate(usize::from(returned.depth));
                let data = returned
                    .effect
                    .and_then(|effect| effects.get(effect as usize));
                if let Some(frame) = self.frames.last_mut() {
                    frame.return_data.clear();
                    let bytes = data.map_or(&[][..], |(_, bytes)| bytes);
                    frame.return_data.extend_from_slice(bytes);
                }
            }
            while let Some(frame) = frames.next_if(|frame| frame.step == at) {
                let parents = usize::from(frame.depth.saturating_sub(1));
                self.frames.truncate(parents);
                self.frames.push(Frame::default());
            }
            let step = batch.steps.get(at as usize);
            let (Some(step), Some(stretch)) = (step, batch.stretches.get(at as usize)) else {
                break;
            };
            debug_assert_eq!(stretch.step, at, "each step is a stretch");
            self.frames.truncate(usize::from(stretch.depth));
            let Some(frame) = self.frames.last_mut() else {
                continue;
            };
            frame.take_items(step, stretch, &mut items);
            frame.resize(stretch);
            while let Some(write) = writes.next_if(|write| write.step == at) {
                let (these, rest) = words
                    .split_at_checked(write.words as usize)
                    .unwrap_or_default();
                words = rest;
                frame.write(write.first_word, these);
            }
            let range = range_of(&effects, &mut effect, at);
            see(Event::Step(Seen {
                step,
                stretch,
                frame,
                refund: batch.refunds.get(at as usize).copied().unwrap_or_default(),
                effects: effects.get(range).unwrap_or_default(),
            }));
        }
    }
}

impl Frame {
    fn take_items(&mut self, step: &RawStep, stretch: &RawStretch, items: &mut &[U256]) {
        let pushed = usize::from(stretch.pushed);
        let kept = usize::from(step.stack_height).saturating_sub(pushed);
        let (these, rest) = items.split_at_checked(pushed).unwrap_or_default();
        *items = rest;
        self.stack.truncate(kept);
        self.stack.extend_from_slice(these);
    }

    fn resize(&mut self, stretch: &RawStretch) {
        let size = 32 * stretch.memory_words as usize;
        if self.memory.len() != size {
            self.memory.resize(size, 0);
            self.memory_version += 1;
        }
    }

    fn write(&mut self, first_word: u32, words: &[[u8; 32]]) {
        let from = 32 * first_word as usize;
        let bytes = words.as_flattened();
        if let Some(memory) = self.memory.get_mut(from..from + bytes.len()) {
            memory.copy_from_slice(bytes);
            self.memory_version += 1;
        }
    }
}

/// Each effect with the bytes it hashes.
fn with_bytes(batch: &Batch) -> Vec<(&RawEffect, &[u8])> {
    let mut bytes = batch.bytes.as_slice();
    let mut effects = Vec::with_capacity(batch.effects.len());
    for effect in &batch.effects {
        let len = match effect.fill {
            Fill::BytesHash(len) => len as usize,
            Fill::Nothing | Fill::LongInput(..) => 0,
        };
        let (these, rest) = bytes.split_at_checked(len).unwrap_or_default();
        bytes = rest;
        effects.push((effect, these));
    }
    effects
}

/// The effects of step `at`; `next` goes on behind them.
fn range_of(effects: &[(&RawEffect, &[u8])], next: &mut usize, at: u32) -> Range<usize> {
    // What opens an outermost frame has no step, and is passed over.
    while effects
        .get(*next)
        .is_some_and(|(effect, _)| effect.step != at)
        && effects
            .get(*next)
            .is_some_and(|(effect, _)| effect.step < at || effect.step == super::raw::NOT_A_STEP)
    {
        *next += 1;
    }
    let from = *next;
    while effects
        .get(*next)
        .is_some_and(|(effect, _)| effect.step == at)
    {
        *next += 1;
    }
    from..*next
}
