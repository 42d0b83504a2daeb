//! A child process that writes is killed at random moments, again and again, also while it
//! recovers. Nothing that it acknowledged is lost, and every head is the one that the leaves give, and
//! where there is a state the one that the writes give.
//!
//! `QMTREE_KILL_CYCLES` sets how often (200), `QMTREE_KILL_SEED` the seed of scripts and delays.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test that fails may panic"
)]

mod common;

use alloy_primitives::{B256, keccak256};
use common::{Rng, identity, leaves, tx_hashes};
use qmtree::proofs::state::{Compaction, MemoryStateLog, StateWord};
use qmtree::proofs::{Digest, Frontier, Head, TreeHasher, TxNum};
use qmtree::{At, Db, Durability, Error, Options, StateBatch};
use qmtree_kernels::Hasher;
use qmtree_storage::{RealDisk, SegmentError};
use std::fmt::Display;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

/// Blocks that can be unwound.
const WINDOW: u64 = 3;
/// Kills of one database before the next one is made.
const KILLS_PER_DATABASE: u64 = 10;
/// Longer than any wait in this file takes, however loaded the machine is.
const PATIENCE: Duration = Duration::from_secs(60);

const CHILD_DIR: &str = "QMTREE_KILL_CHILD_DIR";
const CHILD_SEED: &str = "QMTREE_KILL_CHILD_SEED";
const CHILD_HIGHEST: &str = "QMTREE_KILL_CHILD_HIGHEST";
const CHILD_STATE: &str = "QMTREE_KILL_CHILD_STATE";
/// Keys that the state may have.
const KEYS: u64 = 200;

/// The options of the database that is made in this cycle. A crash of the process loses nothing
/// under any of them: what was written is with the operating system.
fn options(database: u64) -> Options {
    let durability = match database % 4 {
        3 => Durability::Buffered,
        2 => Durability::Grouped { blocks: 4 },
        _ => Durability::Immediate,
    };
    Options::default()
        .with_durability(durability)
        .with_unwind_window_blocks(WINDOW)
        .with_segment_twigs(1 + database % 2)
        .with_journal_file_len_bytes(300_000)
        .with_parallel(database % 3 != 1)
}

/// Every other database has a rule.
fn compaction(database: u64) -> Compaction {
    Compaction::new(1 - (database % 2) as u8)
}

/// One step of the script that the child runs and the parent follows.
#[derive(Clone, Copy, Debug)]
enum Step {
    Append {
        branch: u64,
        count: usize,
        /// Keys that it writes, in a database with a state.
        writes: u64,
    },
    /// Keeps so many blocks.
    Unwind {
        keep: u64,
    },
    Prune {
        block: u64,
    },
}

/// The step of this number, for a log that has `blocks` blocks and once had `highest`.
fn step(seed: u64, number: u64, blocks: u64, highest: u64) -> Step {
    let mut rng = Rng::new(seed ^ number.wrapping_mul(0x5851_f42d_4c95_7f2d));
    // Where leaves may be sealed follows from the most blocks that there ever were.
    let earliest = highest.saturating_sub(WINDOW).max(1);
    let kind = rng.below(100);
    if kind < 10 && earliest < blocks {
        let keep = earliest + rng.below(blocks - earliest);
        return Step::Unwind { keep };
    }
    if kind < 16 && blocks > 8 {
        return Step::Prune { block: blocks - 8 };
    }
    let count = match rng.below(20) {
        0 => 0,
        1 => 1500 + rng.below(3000),
        2..=5 => 100 + rng.below(600),
        _ => 1 + rng.below(40),
    };
    let branch = rng.next();
    let writes = match rng.below(8) {
        0 => 0,
        1 => 1200,
        2..=4 => 100 + rng.below(300),
        _ => 1 + rng.below(20),
    };
    Step::Append {
        branch,
        count: count as usize,
        writes,
    }
}

fn key(number: u64) -> B256 {
    keccak256(number.to_be_bytes())
}

/// What a block writes, in up to three of its transactions.
fn batches(branch: u64, first: u64, count: usize, writes: u64) -> Vec<StateBatch> {
    let mut rng = Rng::new(branch ^ first);
    let transactions = if writes == 0 { 0 } else { count.min(3) as u64 };
    let batches = (first..first + transactions).map(|tx_num| {
        let mut batch = StateBatch::new(TxNum(tx_num));
        for _ in 0..1 + writes / 3 {
            let value = match rng.below(6) {
                0 => None,
                1 => Some(branch.to_be_bytes().repeat(rng.below(30) as usize)),
                _ => Some(B256::with_last_byte(rng.next() as u8).to_vec()),
            };
            batch.writes.push((key(rng.below(KEYS)), value));
        }
        batch.sort();
        batch
    });
    batches.collect()
}

/// A block that the model knows, with all that follows from the leaves up to its end.
#[derive(Clone, Debug)]
struct Block {
    branch: u64,
    start: u64,
    head: Head,
    last_leaf_hash: Digest,
    frontier: Frontier<Hasher>,
    batches: Vec<StateBatch>,
}

/// What the log should be. Knows leaves and hash rules, and nothing of files.
#[derive(Clone, Debug)]
struct Model {
    hasher: Hasher,
    blocks: Vec<Block>,
    highest: u64,
    /// Leaves before this one may be pruned.
    pruned_to: u64,
    state: Option<MemoryStateLog<Hasher>>,
    compaction: Compaction,
}

impl Model {
    fn new(with_state: bool, database: u64) -> Self {
        let hasher = Hasher::new(identity().profile);
        let compaction = compaction(database);
        let log = MemoryStateLog::new(hasher).with_compaction(compaction);
        Self {
            hasher,
            compaction,
            state: with_state.then_some(log),
            blocks: Vec::new(),
            highest: 0,
            pruned_to: 0,
        }
    }

    fn head(&self) -> Head {
        let id = identity();
        let empty = Head::empty(id.chain_id, id.profile, id.scheme);
        self.blocks.last().map_or(empty, |block| block.head)
    }

    fn step(&self, seed: u64, number: u64) -> Step {
        step(seed, number, self.blocks.len() as u64, self.highest)
    }

    fn apply(&mut self, step: Step) {
        match step {
            Step::Append {
                branch,
                count,
                writes,
            } => self.append(branch, count, writes),
            Step::Unwind { keep } => self.unwind(keep as usize),
            Step::Prune { block } => {
                self.pruned_to = self.pruned_to.max(self.blocks[block as usize].start);
            }
        }
        self.highest = self.highest.max(self.blocks.len() as u64);
    }

    fn unwind(&mut self, keep: usize) {
        self.blocks.truncate(keep);
        if self.state.is_some() {
            let log = MemoryStateLog::new(self.hasher);
            let mut log = log.with_compaction(self.compaction);
            let batches = self.blocks.iter().flat_map(|block| &block.batches);
            batches.for_each(|batch| apply(&mut log, batch));
            self.state = Some(log);
        }
    }

    /// The value of a key after a transaction, from the writes alone.
    fn value(&self, key: &B256, at: TxNum) -> Option<&[u8]> {
        let blocks = self.blocks.iter().rev();
        let batches = blocks.flat_map(|block| block.batches.iter().rev());
        let mut written = batches
            .filter(|batch| batch.tx_num <= at)
            .filter_map(|batch| batch.writes.iter().find(|(written, _)| written == key));
        written.next()?.1.as_deref()
    }

    fn append(&mut self, branch: u64, count: usize, writes: u64) {
        let (last, mut frontier) = match self.blocks.last() {
            Some(block) => (block.last_leaf_hash, block.frontier.clone()),
            None => ([0; 32], Frontier::new(self.hasher)),
        };
        let block_number = self.blocks.len() as u64;
        let payloads = leaves(branch, block_number, count);
        let payloads: Vec<_> = payloads.iter().map(|leaf| leaf.to_bytes()).collect();
        let mut hashes = vec![[0; 32]; count];
        let last_leaf_hash = self.hasher.chain_leaves(last, &payloads, &mut hashes);
        let start = frontier.leaf_count();
        frontier.append(&hashes);
        let mut head = Head {
            block_number,
            leaf_count: frontier.leaf_count(),
            root: frontier.root(),
            ..self.head()
        };
        let mut written = Vec::new();
        if let Some(state) = &mut self.state {
            written = batches(branch, start, count, writes);
            written.iter().for_each(|batch| apply(state, batch));
            (head.entry_count, head.state_root) = (state.entry_count(), state.root());
        }
        self.blocks.push(Block {
            branch,
            start,
            head,
            last_leaf_hash,
            frontier,
            batches: written,
        });
    }

    /// Compares some keys, now and at times that `rng` chooses, with what was written.
    fn compare_state(&self, db: &Db, rng: &mut Rng) {
        let (head, view) = (self.head(), db.view());
        if head.entry_count == 0 {
            return;
        }
        for _ in 0..12 {
            let key = key(rng.below(KEYS + 20));
            let last = TxNum(head.leaf_count - 1);
            let earliest = db.earliest_state().unwrap_or_default().0;
            let past = TxNum(earliest + rng.below(head.leaf_count - earliest));
            for (at, then) in [(None, last), (Some(past), past), (Some(last), last)] {
                let proof = match view.prove_state(&key, at) {
                    Ok(proof) => proof,
                    Err(error) => panic!("key {key} at {at:?}: {error}"),
                };
                let expected = self.value(&key, then);
                let verified = proof.verify_value(&head, &key, at, expected);
                verified.unwrap_or_else(|error| panic!("key {key} at {at:?}: {error}"));
                assert_eq!(view.get_at(&key, then).unwrap().as_deref(), expected);
            }
        }
    }

    /// Compares the whole database, and some leaves and proofs that `rng` chooses.
    fn compare(&self, db: &Db, rng: &mut Rng) {
        let (head, view) = (self.head(), db.view());
        assert_eq!(db.head(), head);
        db.check().unwrap();
        let n = head.leaf_count;
        let places = [0, 2047, 2048, n / 2, n.saturating_sub(1)];
        let some = (0..6).map(|_| rng.below(n)).chain(places);
        for i in some.filter(|i| *i < n).map(TxNum) {
            let at = self.blocks.partition_point(|b| b.head.leaf_count <= i.0);
            let block = &self.blocks[at];
            assert_eq!(view.block_of(i).unwrap(), at as u64);
            let witness = match view.witness(i, At::Head) {
                Ok(witness) => witness,
                Err(Error::Segment(SegmentError::Pruned { .. })) if i.0 < self.pruned_to => {
                    continue;
                }
                Err(error) => panic!("leaf {i}: {error}"),
            };
            witness.verify(&head, i).unwrap();
            let place = (i.0 - block.start) as usize;
            let expected = leaves(block.branch, at as u64, place + 1)[place];
            assert_eq!(view.leaf(i).unwrap().payload(), expected, "leaf {i}");
            let count = (block.head.leaf_count - block.start) as usize;
            let hash = tx_hashes(block.branch, at as u64, count)[place];
            if !hash.is_zero() {
                assert_eq!(view.tx_nums_of(&hash).unwrap(), [i], "{:?}", db.tx_index());
            }
        }
        for _ in 0..4 {
            let Some(old) = self
                .blocks
                .get(rng.below(self.blocks.len() as u64) as usize)
            else {
                break;
            };
            let old = old.head;
            assert_eq!(view.head_at(old.block_number).unwrap(), old);
            let provable = self.pruned_to.max(1)..n;
            if provable.contains(&old.leaf_count) {
                let proof = view.prove_consistency(old.block_number, At::Head);
                proof.unwrap().verify(&old, &head).unwrap();
            }
        }
    }
}

fn apply(log: &mut MemoryStateLog<Hasher>, batch: &StateBatch) {
    let word = |value: &Option<Vec<u8>>| value.as_deref().map(StateWord::of);
    let writes = batch.writes.iter();
    let writes: Vec<_> = writes.map(|(key, value)| (*key, word(value))).collect();
    log.apply(batch.tx_num, &writes).unwrap();
}

/// One line to the parent. It is in the pipe when this returns, whatever becomes of the process.
fn say(line: impl Display) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("\n@{line}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}

fn as_line(head: &Head) -> String {
    let Head {
        block_number,
        leaf_count,
        root,
        entry_count,
        state_root,
        ..
    } = head;
    format!("{block_number} {leaf_count} {root} {entry_count} {state_root}")
}

/// Not a test by itself: what the parent runs, and kills.
#[test]
fn child() {
    let Ok(dir) = std::env::var(CHILD_DIR) else {
        return;
    };
    let number = |name| std::env::var(name).unwrap().parse().unwrap();
    let (seed, highest): (u64, u64) = (number(CHILD_SEED), number(CHILD_HIGHEST));
    let with_state = number(CHILD_STATE) == 1;
    if let Err(error) = write_until_killed(Path::new(&dir), seed, highest, with_state) {
        say(format!("error {error}"));
    }
}

fn write_until_killed(
    dir: &Path,
    seed: u64,
    mut highest: u64,
    with_state: bool,
) -> Result<(), Error> {
    let start = Instant::now();
    let options = options(number_of(dir));
    say("opening");
    let mut db = if is_made(dir) {
        Db::open(dir, options)?
    } else {
        let (disk, compaction) = (Arc::new(RealDisk), compaction(number_of(dir)));
        Db::create_compacting(disk, dir, identity(), compaction, options)?
    };
    say(format!("opened {}", as_line(&db.head())));
    for number in 0.. {
        let blocks = db.view().blocks().map_or(0, |(_, last)| last + 1);
        let head = match step(seed, number, blocks, highest) {
            Step::Append {
                branch,
                count,
                writes,
            } => {
                let hashes = tx_hashes(branch, blocks, count);
                let leaves = leaves(branch, blocks, count);
                let mut batches = batches(branch, db.head().leaf_count, count, writes);
                batches.retain(|_| with_state);
                let block = qmtree::Block::new(blocks, &leaves);
                db.append(&block.with_tx_hashes(&hashes).with_batches(&batches))?
            }
            Step::Unwind { keep } => db.unwind_to(keep - 1)?,
            Step::Prune { block } => db.prune_to(block).map(|_| db.head())?,
        };
        say(format!("did {}", as_line(&head)));
        highest = highest.max(head.block_number + 1);
        // A parent that is gone must not leave a writer behind.
        if start.elapsed() > PATIENCE {
            break;
        }
    }
    db.close()
}

/// The header comes last: where it is, there is a database.
fn is_made(dir: &Path) -> bool {
    dir.join("qmtree.db").exists()
}

/// Databases are named by their numbers.
fn number_of(dir: &Path) -> u64 {
    dir.file_name().unwrap().to_str().unwrap().parse().unwrap()
}

/// A running child and what it says.
#[derive(Debug)]
struct Running {
    child: Child,
    lines: Receiver<String>,
}

impl Running {
    fn start(dir: &Path, seed: u64, model: &Model) -> Self {
        let with_state = u8::from(model.state.is_some());
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child", "--nocapture", "--test-threads=1"])
            .env(CHILD_DIR, dir)
            .env(CHILD_SEED, seed.to_string())
            .env(CHILD_HIGHEST, model.highest.to_string())
            .env(CHILD_STATE, with_state.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, lines) = mpsc::channel();
        let out = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            // The last line may be cut off; it was not acknowledged then.
            for line in out.split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line);
                if let Some(line) = line.strip_prefix('@') {
                    let _gone = sender.send(line.to_owned());
                }
            }
        });
        Self { child, lines }
    }

    fn wait_for(&self, word: &str) -> String {
        let line = self.lines.recv_timeout(PATIENCE).unwrap();
        assert!(line.starts_with(word), "{line}");
        line
    }

    /// Kills the child, and returns what else it had said by then.
    fn kill(mut self) -> Vec<String> {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.lines.iter().collect()
    }
}

#[derive(Debug, Default)]
struct Counts {
    while_opening: u64,
    acknowledged: u64,
    /// Kills that came between a commit and its acknowledgement.
    committed_in_flight: u64,
    sealed: u64,
    sealed_entries: u64,
    pruned_entries: u64,
}

/// Starts a child, kills it, and brings the model to where the database must be. Returns whether
/// the step after the last acknowledged one may have happened.
fn run_and_kill(dir: &Path, model: &mut Model, rng: &mut Rng, counts: &mut Counts) -> Option<Step> {
    let seed = rng.next();
    let running = Running::start(dir, seed, model);
    running.wait_for("opening");
    if rng.below(4) == 0 {
        std::thread::sleep(Duration::from_micros(rng.below(3000)));
    } else {
        let opened = running.wait_for("opened");
        assert_eq!(opened, format!("opened {}", as_line(&model.head())));
        std::thread::sleep(Duration::from_micros(rng.below(60_000)));
        return Some(follow(running.kill(), model, seed, counts));
    }
    let mut said = running.kill();
    if said.is_empty() {
        counts.while_opening += 1;
        return None;
    }
    let opened = said.remove(0);
    assert_eq!(opened, format!("opened {}", as_line(&model.head())));
    Some(follow(said, model, seed, counts))
}

/// Applies what was acknowledged; returns the step that was in flight.
fn follow(said: Vec<String>, model: &mut Model, seed: u64, counts: &mut Counts) -> Step {
    let mut number = 0;
    for line in said {
        model.apply(model.step(seed, number));
        assert_eq!(line, format!("did {}", as_line(&model.head())), "{number}");
        number += 1;
    }
    counts.acknowledged += number;
    model.step(seed, number)
}

/// Opens the database as a reader, which leaves the repair to the next child, or as a writer.
fn reopen(dir: &Path, as_writer: bool) -> Db {
    let opened = if as_writer {
        Db::open(dir, options(number_of(dir)))
    } else {
        Db::open_read_only(dir)
    };
    opened.unwrap_or_else(|error| panic!("{}: {error}", dir.display()))
}

#[test]
fn nothing_acknowledged_is_lost_when_the_writer_is_killed() {
    kill_again_and_again(false);
}

#[test]
fn no_state_is_lost_when_the_writer_is_killed() {
    kill_again_and_again(true);
}

fn kill_again_and_again(with_state: bool) {
    let variable = |name, default| std::env::var(name).map_or(default, |v| v.parse().unwrap());
    let cycles: u64 = variable("QMTREE_KILL_CYCLES", 200);
    let seed = variable("QMTREE_KILL_SEED", 0x6b69_6c6c);
    println!("QMTREE_KILL_CYCLES={cycles} QMTREE_KILL_SEED={seed}");
    let folder = tempfile::tempdir().unwrap();
    let (mut rng, mut counts) = (Rng::new(seed), Counts::default());
    let mut model = Model::new(with_state, 0);
    let mut dir = folder.path().join("0");
    for cycle in 0..cycles {
        if cycle % KILLS_PER_DATABASE == 0 {
            let database = cycle / KILLS_PER_DATABASE;
            model = Model::new(with_state, database);
            dir = folder.path().join(database.to_string());
        }
        let in_flight = run_and_kill(&dir, &mut model, &mut rng, &mut counts);
        if !is_made(&dir) {
            assert!(in_flight.is_none() && model.blocks.is_empty());
            continue;
        }
        let db = reopen(&dir, rng.below(3) == 0);
        if let Some(step) = in_flight {
            let mut next = model.clone();
            next.apply(step);
            // What was not acknowledged may have happened nevertheless, wholly or not at all.
            if db.head() == next.head() {
                counts.committed_in_flight += u64::from(next.head() != model.head());
                model = next;
            }
        }
        println!("cycle {cycle}: {}", as_line(&db.head()));
        model.compare(&db, &mut rng);
        model.compare_state(&db, &mut rng);
        assert!(db.tx_index().error.is_none(), "{:?}", db.tx_index());
        counts.sealed = counts.sealed.max(db.sealed_leaf_count());
        counts.sealed_entries = counts.sealed_entries.max(db.sealed_entry_count());
        counts.pruned_entries = counts.pruned_entries.max(db.pruned_entry_count());
    }
    println!("{counts:?}");
    if cycles >= 200 {
        assert!(counts.while_opening > 0 && counts.sealed > 0, "{counts:?}");
        assert!(counts.acknowledged > cycles, "{counts:?}");
        assert_eq!(counts.sealed_entries > 0, with_state, "{counts:?}");
        assert_eq!(counts.pruned_entries > 0, with_state, "{counts:?}");
    }
}
