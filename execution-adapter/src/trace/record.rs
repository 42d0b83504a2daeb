//! The records of steps: eight steps of the EVM, and the machine before each stretch of them, in the
//! 128 bytes of a leaf.

use super::effect::Effect;
use super::error::TraceError;
use super::layout::{Fields, GROUP_STEPS, Message, STEP_LEN, Writer};
use super::raw::{RawStep, RawStretch};
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
/// A stretch ends where its group of eight steps does, and with a step that calls, creates or ends
/// its frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// Call depth; 1 in the outermost frame.
    pub depth: u16,
    /// Size of the memory in words of 32 bytes, before the first step.
    pub memory_words: u32,
    /// Gas that the last step took: with CALL and CREATE that which was handed on, all that was left
    /// if it halted the frame. What another one took is what the next one has less.
    pub last_gas_cost: u64,
    /// Binds the stack before the first step, item by item, and the frame it belongs to.
    pub stack_hash: B256,
    /// Binds memory and return data before the first step.
    pub memory_hash: B256,
    /// The steps.
    pub steps: Vec<Step>,
    /// What they did beyond stack and memory, in order; each step says how many are its own.
    pub effects: Vec<Effect>,
}

/// Bytes of the encoding of a stretch before its steps.
const PREFIX_LEN: usize = 96;

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

impl Stretch {
    /// The record, in whose last word a group has what its steps did.
    pub(super) fn record(&self, tag: u8, last_word: &[u8; 32]) -> Message {
        let raw = RawStretch {
            last_cost: self.last_gas_cost,
            memory_words: self.memory_words,
            depth: self.depth,
            ..RawStretch::default()
        };
        let header = raw.header(tag, self.steps.len());
        assemble(&header, &self.stack_hash, &self.memory_hash, last_word)
    }

    /// Appends the encoding: the record but for its last word, the steps, their effects.
    pub(super) fn put_bytes(&self, tag: u8, bytes: &mut Vec<u8>) {
        let record = self.record(tag, &[0; 32]);
        bytes.extend(record.iter().take(PREFIX_LEN));
        for step in &self.steps {
            bytes.extend_from_slice(&step.to_bytes());
        }
        for effect in &self.effects {
            bytes.extend_from_slice(&effect.to_bytes());
        }
    }

    /// The stretch of a record that was made, with its steps and the records of their effects.
    pub(super) fn of_record(
        record: &Message,
        steps: Vec<Step>,
        effects: &[Message],
    ) -> Result<Self, TraceError> {
        let [tag, ..] = *record;
        let mut bytes = record.iter().take(PREFIX_LEN).copied().collect::<Vec<u8>>();
        steps.iter().for_each(|step| bytes.extend(step.to_bytes()));
        effects.iter().for_each(|effect| bytes.extend(effect));
        Self::read(tag, &bytes).map(|(stretch, _)| stretch)
    }

    /// The stretch that `bytes` begin with, and the bytes behind it.
    ///
    /// # Errors
    /// [`TraceError::BadRecord`] if there is none: another first byte than `tag`, not 1 to 8 steps, a
    /// reserved byte that is not zero, effects that are none, or not enough bytes.
    pub(super) fn read(tag: u8, bytes: &[u8]) -> Result<(Self, &[u8]), TraceError> {
        let bad = |what| TraceError::BadRecord { what };
        let short = || bad("the opening ends early");
        let (prefix, rest) = bytes.split_first_chunk::<PREFIX_LEN>().ok_or_else(short)?;
        let mut record: Message = [0; 128];
        if let Some(front) = record.first_chunk_mut() {
            *front = *prefix;
        }
        let fields = Fields(&record);
        let [first, count] = fields.array(0);
        if first != tag {
            return Err(bad(
                "the first byte of a group is 10, of a later stretch 11",
            ));
        }
        let count = usize::from(count);
        if !(1..=GROUP_STEPS).contains(&count) {
            return Err(bad("a stretch has 1 to 8 steps"));
        }
        if fields.array(16) != [0; 16] {
            return Err(bad("bytes 16 to 31 of a stretch are zero"));
        }
        let (steps, rest) = rest.split_at_checked(STEP_LEN * count).ok_or_else(short)?;
        let steps: Vec<Step> = steps.as_chunks().0.iter().map(Step::from_bytes).collect();
        let effects = rest.split_at_checked(128 * effect_count(&steps));
        let (effects, rest) = effects.ok_or_else(short)?;
        let effects = effects.as_chunks().0.iter().map(Effect::from_bytes);
        let stretch = Self {
            depth: u16::from_be_bytes(fields.array(2)),
            memory_words: u32::from_be_bytes(fields.array(4)),
            last_gas_cost: u64::from_be_bytes(fields.array(8)),
            stack_hash: B256::new(fields.array(32)),
            memory_hash: B256::new(fields.array(64)),
            steps,
            effects: effects.collect::<Result<_, _>>()?,
        };
        Ok((stretch, rest))
    }

    /// Gas that the step at a place in the stretch took; none if there is no such step.
    #[must_use]
    pub fn gas_cost(&self, place: usize) -> Option<u64> {
        let step = self.steps.get(place)?;
        let next = self.steps.get(place + 1);
        Some(next.map_or(self.last_gas_cost, |next| {
            step.gas_remaining.saturating_sub(next.gas_remaining)
        }))
    }

    /// The effects of the step at a place in the stretch.
    pub(super) fn effects_of(&self, place: usize) -> Option<&[Effect]> {
        let (before, rest) = self.steps.split_at_checked(place)?;
        let count = usize::from(rest.first()?.effects);
        let (_, effects) = self.effects.split_at_checked(effect_count(before))?;
        effects.get(..count)
    }

    /// What no stretch of an honest trace is, beyond its form: more or less effects than its steps
    /// have, gas that rises, or an end in the middle. `is_last` of its group.
    pub(super) fn check(&self, is_last: bool) -> Result<(), TraceError> {
        let bad = |what| Err(TraceError::BadRecord { what });
        if effect_count(&self.steps) != self.effects.len() {
            return Err(TraceError::EffectMismatch);
        }
        if self.depth == 0 {
            return bad("the outermost frame has depth 1");
        }
        let gas = self.steps.iter().map(|step| step.gas_remaining);
        let left = self.steps.last().map_or(0, |step| step.gas_remaining);
        if !gas.is_sorted_by(|before, after| before >= after) || self.last_gas_cost > left {
            return bad("no step has more gas than the one before, or takes more than it has");
        }
        for place in 0..self.steps.len() {
            let effects = self.effects_of(place).unwrap_or_default();
            let ends = effects.iter().any(Effect::ends_stretch);
            let at_end = place + 1 == self.steps.len();
            if ends && !at_end {
                return bad(
                    "a step that calls, creates or ends its frame is the last of its stretch",
                );
            }
            if at_end && !ends && !is_last {
                return bad(
                    "the last step of a stretch calls, creates or ends its frame, or is the \
                            last of its group",
                );
            }
        }
        Ok(())
    }
}

/// The effects that steps have.
fn effect_count(steps: &[Step]) -> usize {
    steps.iter().map(|step| usize::from(step.effects)).sum()
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

impl RawStretch {
    /// The first word of the record of a stretch of `count` steps.
    pub(super) fn header(&self, tag: u8, count: usize) -> [u8; 32] {
        let count = u8::try_from(count).unwrap_or(u8::MAX);
        let record = Writer::new(tag)
            .put(1, &[count])
            .put(2, &self.depth.to_be_bytes())
            .put(4, &self.memory_words.to_be_bytes())
            .put(8, &self.last_cost.to_be_bytes())
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
    use super::super::layout::tag;
    use super::*;

    fn step(gas_remaining: u64, effects: u8) -> Step {
        Step {
            pc: 0x0304_0506,
            opcode: 7,
            stack_height: 0x0809,
            gas_remaining,
            effects,
        }
    }

    fn stretch() -> Stretch {
        Stretch {
            depth: 0x0102,
            memory_words: 0x0a0b_0c0d,
            last_gas_cost: 5,
            stack_hash: B256::repeat_byte(1),
            memory_hash: B256::repeat_byte(2),
            steps: alloc::vec![step(100, 0), step(97, 1)],
            effects: alloc::vec![Effect::End {
                status: 0,
                precompile: false,
                gas_remaining: 92,
                created: None,
                output_hash: B256::ZERO,
            }],
        }
    }

    #[test]
    fn bytes_round_trip_and_reserved_ones_are_refused() {
        let bytes = step(0x1011_1213_1415_1617, 18).to_bytes();
        let expected = [
            3, 4, 5, 6, 7, 18, 8, 9, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17,
        ];
        assert_eq!(bytes, expected);
        assert_eq!(Step::from_bytes(&bytes), step(0x1011_1213_1415_1617, 18));
        let stretch = stretch();
        let mut bytes = Vec::new();
        stretch.put_bytes(tag::GROUP, &mut bytes);
        assert_eq!(bytes.len(), 96 + 2 * 16 + 128);
        assert_eq!(Stretch::read(tag::GROUP, &bytes), Ok((stretch, &[][..])));
        for at in (0..2).chain(16..32) {
            let mut other = bytes.clone();
            other[at] ^= 0x20;
            assert!(Stretch::read(tag::GROUP, &other).is_err(), "byte {at}");
        }
        for (at, value) in [(1, 0), (1, 9), (0, tag::STRETCH)] {
            let mut other = bytes.clone();
            other[at] = value;
            assert!(Stretch::read(tag::GROUP, &other).is_err(), "{at}: {value}");
        }
        for len in 0..bytes.len() {
            assert!(Stretch::read(tag::GROUP, &bytes[..len]).is_err(), "{len}");
        }
    }

    #[test]
    fn a_step_costs_what_the_next_has_less() {
        let costs = [0, 1, 2].map(|place| stretch().gas_cost(place));
        assert_eq!(costs, [Some(3), Some(5), None]);
    }

    #[test]
    fn what_no_trace_has_is_refused() {
        let good = stretch();
        assert_eq!(good.check(true), Ok(()));
        assert_eq!(good.check(false), Ok(()));
        let changed = |change: &dyn Fn(&mut Stretch)| {
            let mut other = good.clone();
            change(&mut other);
            other.check(false)
        };
        assert!(changed(&|s| s.depth = 0).is_err());
        assert!(changed(&|s| s.last_gas_cost = 98).is_err());
        assert!(changed(&|s| s.steps[1].gas_remaining = 101).is_err());
        assert!(changed(&|s| s.effects.clear()).is_err());
        // A call in the middle, and none at the end.
        assert!(changed(&|s| s.steps.swap(0, 1)).is_err());
        let open = |s: &mut Stretch| {
            s.steps[1].effects = 0;
            s.effects.clear();
        };
        assert!(changed(&open).is_err());
        let mut last = good.clone();
        open(&mut last);
        assert_eq!(last.check(true), Ok(()));
    }
}
