//! Files made by a second implementation of the format page: testdata/snapshot.

use crate::support::{DB, OUT, disk, identity, options};
use alloy_primitives::{B256, hex, keccak256};
use qmtree::proofs::{LeafPayload, Profile};
use qmtree::snapshot::{ExportOptions, SnapshotFolder};
use qmtree::{Block, Db};
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
