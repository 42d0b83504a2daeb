//! Files of the state log are byte for byte those that a second implementation of the format page
//! makes: testdata/segment.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test that fails may panic"
)]

use alloy_primitives::{B256, hex, keccak256};
use qmtree::proofs::state::Compaction;
use qmtree::proofs::{LeafPayload, Profile, Scheme, TxNum};
use qmtree::{Block, Db, Identity, Options, StateBatch};
use qmtree_storage::sim::SimDisk;
use qmtree_storage::{Disk, SEGMENTS_FOLDER};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// The files of a golden text: their lines by name.
fn golden(profile: Profile) -> Vec<BTreeMap<String, String>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/segment");
    let text = std::fs::read_to_string(folder.join(format!("{profile}-entries.txt"))).unwrap();
    let files = text.split("name: ").skip(1);
    let lines = |file: &str| -> BTreeMap<String, String> {
        let lines = file
            .lines()
            .skip(1)
            .map(|line| line.split_once(": ").unwrap());
        let name = ("name", file.lines().next().unwrap());
        let all = lines.chain([name]);
        all.map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    };
    files.map(lines).collect()
}

/// The file must be the golden one: first the parts that say where a difference is.
fn compare(golden: &BTreeMap<String, String>, disk: &SimDisk) {
    let path = Path::new("db").join(SEGMENTS_FOLDER).join(&golden["name"]);
    let bytes = disk.content(&path).unwrap_or_else(|| panic!("no {path:?}"));
    let header = hex::decode(&golden["header"]).unwrap();
    assert_eq!(hex::encode(&bytes[..header.len()]), golden["header"]);
    assert_eq!(bytes.len().to_string(), golden["length"], "{path:?}");
    let tail = golden["tail"].len() / 2;
    assert_eq!(hex::encode(&bytes[bytes.len() - tail..]), golden["tail"]);
    assert_eq!(hex::encode(keccak256(&bytes)), golden["file"], "{path:?}");
}

/// The batch of this number, by the rules of testdata/segment/make_entries.py.
fn batch(number: u64) -> StateBatch {
    let hash = |name: &str, i: u64| keccak256([name.as_bytes(), &i.to_be_bytes()].concat());
    let value = |v: u64| match v % 3 {
        0 => format!("value {v}").into_bytes(),
        _ => hash("value", v).to_vec(),
    };
    let mut batch = StateBatch::new(TxNum(2 * number + 1));
    for i in (0..500).filter(|i| (i * 7 + number * 5) % 11 < 4) {
        let v = i + number;
        let write: (B256, _) = (hash("key", i), (!v.is_multiple_of(5)).then(|| value(v)));
        batch.writes.push(write);
    }
    batch.sort();
    batch
}

#[test]
fn files_of_the_state_log_are_byte_for_byte_the_oracles() {
    for profile in Profile::ALL {
        let golden = golden(profile);
        let sim = SimDisk::new();
        let disk: Arc<dyn Disk> = Arc::new(sim.clone());
        let identity = Identity {
            profile,
            scheme: Scheme::StateRoot1,
            chain_id: 1,
        };
        let options = |twigs| {
            Options::default()
                .with_unwind_window_blocks(0)
                .with_segment_twigs(twigs)
        };
        let dir = Path::new("db");
        let rule = Compaction::new(3);
        let made = Db::create_compacting(Arc::clone(&disk), dir, identity, rule, options(2));
        made.unwrap().close().unwrap();
        let mut numbers = 0..60;
        for (twigs, until) in [(2, 4096), (1, 6144), (1, u64::MAX)] {
            let mut db = Db::open_on(Arc::clone(&disk), dir, options(twigs)).unwrap();
            while db.head().entry_count < until
                && let Some(number) = numbers.next()
            {
                let batches = [batch(number)];
                let leaves = [LeafPayload::default(); 2];
                let block = Block::new(number, &leaves).with_batches(&batches);
                db.append(&block).unwrap();
            }
            if until == u64::MAX {
                db.check().unwrap();
                db.prune_to(50).unwrap();
                assert_eq!(db.earliest_state(), Some(TxNum(99)));
                compare(&golden[3], &sim);
                db.check().unwrap();
            }
            db.close().unwrap();
            match until {
                4096 => compare(&golden[0], &sim),
                6144 => golden[1..3].iter().for_each(|file| compare(file, &sim)),
                _ => {}
            }
        }
    }
}
