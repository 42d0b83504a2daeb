//! From events to step records: follows the frames of each transaction through a batch, notes what
//! is to be hashed, hashes it in waves, and assembles the records.

use super::layout::tag::{EFFECTS_NODE, FRAME_NODE, LONG_INPUT_NODE};
use super::layout::{Message, tag};
use super::memory::{Memories, Memory};
use super::raw::{Batch, Fill, RawStep};
use super::record::{Header, assemble};
use super::stacks::{Chain, Stacks};
use super::waves::{Id, NONE, pair};
use alloc::vec::Vec;
use alloy_primitives::keccak256;
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

/// Makes step records of batches. Holds what spans batches: the frames of the transaction.
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
    /// Of each step: node of its stack, node of its memory hash.
    nodes: Vec<(Id, Id)>,
    /// Effects with all hashes in them.
    messages: Vec<Message>,
    frame_messages: Vec<Message>,
    digests: Vec<Digest>,
    /// Long inputs: effect, offset, length.
    long_inputs: Vec<(usize, u64, u64)>,
    pairs: Vec<[u8; PAIR_LEN]>,
    /// Effect hash of each step, with the number of effects so far.
    effects: Vec<(Digest, u32)>,
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
            effects: Vec::new(),
            hasher,
        }
    }

    /// The records of the batch's steps, in place of what `records` had.
    pub(super) fn records(&mut self, batch: &Batch, records: &mut Vec<Message>) {
        self.fill_effects(batch);
        self.note_nodes(batch);
        self.memories.hash(&self.hasher);
        self.hash_effects(batch);
        self.hash_frames(batch);
        self.stacks.hash(&self.hasher, &batch.items);
        self.assemble(batch, records);
        self.keep();
    }

    /// The effects of a step of the last batch, as they are hashed.
    pub(super) fn step_effects(&self, batch: &Batch, step: u32) -> Vec<Message> {
        let effects = batch.effects.iter().zip(&self.messages);
        let of_step = effects.filter(|(effect, _)| effect.step == step);
        of_step.map(|(_, message)| *message).collect()
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
                Fill::LongInput(offset, len) => {
                    self.long_inputs.push((self.messages.len(), offset, len));
                }
            }
            self.messages.push(message);
        }
    }

    /// Follows the steps and notes their stack and memory nodes.
    fn note_nodes(&mut self, batch: &Batch) {
        self.stacks.clear();
        self.memories.clear();
        self.nodes.clear();
        let mut events = Events::new(batch);
        let mut first_item = 0;
        let mut words = batch.words.as_slice();
        let mut writes = batch.writes.iter().peekable();
        for (step, at) in batch.steps.iter().zip(0..) {
            // Most steps have nothing before them.
            if at >= events.next {
                self.before_step(batch, &mut events, at);
                events.look();
            }
            self.leave_frames(step.depth);
            let Some(frame) = self.frames.last_mut() else {
                continue;
            };
            if step.memory_words != frame.memory.words() {
                self.memories.resize(&mut frame.memory, step.memory_words);
                frame.sealed = None;
            }
            while let Some(write) = writes.next_if(|write| write.step == at) {
                let count = write.words as usize;
                let (these, rest) = words.split_at_checked(count).unwrap_or_default();
                words = rest;
                self.memories
                    .write(&mut frame.memory, write.first_word, these);
                frame.sealed = None;
            }
            let memory = frame.memory_node(&mut self.memories);
            let base = frame.base_node(&mut self.stacks);
            let (height, new) = (usize::from(step.stack_height), usize::from(step.pushed));
            let stack = self
                .stacks
                .push(&mut frame.chain, base, height, new, first_item);
            first_item += new;
            self.nodes.push((stack, memory));
        }
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

    /// Hashes the effects, and folds those of each step.
    fn hash_effects(&mut self, batch: &Batch) {
        for (place, offset, len) in self.long_inputs.drain(..) {
            let step = batch.effects.get(place).map(|effect| effect.step as usize);
            let node = step.and_then(|step| self.nodes.get(step));
            if let (Some((_, memory)), Some(message)) = (node, self.messages.get_mut(place)) {
                let memory = self.memories.digest(*memory);
                let hash = self
                    .hasher
                    .hash_node(LONG_INPUT_NODE, memory, &span(offset, len));
                set_last_word(message, &hash);
            }
        }
        self.digests.clear();
        self.digests.resize(self.messages.len(), [0; 32]);
        self.hasher.hash_leaves(&self.messages, &mut self.digests);
        self.effects.clear();
        self.effects.resize(batch.steps.len(), ([0; 32], 0));
        for (effect, digest) in batch.effects.iter().zip(&self.digests) {
            let Some((hash, count)) = self.effects.get_mut(effect.step as usize) else {
                continue;
            };
            *hash = match *count {
                0 => *digest,
                _ => self.hasher.hash_node(EFFECTS_NODE, hash, digest),
            };
            *count += 1;
        }
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
        let steps = batch.steps.iter().zip(&self.nodes).zip(&self.effects);
        records.extend(steps.map(|((step, (stack, memory)), (effect, _))| {
            let stack = self.stacks.digest(step.stack_height, *stack);
            assemble(&header(step), stack, self.memories.digest(*memory), effect)
        }));
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

/// The first word of a step record.
pub(super) fn header(step: &RawStep) -> Header {
    let mut header = [0; 32];
    let (front, back) = header.split_at_mut(16);
    let [
        tag,
        d0,
        d1,
        p0,
        p1,
        p2,
        p3,
        opcode,
        s0,
        s1,
        m0,
        m1,
        m2,
        m3,
        ..,
    ] = front
    else {
        return header;
    };
    *tag = tag::STEP;
    [*d0, *d1] = step.depth.to_be_bytes();
    [*p0, *p1, *p2, *p3] = step.pc.to_be_bytes();
    *opcode = step.opcode;
    [*s0, *s1] = step.stack_height.to_be_bytes();
    [*m0, *m1, *m2, *m3] = step.memory_words.to_be_bytes();
    let (remaining, cost) = back.split_at_mut(8);
    remaining.copy_from_slice(&step.gas_remaining.to_be_bytes());
    cost.copy_from_slice(&step.gas_cost.to_be_bytes());
    header
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
