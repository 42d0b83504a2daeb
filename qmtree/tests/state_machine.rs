//! The engine as a state machine: random steps beside a `Vec` of leaves and a naive tree, with every
//! answer compared after each step, and views that other threads read while the steps go on.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test that fails may panic"
)]

mod common;

use common::first_readable;
use common::model::{Model, identity, leaves};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};
use qmtree::proofs::{Digest, LeafPayload, Profile, TreeHasher, level_tag, null_hash, root_level};
use qmtree::{Db, Durability, Error, Options, View};
use std::path::PathBuf;
use std::thread::JoinHandle;

const WINDOW: u64 = 3;

/// What is known of a database without its leaves: which blocks it has.
#[derive(Clone, Debug)]
struct Blocks {
    blake3: bool,
    first_block: u64,
    /// Branch of history and number of leaves of each block.
    blocks: Vec<(u64, u64)>,
    /// Blocks of the log when it was longest: the window counts from there.
    most_blocks: usize,
    /// Steps so far, so that each branch of history has leaves of its own.
    steps: u64,
}

#[derive(Clone, Debug)]
enum Step {
    /// Leaves of the next block. Many make the engine seal.
    Append(u64),
    /// A block that is there already, so many before the newest: once the same, once another.
    AppendAgain(usize),
    /// So many blocks back; the window allows it.
    Unwind(usize),
    /// To a block at so many hundredths of the log.
    Prune(usize),
    /// Closed or just dropped, and opened with other options.
    Reopen {
        close: bool,
        parallel: bool,
        segment_twigs: u64,
    },
    /// A backup that is compared, and that becomes the database if so wanted.
    Checkpoint { go_on_there: bool },
    /// A view that another thread reads from now on.
    View,
}

impl Blocks {
    /// The fewest blocks that are left after unwinding within the window.
    fn fewest(&self) -> usize {
        self.most_blocks.saturating_sub(WINDOW as usize).max(1)
    }
}

impl ReferenceStateMachine for Blocks {
    type State = Self;
    type Transition = Step;

    fn init_state() -> BoxedStrategy<Self> {
        let first_block = prop_oneof![Just(0u64), 1..1000u64];
        (any::<bool>(), first_block)
            .prop_map(|(blake3, first_block)| Self {
                blake3,
                first_block,
                blocks: Vec::new(),
                most_blocks: 0,
                steps: 0,
            })
            .boxed()
    }

    fn transitions(_: &Self) -> BoxedStrategy<Step> {
        let reopen = (any::<bool>(), any::<bool>(), 1..4u64);
        prop_oneof![
            8 => prop_oneof![0..5u64, 100..600u64, 1000..3000u64].prop_map(Step::Append),
            1 => (0..6usize).prop_map(Step::AppendAgain),
            2 => (0..=WINDOW as usize).prop_map(Step::Unwind),
            1 => (0..100usize).prop_map(Step::Prune),
            2 => reopen.prop_map(|(close, parallel, segment_twigs)| Step::Reopen {
                close,
                parallel,
                segment_twigs,
            }),
            1 => any::<bool>().prop_map(|go_on_there| Step::Checkpoint { go_on_there }),
            2 => Just(Step::View),
        ]
        .boxed()
    }

    fn preconditions(state: &Self, step: &Step) -> bool {
        match step {
            Step::Unwind(back) => state.blocks.len() >= back + state.fewest(),
            Step::AppendAgain(back) => *back < state.blocks.len(),
            Step::Prune(_) => !state.blocks.is_empty(),
            _ => true,
        }
    }

    fn apply(mut state: Self, step: &Step) -> Self {
        state.steps += 1;
        match step {
            Step::Append(count) => state.blocks.push((state.steps, *count)),
            Step::Unwind(back) => state.blocks.truncate(state.blocks.len() - back),
            _ => {}
        }
        state.most_blocks = state.most_blocks.max(state.blocks.len());
        state
    }
}

/// The engine, and what it should hold leaf by leaf.
struct Engine {
    folder: tempfile::TempDir,
    dir: PathBuf,
    options: Options,
    db: Option<Db>,
    model: Model,
    /// Blocks whose leaves must be there, since nobody asked to drop them.
    kept_from: usize,
    copies: usize,
    readers: Vec<JoinHandle<()>>,
}

impl Engine {
    fn db(&mut self) -> &mut Db {
        self.db.as_mut().unwrap()
    }

    fn view(&self) -> View {
        self.db.as_ref().unwrap().view()
    }

    fn append_again(&mut self, back: usize) {
        let place = self.model.blocks.len() - 1 - back;
        let (head, mut leaves) = (self.model.heads[place], self.model.blocks[place].clone());
        let start = head.leaf_count - leaves.len() as u64;
        if start < first_readable(&self.view()) {
            return;
        }
        let again = self.db().append_block(head.block_number, &leaves).unwrap();
        assert_eq!(again, head);
        leaves.push(LeafPayload::default());
        let other = self.db().append_block(head.block_number, &leaves);
        assert!(matches!(other, Err(Error::Conflict { .. })), "{other:?}");
        let next = self.model.next_block();
        let gap = self.db().append_block(next + 1, &[]);
        assert!(matches!(gap, Err(Error::Gap { expected, .. }) if expected == next));
    }

    fn prune(&mut self, hundredths: usize) {
        let place = self.model.heads.len() * hundredths / 100;
        let block = self.model.heads[place].block_number;
        self.db().prune_to(block).unwrap();
        self.kept_from = self.kept_from.max(place);
    }

    fn checkpoint(&mut self, go_on_there: bool) {
        self.copies += 1;
        let target = self.folder.path().join(format!("copy{}", self.copies));
        let head = self.db().checkpoint(&target).unwrap();
        assert_eq!(head, self.view().head().to_owned());
        let copy = Db::open(&target, self.options.clone()).unwrap();
        copy.check().unwrap();
        let from = first_readable(&copy.view());
        self.model.compare(&copy.view(), from, self.copies as u64);
        if go_on_there {
            self.db = Some(copy);
            self.dir = target;
        } else {
            self.unwind_far(copy);
        }
    }

    /// Unwinding beyond the window either works or says how far it would.
    fn unwind_far(&self, mut copy: Db) {
        let Some(first) = self.model.heads.first() else {
            return;
        };
        let unwound = match copy.unwind_to(first.block_number) {
            Err(Error::UnwindTooDeep { earliest, .. }) => {
                let inside = self.model.next_block() - 1 - earliest;
                assert!(inside <= self.model.blocks.len() as u64);
                copy.unwind_to(earliest).unwrap()
            }
            unwound => unwound.unwrap(),
        };
        assert!(self.model.heads.contains(&unwound));
        copy.check().unwrap();
    }

    fn read(&mut self) {
        let (view, model) = (self.view(), self.model.clone());
        let reader = move || {
            for seed in 0..3 {
                assert_eq!(Some(view.head()), model.heads.last().or(Some(view.head())));
                // A view keeps what it needs, also of segments that were pruned since.
                model.compare(&view, first_readable(&view), seed);
            }
        };
        self.readers.push(std::thread::spawn(reader));
    }
}

/// The root by its definition, level by level.
fn naive_root(profile: Profile, blocks: &[Vec<LeafPayload>]) -> Digest {
    let (mut nodes, mut last): (Vec<Digest>, Digest) = (Vec::new(), [0; 32]);
    for leaf in blocks.iter().flatten() {
        last = profile.hash_leaf(&leaf.after(last.into()).to_bytes());
        nodes.push(last);
    }
    for level in 0..root_level(nodes.len() as u64) {
        if nodes.len() % 2 == 1 {
            nodes.push(null_hash(profile, level));
        }
        let pairs = nodes.chunks(2);
        nodes = pairs
            .map(|pair| profile.hash_node(level_tag(level + 1), &pair[0], &pair[1]))
            .collect();
    }
    nodes.first().copied().unwrap_or_default()
}

struct Test;

impl StateMachineTest for Test {
    type SystemUnderTest = Engine;
    type Reference = Blocks;

    fn init_test(blocks: &Blocks) -> Engine {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("db");
        let profile = match blocks.blake3 {
            true => Profile::Blake3,
            false => Profile::Keccak256,
        };
        let options = Options::default()
            .with_durability(Durability::Buffered)
            .with_unwind_window_blocks(WINDOW)
            .with_segment_twigs(1)
            .with_journal_file_len_bytes(300_000);
        Engine {
            db: Some(Db::create(&dir, identity(profile), options.clone()).unwrap()),
            model: Model::new(profile, blocks.first_block),
            folder,
            dir,
            options,
            kept_from: 0,
            copies: 0,
            readers: Vec::new(),
        }
    }

    fn apply(mut engine: Engine, blocks: &Blocks, step: Step) -> Engine {
        match step {
            Step::Append(count) => {
                let next = engine.model.next_block();
                let leaves = leaves(blocks.steps, engine.model.leaf_count(), count);
                let head = engine.db().append_block(next, &leaves).unwrap();
                engine.model.append(leaves);
                assert_eq!(Some(&head), engine.model.heads.last());
            }
            Step::AppendAgain(back) => engine.append_again(back),
            Step::Unwind(back) => {
                let keep = engine.model.blocks.len() - back;
                let to = engine.model.heads[keep - 1].block_number;
                let head = engine.db().unwind_to(to).unwrap();
                engine.model.unwind(keep);
                assert_eq!(Some(&head), engine.model.heads.last());
            }
            Step::Prune(hundredths) => engine.prune(hundredths),
            Step::Reopen {
                close,
                parallel,
                segment_twigs,
            } => {
                let db = engine.db.take().unwrap();
                match close {
                    true => db.close().unwrap(),
                    false => drop(db),
                }
                let options = engine.options.with_parallel(parallel);
                engine.options = options.with_segment_twigs(segment_twigs);
                engine.db = Some(Db::open(&engine.dir, engine.options.clone()).unwrap());
            }
            Step::Checkpoint { go_on_there } => engine.checkpoint(go_on_there),
            Step::View => engine.read(),
        }
        engine
    }

    fn check_invariants(engine: &Engine, blocks: &Blocks) {
        let (view, model) = (engine.view(), &engine.model);
        let counts = model.blocks.iter().map(|block| block.len() as u64);
        assert!(counts.eq(blocks.blocks.iter().map(|block| block.1)));
        let root = naive_root(model.profile, &model.blocks);
        assert_eq!(view.head().root, root);
        let from = first_readable(&view);
        // Only what lies before a block that was pruned to is ever dropped.
        let kept_from = engine.kept_from.checked_sub(1);
        let allowed = kept_from.and_then(|place| model.heads.get(place));
        assert!(from <= allowed.map_or(0, |head| head.leaf_count));
        model.compare(
            &view,
            from,
            blocks.steps.wrapping_mul(0x9e37_79b9_7f4a_7c15),
        );
    }

    fn teardown(mut engine: Engine, _: Blocks) {
        let db = engine.db.take().unwrap();
        db.check().unwrap();
        db.close().unwrap();
        for reader in engine.readers {
            reader.join().unwrap();
        }
        let db = Db::open_read_only(&engine.dir).unwrap();
        engine
            .model
            .compare(&db.view(), first_readable(&db.view()), 11);
        db.check().unwrap();
    }
}

prop_state_machine! {
    #![proptest_config(ProptestConfig {
        cases: 24,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(2026),
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_engine_equals_its_model(sequential 1..40 => Test);
}
