//! Random blocks, unwinds, reopenings and crashes, compared with a plain map after each step.

use crate::support::{Kind, Log, Memory, Subject};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use qmtree_storage::{Index, IndexError, Reached};

#[derive(Clone, Debug)]
enum Op {
    Block(u64),
    Unwind(usize),
    Flush,
    Reopen,
    Crash,
    Clear,
    Stale,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        12 => (0_u64..200).prop_map(Op::Block),
        3 => (1_usize..5).prop_map(Op::Unwind),
        2 => Just(Op::Flush),
        1 => Just(Op::Reopen),
        2 => Just(Op::Crash),
        1 => Just(Op::Clear),
        1 => Just(Op::Stale),
    ]
}

/// An index that follows a log, and what is known about how far.
struct Run<K: Kind> {
    subject: Subject<K>,
    log: Log,
    /// Every step of the log; an index anywhere in it can go on from there.
    steps: Vec<qmtree_storage::IndexBatch>,
    /// Positions that a crash may take it back to, oldest first.
    possible: Vec<Option<Reached>>,
}

impl<K: Kind> Run<K> {
    fn new() -> Self {
        Self {
            subject: Subject::new(),
            log: Log::new(),
            steps: Vec::new(),
            possible: vec![None],
        }
    }

    fn apply(&mut self, op: &Op) {
        match op {
            Op::Block(len) => self.steps.push(self.log.block(*len)),
            Op::Unwind(blocks) => self.steps.push(self.log.unwind(*blocks)),
            Op::Flush => self.subject.index().flush().unwrap(),
            Op::Reopen => self.subject.reopen(),
            Op::Crash => self.subject.crash(),
            Op::Clear => self.subject.index().clear().unwrap(),
            Op::Stale => {
                let stale = self.log.block(1);
                self.log.unwind(1);
                let error = IndexError::OutOfOrder {
                    reached: self.subject.index().reached(),
                    batch: stale.after,
                };
                let batch = qmtree_storage::IndexBatch {
                    before: stale.after,
                    ..stale
                };
                let refused = self.subject.index().apply(&batch).unwrap_err();
                assert_eq!(refused.to_string(), error.to_string());
            }
        }
        let reached = self.log.check(self.subject.index());
        match op {
            Op::Crash => assert!(self.possible.contains(&reached), "{reached:?}"),
            Op::Clear => assert_eq!(reached, None),
            _ if K::IS_DURABLE => assert_eq!(Some(&reached), self.possible.last()),
            _ => {}
        }
        if matches!(op, Op::Flush | Op::Reopen | Op::Crash | Op::Clear) && K::IS_DURABLE {
            self.possible = vec![reached];
        }
        self.catch_up();
        assert_eq!(self.log.check(self.subject.index()), self.log.reached());
    }

    /// Feeds it the steps from where it is, as the engine would from the journal.
    fn catch_up(&mut self) {
        let reached = self.subject.index().reached();
        if reached == self.log.reached() {
            return;
        }
        // The last step that began there: the ones after an unwind to it come later.
        let from = self.steps.iter().rposition(|step| step.before == reached);
        for step in &self.steps[from.expect("a position there was")..] {
            self.subject.index().apply(step).unwrap();
            self.possible.push(step.after);
            self.log.check(self.subject.index());
        }
    }
}

fn holds_what_the_model_holds<K: Kind>(ops: &[Op]) {
    let mut run = Run::<K>::new();
    ops.iter().for_each(|op| run.apply(op));
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 48,
        rng_seed: RngSeed::Fixed(2026),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn memory_holds_what_the_model_holds(ops in prop::collection::vec(op(), 1..60)) {
        holds_what_the_model_holds::<Memory>(&ops);
    }
}

#[cfg(feature = "rocksdb")]
proptest! {
    #![proptest_config(ProptestConfig {
        cases: 24,
        rng_seed: RngSeed::Fixed(2026),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn rocks_holds_what_the_model_holds(ops in prop::collection::vec(op(), 1..60)) {
        holds_what_the_model_holds::<crate::support::Rocks>(&ops);
    }
}
