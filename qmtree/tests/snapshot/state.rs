//! Files of the state log: all of it, or what is live of it.

use crate::state_files::{Case, Rng, append, key};
use crate::support::{COPY, OUT, assert_same, import_options, options, paths};
use alloy_primitives::B256;
use qmtree::proofs::state::Compaction;
use qmtree::proofs::{Head, Profile, TxNum};
use qmtree::snapshot::{
    ExportOptions, Exported, SnapshotContent, SnapshotError, SnapshotFolder, SnapshotRefusal,
    StateExport, verify_snapshot_on,
};
use qmtree::{Db, Error};
use qmtree_storage::Disk;
use qmtree_storage::sim::{Fate, SimDisk};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Keys that were written, and some that never were.
fn keys() -> impl Iterator<Item = B256> {
    (0..900).map(key)
}

/// Reads and proves every key, now and after `at`, in both.
pub(crate) fn assert_same_state(db: &Db, copy: &Db, at: &[TxNum]) {
    let (view, other) = (db.view(), copy.view());
    let head = *other.head();
    for key in keys() {
        let value = view.get(&key).unwrap();
        assert_eq!(other.get(&key).unwrap(), value);
        let proof = other.prove_state(&key, None).unwrap();
        assert_eq!(proof, view.prove_state(&key, None).unwrap());
        let found = proof.verify(&head, &key, None).unwrap();
        assert_eq!(found.is_some(), value.is_some());
        for at in at {
            assert_eq!(
                other.get_at(&key, *at).unwrap(),
                view.get_at(&key, *at).unwrap()
            );
            let proof = other.prove_state(&key, Some(*at)).unwrap();
            assert_eq!(proof, view.prove_state(&key, Some(*at)).unwrap());
            proof.verify(&head, &key, Some(*at)).unwrap();
        }
    }
    let all = |db: &Db| {
        let view = db.view();
        let items = view.state_from(&B256::ZERO, None).unwrap();
        items.collect::<Result<Vec<_>, _>>().unwrap()
    };
    assert_eq!(all(db), all(copy));
}

/// Both append the same blocks, have the same heads, and the second one opens again.
fn assert_go_on(case: &mut Case, mut copy: Db, blocks: u64) -> Db {
    for number in case.next..case.next + blocks {
        let head = append(&mut case.db, number, 250, 40);
        assert_eq!(append(&mut copy, number, 250, 40), head, "block {number}");
    }
    case.next += blocks;
    copy.check().unwrap();
    let (dir, head) = (Path::new(COPY), copy.head());
    copy.close().unwrap();
    let copy = Db::open_on(Arc::clone(&case.disk), dir, options()).unwrap();
    assert_eq!(copy.head(), head);
    copy.check().unwrap();
    copy
}

fn contents(exported: &Exported) -> Vec<SnapshotContent> {
    let mut contents: Vec<_> = exported
        .files
        .iter()
        .map(|file| file.name.content)
        .collect();
    contents.dedup();
    contents
}

#[test]
fn all_of_it_comes_with_its_past() {
    for profile in Profile::ALL {
        let mut case = Case::new(profile, 40, 250, 40);
        let exported = case.export(StateExport::Full);
        use SnapshotContent::{Execution, State, StateTail, Tail};
        assert_eq!(contents(&exported), [Execution, Tail, State, StateTail]);
        let copy = case.imported(&exported);
        assert_eq!(copy.head(), exported.head);
        assert_same(&case.db, &copy, 0);
        let past = [0, 7, 1000, 5000, exported.head.leaf_count - 1].map(TxNum);
        assert_same_state(&case.db, &copy, &past);
        let copy = assert_go_on(&mut case, copy, 12);
        assert_same_state(&case.db, &copy, &past);
    }
}

#[test]
fn what_is_live_goes_on_with_the_same_roots_and_no_past() {
    for (profile, rule) in [
        (Profile::Keccak256, Compaction::OFF),
        (Profile::Blake3, Compaction::new(2)),
    ] {
        let mut case = Case::compacting(profile, rule, 40, 250, 40);
        let exported = case.export(StateExport::Live);
        use SnapshotContent::{Execution, Live, StateTail, Tail};
        assert_eq!(contents(&exported), [Execution, Tail, StateTail, Live]);
        let copy = case.imported(&exported);
        assert_eq!((copy.head(), copy.compaction()), (exported.head, rule));
        let newest = TxNum(exported.head.leaf_count - 1);
        assert_same_state(&case.db, &copy, &[newest]);
        // History before the head is refused by name.
        let (view, past) = (copy.view(), TxNum(900));
        for refused in [
            view.get_at(&key(1), past).map(drop),
            view.prove_state(&key(1), Some(past)).map(drop),
            view.state_from(&B256::ZERO, Some(past)).map(drop),
        ] {
            let Err(Error::StatePruned { tx_num, earliest }) = refused else {
                panic!("{refused:?}");
            };
            assert!(
                tx_num == past && earliest <= newest && earliest > past,
                "{earliest}"
            );
            view.get_at(&key(1), earliest).unwrap();
        }
        let copy = assert_go_on(&mut case, copy, 12);
        assert_same_state(&case.db, &copy, &[newest, TxNum(newest.0 + 700)]);
        // It is a source of what is live itself, of the same bytes, and not of all.
        let (again, full) = (Path::new("/again"), ExportOptions::default());
        let live = full
            .clone()
            .with_state(StateExport::Live)
            .with_file_twigs(2);
        let from_copy = copy.export_snapshot_on(&*case.disk, again, &live).unwrap();
        let from_db = case.export(StateExport::Live);
        assert_eq!(from_copy.files, from_db.files);
        let refused = copy.export_snapshot_on(&*case.disk, Path::new("/full"), &full);
        let history = matches!(
            refused,
            Err(Error::Refused(SnapshotRefusal::StateHistory { .. }))
        );
        assert!(history, "{refused:?}");
    }
}

#[test]
fn what_is_live_unwinds_and_is_pruned() {
    let rule = Compaction::new(1);
    let mut case = Case::compacting(Profile::Blake3, rule, 40, 250, 40);
    let exported = case.export(StateExport::Live);
    let mut copy = case.imported(&exported);
    for number in 40..60 {
        append(&mut copy, number, 250, 40);
        append(&mut case.db, number, 250, 40);
    }
    for db in [&mut copy, &mut case.db] {
        db.unwind_to(58).unwrap();
        append(db, 59, 100, 90);
    }
    assert_eq!(copy.head(), case.db.head());
    let pruned = copy.prune_to(56);
    pruned.unwrap();
    copy.check().unwrap();
    let newest = TxNum(copy.head().leaf_count - 1);
    assert_same_state(&case.db, &copy, &[newest]);
    copy.close().unwrap();
    let copy = Db::open_on(Arc::clone(&case.disk), Path::new(COPY), options()).unwrap();
    copy.check().unwrap();
    assert_same_state(&case.db, &copy, &[newest]);
}

#[test]
fn what_is_live_starts_from_roots_too() {
    let mut case = Case::new(Profile::Keccak256, 40, 250, 40);
    let exported = case.export(StateExport::Live);
    let folder = SnapshotFolder::on(Arc::clone(&case.disk), Path::new(OUT));
    folder.retain_from(u64::MAX, None).unwrap();
    let (files, disk) = (folder.paths().unwrap(), Arc::clone(&case.disk));
    let (dir, options) = (Path::new(COPY), import_options());
    let copy = Db::bootstrap_snapshot_on(disk, dir, &files, &exported.head, options).unwrap();
    let newest = TxNum(exported.head.leaf_count - 1);
    assert_same_state(&case.db, &copy, &[newest]);
    assert_go_on(&mut case, copy, 12);
}

#[test]
fn a_state_log_without_a_whole_twig_is_all_in_its_tail() {
    for state in [StateExport::Full, StateExport::Live] {
        let mut case = Case::new(Profile::Keccak256, 3, 250, 40);
        let exported = case.export(state);
        use SnapshotContent::{StateTail, Tail};
        assert_eq!(contents(&exported), [Tail, StateTail]);
        let copy = case.imported(&exported);
        assert_same_state(&case.db, &copy, &[TxNum(7), TxNum(300)]);
        assert_go_on(&mut case, copy, 3);
    }
}

#[test]
fn exporting_again_keeps_what_is_the_same_and_drops_what_is_of_another_head() {
    let mut case = Case::new(Profile::Blake3, 40, 250, 40);
    case.export(StateExport::Full);
    let again = case.export(StateExport::Full);
    assert_eq!(again.written, 0);
    append(&mut case.db, 40, 250, 40);
    case.export(StateExport::Full);
    let live = case.export(StateExport::Live);
    let tails = live
        .files
        .iter()
        .filter(|file| file.name.content == SnapshotContent::StateTail);
    assert_eq!(tails.count(), 1);
    // Either start is possible now.
    for live_state in [false, true] {
        let disk = SimDisk::new();
        for path in paths(&live) {
            disk.set_content(&path, case.sim.content(&path).unwrap());
        }
        let options = import_options().with_live_state(live_state);
        let (files, disk) = (paths(&live), Arc::new(disk));
        let copy = Db::import_snapshot_on(disk, Path::new(COPY), &files, &live.head, options);
        let past = copy.unwrap().view().get_at(&key(1), TxNum(300)).is_ok();
        assert_eq!(past, !live_state);
    }
}

fn refusal(case: &Case, files: &[PathBuf], head: &Head) -> SnapshotRefusal {
    let options = import_options();
    let verified = verify_snapshot_on(&*case.disk, files, head, &options);
    let (disk, dir) = (Arc::clone(&case.disk), Path::new(COPY));
    let refused = Db::import_snapshot_on(disk, dir, files, head, options);
    assert!(!case.disk.exists(dir), "not even the folder");
    match (verified, refused) {
        (Err(Error::Refused(verified)), Err(Error::Refused(refused))) => {
            assert_eq!(verified, refused);
            refused
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn files_that_contradict_the_head_are_refused_before_anything_is_written() {
    let case = Case::new(Profile::Blake3, 40, 250, 40);
    for state in [StateExport::Full, StateExport::Live] {
        let exported = case.export(state);
        let (files, mut head) = (paths(&exported), exported.head);
        let without = |content: SnapshotContent| {
            let name = |path: &PathBuf| qmtree::snapshot::SnapshotName::of_path(path);
            let keep = |path: &&PathBuf| name(path).is_none_or(|name| name.content != content);
            files.iter().filter(keep).cloned().collect::<Vec<_>>()
        };
        let entry_count = head.entry_count;
        let missing = SnapshotRefusal::StateMissing { entry_count };
        // Without any file of the state log the leaves alone may be verified.
        assert_eq!(
            refusal(&case, &without(SnapshotContent::StateTail), &head),
            missing
        );
        let fewer = match state {
            StateExport::Full => without(SnapshotContent::State),
            _ => without(SnapshotContent::Live),
        };
        let fewer: Vec<_> = fewer
            .into_iter()
            .filter(|path| !path.to_str().unwrap().contains("qmtree-state."))
            .collect();
        let to = exported
            .files
            .iter()
            .find(|file| file.name.content == SnapshotContent::StateTail);
        let to = to.unwrap().name.from / 2048;
        let gap = SnapshotRefusal::StateGap { from: 0, to };
        assert_eq!(refusal(&case, &fewer, &head), gap);
        // The head of another state: its block table would have to lie too.
        head.state_root.0[5] ^= 1;
        assert!(matches!(
            refusal(&case, &files, &head),
            SnapshotRefusal::Head { .. } | SnapshotRefusal::StateRoot { .. }
        ));
    }
}

/// A small set of files with every content of the state log.
fn small(state: StateExport) -> (Case, Exported) {
    // Few keys that are written very often: little is live.
    let case = Case::new(Profile::Blake3, 9, 250, 130);
    let exported = case.export(state);
    (case, exported)
}

#[test]
fn a_hundred_thousand_flipped_bits_are_refused_or_harmless() {
    let (mut refused, mut harmless) = (0, 0);
    for state in [StateExport::Full, StateExport::Live] {
        let (case, exported) = small(state);
        let files = paths(&exported);
        let ours: Vec<_> = files
            .iter()
            .filter(|path| {
                let name = qmtree::snapshot::SnapshotName::of_path(path).unwrap();
                name.content.is_state()
            })
            .collect();
        let mut rng = Rng(2026);
        for turn in 0..50_000 {
            let path = ours[turn % ours.len()];
            let whole = case.sim.content(path).unwrap();
            // Half of them in the front, where headers and codes are.
            let len = whole.len() as u64;
            let end = if turn % 2 == 0 { len } else { len.min(400) };
            let (at, bit) = (rng.below(end) as usize, rng.below(8));
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << bit;
            case.sim.set_content(path, bytes);
            let options = import_options();
            match verify_snapshot_on(&*case.disk, &files, &exported.head, &options) {
                Ok(_) => harmless += 1,
                Err(Error::Refused(_) | Error::Snapshot(_)) => refused += 1,
                Err(other) => panic!("{other:?}"),
            }
            case.sim.set_content(path, whole);
        }
    }
    assert!(refused > 90_000 && harmless < 1000, "{refused} {harmless}");
}

#[test]
fn truncated_files_are_refused() {
    for state in [StateExport::Full, StateExport::Live] {
        let (case, exported) = small(state);
        for path in paths(&exported) {
            let whole = case.sim.content(&path).unwrap();
            let step = 1 + whole.len() / 300;
            let cuts = (0..whole.len().min(500)).chain((0..whole.len()).step_by(step));
            for len in cuts {
                case.sim.set_content(&path, whole[..len].to_vec());
                let options = import_options();
                let files = paths(&exported);
                let cut = verify_snapshot_on(&*case.disk, &files, &exported.head, &options);
                assert!(matches!(cut, Err(Error::Snapshot(_))), "{path:?} {len}");
            }
            case.sim.set_content(&path, whole);
        }
    }
}

#[test]
fn an_import_that_is_cut_off_goes_on_or_never_was() {
    for state in [StateExport::Full, StateExport::Live] {
        let case = Case::new(Profile::Blake3, 20, 250, 60);
        let exported = case.export(state);
        let fresh = |seed| {
            let sim = SimDisk::with_seed(seed);
            for path in paths(&exported) {
                sim.set_content(&path, case.sim.content(&path).unwrap());
            }
            sim
        };
        let import = |sim: &SimDisk| {
            let options = import_options().with_threads(1);
            let (disk, files) = (Arc::new(sim.clone()), paths(&exported));
            Db::import_snapshot_on(disk, Path::new(COPY), &files, &exported.head, options)
        };
        let whole = fresh(0);
        import(&whole).unwrap();
        let steps = whole.steps();
        assert!(steps > 40, "{steps} steps");
        for step in 0..steps {
            let fate = Fate::ALL[step as usize % 3];
            let sim = fresh(step);
            sim.crash_at(step, fate);
            assert!(
                import(&sim).is_err(),
                "step {step} {fate:?}: nobody noticed"
            );
            let found = sim.after_crash();
            let disk: Arc<dyn Disk> = Arc::new(found.clone());
            let copy = match Db::open_on(disk, Path::new(COPY), options()) {
                Ok(copy) => copy,
                Err(_) => import(&found).unwrap_or_else(|e| panic!("step {step} {fate:?}: {e}")),
            };
            assert_eq!(copy.head(), exported.head, "step {step} {fate:?}");
            copy.check().unwrap();
        }
    }
}

#[test]
fn values_that_are_too_long_once_unpacked_are_refused() {
    // The reader's own limit is tested with the reader; here that it is asked for.
    let (case, exported) = small(StateExport::Full);
    let tail = exported
        .files
        .iter()
        .find(|f| f.name.content == SnapshotContent::StateTail);
    let path = Path::new(OUT).join(tail.unwrap().name.to_string());
    let file = qmtree_storage::snapshot::SnapshotFile::open(&*case.disk, &path).unwrap();
    let twig = file.header().twigs().start;
    let values = file.values(twig, 1 << 20).unwrap();
    assert!(!values.is_empty());
    let refused = file.values(twig, values.len() - 1);
    assert!(matches!(refused, Err(SnapshotError::Packed { .. })));
}
