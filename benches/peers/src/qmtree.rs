//! QMTree's state log: a block of one leaf, or of one for every 5 writes.

use crate::Failure;
use crate::contender::{Name, Proofs, Store};
use crate::measure::Times;
use crate::workload::Writes;
use alloy_primitives::B256;
use qmtree::proofs::{LeafPayload, Profile, Scheme, TxNum};
use qmtree::{Db, Durability, Identity, Options, StateBatch, TxIndex};
use qmtree_kernels::Hasher;
use std::path::Path;

pub(crate) struct State {
    db: Db,
    /// Writes of a transaction, after which there is a root.
    tx_writes: usize,
}

impl State {
    pub(crate) fn create(name: Name, folder: &Path) -> Result<Self, Failure> {
        let identity = Identity {
            profile: match name {
                Name::QmtreeBlake3 => Profile::Blake3,
                _ => Profile::Keccak256,
            },
            scheme: Scheme::StateRoot1,
            chain_id: 1,
        };
        let mut options = Options::default().with_durability(match name {
            Name::QmtreeBuffered => Durability::Buffered,
            _ => Durability::Immediate,
        });
        options.tx_index = TxIndex::Off;
        Ok(Self {
            db: Db::create(folder, identity, options)?,
            tx_writes: match name {
                Name::QmtreeRoots => 5,
                _ => usize::MAX,
            },
        })
    }
}

impl Store for State {
    /// A batch for each transaction; their numbers are set when it is written.
    type Block = Vec<StateBatch>;

    fn prepare(&self, writes: &Writes) -> Self::Block {
        let batch = |writes: &[(B256, B256)]| StateBatch {
            tx_num: TxNum(0),
            writes: writes
                .iter()
                .map(|(key, value)| (*key, Some(value.to_vec())))
                .collect(),
        };
        writes.chunks(self.tx_writes).map(batch).collect()
    }

    fn write(&mut self, mut batches: Self::Block) -> Result<(), Failure> {
        let head = self.db.head();
        let number = match head.leaf_count {
            0 => 0,
            _ => head.block_number + 1,
        };
        for (batch, tx_num) in batches.iter_mut().zip(head.leaf_count..) {
            batch.tx_num = TxNum(tx_num);
        }
        let leaves = vec![LeafPayload::default(); batches.len()];
        let mut staged = self.db.begin_block(number)?;
        staged.apply_all(&batches)?;
        staged.commit(&leaves, &[])?;
        Ok(())
    }

    fn prove(&mut self, expected: &Writes) -> Result<Option<Proofs>, Failure> {
        let (head, view) = (self.db.head(), self.db.view());
        let hasher = Hasher::new(head.profile);
        let (mut make, mut verify, mut bytes) = (Times::default(), Times::default(), Vec::new());
        for (key, value) in expected {
            let proof = make.of(|| view.prove_state(key, None))?;
            bytes.push(proof.to_bytes().len());
            let entry = verify.of(|| proof.verify_with(&hasher, &head, key, None))?;
            if !entry.is_some_and(|entry| entry.holds(value.as_slice())) {
                return Err(format!("key {key}: the proof is of another value").into());
            }
        }
        Ok(Some(Proofs::new(make, verify, &bytes)))
    }

    fn close(self) -> Result<(), Failure> {
        Ok(self.db.close()?)
    }
}
