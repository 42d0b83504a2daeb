//! A database of scheme `state-root/1` with a chain in it.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses a part of it"
)]

use qmtree::proofs::{Profile, Scheme};
use qmtree::{Db, Durability, Identity, Options};
use qmtree_execution_adapter::NoTracer;
use qmtree_execution_adapter::engine::{
    BlockFile, BlockReport, ChainGenesis, LogChain, PreparedBlock, RunError, open_block_file,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub struct Chain {
    pub folder: tempfile::TempDir,
    pub db: Db,
    pub log: Option<LogChain>,
}

pub fn options() -> Options {
    Options::default().with_durability(Durability::Buffered)
}

pub fn database(chain_id: u64) -> (tempfile::TempDir, Db) {
    let folder = tempfile::tempdir().unwrap();
    let identity = Identity {
        profile: Profile::Keccak256,
        scheme: Scheme::StateRoot1,
        chain_id,
    };
    let db = Db::create(folder.path().join("db"), identity, options()).unwrap();
    (folder, db)
}

fn devchain_file(name: &str) -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.join("../testdata/devchain").join(name)
}

pub fn read_genesis() -> ChainGenesis {
    ChainGenesis::read(&devchain_file("genesis.json")).unwrap()
}

/// The development chain: its genesis and the blocks after it.
pub fn devchain() -> (ChainGenesis, Vec<PreparedBlock>) {
    let genesis = read_genesis();
    let rules = Arc::new(genesis.chain.clone());
    let blocks = match open_block_file(&devchain_file("chain.rlp"), Some(&rules)).unwrap() {
        BlockFile::Chain(blocks) => blocks.map(Result::unwrap).collect(),
        BlockFile::WithState(_) => panic!("not a chain"),
    };
    (genesis, blocks)
}

impl Chain {
    pub fn genesis(genesis: &ChainGenesis) -> Self {
        let (folder, mut db) = database(genesis.chain.chain_id());
        let log = Some(LogChain::open_or_begin(&mut db, genesis).unwrap());
        Self { folder, db, log }
    }

    pub fn try_run(&mut self, block: &PreparedBlock) -> Result<BlockReport, RunError> {
        let log = self.log.take().unwrap();
        let (report, log, _) = log.run_block(&mut self.db, block, NoTracer)?;
        self.log = Some(log);
        Ok(report)
    }

    pub fn run(&mut self, block: &PreparedBlock) -> BlockReport {
        let number = block.block.header.number;
        self.try_run(block)
            .unwrap_or_else(|error| panic!("block {number}: {error}"))
    }

    /// Opens the chain of the database again, as after an error.
    pub fn reopen_log(&mut self) -> &mut Self {
        self.log = Some(LogChain::open(&self.db).unwrap());
        self
    }

    /// Closes the database and opens it again.
    pub fn reopen(self) -> Self {
        let Self { folder, db, .. } = self;
        db.close().unwrap();
        let db = Db::open(folder.path().join("db"), options()).unwrap();
        let log = Some(LogChain::open(&db).unwrap());
        Self { folder, db, log }
    }
}
