//! The trace commitment by its definition: at each step the whole stack and the whole memory are
//! hashed again, and all records are kept. Shares no code with the tracer but the record types.

use crate::trace::{Change, Effect, Step, Stretch};
use crate::transition::StepsCommitment;
use alloy_primitives::{Address, B256, Log, U256, keccak256};
use alloy_rlp::Encodable;
use qmtree_proofs::{Digest, Frontier, Profile, TreeHasher};
use revm::Database;
use revm::bytecode::opcode as op;
use revm::context::{ContextTr, CreateScheme, JournalTr};
use revm::inspector::{Inspector, JournalExt};
use revm::interpreter::interpreter::EthInterpreter;
use revm::interpreter::interpreter_types::{Jumps, LoopControl, MemoryTr};
use revm::interpreter::{
    CallInputs, CallOutcome, CallScheme, CreateInputs, CreateOutcome, Interpreter,
    InterpreterResult,
};
use std::vec;
use std::vec::Vec;

/// A step, and the machine before it.
#[derive(Clone, Debug)]
pub(crate) struct Whole {
    pub(crate) step: Step,
    pub(crate) gas_cost: u64,
    pub(crate) depth: u16,
    memory_words: u32,
    stack_hash: B256,
    memory_hash: B256,
}

#[derive(Debug)]
pub(crate) struct Oracle {
    profile: Profile,
    pub(crate) steps: Vec<Whole>,
    pub(crate) effects: Vec<Vec<Effect>>,
    /// Of each step: hash of the upper 16 items, hash of the memory, hash of the last call's input.
    flat: Vec<(B256, B256, B256)>,
    frames: Vec<Digest>,
    calls: Vec<bool>,
    opener: Option<Effect>,
    store: Option<(bool, Change)>,
    /// Operand of a call: where its input begins.
    input_offset: u64,
}

impl Oracle {
    pub(crate) fn new(profile: Profile) -> Self {
        Self {
            profile,
            steps: Vec::new(),
            effects: Vec::new(),
            flat: Vec::new(),
            frames: Vec::new(),
            calls: Vec::new(),
            opener: None,
            store: None,
            input_offset: 0,
        }
    }

    pub(crate) fn commitment(&self) -> StepsCommitment {
        let mut log = Frontier::new(self.profile);
        for group in self.groups() {
            log.append(&[self.profile.hash_leaf(&self.record(&group))]);
        }
        StepsCommitment {
            root: log.root(),
            count: self.steps.len() as u64,
        }
    }

    /// The stretches of each group.
    pub(crate) fn groups(&self) -> Vec<Vec<Stretch>> {
        let whole: Vec<_> = self.steps.iter().zip(&self.effects).collect();
        let ends = |effects: &[Effect]| {
            effects.iter().any(|effect| {
                matches!(
                    effect,
                    Effect::Call { .. } | Effect::Create { .. } | Effect::End { .. }
                )
            })
        };
        let stretch = |steps: &[(&Whole, &Vec<Effect>)]| {
            let [(first, _), ..] = steps else {
                panic!("no stretch is empty")
            };
            let fields = steps.iter().map(|(whole, effects)| Step {
                effects: effects.len() as u8,
                ..whole.step
            });
            Stretch {
                depth: first.depth,
                memory_words: first.memory_words,
                last_gas_cost: steps.last().unwrap().0.gas_cost,
                stack_hash: first.stack_hash,
                memory_hash: first.memory_hash,
                steps: fields.collect(),
                effects: steps.iter().flat_map(|(_, e)| e.iter().copied()).collect(),
            }
        };
        whole
            .chunks(8)
            .map(|group| {
                let stretches = group.chunk_by(|(_, effects), _| !ends(effects));
                stretches.map(stretch).collect()
            })
            .collect()
    }

    fn record(&self, group: &[Stretch]) -> [u8; 128] {
        let mut steps = Vec::new();
        for step in group.iter().flat_map(|stretch| &stretch.steps) {
            steps.extend_from_slice(&step.pc.to_be_bytes());
            steps.extend_from_slice(&[step.opcode, step.effects]);
            steps.extend_from_slice(&step.stack_height.to_be_bytes());
            steps.extend_from_slice(&step.gas_remaining.to_be_bytes());
        }
        steps.resize(128, 0);
        let record = |stretch: &Stretch, tag: u8, last: &Digest| {
            let mut record = vec![tag, stretch.steps.len() as u8];
            record.extend_from_slice(&stretch.depth.to_be_bytes());
            record.extend_from_slice(&stretch.memory_words.to_be_bytes());
            record.extend_from_slice(&stretch.last_gas_cost.to_be_bytes());
            record.resize(32, 0);
            record.extend_from_slice(stretch.stack_hash.as_slice());
            record.extend_from_slice(stretch.memory_hash.as_slice());
            record.extend_from_slice(last);
            let record: [u8; 128] = record.try_into().unwrap();
            record
        };
        let mut hash = self.profile.hash_leaf(steps.as_slice().try_into().unwrap());
        let mut fold = |record: &[u8; 128]| {
            let leaf = self.profile.hash_leaf(record);
            hash = self.profile.hash_node(0x93, &hash, &leaf);
        };
        for (place, stretch) in group.iter().enumerate() {
            if place > 0 {
                fold(&record(stretch, 11, &[0; 32]));
            }
            for effect in &stretch.effects {
                fold(&effect.to_bytes());
            }
        }
        record(&group[0], 10, &hash)
    }

    /// The commitment of mode `flat`.
    pub(crate) fn flat_root(&self) -> B256 {
        let item = |fields: &[&dyn Encodable]| {
            let mut payload = Vec::new();
            fields.iter().for_each(|field| field.encode(&mut payload));
            payload
        };
        let list = |payload: Vec<u8>| {
            let mut list = Vec::new();
            let header = alloy_rlp::Header {
                list: true,
                payload_length: payload.len(),
            };
            header.encode(&mut list);
            list.extend(payload);
            list
        };
        let mut steps = Vec::new();
        for ((whole, effects), flat) in self.steps.iter().zip(&self.effects).zip(&self.flat) {
            let (mut change, mut call) = (vec![], vec![]);
            for effect in effects {
                match effect {
                    Effect::Storage(Change { slot, old, new, .. }) => {
                        let words = [slot, old, new].map(|word| B256::from(*word));
                        change = item(&[&words[0], &words[1], &words[2]]);
                    }
                    Effect::Call {
                        kind,
                        code,
                        value,
                        gas_limit,
                        ..
                    } => {
                        let value = if *kind < 2 { *value } else { U256::ZERO };
                        call = item(&[code, &B256::from(value), &flat.2, gas_limit]);
                    }
                    Effect::Create {
                        value,
                        gas_limit,
                        init_code_hash,
                        ..
                    } => {
                        let value = B256::from(*value);
                        call = item(&[&Address::ZERO, &value, init_code_hash, gas_limit]);
                    }
                    _ => {}
                }
            }
            let Step {
                pc,
                opcode,
                gas_remaining,
                ..
            } = &whole.step;
            let Whole {
                gas_cost, depth, ..
            } = whole;
            let mut step = item(&[pc, opcode, gas_remaining, gas_cost, &flat.0, &flat.1, depth]);
            step.extend(list(change));
            step.extend(list(call));
            steps.extend(list(step));
        }
        keccak256(list(steps))
    }

    fn bytes_hash(&self, bytes: &[u8]) -> B256 {
        match self.profile {
            Profile::Blake3 => B256::new(*blake3::hash(bytes).as_bytes()),
            _ => keccak256(bytes),
        }
    }

    fn memory_root(&self, memory: &[u8]) -> Digest {
        let mut nodes: Vec<Digest> = memory.as_chunks().0.to_vec();
        let mut null = [0; 32];
        for level in 1.. {
            if nodes.len() <= 1 {
                break;
            }
            if nodes.len() % 2 == 1 {
                nodes.push(null);
            }
            let parents = nodes.chunks(2);
            nodes = parents
                .map(|pair| self.profile.hash_node(0xa0 + level, &pair[0], &pair[1]))
                .collect();
            null = self.profile.hash_node(0xa0 + level, &null, &null);
        }
        nodes.first().copied().unwrap_or_default()
    }

    fn effect(&mut self, effect: Effect) {
        if !self.frames.is_empty() {
            self.effects.last_mut().unwrap().push(effect);
        }
    }

    fn end(&mut self, result: &InterpreterResult, precompile: bool, created: Option<Address>) {
        let status = if result.is_ok() {
            0
        } else if result.is_revert() {
            1
        } else {
            2
        };
        let effect = Effect::End {
            status,
            precompile,
            gas_remaining: if status == 2 {
                0
            } else {
                result.gas.remaining()
            },
            created: if status == 0 { created } else { None },
            output_hash: self.bytes_hash(&result.output),
        };
        self.effect(effect);
        if self.calls.pop().unwrap() {
            self.frames.pop();
        }
    }
}

impl<CTX: ContextTr<Journal: JournalExt>> Inspector<CTX, EthInterpreter> for Oracle {
    fn initialize_interp(&mut self, interp: &mut Interpreter<EthInterpreter>, _: &mut CTX) {
        *self.calls.last_mut().unwrap() = true;
        let mut record = vec![9];
        record.extend_from_slice(&(self.frames.len() as u16 + 1).to_be_bytes());
        let opener_step = if self.frames.is_empty() {
            u64::MAX
        } else {
            self.steps.len() as u64 - 1
        };
        record.extend_from_slice(&opener_step.to_be_bytes());
        record.extend_from_slice(interp.input.target_address.as_slice());
        record.extend_from_slice(interp.input.caller_address.as_slice());
        record.push(u8::from(interp.runtime_flag.is_static));
        record.extend_from_slice(&interp.gas.limit().to_be_bytes());
        record.resize(64, 0);
        record.extend_from_slice(&interp.input.call_value.to_be_bytes::<32>());
        record.extend_from_slice(keccak256(interp.bytecode.original_byte_slice()).as_slice());
        let record: [u8; 128] = record.try_into().unwrap();
        let opener = self.profile.hash_leaf(&self.opener.unwrap().to_bytes());
        let record = self.profile.hash_leaf(&record);
        self.frames
            .push(self.profile.hash_node(0x92, &opener, &record));
    }

    fn step(&mut self, interp: &mut Interpreter<EthInterpreter>, context: &mut CTX) {
        let stack = interp.stack.data();
        let base = *self.frames.last().unwrap();
        let stack_hash = stack.iter().fold(base, |below, item| {
            self.profile.hash_node(0x90, &below, &item.to_be_bytes())
        });
        let size = interp.memory.size();
        let returned = self.bytes_hash(&interp.return_data.0);
        let memory_root = self.memory_root(&interp.memory.slice(0..size));
        let opcode = interp.bytecode.opcode();
        self.steps.push(Whole {
            step: Step {
                pc: interp.bytecode.pc() as u32,
                opcode,
                stack_height: stack.len() as u16,
                gas_remaining: interp.gas.remaining(),
                effects: 0,
            },
            gas_cost: 0,
            depth: self.frames.len() as u16,
            memory_words: (size / 32) as u32,
            stack_hash: B256::new(stack_hash),
            memory_hash: B256::new(self.profile.hash_node(0x91, &memory_root, &returned.0)),
        });
        self.effects.push(Vec::new());
        let upper = stack.iter().rev().take(16).rev();
        let upper: Vec<u8> = upper.flat_map(|item| item.to_be_bytes::<32>()).collect();
        let memory_hash = keccak256(&*interp.memory.slice(0..size));
        self.flat.push((keccak256(upper), memory_hash, B256::ZERO));
        let place = match opcode {
            op::CALL | op::CALLCODE => 3,
            _ => 2,
        };
        self.input_offset = stack.iter().nth_back(place).map_or(0, U256::saturating_to);
        self.store = None;
        if let (op::SSTORE | op::TSTORE, [.., new, slot]) = (opcode, stack.as_slice()) {
            let address = interp.input.target_address;
            let (slot, new) = (*slot, *new);
            let transient = opcode == op::TSTORE;
            let old = if transient {
                context.journal_mut().tload(address, slot)
            } else {
                let account = context.journal().evm_state().get(&address);
                let loaded = account.and_then(|account| account.storage.get(&slot));
                match loaded.map(|slot| slot.present_value) {
                    Some(value) => value,
                    None if account.is_some_and(|account| account.is_created()) => U256::ZERO,
                    None => context.db_mut().storage(address, slot).unwrap_or_default(),
                }
            };
            let change = Change {
                address,
                slot,
                old,
                new,
            };
            self.store = Some((transient, change));
        }
    }

    fn step_end(&mut self, interp: &mut Interpreter<EthInterpreter>, _: &mut CTX) {
        let step = self.steps.last_mut().unwrap();
        let halted = interp.bytecode.action().as_ref().is_some_and(|action| {
            action
                .instruction_result()
                .is_some_and(|result| result.is_halt())
        });
        let before = step.step.gas_remaining;
        step.gas_cost = before - interp.gas.remaining().min(before);
        if halted {
            step.gas_cost = before;
        } else if let Some((transient, change)) = self.store.take() {
            self.effect(if transient {
                Effect::Transient(change)
            } else {
                Effect::Storage(change)
            });
        }
    }

    fn log(&mut self, _: &mut CTX, log: Log) {
        let mut bytes = log.topics().concat();
        bytes.extend_from_slice(&log.data.data);
        self.effect(Effect::Log {
            address: log.address,
            topics: log.topics().len() as u8,
            hash: self.bytes_hash(&bytes),
        });
    }

    fn call(&mut self, context: &mut CTX, inputs: &mut CallInputs) -> Option<CallOutcome> {
        let input = inputs.input.bytes(context);
        if let Some((_, _, input_hash)) = self.flat.last_mut() {
            *input_hash = keccak256(&input);
        }
        let input_hash = if self.frames.is_empty() || input.len() <= 4096 {
            self.bytes_hash(&input)
        } else {
            let step = self.steps.last().unwrap();
            let mut span = [0; 32];
            span[16..24].copy_from_slice(&self.input_offset.to_be_bytes());
            span[24..].copy_from_slice(&(input.len() as u64).to_be_bytes());
            B256::new(self.profile.hash_node(0x94, &step.memory_hash.0, &span))
        };
        let effect = Effect::Call {
            kind: match inputs.scheme {
                CallScheme::Call => 0,
                CallScheme::CallCode => 1,
                CallScheme::DelegateCall => 2,
                CallScheme::StaticCall => 3,
            },
            is_static: inputs.is_static,
            target: inputs.target_address,
            code: inputs.bytecode_address,
            gas_limit: inputs.gas_limit,
            value: inputs.value.get(),
            input_hash,
        };
        self.effect(effect);
        self.opener = Some(effect);
        self.calls.push(false);
        None
    }

    fn call_end(&mut self, _: &mut CTX, _: &CallInputs, outcome: &mut CallOutcome) {
        self.end(&outcome.result, outcome.was_precompile_called, None);
    }

    fn create(&mut self, _: &mut CTX, inputs: &mut CreateInputs) -> Option<CreateOutcome> {
        let (kind, salt) = match inputs.scheme() {
            CreateScheme::Create2 { salt } => (1, salt),
            _ => (0, U256::ZERO),
        };
        let effect = Effect::Create {
            kind,
            gas_limit: inputs.gas_limit(),
            salt: salt.into(),
            value: inputs.value(),
            init_code_hash: keccak256(inputs.init_code()),
        };
        self.effect(effect);
        self.opener = Some(effect);
        self.calls.push(false);
        None
    }

    fn create_end(&mut self, _: &mut CTX, _: &CreateInputs, outcome: &mut CreateOutcome) {
        self.end(&outcome.result, false, outcome.address);
    }

    fn selfdestruct(&mut self, contract: Address, target: Address, value: U256) {
        self.effect(Effect::SelfDestruct {
            contract,
            target,
            balance: value,
        });
    }
}
