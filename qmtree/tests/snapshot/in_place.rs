//! State logs that are read where their files lie.

use crate::state::assert_same_state;
use crate::state_files::{Case, Rng, append, key};
use crate::support::{OUT, assert_same, paths};
use alloy_primitives::B256;
use qmtree::proofs::state::{Compaction, EntryId};
use qmtree::proofs::{Head, Profile, TxNum};
use qmtree::snapshot::{
    ExportOptions, Exported, SnapshotContent, SnapshotName, SnapshotRefusal, StateExport,
};
use qmtree::{At, Db, Error};
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn open(case: &Case, files: &[PathBuf], head: &Head) -> Result<Db, Error> {
    Db::open_snapshot_on(Arc::clone(&case.disk), Path::new(OUT), files, head)
}

fn content(path: &Path) -> SnapshotContent {
    SnapshotName::of_path(path).unwrap().content
}

/// Exported again from the files, to another folder, it is the same files.
fn assert_same_files(case: &Case, copy: &Db, exported: &Exported, state: StateExport) {
    let options = ExportOptions::default()
        .with_file_twigs(2)
        .with_state(state);
    let again = copy.export_snapshot_on(&*case.disk, Path::new("/again"), &options);
    assert_eq!(again.unwrap().files, exported.files);
}

#[test]
fn all_of_it_answers_and_proves_with_its_past() {
    for (profile, rule) in [
        (Profile::Keccak256, Compaction::OFF),
        (Profile::Blake3, Compaction::new(2)),
    ] {
        let case = Case::compacting(profile, rule, 40, 250, 40);
        let exported = case.export(StateExport::Full);
        let mut copy = open(&case, &paths(&exported), &exported.head).unwrap();
        assert_eq!((copy.head(), copy.compaction()), (exported.head, rule));
        assert_same(&case.db, &copy, 0);
        let past = [0, 7, 1000, 5000, exported.head.leaf_count - 1].map(TxNum);
        assert_same_state(&case.db, &copy, &past);
        copy.check().unwrap();
        assert_same_files(&case, &copy, &exported, StateExport::Full);
        assert!(matches!(copy.sync(), Err(Error::ReadOnly)));
    }
}

#[test]
fn what_is_live_answers_and_proves_without_its_past() {
    for (profile, rule) in [
        (Profile::Keccak256, Compaction::OFF),
        (Profile::Blake3, Compaction::new(2)),
    ] {
        let case = Case::compacting(profile, rule, 40, 250, 40);
        let exported = case.export(StateExport::Live);
        let copy = open(&case, &paths(&exported), &exported.head).unwrap();
        let newest = TxNum(exported.head.leaf_count - 1);
        assert_same_state(&case.db, &copy, &[newest]);
        copy.check().unwrap();
        let view = copy.view();
        for refused in [
            view.get_at(&key(1), TxNum(900)).map(drop),
            view.prove_state(&key(1), Some(TxNum(900))).map(drop),
            view.state_from(&B256::ZERO, Some(TxNum(900))).map(drop),
        ] {
            assert!(
                matches!(refused, Err(Error::StatePruned { .. })),
                "{refused:?}"
            );
        }
        assert_same_files(&case, &copy, &exported, StateExport::Live);
    }
}

#[test]
fn a_state_log_without_a_whole_twig_is_all_in_its_tail() {
    for state in [StateExport::Full, StateExport::Live] {
        let case = Case::new(Profile::Keccak256, 3, 250, 40);
        let exported = case.export(state);
        let copy = open(&case, &paths(&exported), &exported.head).unwrap();
        assert_same_state(&case.db, &copy, &[TxNum(7), TxNum(300)]);
    }
}

#[test]
fn an_import_from_files_that_a_pruned_copy_exports_is_read_in_place_too() {
    // A copy that started from what is live has files of its own: what it got, and what came since.
    let mut case = Case::new(Profile::Blake3, 40, 250, 40);
    let exported = case.export(StateExport::Live);
    let mut copy = case.imported(&exported);
    for number in 40..70 {
        append(&mut copy, number, 250, 40);
        append(&mut case.db, number, 250, 40);
    }
    let live = ExportOptions::default().with_state(StateExport::Live);
    let later = copy
        .export_snapshot_on(&*case.disk, Path::new("/later"), &live)
        .unwrap();
    let names = later.files.iter().map(|file| file.name.to_string());
    let files: Vec<_> = names.map(|name| Path::new("/later").join(name)).collect();
    let read = open(&case, &files, &later.head).unwrap();
    let newest = TxNum(later.head.leaf_count - 1);
    assert_same_state(&case.db, &read, &[newest]);
}

#[test]
fn leaves_are_read_without_the_files_of_the_state_which_is_then_missing_by_name() {
    let case = Case::new(Profile::Blake3, 40, 250, 40);
    let exported = case.export(StateExport::Full);
    let mut files = paths(&exported);
    // An older head's last entries are in no file of their own.
    let old = case.db.view().head_at(30).unwrap();
    assert_missing(&case, &open(&case, &files, &old).unwrap());
    files.retain(|path| !content(path).is_state());
    let copy = open(&case, &files, &exported.head).unwrap();
    assert_missing(&case, &copy);
}

/// Reads leaves, and no state.
fn assert_missing(case: &Case, copy: &Db) {
    assert_same(&case.db, copy, 0);
    let entry_count = copy.head().entry_count;
    let view = copy.view();
    for refused in [
        view.get(&key(1)).map(drop),
        view.get_at(&key(1), TxNum(900)).map(drop),
        view.prove_state(&key(1), None).map(drop),
        view.state_from(&B256::ZERO, None).map(drop),
        view.entry(EntryId(0)).map(drop),
        view.extract_state(&[], At::Head).map(drop),
    ] {
        let missing = SnapshotRefusal::StateMissing { entry_count };
        assert!(
            matches!(refused, Err(Error::Refused(found)) if found == missing),
            "{refused:?}"
        );
    }
}

#[test]
fn files_that_do_not_lead_to_the_head_are_refused() {
    for (state, dropped) in [
        (StateExport::Full, SnapshotContent::State),
        (StateExport::Live, SnapshotContent::Live),
    ] {
        // A folder of its own for each: one that has both would do without either.
        let case = Case::new(Profile::Blake3, 40, 250, 40);
        let exported = case.export(state);
        let mut files = paths(&exported);
        files.retain(|path| content(path) != dropped);
        let gap = open(&case, &files, &exported.head);
        assert!(
            matches!(gap, Err(Error::Refused(SnapshotRefusal::StateGap { .. }))),
            "{gap:?}"
        );
        // Two files that lead to another state, each whole.
        let mut head = exported.head;
        head.state_root.0[5] ^= 1;
        let other = open(&case, &paths(&exported), &head);
        assert!(matches!(other, Err(Error::Refused(_))), "{other:?}");
    }
}

#[test]
fn flipped_bits_are_refused_or_change_no_answer() {
    let (mut refused, mut harmless) = (0, 0);
    for state in [StateExport::Full, StateExport::Live] {
        let case = Case::new(Profile::Blake3, 9, 250, 130);
        let exported = case.export(state);
        let files = paths(&exported);
        let of_state = files.iter().filter(|path| content(path).is_state());
        let of_state: Vec<_> = of_state.collect();
        let mut rng = Rng(7);
        for turn in 0..2000 {
            let path = of_state[turn % of_state.len()];
            let whole = case.sim.content(path).unwrap();
            let mut bytes = whole.clone();
            let at = rng.below(whole.len() as u64) as usize;
            bytes[at] ^= 1 << rng.below(8);
            case.sim.set_content(path, bytes);
            match open(&case, &files, &exported.head) {
                Ok(copy) => {
                    harmless += 1;
                    assert_same_state(&case.db, &copy, &[]);
                }
                Err(Error::Refused(_) | Error::Snapshot(_)) => refused += 1,
                Err(other) => panic!("{other:?}"),
            }
            case.sim.set_content(path, whole);
        }
    }
    assert!(refused > 3800 && refused + harmless == 4000, "{refused}");
}

#[test]
fn readers_share_one_opening() {
    let case = Case::new(Profile::Keccak256, 40, 250, 40);
    let exported = case.export(StateExport::Full);
    let copy = open(&case, &paths(&exported), &exported.head).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (view, ours) = (copy.view(), case.db.view());
            scope.spawn(move || {
                for number in (0..700).skip(thread).step_by(7) {
                    let key = key(number as u64);
                    let proof = view.prove_state(&key, None).unwrap();
                    assert_eq!(proof, ours.prove_state(&key, None).unwrap());
                }
            });
        }
    });
}
