//! The examples of docs/FORMAT.md are what the code writes, and the code reads them.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that fails may panic"
)]

use alloy_primitives::{B256, hex, keccak256};
use qmtree::proofs::{Head, InclusionProof, LeafPayload, Profile, Scheme, TxNum};
use qmtree::{At, Block, Db, Identity, Options, StateBatch};
use qmtree_kernels::Hasher;
use qmtree_storage::Disk;
use qmtree_storage::sim::SimDisk;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

const PAGE: &str = include_str!("../../docs/FORMAT.md");
/// Made by testdata/journal/make_journal.py.
const JOURNAL: &[u8] = include_bytes!("../../testdata/journal/v1.qmj");

/// The examples of the page: a name, and bytes in hex over one or more lines.
fn examples() -> BTreeMap<&'static str, Vec<u8>> {
    let (_, section) = PAGE.split_once("\n## 15. Examples\n").unwrap();
    let (_, block) = section.split_once("```text\n").unwrap();
    let (block, _) = block.split_once("```").unwrap();
    let mut found: BTreeMap<&str, String> = BTreeMap::new();
    let mut name = "";
    for line in block.lines() {
        match line.strip_prefix("  ") {
            Some(bytes) => found.get_mut(name).unwrap().push_str(bytes),
            None => {
                name = line;
                assert!(found.insert(name, String::new()).is_none(), "{name} twice");
            }
        }
    }
    let bytes = |text: String| hex::decode(text.replace(' ', "")).unwrap();
    found
        .into_iter()
        .map(|(n, text)| (n, bytes(text)))
        .collect()
}

/// What the page describes: block 7 with three leaves of repeated bytes, of which the second writes.
fn written(disk: &SimDisk) -> (Db, Head) {
    let identity = Identity {
        profile: Profile::Keccak256,
        scheme: Scheme::StateRoot1,
        chain_id: 1,
    };
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    let mut db = Db::create_on(disk, Path::new("/db"), identity, Options::default()).unwrap();
    let leaf = |byte: u8| LeafPayload {
        pre_state_hash: B256::repeat_byte(byte),
        state_change_hash: B256::repeat_byte(byte + 1),
        transition_hash: B256::repeat_byte(byte + 2),
    };
    let mut batch = StateBatch::new(TxNum(1));
    batch.writes = vec![(keccak256("key"), Some(b"value".to_vec()))];
    let (leaves, batches) = ([leaf(0x11), leaf(0x21), leaf(0x31)], [batch]);
    let head = db
        .append(&Block::new(7, &leaves).with_batches(&batches))
        .unwrap();
    (db, head)
}

#[test]
fn the_examples_of_the_page_are_what_is_written() {
    let disk = SimDisk::new();
    let (db, head) = written(&disk);
    let view = db.view();
    let hasher = Hasher::new(Profile::Keccak256);
    let leaf = view.leaf(TxNum(1)).unwrap();
    let entry = view.entry(qmtree::proofs::state::EntryId(1)).unwrap();
    let inclusion = view.prove_inclusion(TxNum(1), At::Head).unwrap();
    let expected: BTreeMap<&str, Vec<u8>> = [
        ("leaf 1", leaf.to_bytes().to_vec()),
        ("its hash", leaf.hash(&hasher).to_vec()),
        ("head", head.to_bytes().to_vec()),
        ("head hash", head.hash().to_vec()),
        ("inclusion proof of leaf 1", inclusion.to_bytes()),
        ("entry 1", entry.to_bytes().to_vec()),
        (
            "qmtree.db",
            disk.content(Path::new("/db/qmtree.db")).unwrap(),
        ),
        ("journal header", JOURNAL[..256].to_vec()),
        (
            "journal record of a block",
            JOURNAL[256..256 + 40 + 370 + 8].to_vec(),
        ),
    ]
    .into();
    let found = examples();
    for (name, bytes) in &expected {
        let found = found.get(name);
        assert_eq!(found, Some(bytes), "{name}: {}", hex::encode(bytes));
    }
    assert_eq!(found.len(), expected.len(), "{:?}", found.keys());
}

#[test]
fn the_examples_of_the_page_are_read() {
    let examples = examples();
    let bytes = |name: &str| examples[name].as_slice();
    let head = Head::from_bytes(bytes("head")).unwrap();
    assert_eq!((head.block_number, head.leaf_count), (7, 3));
    assert_eq!(head.hash().as_slice(), bytes("head hash"));
    let proof = InclusionProof::from_bytes(bytes("inclusion proof of leaf 1")).unwrap();
    let hash = B256::from_slice(bytes("its hash"));
    assert_eq!(keccak256(bytes("leaf 1")), hash);
    proof.verify(&head, TxNum(1), hash).unwrap();
    proof.verify(&head, TxNum(2), hash).unwrap_err();
}
