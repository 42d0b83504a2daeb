//! Blocks from files into a database: everything that needs an operating system.

mod chain_file;
mod error;
mod genesis;
mod leaves;
mod prestate_file;
mod read;
mod run;
mod witness_file;
mod yardstick;

pub use chain_file::ChainBlocks;
pub use error::{FileError, RunError};
pub use genesis::{ChainGenesis, GenesisError};
pub use leaves::{ExecutedLeaves, execute_to_leaves};
pub use read::{BlockFile, open_block_file};
pub use run::{BlockReport, BlockState, PreparedBlock, check_parent, run_block};
pub use witness_file::{WitnessedBlock, read_witness_file};
pub use yardstick::{HashEverything, execute_plain};
