//! Files made by a second implementation of the format page: testdata/snapshot.

use crate::support::{DB, OUT, disk, identity, options};
use alloy_primitives::{B256, hex, keccak256};
use qmtree::proofs::{LeafPayload, Profile, TxNum};
use qmtree::snapshot::{ExportOptions, SnapshotFolder, StateExport};
use qmtree::{Block, Db, StateBatch};
use qmtree_storage::Disk;
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn testdata(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../testdata/snapshot")
        .join(name)
}

/// The log of `make.py`.
fn log(disk: &Arc<dyn Disk>, profile: Profile) -> Db {
    let hash = |name: &str, t: u64| keccak256([name.as_bytes(), &t.to_be_bytes()].concat());
    let mut db = Db::create_on(
        Arc::clone(disk),
        Path::new(DB),
        identity(profile),
        options(),
    )
    .unwrap();
    for block in 0..3 {
        let tx_nums = 700 * block..700 * (block + 1);
        let leaf = |t| LeafPayload {
            pre_state_hash: hash("pre", t),
            state_change_hash: hash("chg", t),
            transition_hash: hash("trn", t),
        };
        let leaves: Vec<_> = tx_nums.clone().map(leaf).collect();
        let tx_hash = |t| {
            if t % 2 == 0 {
                B256::ZERO
            } else {
                hash("tx", t)
            }
        };
        let tx_hashes: Vec<_> = tx_nums.map(tx_hash).collect();
        db.append(&Block::new(9 + block, &leaves).with_tx_hashes(&tx_hashes))
            .unwrap();
    }
    db
}

#[test]
fn files_are_byte_for_byte_the_oracles() {
    for profile in Profile::ALL {
        let disk = disk();
        let db = log(&disk, profile);
        let options = ExportOptions::default();
        db.export_snapshot_on(&*disk, Path::new(OUT), &options)
            .unwrap();
        let read = |name: &str| disk.read(&Path::new(OUT).join(name)).unwrap();
        let pinned = std::fs::read_to_string(testdata(&format!("{profile}.txt"))).unwrap();
        assert_eq!(pinned.lines().count(), 2);
        for line in pinned.lines() {
            let (name, rest) = line.split_once(": ").unwrap();
            let (len, digest) = rest.split_once(' ').unwrap();
            let bytes = read(name);
            assert_eq!(bytes.len().to_string(), len, "{name}");
            assert_eq!(hex::encode(keccak256(&bytes)), digest, "{name}");
        }
        SnapshotFolder::on(Arc::clone(&disk), Path::new(OUT))
            .retain_from(1, None)
            .unwrap();
        let folder = testdata(profile.name());
        for name in [
            "v1.0-qmtree-tail.2048-2100.seg",
            "v1.0-qmtree-roots.0-1.seg",
        ] {
            assert_eq!(
                read(name),
                std::fs::read(folder.join(name)).unwrap(),
                "{profile} {name}"
            );
        }
    }
}

/// The log of `make.py` that has a state log.
fn log_with_state(disk: &Arc<dyn Disk>, profile: Profile) -> Db {
    let hash = |name: &str, t: u64| keccak256([name.as_bytes(), &t.to_be_bytes()].concat());
    let dir = Path::new(DB);
    let mut db = Db::create_on(Arc::clone(disk), dir, identity(profile), options()).unwrap();
    for block in 0..3 {
        let tx_nums = 700 * block..700 * (block + 1);
        let batches: Vec<_> = tx_nums
            .filter(|t| *t < 960)
            .map(|t| {
                let value = Some(hash("val", t).to_vec());
                let second = if t % 9 == 4 { None } else { value.clone() };
                let mut batch = StateBatch::new(TxNum(t));
                batch.writes.push((hash("key", 7 * t % 31), value));
                batch.writes.push((hash("key", (11 * t + 5) % 31), second));
                batch.sort();
                batch
            })
            .collect();
        let leaves = vec![LeafPayload::default(); 700];
        db.append(&Block::new(9 + block, &leaves).with_batches(&batches))
            .unwrap();
    }
    db
}

#[test]
fn files_of_a_state_log_are_byte_for_byte_the_oracles() {
    for profile in Profile::ALL {
        let disk = disk();
        let db = log_with_state(&disk, profile);
        for state in [StateExport::Full, StateExport::Live] {
            let options = ExportOptions::default().with_state(state);
            db.export_snapshot_on(&*disk, Path::new(OUT), &options)
                .unwrap();
        }
        let read = |name: &str| disk.read(&Path::new(OUT).join(name)).unwrap();
        let pinned = std::fs::read_to_string(testdata(&format!("state/{profile}.txt"))).unwrap();
        let bytes = read("v1.0-qmtree-state.0-1.seg");
        let (len, digest) = (bytes.len(), hex::encode(keccak256(&bytes)));
        assert_eq!(
            pinned,
            format!("v1.0-qmtree-state.0-1.seg: {len} {digest}\n")
        );
        let folder = testdata("state").join(profile.name());
        for name in [
            "v1.0-qmtree-live.0-1.seg",
            "v1.0-qmtree-statetail.2048-2122.seg",
        ] {
            let golden = std::fs::read(folder.join(name)).unwrap();
            assert!(read(name) == golden, "{profile} {name}");
        }
    }
}

/// The other implementation of word files reads ours word for word, empty words included.
#[test]
fn another_reader_reads_files_of_a_state_log() {
    for profile in Profile::ALL {
        let folder = testdata("state").join(profile.name());
        for path in SnapshotFolder::new(&folder).paths().unwrap() {
            let bytes = std::fs::read(&path).unwrap();
            let file = qmtree_storage::snapshot::words::WordFile::parse(&bytes).unwrap();
            let seg = erigon_seg::Seg::open(&path).unwrap();
            let (mut ours, mut theirs) = (file.words(), seg.getter());
            assert_eq!(seg.words_count(), file.word_count());
            while theirs.has_next() {
                let word = ours.next_word(1 << 20).unwrap().unwrap();
                assert_eq!(word, theirs.next(), "{path:?}");
            }
        }
    }
}

#[test]
fn the_oracles_files_start_a_database() {
    for profile in Profile::ALL {
        let disk = disk();
        let db = log(&disk, profile);
        let folder = testdata(profile.name());
        let files = SnapshotFolder::new(&folder).paths().unwrap();
        let copy = tempfile::tempdir().unwrap();
        let dir = copy.path().join("copy");
        let copy = Db::bootstrap_snapshot(dir, &files, &db.head(), Default::default()).unwrap();
        assert_eq!(copy.head(), db.head());
        copy.check().unwrap();
    }
}
