//! Databases on simulated disks, and their exports.

use qmtree::proofs::{Head, LeafPayload, Profile, Scheme, TxNum};
use qmtree::snapshot::{ExportOptions, Exported, ImportOptions};
use qmtree::{At, Db, Error, Identity, Options};
use qmtree_storage::Disk;
use qmtree_storage::sim::SimDisk;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(crate) const DB: &str = "/db";
pub(crate) const OUT: &str = "/out";
pub(crate) const COPY: &str = "/copy";

pub(crate) fn identity(profile: Profile) -> Identity {
    Identity {
        profile,
        scheme: Scheme::StateRoot1,
        chain_id: 7,
    }
}

/// Leaves of a block, each different.
pub(crate) fn leaves(block: u64, count: usize) -> Vec<LeafPayload> {
    let leaf = |place: u64| {
        let mut bytes = [0; 96];
        bytes[..8].copy_from_slice(&block.to_le_bytes());
        bytes[64..72].copy_from_slice(&place.to_le_bytes());
        LeafPayload::from_bytes(&bytes)
    };
    (0..count as u64).map(leaf).collect()
}

pub(crate) fn options() -> Options {
    Options::bulk_load()
        .with_unwind_window_blocks(2)
        .with_segment_twigs(2)
        .with_parallel(false)
}

pub(crate) fn import_options() -> ImportOptions {
    ImportOptions::default()
        .with_threads(2)
        .with_open(options())
}

/// Blocks of these sizes, numbered from `first`.
pub(crate) fn database(
    disk: &Arc<dyn Disk>,
    dir: &str,
    profile: Profile,
    first: u64,
    sizes: &[usize],
) -> Db {
    let dir = Path::new(dir);
    let mut db = Db::create_on(Arc::clone(disk), dir, identity(profile), options()).unwrap();
    for (number, size) in (first..).zip(sizes) {
        db.append_block(number, &leaves(number, *size)).unwrap();
    }
    db
}

pub(crate) fn disk() -> Arc<dyn Disk> {
    Arc::new(SimDisk::new())
}

pub(crate) fn export(db: &Db, disk: &Arc<dyn Disk>, options: &ExportOptions) -> Exported {
    db.export_snapshot_on(&**disk, Path::new(OUT), options)
        .unwrap()
}

/// The files that an export lists.
pub(crate) fn paths(exported: &Exported) -> Vec<PathBuf> {
    let names = exported.files.iter().map(|entry| entry.name.to_string());
    names.map(|name| Path::new(OUT).join(name)).collect()
}

pub(crate) fn import(disk: &Arc<dyn Disk>, files: &[PathBuf], head: &Head) -> Result<Db, Error> {
    Db::import_snapshot_on(
        Arc::clone(disk),
        Path::new(COPY),
        files,
        head,
        import_options(),
    )
}

/// Every block, and some leaves and proofs, are the same in both; leaves before `from` are not
/// looked at.
pub(crate) fn assert_same(db: &Db, copy: &Db, from: u64) {
    let (view, other) = (db.view(), copy.view());
    let head = *other.head();
    let (first, last) = other.blocks().unwrap();
    for number in first..=last {
        assert_eq!(
            view.head_at(number).unwrap(),
            other.head_at(number).unwrap()
        );
        if from == 0 || number > first {
            let range = view.block_range(number).unwrap();
            assert_eq!(range, other.block_range(number).unwrap());
            if !range.is_empty() {
                assert_eq!(other.block_of(range.start).unwrap(), number);
            }
        }
    }
    assert_eq!(view.head_at(last).unwrap(), head);
    let step = 1 + (head.leaf_count - from) / 300;
    for i in (from..head.leaf_count).step_by(step as usize).map(TxNum) {
        assert_eq!(view.leaf(i).unwrap(), other.leaf(i).unwrap(), "leaf {i}");
        let at = view.block_of(i).unwrap();
        for at in [At::Head, At::Block(at)] {
            let witness = other.witness(i, at).unwrap();
            let head = match at {
                At::Block(number) => other.head_at(number).unwrap(),
                At::Head => head,
            };
            witness.verify(&head, i).unwrap();
        }
    }
    copy.check().unwrap();
}
