//! What both kinds of index promise, one rule at a time.

use crate::support::{Kind, Log, Memory, Subject};
use qmtree_proofs::TxNum;
use qmtree_storage::{Index, IndexError};

macro_rules! for_both {
    ($($rule:ident)*) => {
        mod memory {
            use super::*;
            $(#[test] fn $rule() { super::$rule::<Memory>() })*
        }
        #[cfg(feature = "rocksdb")]
        mod rocks {
            $(#[test] fn $rule() { super::$rule::<crate::support::Rocks>() })*
        }
    };
}

for_both! {
    a_new_index_is_empty
    a_batch_changes_position_and_entries
    a_batch_out_of_order_changes_nothing
    a_tag_may_have_several_numbers
    what_was_unwound_stays_a_candidate
    an_unwind_may_leave_nothing
    what_was_flushed_is_found_again
    what_was_not_flushed_is_lost_by_whole_blocks
    a_cleared_index_is_empty_and_takes_all_again
    it_is_read_while_it_is_fed
}

fn a_new_index_is_empty<K: Kind>() {
    let subject = Subject::<K>::new();
    assert_eq!(subject.index().reached(), None);
    assert_eq!(Log::new().check(subject.index()), None);
}

fn a_batch_changes_position_and_entries<K: Kind>() {
    let (subject, mut log) = (Subject::<K>::new(), Log::new());
    for len in [3, 0, 1, 500] {
        subject.index().apply(&log.block(len)).unwrap();
        assert_eq!(log.check(subject.index()), log.reached());
    }
    subject.index().apply(&log.unwind(2)).unwrap();
    assert_eq!(log.check(subject.index()), log.reached());
}

fn a_batch_out_of_order_changes_nothing<K: Kind>() {
    let (subject, mut log) = (Subject::<K>::new(), Log::new());
    let first = log.block(2);
    subject.index().apply(&first).unwrap();
    let (reached, unwind) = (log.reached(), log.unwind(1));
    let mut other_fork = log.block(2);
    other_fork.before = other_fork.after;
    let skipped = log.block(1);
    for batch in [&first, &other_fork, &skipped] {
        let error = subject.index().apply(batch).unwrap_err();
        let IndexError::OutOfOrder {
            reached: at,
            batch: before,
        } = error
        else {
            panic!("{error}")
        };
        assert_eq!((at, before), (reached, batch.before));
        assert_eq!(log.check(subject.index()), reached);
    }
    subject.index().apply(&unwind).unwrap();
    assert_eq!(log.check(subject.index()), None);
}

fn a_tag_may_have_several_numbers<K: Kind>() {
    let subject = Subject::<K>::new();
    let (mut batch, tag) = (Log::new().block(0), [7; 8]);
    for numbers in [&[3, 1 << 40, u64::MAX][..], &[0, 300], &[3, 300]] {
        batch.inserts = numbers.iter().map(|n| (tag, TxNum(*n))).collect();
        subject.index().apply(&batch).unwrap();
        batch.before = batch.after;
    }
    let all = [0, 3, 300, 1 << 40, u64::MAX].map(TxNum);
    assert_eq!(subject.index().candidates(&tag).unwrap(), all);
    assert_eq!(subject.index().candidates(&[8; 8]).unwrap(), []);
}

fn what_was_unwound_stays_a_candidate<K: Kind>() {
    let (subject, mut log) = (Subject::<K>::new(), Log::new());
    let (kept, block) = (log.block(4), log.block(4));
    subject.index().apply(&kept).unwrap();
    subject.index().apply(&block).unwrap();
    subject.index().apply(&log.unwind(1)).unwrap();
    for (tag, tx_num) in kept.inserts.iter().chain(&block.inserts) {
        assert!(subject.index().candidates(tag).unwrap().contains(tx_num));
    }
    // The other fork takes in two of the four again, at other places.
    subject.index().apply(&log.block(5)).unwrap();
    assert_eq!(log.check(subject.index()), log.reached());
}

fn an_unwind_may_leave_nothing<K: Kind>() {
    let (mut subject, mut log) = (Subject::<K>::new(), Log::new());
    subject.index().apply(&log.block(3)).unwrap();
    subject.index().apply(&log.unwind(1)).unwrap();
    assert_eq!(log.check(subject.index()), None);
    subject.reopen();
    assert_eq!(log.check(subject.index()), None);
    subject.index().apply(&log.block(2)).unwrap();
    assert_eq!(log.check(subject.index()), log.reached());
}

fn what_was_flushed_is_found_again<K: Kind>() {
    let (mut subject, mut log) = (Subject::<K>::new(), Log::new());
    for _ in 0..5 {
        subject.index().apply(&log.block(100)).unwrap();
    }
    subject.index().flush().unwrap();
    subject.crash();
    let expected = log.reached().filter(|_| K::IS_DURABLE);
    assert_eq!(log.check(subject.index()), expected);
    subject.index().flush().unwrap();
    subject.reopen();
    assert_eq!(log.check(subject.index()), expected);
}

fn what_was_not_flushed_is_lost_by_whole_blocks<K: Kind>() {
    let (mut subject, mut log) = (Subject::<K>::new(), Log::new());
    subject.index().apply(&log.block(10)).unwrap();
    subject.index().flush().unwrap();
    let flushed = log.reached().filter(|_| K::IS_DURABLE);
    subject.index().apply(&log.block(10)).unwrap();
    subject.index().apply(&log.unwind(2)).unwrap();
    subject.index().apply(&log.block(10)).unwrap();
    assert_eq!(log.check(subject.index()), log.reached());
    subject.crash();
    assert_eq!(log.check(subject.index()), flushed);
}

fn a_cleared_index_is_empty_and_takes_all_again<K: Kind>() {
    let (mut subject, mut log) = (Subject::<K>::new(), Log::new());
    let batches = [
        log.block(1000),
        log.block(1000),
        log.unwind(1),
        log.block(10),
    ];
    for _ in 0..2 {
        for batch in &batches {
            subject.index().apply(batch).unwrap();
        }
        assert_eq!(log.check(subject.index()), log.reached());
        subject.index().clear().unwrap();
        assert_eq!(log.check(subject.index()), None);
        subject.crash();
        assert_eq!(log.check(subject.index()), None);
    }
}

fn it_is_read_while_it_is_fed<K: Kind>() {
    let (subject, mut log) = (Subject::<K>::new(), Log::new());
    let batches: Vec<_> = (0..200).map(|_| log.block(20)).collect();
    let index = subject.index();
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            // Once a position is seen, so are the entries of all blocks up to it.
            while index.reached() != log.reached() {
                let leaf_count = index.reached().map_or(0, |reached| reached.leaf_count);
                let seen = batches.iter().take(leaf_count as usize / 20).next_back();
                for (tag, tx_num) in seen.into_iter().flat_map(|batch| &batch.inserts) {
                    assert!(index.candidates(tag).unwrap().contains(tx_num));
                }
            }
        });
        batches.iter().for_each(|batch| index.apply(batch).unwrap());
        reader.join().unwrap();
    });
    assert_eq!(log.check(index), log.reached());
}
