//! The execution thread's part: an inspector that copies what changed, and hashes nothing.
//!
//! What steps changed on the stack is copied when the next *stretch* of their frame begins, what one
//! changed in memory when the next *step* of its frame does. By then calls have returned, their
//! result lies on the stack and in memory, and an opcode that halted its frame has no next step and
//! so no changes. The hooks of revm come in this order:
//!
//! ```text
//! step CALL                  what the opcode before CALL wrote to memory; then CALL's fields
//! step_end CALL              CALL's gas
//!   call                     effect of CALL
//!   initialize_interp        frame begins
//!     step .. step_end       the callee's steps
//!   call_end                 effect "end" of the callee's last step
//! step after CALL            CALL's result on the stack, its output in memory and return data
//! ```
//!
//! A call that needs no frame has `call_end` right after `call`; its "end" belongs to CALL itself.

use super::effect::{Change, Effect};
use super::layout::{GROUP_STEPS, LONG_INPUT, Message, NO_STEP, Writer, tag};
use super::opcodes::{FACTS, GROWS, OPERANDS, STORES, WriteLen, input_operand, write_operands};
use super::raw::{
    Batch, Fill, NOT_A_STEP, RawEffect, RawEnd, RawFrame, RawReturn, RawStep, RawStretch, RawWrite,
    index,
};
use alloc::vec::Vec;
use alloy_primitives::{Address, B256, Log, U256};
use revm::JournalEntry;
use revm::bytecode::opcode;
use revm::context::{ContextTr, CreateScheme};
use revm::inspector::JournalExt;
use revm::interpreter::interpreter::EthInterpreter;
use revm::interpreter::interpreter_types::{InputsTr, Jumps, LoopControl, MemoryTr};
use revm::interpreter::{
    CallInputs, CallScheme, CreateInputs, InstructionResult, Interpreter, InterpreterResult,
};

/// A frame being executed.
#[derive(Clone, Copy, Debug, Default)]
struct Frame {
    /// Size of its memory as of the last look.
    memory_words: u32,
    /// Items from the bottom that are as they were when its last stretch began, but for what the last
    /// opcode changed.
    kept: usize,
    /// Of the last opcode: items that it may have changed.
    pushed: u16,
    /// Of the last opcode, see [`super::opcodes`].
    flags: u8,
    /// Of the last opcode: bytes of memory that it may have written, (offset, length).
    write: (u64, u64),
    /// Of the last opcode: where the input of its call lies in memory.
    input_offset: u64,
}

/// A slot about to be written.
#[derive(Clone, Copy, Debug)]
struct Store {
    slot: U256,
    new: U256,
    /// Entries of the journal before.
    journal: usize,
}

/// Fills batches.
#[derive(Debug)]
pub(super) struct Recorder {
    pub(super) batch: Batch,
    /// Steps of the transaction so far.
    pub(super) step_count: u64,
    /// Steps of a group, a power of two.
    group_steps: u64,
    /// Steps that the stretch under way may still have.
    room: u64,
    frames: Vec<Frame>,
    /// Of each call under way, whether it has a frame.
    calls: Vec<bool>,
    /// The effect that may open the next frame.
    opener: u32,
    store: Option<Store>,
    /// Whether long call inputs are hashed in full.
    pub(super) whole_inputs: bool,
    /// Whether refund counters are recorded.
    pub(super) refunds: bool,
}

impl Recorder {
    /// A recorder of groups.
    pub(super) fn new() -> Self {
        Self {
            batch: Batch::default(),
            step_count: 0,
            group_steps: GROUP_STEPS as u64,
            room: 0,
            frames: Vec::new(),
            calls: Vec::new(),
            opener: 0,
            store: None,
            whole_inputs: false,
            refunds: false,
        }
    }

    /// A recorder for who wants the machine before each step: each is a group of its own.
    pub(super) fn of_each_step() -> Self {
        Self {
            group_steps: 1,
            ..Self::new()
        }
    }

    /// Forgets the transaction before.
    pub(super) fn reset(&mut self) {
        self.step_count = 0;
        self.room = 0;
        self.frames.clear();
        self.calls.clear();
        self.store = None;
    }

    #[inline]
    pub(super) fn step<CTX: ContextTr<Journal: JournalExt>>(
        &mut self,
        interp: &mut Interpreter<EthInterpreter>,
        context: &mut CTX,
    ) {
        let depth = self.frames.len();
        let Some(frame) = self.frames.last_mut() else {
            return;
        };
        let batch = &mut self.batch;
        let stack = interp.stack.data().as_slice();
        let unchanged = stack.len().saturating_sub(usize::from(frame.pushed));
        frame.kept = frame.kept.min(unchanged);
        if frame.flags & GROWS != 0 {
            copy_memory(batch, frame, &interp.memory);
        }
        if self.room == 0 {
            let in_group = self.step_count & (self.group_steps - 1);
            self.room = self.group_steps - in_group;
            if in_group == 0 {
                batch.groups.push(index(batch.stretches.len()));
            }
            let pushed = copy_items(batch, stack, frame.kept);
            batch.stretches.push(RawStretch {
                last_cost: 0,
                step: index(batch.steps.len()),
                memory_words: frame.memory_words,
                depth: short(depth),
                pushed,
            });
            frame.kept = stack.len();
        }
        self.room -= 1;
        let opcode = interp.bytecode.opcode();
        batch.steps.push(RawStep {
            gas_remaining: interp.gas.remaining(),
            pc: narrow(interp.bytecode.pc()),
            stack_height: short(stack.len()),
            opcode,
            effects: 0,
        });
        if self.refunds {
            batch.refunds.push(interp.gas.refunded());
        }
        self.step_count += 1;
        let facts = FACTS.get(usize::from(opcode));
        let (pushed, flags) = facts.map_or((0, 0), |facts| (facts.pushed, facts.flags));
        frame.pushed = pushed;
        frame.flags = flags;
        if flags & OPERANDS != 0 {
            self.look_at_operands(opcode, flags, interp.stack.data(), context);
        }
    }

    /// Notes what the opcode is about to write.
    #[inline(never)]
    fn look_at_operands<CTX: ContextTr<Journal: JournalExt>>(
        &mut self,
        opcode: u8,
        flags: u8,
        stack: &[U256],
        context: &CTX,
    ) {
        let Some(frame) = self.frames.last_mut() else {
            return;
        };
        frame.write = written(opcode, stack);
        frame.input_offset = input_operand(opcode).map_or(0, |place| operand(stack, place));
        if flags & STORES != 0
            && let Some([new, slot]) = stack.last_chunk()
        {
            self.store = Some(Store {
                slot: *slot,
                new: *new,
                journal: context.journal().journal().len(),
            });
        }
    }

    #[inline]
    pub(super) fn step_end<CTX: ContextTr<Journal: JournalExt>>(
        &mut self,
        interp: &mut Interpreter<EthInterpreter>,
        context: &mut CTX,
    ) {
        let batch = &mut self.batch;
        let (Some(step), Some(stretch)) = (batch.steps.last(), batch.stretches.last_mut()) else {
            return;
        };
        stretch.last_cost = step.gas_remaining.saturating_sub(interp.gas.remaining());
        if interp.bytecode.is_end() {
            let result = interp.bytecode.instruction_result();
            if result.is_some_and(InstructionResult::is_halt) {
                stretch.last_cost = step.gas_remaining;
                self.store = None;
            }
        }
        if self.store.is_some() {
            self.stored(interp.input.target_address(), context);
        }
    }

    /// An SSTORE or TSTORE succeeded. The journal has the old value, unless it is the new one.
    #[inline(never)]
    fn stored<CTX: ContextTr<Journal: JournalExt>>(&mut self, address: Address, context: &CTX) {
        let Some(store) = self.store.take() else {
            return;
        };
        let entries = context.journal().journal();
        let old = entries
            .get(store.journal..)
            .and_then(|new| {
                new.iter().find_map(|entry| match entry {
                    JournalEntry::StorageChanged { had_value, .. }
                    | JournalEntry::TransientStorageChange { had_value, .. } => Some(*had_value),
                    _ => None,
                })
            })
            .unwrap_or(store.new);
        let change = Change {
            address,
            slot: store.slot,
            old,
            new: store.new,
        };
        let opcode = self.batch.steps.last().map(|step| step.opcode);
        let effect = if opcode == Some(opcode::TSTORE) {
            Effect::Transient(change)
        } else {
            Effect::Storage(change)
        };
        self.effect(effect, Fill::Nothing);
    }

    pub(super) fn log(&mut self, log: &Log) {
        if self.frames.is_empty() {
            return;
        }
        let topics = log.topics();
        for topic in topics {
            self.batch.bytes.extend_from_slice(topic.as_slice());
        }
        self.batch.bytes.extend_from_slice(&log.data.data);
        let effect = Effect::Log {
            address: log.address,
            topics: u8::try_from(topics.len()).unwrap_or(u8::MAX),
            hash: B256::ZERO,
        };
        let len = index(32 * topics.len() + log.data.data.len());
        self.effect(effect, Fill::BytesHash(len));
    }

    pub(super) fn call<CTX: ContextTr>(&mut self, inputs: &CallInputs, context: &CTX) {
        self.calls.push(false);
        let len = inputs.input.len();
        let frame = self.frames.last();
        let fill = match frame {
            Some(frame) if len > LONG_INPUT && !self.whole_inputs => {
                Fill::LongInput(frame.input_offset, len as u64, frame.memory_words)
            }
            _ => {
                let input = inputs.input.as_bytes(context);
                self.batch.bytes.extend_from_slice(&input);
                Fill::BytesHash(index(input.len()))
            }
        };
        let kind = match inputs.scheme {
            CallScheme::Call => 0,
            CallScheme::CallCode => 1,
            CallScheme::DelegateCall => 2,
            CallScheme::StaticCall => 3,
        };
        let effect = Effect::Call {
            kind,
            is_static: inputs.is_static,
            target: inputs.target_address,
            code: inputs.bytecode_address,
            gas_limit: inputs.gas_limit,
            value: inputs.value.get(),
            input_hash: B256::ZERO,
        };
        self.opener = self.closing_effect(effect, fill);
    }

    pub(super) fn create(&mut self, inputs: &CreateInputs) {
        self.calls.push(false);
        let (kind, salt) = match inputs.scheme() {
            CreateScheme::Create2 { salt } => (1, salt),
            CreateScheme::Create | CreateScheme::Custom { .. } => (0, U256::ZERO),
        };
        let effect = Effect::Create {
            kind,
            gas_limit: inputs.gas_limit(),
            salt: salt.into(),
            value: inputs.value(),
            init_code_hash: inputs.init_code_hash(),
        };
        self.opener = self.closing_effect(effect, Fill::Nothing);
    }

    /// A frame begins, for the call before.
    pub(super) fn begin_frame(&mut self, interp: &mut Interpreter<EthInterpreter>) {
        let Some(has_frame) = self.calls.last_mut() else {
            return;
        };
        *has_frame = true;
        let opener_step = match self.step_count.checked_sub(1) {
            Some(step) if !self.frames.is_empty() => step,
            _ => NO_STEP,
        };
        self.frames.push(Frame::default());
        let depth = short(self.frames.len());
        let code_hash = interp.bytecode.get_or_calculate_hash();
        let message = frame_message(interp, depth, opener_step, code_hash);
        self.batch.frames.push(RawFrame {
            step: self.batch.next_step(),
            depth,
            opener: self.opener,
            message,
        });
    }

    /// A call or creation is over.
    pub(super) fn end_call(
        &mut self,
        result: &InterpreterResult,
        precompile: bool,
        created: Option<Address>,
        is_create: bool,
    ) {
        let has_frame = self.calls.pop().unwrap_or_default();
        if self.frames.is_empty() {
            return;
        }
        let output = &result.output;
        self.batch.bytes.extend_from_slice(output);
        let (status, gas_remaining) = if result.is_ok() {
            (0, result.gas.remaining())
        } else if result.is_revert() {
            (1, result.gas.remaining())
        } else {
            (2, 0)
        };
        let effect = Effect::End {
            status,
            precompile,
            gas_remaining,
            created: created.filter(|_| status == 0),
            output_hash: B256::ZERO,
        };
        let effect = self.closing_effect(effect, Fill::BytesHash(index(output.len())));
        if has_frame {
            self.frames.pop();
        }
        let depth = short(self.frames.len());
        if let Some(caller) = self.frames.last_mut() {
            // Creations hand data back only when they revert, calls also what fits in memory.
            let (returned, written) = match (is_create, status) {
                (true, 1) => (output.len(), 0),
                (true, _) => (0, 0),
                (false, 2) => (output.len(), 0),
                (false, _) => (output.len(), output.len()),
            };
            caller.write.1 = caller.write.1.min(written as u64);
            self.batch.returns.push(RawReturn {
                step: self.batch.next_step(),
                depth,
                effect: (returned > 0).then_some(effect),
            });
        }
    }

    pub(super) fn self_destruct(&mut self, contract: Address, target: Address, balance: U256) {
        let effect = Effect::SelfDestruct {
            contract,
            target,
            balance,
        };
        self.effect(effect, Fill::Nothing);
    }

    /// Ends the transaction.
    pub(super) fn end(&mut self, dropped: bool) {
        let batch = &mut self.batch;
        batch.ends.push(RawEnd {
            step: batch.next_step(),
            group: index(batch.groups.len()),
            count: self.step_count,
            dropped,
        });
        self.room = 0;
    }

    /// Whether the next step begins a group.
    #[inline]
    pub(super) fn begins_group(&self) -> bool {
        self.step_count & (self.group_steps - 1) == 0
    }

    /// An effect that its stretch ends with.
    fn closing_effect(&mut self, effect: Effect, fill: Fill) -> u32 {
        self.room = 0;
        self.effect(effect, fill)
    }

    /// Adds an effect of the last step, and returns its place.
    fn effect(&mut self, effect: Effect, fill: Fill) -> u32 {
        let place = index(self.batch.effects.len());
        let last_step = self.batch.next_step().checked_sub(1);
        let step = last_step.filter(|_| !self.frames.is_empty());
        if let (Some(_), Some(last)) = (step, self.batch.steps.last_mut()) {
            last.effects = last.effects.saturating_add(1);
        }
        self.batch.effects.push(RawEffect {
            step: step.unwrap_or(NOT_A_STEP),
            message: effect.to_bytes(),
            fill,
        });
        place
    }
}

/// Copies the items above the `kept` lowest ones, and returns how many those are.
#[inline]
fn copy_items(batch: &mut Batch, stack: &[U256], kept: usize) -> u16 {
    let (_, changed) = stack.split_at_checked(kept).unwrap_or((stack, &[]));
    batch.items.extend_from_slice(changed);
    short(changed.len())
}

/// Copies the words that the last opcode of `frame` may have written.
#[inline(never)]
fn copy_memory(batch: &mut Batch, frame: &mut Frame, memory: &impl MemoryTr) {
    let size = memory.size();
    frame.memory_words = narrow(size.div_ceil(32));
    let (offset, len) = core::mem::take(&mut frame.write);
    let end = offset.saturating_add(len).min(size as u64);
    if offset >= end {
        return;
    }
    let (first, last) = (offset / 32, (end - 1) / 32);
    let Ok(from) = usize::try_from(first * 32) else {
        return;
    };
    let Ok(to) = usize::try_from((last + 1) * 32) else {
        return;
    };
    let before = batch.words.len();
    let bytes = memory.slice(from..to.min(size));
    batch.words.extend_from_slice(bytes.as_chunks::<32>().0);
    batch.writes.push(RawWrite {
        step: index(batch.steps.len()),
        first_word: u32::try_from(first).unwrap_or(u32::MAX),
        words: index(batch.words.len() - before),
    });
}

/// The bytes of memory that an opcode will write, by its operands.
fn written(opcode: u8, stack: &[U256]) -> (u64, u64) {
    let Some((offset, len)) = write_operands(opcode) else {
        return (0, 0);
    };
    let len = match len {
        WriteLen::Fixed(len) => len,
        WriteLen::Operand(place) => operand(stack, place),
    };
    (operand(stack, offset), len)
}

/// The item `place` below the top, at most 2^64 - 1; 0 if there is none, since then the opcode
/// halts.
fn operand(stack: &[U256], place: usize) -> u64 {
    let item = stack.iter().nth_back(place);
    item.map_or(0, |item| item.saturating_to())
}

/// The record of a frame (docs/FORMAT.md, section 9.3).
fn frame_message(
    interp: &Interpreter<EthInterpreter>,
    depth: u16,
    opener_step: u64,
    code_hash: B256,
) -> Message {
    let input = &interp.input;
    Writer::new(tag::FRAME)
        .put(1, &depth.to_be_bytes())
        .put(3, &opener_step.to_be_bytes())
        .put(11, input.target_address().as_slice())
        .put(31, input.caller_address().as_slice())
        .put(51, &[u8::from(interp.runtime_flag.is_static)])
        .put(52, &interp.gas.limit().to_be_bytes())
        .put(64, &input.call_value().to_be_bytes::<32>())
        .put(96, code_hash.as_slice())
        .finish()
}

/// Depths and stack heights are at most 1025.
fn short(count: usize) -> u16 {
    u16::try_from(count).unwrap_or(u16::MAX)
}

/// Program counters and memory sizes are far below 2^32.
fn narrow(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
