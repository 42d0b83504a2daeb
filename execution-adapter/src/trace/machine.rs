//! From events to records: follows the frames of each transaction through a batch, stretch by
//! stretch, notes what is to be hashed, hashes it in waves, and assembles the records.

use super::effect::Folds;
use super::layout::Message;
use super::layout::tag;
use super::layout::tag::{FRAME_NODE, LONG_INPUT_NODE};
use super::memory::{Memories, Memory};
use super::raw::{Batch, Fill, NOT_A_STEP, RawWrite, index};
use super::record::{assemble, steps_message};
use super::stacks::{Chain, Stacks};
use super::waves::{Id, NONE, pair};
use alloc::vec::Vec;
use alloy_primitives::keccak256;
use core::ops::Range;
use qmtree_proofs::{Digest, PAIR_LEN, Profile, TreeHasher};

/// A frame as the hashes see it.
#[derive(Debug)]
struct Frame {
    base: Base,
    chain: Chain,
    memory: Memory,
    /// Hash of the return data.
    returned: Digest,
    /// The memory hash, unless it is out of date.
    sealed: Option<Sealed>,
}

/// A frame hash: of this batch, or known.
#[derive(Clone, Copy, Debug)]
struct Base {
    id: Id,
    digest: Digest,
}

#[derive(Clone, Copy, Debug)]
struct Sealed {
    id: Id,
    digest: Digest,
}

/// Makes records of batches. Holds what spans batches: the frames of the transaction.
#[derive(Debug)]
pub(super) struct Machine<H> {
    hasher: H,
    /// Hash of no bytes.
    nothing: Digest,
    frames: Vec<Frame>,
    /// Frames to be used again, for their memory.
    spare: Vec<Frame>,
    stacks: Stacks,
    memories: Memories,
    /// Of each stretch: node of its stack, node of its memory hash.
    nodes: Vec<(Id, Id)>,
    /// Effects with all hashes in them.
    messages: Vec<Message>,
    frame_messages: Vec<Message>,
    digests: Vec<Digest>,
    long_inputs: Vec<LongInput>,
    pairs: Vec<[u8; PAIR_LEN]>,
    /// Of each group: its steps as they are hashed.
    step_messages: Vec<Message>,
    /// Of each group: the hash of its steps and their effects.
    steps: Vec<Digest>,
    /// The stretches that no group begins with: their records, and the hashes of these.
    later_stretches: Vec<Message>,
    later_digests: Vec<Digest>,
    folds: Folds,
}

/// A call input that is bound by its place in memory.
#[derive(Clone, Copy, Debug)]
struct LongInput {
    /// The effect whose last word it makes, by index in the batch, and that effect's step.
    effect: usize,
    step: u32,
    offset: u64,
    len: u64,
    /// Size of the memory before the call, in words.
    words: u32,
    /// Node of the hash of that memory.
    memory: Id,
}

/// Hashes bytes by the rules of a profile.
pub(super) fn hash_bytes(profile: Profile, bytes: &[u8]) -> Digest {
    match profile {
        Profile::Blake3 => *blake3::hash(bytes).as_bytes(),
        _ => keccak256(bytes).0,
    }
}

impl<H: TreeHasher> Machine<H> {
    pub(super) fn new(hasher: H) -> Self {
        Self {
            nothing: hash_bytes(hasher.profile(), &[]),
            frames: Vec::new(),
            spare: Vec::new(),
            stacks: Stacks::default(),
            memories: Memories::new(&hasher),
            nodes: Vec::new(),
            messages: Vec::new(),
            frame_messages: Vec::new(),
            digests: Vec::new(),
            long_inputs: Vec::new(),
            pairs: Vec::new(),
            step_messages: Vec::new(),
            steps: Vec::new(),
            later_stretches: Vec::new(),
            later_digests: Vec::new(),
            folds: Folds::default(),
            hasher,
        }
    }

    /// The records of the batch's groups, in place of what `records` had.
    pub(super) fn records(&mut self, batch: &Batch, records: &mut Vec<Message>) {
        self.fill_effects(batch);
        self.note_nodes(batch);
        self.memories.hash(&self.hasher);
        self.hash_effects();
        self.hash_frames(batch);
        self.stacks.hash(&self.hasher, &batch.items);
        self.hash_stretches(batch);
        self.hash_steps(batch);
        self.assemble(batch, records);
        self.keep();
    }

    /// The effects of some steps of the last batch, as they are hashed.
    pub(super) fn effects_of(&self, batch: &Batch, steps: &Range<usize>) -> Vec<Message> {
        let effects = batch.effects.iter().zip(&self.messages);
        let of_steps = effects.filter(|(effect, _)| steps.contains(&(effect.step as usize)));
        of_steps.map(|(_, message)| *message).collect()
    }

    /// The record of a stretch of the last batch that no group begins with.
    pub(super) fn later_stretch(&self, batch: &Batch, place: usize) -> Option<Message> {
        let before = batch.stretches.get(..place)?;
        let later = before
            .iter()
            .zip(0..)
            .filter(|(_, at)| !batch.groups.contains(at));
        self.later_stretches.get(later.count()).copied()
    }

    /// Puts the hashes of bytes into the effects.
    fn fill_effects(&mut self, batch: &Batch) {
        self.messages.clear();
        self.long_inputs.clear();
        let mut bytes = batch.bytes.as_slice();
        for effect in &batch.effects {
            let mut message = effect.message;
            match effect.fill {
                Fill::Nothing => {}
                Fill::BytesHash(len) => {
                    let (these, rest) = bytes.split_at_checked(len as usize).unwrap_or_default();
                    bytes = rest;
                    let hash = if these.is_empty() {
                        self.nothing
                    } else {
                        hash_bytes(self.hasher.profile(), these)
                    };
                    set_last_word(&mut message, &hash);
                }
                Fill::LongInput(offset, len, words) => self.long_inputs.push(LongInput {
                    effect: self.messages.len(),
                    step: effect.step,
                    offset,
                    len,
                    words,
                    memory: NONE,
                }),
            }
            self.messages.push(message);
        }
    }

    /// Follows the stretches and notes their stack and memory nodes.
    fn note_nodes(&mut self, batch: &Batch) {
        self.stacks.clear();
        self.memories.clear();
        self.nodes.clear();
        let mut events = Events::new(batch);
        let mut first_item = 0;
        let mut writes = Writes::new(batch);
        let mut long_inputs = core::mem::take(&mut self.long_inputs);
        let mut inputs = long_inputs.iter_mut().peekable();
        for (stretch, place) in batch.stretches.iter().zip(0..) {
            // Most have nothing before them.
            if stretch.step >= events.next {
                self.before_step(batch, &mut events, stretch.step);
                events.look();
            }
            self.leave_frames(stretch.depth);
            let Some(frame) = self.frames.last_mut() else {
                continue;
            };
            frame.resize(&mut self.memories, stretch.memory_words);
            frame.write(&mut self.memories, &mut writes, stretch.step);
            let memory = frame.memory_node(&mut self.memories);
            let base = frame.base_node(&mut self.stacks);
            let step = batch.steps.get(stretch.step as usize);
            let height = step.map_or(0, |step| usize::from(step.stack_height));
            let new = usize::from(stretch.pushed);
            let stack = self
                .stacks
                .push(&mut frame.chain, base, height, new, first_item);
            first_item += new;
            self.nodes.push((stack, memory));
            let last = index(batch.steps_of(place).end.saturating_sub(1));
            frame.write(&mut self.memories, &mut writes, last);
            while let Some(input) = inputs.next_if(|input| input.step <= last) {
                frame.resize(&mut self.memories, input.words);
                input.memory = frame.memory_node(&mut self.memories);
            }
        }
        self.long_inputs = long_inputs;
        self.before_step(batch, &mut events, batch.next_step());
    }

    /// What happened between the step before and step `at`.
    fn before_step(&mut self, batch: &Batch, events: &mut Events<'_>, at: u32) {
        while events.ends.next_if(|end| end.step == at).is_some() {
            self.leave_frames(0);
        }
        while let Some(returned) = events.returns.next_if(|returned| returned.step == at) {
            self.leave_frames(returned.depth);
            let data = returned
                .effect
                .and_then(|effect| self.messages.get(effect as usize));
            let hash = data.map_or(self.nothing, last_word);
            if let Some(frame) = self.frames.last_mut() {
                frame.returned = hash;
                frame.sealed = None;
            }
        }
        while let Some((frame, place)) = events.frames.next_if(|(frame, _)| frame.step == at) {
            self.leave_frames(frame.depth.saturating_sub(1));
            self.enter_frame(place);
        }
        debug_assert!(
            at <= batch.next_step(),
            "events belong to steps of the batch"
        );
    }

    fn enter_frame(&mut self, id: Id) {
        let base = Base {
            id,
            digest: [0; 32],
        };
        let returned = self.nothing;
        let frame = self.spare.pop().map(|spare| Frame {
            base,
            returned,
            sealed: None,
            ..spare
        });
        self.frames.push(frame.unwrap_or_else(|| Frame {
            base,
            chain: Chain::default(),
            memory: Memory::default(),
            returned,
            sealed: None,
        }));
    }

    /// Leaves all frames deeper than `depth`.
    #[inline]
    fn leave_frames(&mut self, depth: u16) {
        while self.frames.len() > usize::from(depth) {
            if let Some(mut frame) = self.frames.pop() {
                frame.chain.clear();
                frame.memory.clear();
                self.spare.push(frame);
            }
        }
    }

    /// Hashes the effects.
    fn hash_effects(&mut self) {
        for input in self.long_inputs.drain(..) {
            if let (Some(message), true) =
                (self.messages.get_mut(input.effect), input.memory != NONE)
            {
                let memory = self.memories.digest(input.memory);
                let span = span(input.offset, input.len);
                let hash = self.hasher.hash_node(LONG_INPUT_NODE, memory, &span);
                set_last_word(message, &hash);
            }
        }
        self.digests.clear();
        self.digests.resize(self.messages.len(), [0; 32]);
        self.hasher.hash_leaves(&self.messages, &mut self.digests);
    }

    /// Makes and hashes the records of the stretches that no group begins with.
    fn hash_stretches(&mut self, batch: &Batch) {
        let mut records = core::mem::take(&mut self.later_stretches);
        records.clear();
        for group in 0..batch.groups.len() {
            let later = batch.stretches_of(group).skip(1);
            records.extend(later.map(|place| self.record(batch, tag::STRETCH, place, &[0; 32])));
        }
        self.later_digests.clear();
        self.later_digests.resize(records.len(), [0; 32]);
        self.hasher.hash_leaves(&records, &mut self.later_digests);
        self.later_stretches = records;
    }

    /// Hashes the steps of each group, and then later stretches and effects onto that.
    fn hash_steps(&mut self, batch: &Batch) {
        let groups = 0..batch.groups.len();
        self.step_messages.clear();
        self.step_messages.extend(groups.clone().map(|group| {
            let steps = batch.steps.get(batch.steps_of_group(group));
            steps_message(steps.unwrap_or_default())
        }));
        self.steps.clear();
        self.steps.resize(groups.len(), [0; 32]);
        self.hasher
            .hash_leaves(&self.step_messages, &mut self.steps);
        self.folds.clear(groups.len());
        let mut later = self.later_digests.iter();
        let effects = batch.effects.iter().zip(&self.digests);
        let mut effects = effects
            .filter(|(effect, _)| effect.step != NOT_A_STEP)
            .peekable();
        for group in groups {
            for (stretch, place) in batch.stretches_of(group).zip(0..) {
                if place > 0
                    && let Some(digest) = later.next()
                {
                    self.folds.push(group, *digest);
                }
                let end = batch.steps_of(stretch).end;
                while let Some((_, digest)) =
                    effects.next_if(|(effect, _)| (effect.step as usize) < end)
                {
                    self.folds.push(group, *digest);
                }
            }
        }
        self.folds.fold(&self.hasher, &mut self.steps);
    }

    /// Hashes the frames of the batch, which stacks begin with.
    fn hash_frames(&mut self, batch: &Batch) {
        let messages = &mut self.frame_messages;
        messages.clear();
        let frames = batch.frames.iter();
        messages.extend(frames.clone().map(|frame| frame.message));
        let mut records = core::mem::take(&mut self.stacks.bases().digests);
        records.clear();
        records.resize(messages.len(), [0; 32]);
        self.hasher.hash_leaves(messages, &mut records);
        self.pairs.clear();
        self.pairs
            .extend(frames.zip(&records).map(|(frame, record)| {
                let opener = self.digests.get(frame.opener as usize);
                pair(opener.unwrap_or(&[0; 32]), record)
            }));
        self.hasher
            .hash_nodes(FRAME_NODE, &self.pairs, &mut records);
        self.stacks.bases().digests = records;
    }

    fn assemble(&mut self, batch: &Batch, records: &mut Vec<Message>) {
        records.clear();
        let groups = self.steps.iter().zip(0..);
        records.extend(groups.map(|(hash, group)| {
            let first = batch.stretches_of(group).start;
            self.record(batch, tag::GROUP, first, hash)
        }));
    }

    /// The record of a stretch.
    fn record(&self, batch: &Batch, tag: u8, place: usize, last_word: &Digest) -> Message {
        let nodes = batch.stretches.get(place).zip(self.nodes.get(place));
        let Some((stretch, (stack, memory))) = nodes else {
            return [0; 128];
        };
        let steps = batch.steps_of(place);
        let first = batch.steps.get(steps.start);
        let height = first.map_or(0, |step| step.stack_height);
        let stack = self.stacks.digest(height, *stack);
        let memory = self.memories.digest(*memory);
        assemble(&stretch.header(tag, steps.len()), stack, memory, last_word)
    }

    /// Keeps what the frames need in the next batch.
    fn keep(&mut self) {
        for frame in &mut self.frames {
            self.stacks.keep(&mut frame.chain);
            self.memories.keep(&mut frame.memory);
            if frame.base.id != NONE {
                frame.base.digest = *self.stacks.digest(0, frame.base.id);
                frame.base.id = NONE;
            }
            if let Some(sealed) = &mut frame.sealed
                && sealed.id != NONE
            {
                sealed.digest = *self.memories.digest(sealed.id);
                sealed.id = NONE;
            }
        }
    }
}

impl Frame {
    /// Notes the size of its memory.
    fn resize(&mut self, memories: &mut Memories, words: u32) {
        if words != self.memory.words() {
            memories.resize(&mut self.memory, words);
            self.sealed = None;
        }
    }

    /// Notes what it wrote to its memory before step `at` and earlier.
    fn write(&mut self, memories: &mut Memories, writes: &mut Writes<'_>, at: u32) {
        while let Some((first_word, words)) = writes.next(at) {
            memories.write(&mut self.memory, first_word, words);
            self.sealed = None;
        }
    }

    /// The node of the memory hash as it is now.
    fn memory_node(&mut self, memories: &mut Memories) -> Id {
        let id = match self.sealed {
            Some(sealed) if sealed.id != NONE => return sealed.id,
            Some(sealed) => memories.carry(sealed.digest),
            None => memories.seal(&mut self.memory, self.returned),
        };
        let digest = self.sealed.map_or([0; 32], |sealed| sealed.digest);
        self.sealed = Some(Sealed { id, digest });
        id
    }

    /// The node of the frame hash.
    fn base_node(&mut self, stacks: &mut Stacks) -> Id {
        if self.base.id == NONE {
            self.base.id = stacks.bases().carry(self.base.digest);
        }
        self.base.id
    }
}

/// The side lists of a batch, read along with its steps.
struct Events<'a> {
    /// The first step that has something before it.
    next: u32,
    ends: core::iter::Peekable<core::slice::Iter<'a, super::raw::RawEnd>>,
    returns: core::iter::Peekable<core::slice::Iter<'a, super::raw::RawReturn>>,
    frames: core::iter::Peekable<
        core::iter::Zip<core::slice::Iter<'a, super::raw::RawFrame>, core::ops::RangeFrom<u32>>,
    >,
}

impl<'a> Events<'a> {
    fn new(batch: &'a Batch) -> Self {
        Self {
            next: 0,
            ends: batch.ends.iter().peekable(),
            returns: batch.returns.iter().peekable(),
            frames: batch.frames.iter().zip(0..).peekable(),
        }
    }

    fn look(&mut self) {
        let end = self.ends.peek().map(|end| end.step);
        let returned = self.returns.peek().map(|returned| returned.step);
        let frame = self.frames.peek().map(|(frame, _)| frame.step);
        let next = [end, returned, frame].into_iter().flatten().min();
        self.next = next.unwrap_or(u32::MAX);
    }
}

/// The writes of a batch, read along with its groups.
struct Writes<'a> {
    writes: core::iter::Peekable<core::slice::Iter<'a, RawWrite>>,
    words: &'a [[u8; 32]],
}

impl<'a> Writes<'a> {
    fn new(batch: &'a Batch) -> Self {
        Self {
            writes: batch.writes.iter().peekable(),
            words: &batch.words,
        }
    }

    /// The next one, if it was before step `at` or earlier: the place of its first word, and the
    /// words.
    #[inline]
    fn next(&mut self, at: u32) -> Option<(u32, &'a [[u8; 32]])> {
        let write = self.writes.next_if(|write| write.step <= at)?;
        let count = write.words as usize;
        let (these, rest) = self.words.split_at_checked(count).unwrap_or_default();
        self.words = rest;
        Some((write.first_word, these))
    }
}

/// Offset and length of a long input as a word.
pub(super) fn span(offset: u64, len: u64) -> [u8; 32] {
    let mut word = [0; 32];
    let (_, back) = word.split_at_mut(16);
    let (a, b) = back.split_at_mut(8);
    a.copy_from_slice(&offset.to_be_bytes());
    b.copy_from_slice(&len.to_be_bytes());
    word
}

fn set_last_word(message: &mut Message, word: &Digest) {
    if let Some(last) = message.last_chunk_mut() {
        *last = *word;
    }
}

fn last_word(message: &Message) -> Digest {
    message.last_chunk().copied().unwrap_or_default()
}
