//! Files that contradict the trusted head, each other or themselves.

use crate::support::{
    COPY, DB, OUT, database, disk, export, import, import_options, leaves, paths,
};
use qmtree::proofs::{Head, Profile, TxNum};
use qmtree::snapshot::{
    ExportOptions, Exported, SnapshotContent, SnapshotError, SnapshotRefusal, StateExport,
};
use qmtree::{At, Db, Error};
use qmtree_storage::Disk;
use qmtree_storage::sim::SimDisk;
use qmtree_storage::snapshot::{SnapshotBlock, SnapshotFile, SnapshotParts, write_snapshot};
use std::path::{Path, PathBuf};
use std::sync::Arc;

struct Case {
    sim: SimDisk,
    disk: Arc<dyn Disk>,
    db: Db,
    exported: Exported,
}

fn case() -> Case {
    let sim = SimDisk::new();
    let disk: Arc<dyn Disk> = Arc::new(sim.clone());
    let db = database(&disk, DB, Profile::Blake3, 0, &[1500; 9]);
    let exported = export(&db, &disk, &ExportOptions::default().with_file_twigs(2));
    Case {
        sim,
        disk,
        db,
        exported,
    }
}

impl Case {
    fn refused(&self, files: &[PathBuf], head: &Head) -> Error {
        let refused = import(&self.disk, files, head).unwrap_err();
        assert!(
            !self.disk.exists(&Path::new(COPY).join("qmtree.db")),
            "a refused import left a database"
        );
        let read = Db::open_snapshot_on(Arc::clone(&self.disk), Path::new(OUT), files, head);
        // Reading in place notices some of it only when it is read.
        if let Ok(read) = read {
            assert!(
                read.check().is_err()
                    || matches!(refused, Error::Refused(SnapshotRefusal::Head { .. }))
            );
        }
        refused
    }

    fn refusal(&self, files: &[PathBuf], head: &Head) -> SnapshotRefusal {
        match self.refused(files, head) {
            Error::Refused(refusal) => refusal,
            error => panic!("{error}"),
        }
    }

    fn file(&self, content: SnapshotContent, from: u64) -> PathBuf {
        let mut names = self.exported.files.iter().map(|entry| entry.name);
        let name = names
            .find(|name| (name.content, name.from) == (content, from))
            .unwrap();
        Path::new(OUT).join(name.to_string())
    }
}

#[test]
fn another_head_is_refused_before_anything_is_written() {
    let case = case();
    let (files, head) = (paths(&case.exported), case.exported.head);
    let mut other = head;
    other.root.0[3] ^= 1;
    assert!(matches!(
        case.refusal(&files, &other),
        SnapshotRefusal::Root { .. }
    ));
    for (block_number, entry_count) in [
        (head.block_number + 1, 0),
        (head.block_number - 1, 0),
        (head.block_number, 9),
    ] {
        let other = Head {
            block_number,
            entry_count,
            ..head
        };
        assert!(matches!(
            case.refusal(&files, &other),
            SnapshotRefusal::Head { .. }
        ));
    }
    let longer = Head {
        leaf_count: head.leaf_count + 1,
        ..head
    };
    let from = head.leaf_count / 2048 * 2048;
    let missing = SnapshotRefusal::TailMissing {
        from,
        leaf_count: head.leaf_count + 1,
    };
    assert_eq!(case.refusal(&files, &longer), missing);
    let other = Head {
        chain_id: 8,
        ..head
    };
    assert_eq!(case.refusal(&files, &other), SnapshotRefusal::OtherLog);
    assert!(!case.disk.exists(Path::new(COPY)), "not even the folder");
}

#[test]
fn missing_files_are_named() {
    let case = case();
    let (files, head) = (paths(&case.exported), case.exported.head);
    let without = |path: &PathBuf| {
        files
            .iter()
            .filter(|file| *file != path)
            .cloned()
            .collect::<Vec<_>>()
    };
    let middle = case.file(SnapshotContent::Execution, 2);
    let gap = case.refusal(&without(&middle), &head);
    assert_eq!(gap, SnapshotRefusal::Gap { from: 2, to: 4 });
    assert_eq!(
        gap.to_string(),
        "no snapshot file has the twigs 2..4: fetch v1.0-qmtree-execution.2-4.seg, or files that cover it"
    );
    let last = case.file(SnapshotContent::Execution, 4);
    assert_eq!(
        case.refusal(&without(&last), &head),
        SnapshotRefusal::Gap { from: 4, to: 6 }
    );
    let tail = case.file(SnapshotContent::Tail, 6 * 2048);
    assert!(matches!(
        case.refusal(&without(&tail), &head),
        SnapshotRefusal::TailMissing { from: 12_288, .. }
    ));
    assert!(matches!(
        case.refusal(&[], &head),
        SnapshotRefusal::Gap { from: 0, to: 6 }
    ));
}

#[test]
fn flipped_bits_are_refused_wherever_they_are() {
    let case = case();
    let (files, head) = (paths(&case.exported), case.exported.head);
    let mut tries = 0;
    for path in &files {
        let len = case.sim.content(path).unwrap().len();
        // The head of the file, and then all over it.
        let places = (0..330)
            .chain((330..len).step_by(len / 60 + 1))
            .chain(len - 40..len);
        for at in places {
            case.sim.flip(path, at, 1 << (at % 8));
            // A folder of its own: what earlier ones have verified and written would be kept.
            tries += 1;
            let dir = format!("/copy-{tries}");
            let dir = Path::new(&dir);
            let disk = Arc::clone(&case.disk);
            let refused = Db::import_snapshot_on(disk, dir, &files, &head, import_options());
            let refused = refused.map(drop).map_err(|error| error.to_string());
            assert!(
                refused.is_err(),
                "{}: byte {at} makes no difference",
                path.display()
            );
            assert!(!case.disk.exists(&dir.join("qmtree.db")));
            assert!(!refused.unwrap_err().contains("not an empty folder"));
            case.sim.flip(path, at, 1 << (at % 8));
        }
    }
    import(&case.disk, &files, &head).unwrap();
}

#[test]
fn files_of_another_history_are_refused() {
    let case = case();
    let (files, head) = (paths(&case.exported), case.exported.head);
    let other: Arc<dyn Disk> = Arc::new(SimDisk::new());
    let mut fork = database(&other, DB, Profile::Blake3, 0, &[1500; 3]);
    for number in 3..9 {
        fork.append_block(number, &leaves(number + 100, 1500))
            .unwrap();
    }
    export(&fork, &other, &ExportOptions::default().with_file_twigs(2));
    for path in &files {
        let ours = case.sim.content(path).unwrap();
        let theirs = other.read(path).unwrap();
        if ours == theirs {
            continue;
        }
        case.sim.set_content(path, theirs);
        case.refused(&files, &head);
        case.sim.set_content(path, ours);
    }
    // A folder with files of another log is not exported into.
    let mut forked = database(&case.disk, "/fork", Profile::Blake3, 0, &[1500; 3]);
    forked.append_block(3, &leaves(103, 3000)).unwrap();
    let refused = forked.export_snapshot_on(&*case.disk, Path::new(OUT), &ExportOptions::default());
    let elsewhere = SnapshotRefusal::Elsewhere { twig: 2 };
    assert!(
        matches!(refused, Err(Error::Refused(found)) if found == elsewhere),
        "{refused:?}"
    );
}

/// Rewrites the block table of a file: the ends of blocks 1 and 2 move by one leaf.
fn move_block_ends(case: &Case) -> PathBuf {
    let path = case.file(SnapshotContent::Execution, 0);
    let mut bytes = case.sim.content(&path).unwrap();
    // Two blocks end in the first two twigs: two lengths of 1500 (dc 0b), two zeros.
    let table = bytes.len() - 6;
    assert_eq!(bytes[table..], [0xdc, 0x0b, 0xdc, 0x0b, 0, 0]);
    bytes[table] = 0xdd;
    bytes[table + 2] = 0xdb;
    // Whoever does that also sets the checksums: word 0 ends where twig 0 begins.
    let header = bytes
        .windows(8)
        .position(|window| window == b"QMSNAPSH")
        .unwrap();
    let roots = table - 64 - 1;
    let crc = crc32c::crc32c_append(crc32c::crc32c(&bytes[roots..roots + 64]), &bytes[table..]);
    bytes[header + 226..header + 230].copy_from_slice(&crc.to_le_bytes());
    let crc = crc32c::crc32c(&bytes[header..header + 252]).to_le_bytes();
    bytes[header + 252..header + 256].copy_from_slice(&crc);
    case.sim.set_content(&path, bytes);
    path
}

#[test]
fn known_heads_bind_where_blocks_end() {
    let case = case();
    move_block_ends(&case);
    let (files, head) = (paths(&case.exported), case.exported.head);
    let known = vec![case.db.view().head_at(0).unwrap()];
    let options = import_options().with_known_heads(known);
    let refused = Db::import_snapshot_on(
        Arc::clone(&case.disk),
        Path::new(COPY),
        &files,
        &head,
        options,
    );
    let refusal = SnapshotRefusal::Head { block_number: 0 };
    assert!(matches!(refused, Err(Error::Refused(found)) if found == refusal));
    // Without them the log is right, and no proof at that block holds for who knows its head.
    let copy = import(&case.disk, &files, &head).unwrap();
    assert_eq!(copy.head(), head);
    copy.check().unwrap();
    let proof = copy.view().prove_inclusion(TxNum(7), At::Block(0)).unwrap();
    let hash = copy.view().leaf_hash(TxNum(7)).unwrap();
    let trusted = case.db.view().head_at(0).unwrap();
    proof.verify(&trusted, TxNum(7), hash).unwrap_err();
}

#[test]
fn a_folder_that_holds_something_is_not_imported_into() {
    let case = case();
    let (files, head) = (paths(&case.exported), case.exported.head);
    for name in [
        "notes.txt",
        "qmtree.db",
        "segments/0000000000000000-0000000000000002.qms",
    ] {
        case.sim
            .set_content(&Path::new("/full").join(name), vec![1]);
        let full = Db::import_snapshot_on(
            Arc::clone(&case.disk),
            Path::new("/full"),
            &files,
            &head,
            import_options(),
        );
        assert!(
            matches!(full, Err(Error::NotEmpty { .. })),
            "{name}: {full:?}"
        );
        case.disk.remove(&Path::new("/full").join(name)).unwrap();
    }
    let db = import(&case.disk, &files, &head).unwrap();
    drop(db);
    assert!(matches!(
        import(&case.disk, &files, &head),
        Err(Error::NotEmpty { .. })
    ));
}

#[test]
fn overlapping_files_and_those_in_any_order_are_taken() {
    let case = case();
    let large = ExportOptions::default().with_file_twigs(4);
    let more = case
        .db
        .export_snapshot_on(&*case.disk, Path::new("/more"), &large)
        .unwrap();
    let mut files = paths(&case.exported);
    files.extend(
        more.files
            .iter()
            .map(|entry| Path::new("/more").join(entry.name.to_string())),
    );
    files.reverse();
    files.swap(0, 3);
    let copy = import(&case.disk, &files, &case.exported.head).unwrap();
    crate::support::assert_same(&case.db, &copy, 0);
}

#[test]
fn a_file_by_another_name_is_refused() {
    let case = case();
    let path = case.file(SnapshotContent::Execution, 2);
    let bytes = case.sim.content(&path).unwrap();
    for name in [
        "v1.0-qmtree-execution.0-2.seg",
        "v1.0-qmtree-roots.2-4.seg",
        "other.seg",
    ] {
        let wrong = Path::new(OUT).join("wrong").join(name);
        case.sim.set_content(&wrong, bytes.clone());
        assert!(matches!(
            case.refused(&[wrong], &case.exported.head),
            Error::Snapshot(_)
        ));
    }
    let _ = disk();
}

/// A file of the same leaves with another block table, whose checksums fit.
fn with_block(case: &crate::state_files::Case, path: &Path, number: u64, block: SnapshotBlock) {
    let file = SnapshotFile::open(&*case.disk, path).unwrap();
    let blocks: Vec<_> = file
        .blocks()
        .map(|other| match other == number {
            true => block,
            false => file.block(other).unwrap(),
        })
        .collect();
    let parts = SnapshotParts {
        header: *file.header(),
        roots: file.roots(),
        blocks: &blocks,
        tags: &[],
    };
    case.disk.create_dir_all(Path::new("/forged")).unwrap();
    let written = write_snapshot(&*case.disk, Path::new("/forged"), &parts, |sink| {
        for twig in file.header().twigs() {
            let word = file.twig(twig)?;
            sink.twig(&word.anchor(), [word.payloads()]).unwrap();
        }
        Ok::<_, SnapshotError>(())
    });
    let forged = Path::new("/forged").join(written.unwrap().name.to_string());
    case.sim
        .set_content(path, case.sim.content(&forged).unwrap());
    case.disk.remove(&forged).unwrap();
}

#[test]
fn state_roots_and_entry_counts_of_older_blocks_are_compared() {
    for (profile, blocks) in [(Profile::Blake3, 9), (Profile::Keccak256, 14)] {
        let case = crate::state_files::Case::new(profile, blocks, 900, 60);
        let exported = case.export(StateExport::Full);
        let whole = |entry: &&qmtree::snapshot::ManifestEntry| {
            entry.name.content == SnapshotContent::Execution
        };
        let (mut tries, names) = (0, exported.files.iter().filter(whole));
        for path in names.map(|entry| Path::new(OUT).join(entry.name.to_string())) {
            let before = case.sim.content(&path).unwrap();
            let file = SnapshotFile::open(&*case.disk, &path).unwrap();
            for number in file.blocks() {
                let block = file.block(number).unwrap();
                let other = SnapshotBlock {
                    state_root: alloy_primitives::B256::repeat_byte(7),
                    ..block
                };
                let mut forged = vec![(
                    other,
                    SnapshotRefusal::Head {
                        block_number: number,
                    },
                )];
                if let Some(earlier) = number.checked_sub(1).and_then(|n| file.block(n)) {
                    let other = SnapshotBlock {
                        leaf_count: block.leaf_count,
                        ..earlier
                    };
                    forged.push((
                        other,
                        SnapshotRefusal::Blocks {
                            block_number: number,
                        },
                    ));
                }
                for (block, refusal) in forged {
                    case.sim.set_content(&path, before.clone());
                    with_block(&case, &path, number, block);
                    let refused = case.import(&exported, import_options()).unwrap_err();
                    assert!(
                        matches!(&refused, Error::Refused(found) if *found == refusal),
                        "block {number}: {refused}"
                    );
                    assert!(!case.disk.exists(&Path::new(COPY).join("qmtree.db")));
                    tries += 1;
                }
            }
            case.sim.set_content(&path, before);
        }
        assert!(tries > 8);
        // What the refused ones have left is taken over, and compared again.
        case.imported(&exported).check().unwrap();
    }
}
