//! The step record: one step of the EVM in the 128 bytes of a leaf.

use super::error::TraceError;
use super::layout::{Fields, Message, Writer, tag};
use alloy_primitives::B256;

/// One executed opcode. docs/FORMAT.md, section 9.1, is the contract.
///
/// All fields but the last two tell the machine *before* the opcode; the last two what the
/// opcode did. So the machine after step i of a frame is in the next step of that frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Call depth; 1 in the outermost frame.
    pub depth: u16,
    /// Program counter.
    pub pc: u32,
    /// The opcode's byte.
    pub opcode: u8,
    /// Items on the stack.
    pub stack_height: u16,
    /// Size of the memory in words of 32 bytes.
    pub memory_words: u32,
    /// Gas left.
    pub gas_remaining: u64,
    /// Binds the stack, item by item, and the frame it belongs to.
    pub stack_hash: B256,
    /// Binds memory and return data.
    pub memory_hash: B256,
    /// Gas that the opcode took: with CALL and CREATE that which was handed on, all that was left
    /// if it halted the frame.
    pub gas_cost: u64,
    /// Binds what the opcode did beyond stack and memory; zero if nothing.
    pub effect_hash: B256,
}

/// The fields that are captured rather than hashed.
pub(super) type Header = [u8; 32];

impl Step {
    /// The 128 bytes that are hashed into the steps' log.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; 128] {
        let mut writer = Writer::new(tag::STEP);
        writer.put(1, &self.depth.to_be_bytes());
        writer.put(3, &self.pc.to_be_bytes());
        writer.put(7, &[self.opcode]);
        writer.put(8, &self.stack_height.to_be_bytes());
        writer.put(10, &self.memory_words.to_be_bytes());
        writer.put(16, &self.gas_remaining.to_be_bytes());
        writer.put(24, &self.gas_cost.to_be_bytes());
        writer.put(32, self.stack_hash.as_slice());
        writer.put(64, self.memory_hash.as_slice());
        writer.put(96, self.effect_hash.as_slice());
        writer.finish()
    }

    /// The step with these bytes.
    ///
    /// # Errors
    /// [`TraceError::BadRecord`] if the first byte is not that of a step, or a reserved one is
    /// not zero.
    pub fn from_bytes(bytes: &[u8; 128]) -> Result<Self, TraceError> {
        let fields = Fields(bytes);
        if fields.array(0) != [tag::STEP] {
            return Err(TraceError::BadRecord {
                what: "the first byte of a step is 1",
            });
        }
        if fields.array(14) != [0; 2] {
            return Err(TraceError::BadRecord {
                what: "bytes 14 and 15 of a step are zero",
            });
        }
        Ok(Self {
            depth: u16::from_be_bytes(fields.array(1)),
            pc: u32::from_be_bytes(fields.array(3)),
            opcode: u8::from_be_bytes(fields.array(7)),
            stack_height: u16::from_be_bytes(fields.array(8)),
            memory_words: u32::from_be_bytes(fields.array(10)),
            gas_remaining: u64::from_be_bytes(fields.array(16)),
            gas_cost: u64::from_be_bytes(fields.array(24)),
            stack_hash: B256::new(fields.array(32)),
            memory_hash: B256::new(fields.array(64)),
            effect_hash: B256::new(fields.array(96)),
        })
    }
}

/// A record of the four words.
pub(super) fn assemble(
    header: &Header,
    stack: &[u8; 32],
    memory: &[u8; 32],
    effect: &[u8; 32],
) -> Message {
    let mut record = [0; 128];
    let words = [header, stack, memory, effect];
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
            depth: 0x0102,
            pc: 0x0304_0506,
            opcode: 7,
            stack_height: 0x0809,
            memory_words: 0x0a0b_0c0d,
            gas_remaining: u64::MAX,
            stack_hash: B256::repeat_byte(1),
            memory_hash: B256::repeat_byte(2),
            gas_cost: 5,
            effect_hash: B256::repeat_byte(3),
        };
        let bytes = step.to_bytes();
        assert_eq!(Step::from_bytes(&bytes), Ok(step));
        for at in [0, 14, 15] {
            let mut other = bytes;
            other[at] ^= 2;
            assert!(Step::from_bytes(&other).is_err(), "byte {at}");
        }
    }
}
