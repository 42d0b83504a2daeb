//! The records of steps: up to eight steps of the EVM, and the machine before the first of them, in
//! the 128 bytes of a leaf.

use super::error::TraceError;
use super::layout::{Fields, GROUP_STEPS, Message, STEP_LEN, Writer, tag};
use super::raw::{RawGroup, RawStep};
use alloc::vec::Vec;
use alloy_primitives::B256;

/// One executed opcode. docs/FORMAT.md, section 9.1, is the contract.
///
/// All fields but the last tell the machine *before* the opcode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Program counter.
    pub pc: u32,
    /// The opcode's byte.
    pub opcode: u8,
    /// Items on the stack.
    pub stack_height: u16,
    /// Gas left.
    pub gas_remaining: u64,
    /// How many [`Effect`](super::Effect)s it had.
    pub effects: u8,
}

/// Consecutive steps of one frame, and the machine before the first of them.
///
/// A group has up to eight steps. It ends early with a step that calls, creates or ends its frame, so
/// the machine after it is in the next group of the same frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepGroup {
    /// Call depth; 1 in the outermost frame.
    pub depth: u16,
    /// Size of the memory in words of 32 bytes, before the first step.
    pub memory_words: u32,
    /// Number of the first step in its transaction.
    pub first_step: u64,
    /// Gas that the last step took: with CALL and CREATE that which was handed on, all that was left
    /// if it halted the frame. What another one took is what the next one has less.
    pub last_gas_cost: u64,
    /// Binds the stack before the first step, item by item, and the frame it belongs to.
    pub stack_hash: B256,
    /// Binds memory and return data before the first step.
    pub memory_hash: B256,
    /// The steps.
    pub steps: Vec<Step>,
}

/// Bytes of the encoding of a group before its steps.
pub(super) const GROUP_PREFIX: usize = 96;

impl Step {
    /// The 16 bytes that are hashed, eight steps at a time.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; STEP_LEN] {
        RawStep::from(*self).to_bytes()
    }

    /// The step with these bytes; all have a meaning.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; STEP_LEN]) -> Self {
        let [p0, p1, p2, p3, opcode, effects, h0, h1, gas @ ..] = *bytes;
        Self {
            pc: u32::from_be_bytes([p0, p1, p2, p3]),
            opcode,
            effects,
            stack_height: u16::from_be_bytes([h0, h1]),
            gas_remaining: u64::from_be_bytes(gas),
        }
    }
}

impl StepGroup {
    /// The first 96 bytes of the record, which is all but what stands for the steps.
    pub(super) fn prefix(&self) -> [u8; GROUP_PREFIX] {
        let raw = RawGroup {
            number: self.first_step,
            last_cost: self.last_gas_cost,
            memory_words: self.memory_words,
            depth: self.depth,
            ..RawGroup::default()
        };
        let header = raw.header(self.steps.len());
        let record = assemble(&header, &self.stack_hash, &self.memory_hash, &[0; 32]);
        record.first_chunk().copied().unwrap_or([0; GROUP_PREFIX])
    }

    /// The group that begins so, without its steps, and the number of these.
    ///
    /// # Errors
    /// [`TraceError::BadRecord`] if the first byte is not that of a group, the number of steps not 1
    /// to 8, or a reserved byte not zero.
    pub(super) fn from_prefix(prefix: &[u8; GROUP_PREFIX]) -> Result<(Self, usize), TraceError> {
        let bad = |what| TraceError::BadRecord { what };
        let mut record: Message = [0; 128];
        if let Some(front) = record.first_chunk_mut() {
            *front = *prefix;
        }
        let fields = Fields(&record);
        let [first, count] = fields.array(0);
        if first != tag::GROUP {
            return Err(bad("the first byte of a group of steps is 10"));
        }
        let count = usize::from(count);
        if !(1..=GROUP_STEPS).contains(&count) {
            return Err(bad("a group has 1 to 8 steps"));
        }
        if fields.array(24) != [0; 8] {
            return Err(bad("bytes 24 to 31 of a group of steps are zero"));
        }
        let group = Self {
            depth: u16::from_be_bytes(fields.array(2)),
            memory_words: u32::from_be_bytes(fields.array(4)),
            first_step: u64::from_be_bytes(fields.array(8)),
            last_gas_cost: u64::from_be_bytes(fields.array(16)),
            stack_hash: B256::new(fields.array(32)),
            memory_hash: B256::new(fields.array(64)),
            steps: Vec::new(),
        };
        Ok((group, count))
    }

    /// Gas that the step at a place in the group took; none if there is no such step.
    #[must_use]
    pub fn gas_cost(&self, place: usize) -> Option<u64> {
        let step = self.steps.get(place)?;
        let next = self.steps.get(place + 1);
        Some(next.map_or(self.last_gas_cost, |next| {
            step.gas_remaining.saturating_sub(next.gas_remaining)
        }))
    }
}

impl From<Step> for RawStep {
    fn from(step: Step) -> Self {
        Self {
            gas_remaining: step.gas_remaining,
            pc: step.pc,
            stack_height: step.stack_height,
            opcode: step.opcode,
            effects: step.effects,
        }
    }
}

impl From<RawStep> for Step {
    fn from(step: RawStep) -> Self {
        Self {
            pc: step.pc,
            opcode: step.opcode,
            stack_height: step.stack_height,
            gas_remaining: step.gas_remaining,
            effects: step.effects,
        }
    }
}

impl RawStep {
    #[inline]
    pub(super) fn to_bytes(self) -> [u8; STEP_LEN] {
        let word = u128::from(self.pc) << 96
            | u128::from(self.opcode) << 88
            | u128::from(self.effects) << 80
            | u128::from(self.stack_height) << 64
            | u128::from(self.gas_remaining);
        word.to_be_bytes()
    }
}

impl RawGroup {
    /// The first word of the record of a group of `count` steps.
    pub(super) fn header(&self, count: usize) -> [u8; 32] {
        let count = u8::try_from(count).unwrap_or(u8::MAX);
        let record = Writer::new(tag::GROUP)
            .put(1, &[count])
            .put(2, &self.depth.to_be_bytes())
            .put(4, &self.memory_words.to_be_bytes())
            .put(8, &self.number.to_be_bytes())
            .put(16, &self.last_cost.to_be_bytes())
            .finish();
        record.first_chunk().copied().unwrap_or_default()
    }
}

/// The message that steps of a group are hashed as: zero where there are less than eight.
pub(super) fn steps_message(steps: &[RawStep]) -> Message {
    let mut message = [0; 128];
    for (place, step) in message.as_chunks_mut().0.iter_mut().zip(steps) {
        *place = step.to_bytes();
    }
    message
}

/// A record of the four words.
pub(super) fn assemble(
    header: &[u8; 32],
    stack: &[u8; 32],
    memory: &[u8; 32],
    steps: &[u8; 32],
) -> Message {
    let mut record = [0; 128];
    let words = [header, stack, memory, steps];
    for (chunk, word) in record.as_chunks_mut::<32>().0.iter_mut().zip(words) {
        *chunk = *word;
    }
    record
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_round_trip_and_reserved_ones_are_refused() {
        let step = Step {
            pc: 0x0304_0506,
            opcode: 7,
            stack_height: 0x0809,
            gas_remaining: 0x1011_1213_1415_1617,
            effects: 18,
        };
        let bytes = step.to_bytes();
        let expected = [
            3, 4, 5, 6, 7, 18, 8, 9, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17,
        ];
        assert_eq!(bytes, expected);
        assert_eq!(Step::from_bytes(&bytes), step);
        let group = StepGroup {
            depth: 0x0102,
            memory_words: 0x0a0b_0c0d,
            first_step: u64::MAX - 1,
            last_gas_cost: 5,
            stack_hash: B256::repeat_byte(1),
            memory_hash: B256::repeat_byte(2),
            steps: alloc::vec![step; 3],
        };
        let prefix = group.prefix();
        let empty = StepGroup {
            steps: Vec::new(),
            ..group.clone()
        };
        assert_eq!(StepGroup::from_prefix(&prefix), Ok((empty, 3)));
        for at in (0..2).chain(24..32) {
            let mut other = prefix;
            other[at] ^= 0x20;
            assert!(StepGroup::from_prefix(&other).is_err(), "byte {at}");
        }
        let mut none = prefix;
        none[1] = 0;
        assert!(StepGroup::from_prefix(&none).is_err());
        none[1] = 9;
        assert!(StepGroup::from_prefix(&none).is_err());
    }

    #[test]
    fn a_step_costs_what_the_next_has_less() {
        let step = |gas_remaining| Step {
            pc: 0,
            opcode: 0,
            stack_height: 0,
            gas_remaining,
            effects: 0,
        };
        let group = StepGroup {
            depth: 1,
            memory_words: 0,
            first_step: 0,
            last_gas_cost: 90,
            stack_hash: B256::ZERO,
            memory_hash: B256::ZERO,
            steps: alloc::vec![step(100), step(97)],
        };
        let costs = [0, 1, 2].map(|place| group.gas_cost(place));
        assert_eq!(costs, [Some(3), Some(90), None]);
    }
}
