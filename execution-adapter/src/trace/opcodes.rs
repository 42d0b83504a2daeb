//! What each opcode changes, as far as the tracer must look.

use revm::bytecode::opcode::{self as op, OPCODE_INFO};

/// The opcode may write memory, storage or call: the slow path looks at its operands.
pub(super) const OPERANDS: u8 = 1;
/// The opcode may grow the memory.
pub(super) const GROWS: u8 = 2;
/// The opcode changes storage or transient storage.
pub(super) const STORES: u8 = 4;

/// The facts about one opcode.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts {
    /// Items from the top of the stack that may differ afterwards. Counting too many costs time
    /// and changes no hash.
    pub(super) pushed: u16,
    /// Of the constants above.
    pub(super) flags: u8,
}

/// By opcode.
pub(super) static FACTS: [Facts; 256] = facts();

#[expect(clippy::indexing_slicing, reason = "checked at compile time")]
const fn facts() -> [Facts; 256] {
    let mut facts = [Facts {
        pushed: 0,
        flags: 0,
    }; 256];
    let mut opcode = 0;
    while opcode <= 0xff_u8 as usize {
        if let Some(info) = &OPCODE_INFO[opcode] {
            facts[opcode].pushed = info.outputs() as u16;
        }
        opcode += 1;
    }
    let mut dup = op::DUP1;
    while dup <= op::DUP16 {
        facts[dup as usize].pushed = 1;
        dup += 1;
    }
    // How deep these two reach is in the byte behind the opcode.
    facts[op::SWAPN as usize].pushed = 1024;
    facts[op::EXCHANGE as usize].pushed = 1024;
    let grows = [
        op::MLOAD,
        op::KECCAK256,
        op::LOG0,
        op::LOG1,
        op::LOG2,
        op::LOG3,
        op::LOG4,
        op::CREATE,
        op::CREATE2,
    ];
    let writes = [
        op::MSTORE,
        op::MSTORE8,
        op::CALLDATACOPY,
        op::CODECOPY,
        op::EXTCODECOPY,
        op::RETURNDATACOPY,
        op::MCOPY,
        op::CALL,
        op::CALLCODE,
        op::DELEGATECALL,
        op::STATICCALL,
    ];
    let mut i = 0;
    while i < grows.len() {
        facts[grows[i] as usize].flags |= GROWS;
        i += 1;
    }
    let mut i = 0;
    while i < writes.len() {
        facts[writes[i] as usize].flags |= GROWS | OPERANDS;
        i += 1;
    }
    facts[op::SSTORE as usize].flags |= OPERANDS | STORES;
    facts[op::TSTORE as usize].flags |= OPERANDS | STORES;
    facts
}

/// Where the operands of an opcode say that it writes memory, counted from the top of the stack:
/// (offset, length); nothing for a fixed length.
pub(super) const fn write_operands(opcode: u8) -> Option<(usize, WriteLen)> {
    Some(match opcode {
        op::MSTORE => (0, WriteLen::Fixed(32)),
        op::MSTORE8 => (0, WriteLen::Fixed(1)),
        op::CALLDATACOPY | op::CODECOPY | op::RETURNDATACOPY | op::MCOPY => {
            (0, WriteLen::Operand(2))
        }
        op::EXTCODECOPY => (1, WriteLen::Operand(3)),
        op::CALL | op::CALLCODE => (5, WriteLen::Operand(6)),
        op::DELEGATECALL | op::STATICCALL => (4, WriteLen::Operand(5)),
        _ => return None,
    })
}

/// Where a call's input begins in memory: an operand, counted from the top.
pub(super) const fn input_operand(opcode: u8) -> Option<usize> {
    match opcode {
        op::CALL | op::CALLCODE => Some(3),
        op::DELEGATECALL | op::STATICCALL => Some(2),
        _ => None,
    }
}

/// How long a write is.
#[derive(Clone, Copy, Debug)]
pub(super) enum WriteLen {
    /// Always as long.
    Fixed(u64),
    /// As the operand says.
    Operand(usize),
}
