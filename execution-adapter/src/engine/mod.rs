//! Blocks from files into a database: everything that needs an operating system.

mod call;
mod chain_file;
mod error;
mod genesis;
mod leaves;
mod log_chain;
mod past;
mod prestate_file;
mod range_files;
mod read;
mod record;
mod record_queue;
mod run;
mod state_roots;
mod whole_state;
mod witness_file;
mod witness_state;
mod yardstick;

pub use call::{CallState, has_whole_state, prove_call};
pub use chain_file::ChainBlocks;
pub use error::{FileError, RunError};
pub use genesis::{ChainGenesis, GenesisError};
pub use leaves::{ExecutedLeaves, execute_to_leaves};
pub use log_chain::{LogBlockState, LogChain};
pub use past::StateAt;
pub use range_files::{EdgeError, log_edge_before};
pub use read::{BlockFile, open_block_file};
pub use record::{RecordError, record_state_witness};
pub use run::{BlockReport, BlockState, PreparedBlock, check_parent, run_block};
pub use whole_state::whole_state;
pub use witness_file::{WitnessedBlock, read_witness_file};
pub use witness_state::WitnessStateError;
pub use yardstick::{HashEverything, execute_plain};
