//! The trace commitment: every step of a transaction in a log of its own.
//!
//! docs/FORMAT.md, section 9, is the contract. Eight consecutive steps are a leaf of four words:
//!
//! ```text
//! word 0   of the first stretch: number of steps, depth, memory size, gas cost of the last
//! word 1   stack hash: a chain over all items, on top of the hash of the frame
//! word 2   memory hash: a Merkle tree over the words of memory, and the return data
//! word 3   of each step pc, opcode, stack height, gas left; further stretches; effects: storage
//!          written, calls, logs, creations, ends of frames
//! ```
//!
//! Stack and memory are those before the first step. Where another frame goes on in the middle of the
//! eight, a new stretch begins, which has the same fields. So one stretch, with the items and words
//! that its opcodes read opened, says what the next one of the frame must look like.
//!
//! # How it is computed
//!
//! The execution thread only copies what changed ([`Tracer`], an inspector). A stack hash costs one
//! hash per item that is new since the stretch before, a memory hash one per touched word and level,
//! never the size of the stack or memory. And since all nodes of some thousand steps are hashed level by level, the lanes of
//! wide registers are full although each chain is serial. With feature `engine`
//! [`Tracer::threaded`] does all that behind the execution.
//!
//! ```
//! use qmtree_execution_adapter::{TraceMode, TraceOptions, Tracer};
//! use qmtree_proofs::{Keccak256, Profile};
//! use revm::context::{Context, TxEnv};
//! use revm::database::InMemoryDB;
//! use revm::{InspectEvm, MainBuilder, MainContext};
//!
//! let options = TraceOptions::new(TraceMode::Full, Profile::Keccak256);
//! let mut tracer = Tracer::inline(options, Keccak256);
//! let context = Context::mainnet().with_db(InMemoryDB::default());
//! let mut evm = context.build_mainnet_with_inspector(&mut tracer);
//! evm.inspector.begin_tx()?;
//! // Runs PUSH1 1, PUSH1 2, ADD as init code.
//! let create = TxEnv::builder().create().data([0x60, 1, 0x60, 2, 1].into()).build_fill();
//! evm.inspect_one_tx(create)?;
//! let steps = tracer.finish_tx()?;
//! assert_eq!(steps.count, 4, "the code ends in an implied STOP");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod capture;
mod effect;
#[cfg(feature = "engine")]
mod eip3155;
mod error;
mod flat;
mod inline;
mod layout;
mod limits;
mod machine;
mod memory;
mod opcodes;
mod open;
#[cfg(feature = "engine")]
mod pipeline;
mod raw;
mod record;
mod replica;
mod stacks;
mod steps;
#[cfg(all(test, feature = "engine"))]
pub(crate) mod tests;
mod tracer;
mod waves;

pub use effect::{Change, Effect};
#[cfg(feature = "engine")]
pub use eip3155::summary_line;
pub use error::TraceError;
pub use limits::{TraceLimits, TraceOptions};
pub use open::{OpenedStep, StepOpening, verify_step};
pub use record::{Step, Stretch};
pub use tracer::Tracer;
