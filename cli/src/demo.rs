//! `qm demo`: a database is filled, proved and verified before the user's eyes.

use crate::arguments::ProfileName;
use crate::error::{CliError, in_database};
use crate::expect::Expected;
use crate::files::{read_head, read_proof, write};
use crate::output::say;
use alloy_primitives::{B256, keccak256};
use clap::Args;
use qmtree::{At, Db, Identity, Options, View};
use qmtree_proofs::{Head, LeafPayload, Profile, Proof, Scheme, TxNum, Witness};
use std::path::{Path, PathBuf};
use std::time::Instant;

const BLOCKS: u64 = 500;
/// The block whose head stands for an older one.
const OLD_BLOCK: u64 = 250;
const LEAVES_PER_BLOCK: u64 = 200;

/// Fill a database, open it again, prove parts of it, and verify the proofs offline.
///
/// The leaves are made up: their words are hashes of their numbers. `qm run` executes real blocks
/// into leaves.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Hash profile.
    #[arg(long, value_enum, default_value_t = ProfileName::Keccak)]
    profile: ProfileName,
    /// Folder for the database, heads and proofs; a new temporary one if not given. It is kept.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

impl Demo {
    pub(crate) fn run(&self) -> Result<(), CliError> {
        let profile = self.profile.profile();
        let out = self.folder()?;
        say(format_args!(
            "QMTree demo: a log of made-up leaves, profile {profile}\n"
        ))?;
        let folder = out.join("db");
        let engine = in_database(&folder);
        let mut db = fill(&folder, profile)?;
        db.sync().map_err(&engine)?;
        db.close().map_err(&engine)?;

        let start = Instant::now();
        let view = Db::open_read_only(&folder).map_err(&engine)?.view();
        let millis = start.elapsed().as_secs_f64() * 1e3;
        let head = *view.head();
        say(format_args!("  closed and opened again in {millis:.0} ms"))?;
        say(format_args!("\n  head {}\n", head.hash()))?;

        let old_head = view.head_at(OLD_BLOCK).map_err(engine)?;
        let files = Files {
            out,
            head,
            old_head,
        };
        files.write_heads()?;
        files.prove_and_verify(&view)?;
        files.forge(&view)?;
        files.say_goodbye()
    }

    /// The folder that was asked for, or a new one that no other user can have prepared.
    fn folder(&self) -> Result<PathBuf, CliError> {
        let made = match &self.out {
            Some(out) => std::fs::create_dir_all(out).map(|()| out.clone()),
            None => {
                let made = tempfile::Builder::new().prefix("qm-demo-").tempdir();
                made.map(tempfile::TempDir::keep)
            }
        };
        made.map_err(|source| CliError::Io {
            path: self.out.clone().unwrap_or_else(std::env::temp_dir),
            action: "create a folder",
            source,
        })
    }
}

fn failed(what: impl Into<String>) -> CliError {
    CliError::Demo { what: what.into() }
}

/// Makes a database and appends all blocks, each durable before the next.
fn fill(folder: &Path, profile: Profile) -> Result<Db, CliError> {
    let engine = in_database(folder);
    let identity = Identity {
        profile,
        scheme: Scheme::StateRoot1,
        chain_id: 1337,
    };
    let mut db = Db::create(folder, identity, Options::default()).map_err(&engine)?;
    let blocks: Vec<Vec<LeafPayload>> = (0..BLOCKS)
        .map(|block| {
            let first = block * LEAVES_PER_BLOCK;
            (first..first + LEAVES_PER_BLOCK)
                .map(made_up_leaf)
                .collect()
        })
        .collect();
    say("  block     leaves  root after the block")?;
    let start = Instant::now();
    for (leaves, block) in blocks.iter().zip(0..) {
        let head = db.append_block(block, leaves).map_err(&engine)?;
        if block % 100 == 99 {
            say(format_args!(
                "  {block:>5}  {:>9}  {}",
                head.leaf_count, head.root
            ))?;
        }
    }
    let (seconds, leaves) = (start.elapsed().as_secs_f64(), BLOCKS * LEAVES_PER_BLOCK);
    say(format_args!(
        "\n  {leaves} leaves in {BLOCKS} blocks appended in {:.0} ms, each block synced to disk: \
         {:.2} M leaves/s",
        seconds * 1e3,
        leaves as f64 / seconds / 1e6,
    ))?;
    Ok(db)
}

/// A leaf whose words are hashes of its number.
fn made_up_leaf(tx_num: u64) -> LeafPayload {
    let word = |name: &str| keccak256([name.as_bytes(), &tx_num.to_be_bytes()].concat());
    LeafPayload {
        pre_state_hash: word("pre"),
        state_change_hash: word("chg"),
        transition_hash: word("trn"),
    }
}

/// Heads and proofs go through files, so that what is verified is what a verifier would get.
struct Files {
    out: PathBuf,
    head: Head,
    old_head: Head,
}

impl Files {
    fn path(&self, name: &str) -> PathBuf {
        self.out.join(name)
    }

    fn engine(&self) -> impl Fn(qmtree::Error) -> CliError {
        in_database(&self.path("db"))
    }

    fn write_heads(&self) -> Result<(), CliError> {
        for (name, head) in [("head.json", self.head), ("old-head.json", self.old_head)] {
            let json = serde_json::to_vec(&head).map_err(|e| failed(e.to_string()))?;
            write(&self.path(name), &json)?;
        }
        Ok(())
    }

    fn prove_and_verify(&self, view: &View) -> Result<(), CliError> {
        let engine = self.engine();
        let n = self.head.leaf_count;
        let i = TxNum(n / 3);
        let (from, to) = (TxNum(n / 2), TxNum(n / 2 + LEAVES_PER_BLOCK));

        say(format_args!(
            "  {:<34} {:>9}  {:>10}",
            "proof", "bytes", "verified"
        ))?;
        let witness = Proof::Witness(view.witness(i, At::Head).map_err(&engine)?);
        self.show("one transaction", "tx.qmp", &witness, &[])?;

        let witness = view.witness(i, At::Block(OLD_BLOCK)).map_err(&engine)?;
        let name = format!("the same, at the head of block {OLD_BLOCK}");
        self.show_at(
            &self.old_head,
            &name,
            "tx-old.qmp",
            &Proof::Witness(witness),
            &[],
        )?;

        let block = view.range_witness(from..to, At::Head).map_err(&engine)?;
        let name = format!("a whole block of {LEAVES_PER_BLOCK} leaves");
        self.show(&name, "block.qmp", &Proof::RangeWitness(block), &[])?;

        let set: Vec<_> = (0..n).step_by(1009).map(TxNum).collect();
        let hashes = set.iter().map(|i| view.leaf_hash(*i));
        let hashes = hashes.collect::<Result<Vec<B256>, _>>().map_err(&engine)?;
        let multi = view.prove_multi(&set, At::Head).map_err(&engine)?;
        let name = format!("{} transactions at once", set.len());
        self.show(&name, "set.qmp", &Proof::Multi(multi), &hashes)?;

        let consistency = view
            .prove_consistency(OLD_BLOCK, At::Head)
            .map_err(&engine)?;
        let name = format!("block {OLD_BLOCK} is a prefix of block {}", BLOCKS - 1);
        self.show(
            &name,
            "consistency.qmp",
            &Proof::Consistency(consistency),
            &[],
        )
    }

    fn show(
        &self,
        what: &str,
        name: &str,
        proof: &Proof,
        leaf_hashes: &[B256],
    ) -> Result<(), CliError> {
        self.show_at(&self.head, what, name, proof, leaf_hashes)
    }

    /// Writes a proof, reads it back, verifies it, and says so.
    fn show_at(
        &self,
        head: &Head,
        what: &str,
        name: &str,
        proof: &Proof,
        leaf_hashes: &[B256],
    ) -> Result<(), CliError> {
        let path = self.path(name);
        let bytes = proof.to_bytes();
        write(&path, &bytes)?;
        let (proof, old) = (read_proof(&path)?, read_head(&self.path("old-head.json"))?);
        let start = Instant::now();
        let expected = Expected {
            old_head: Some(&old),
            leaf_hashes,
            ..Expected::default()
        };
        let verified = expected.verify(head, &proof);
        verified.map_err(|source| CliError::Invalid { path, source })?;
        let micros = start.elapsed().as_secs_f64() * 1e6;
        say(format_args!(
            "  {what:<34} {:>9}  {micros:>7.1} us",
            bytes.len()
        ))?;
        Ok(())
    }

    /// Shows that a proof does not survive the change of one bit.
    fn forge(&self, view: &View) -> Result<(), CliError> {
        let (path, i) = (self.path("forged.qmp"), TxNum(self.head.leaf_count / 3));
        let proof = view.prove_inclusion(i, At::Head).map_err(self.engine())?;
        let mut leaf = view.leaf(i).map_err(self.engine())?;
        leaf.state_change_hash.0[31] ^= 1;
        let forged = Witness::new(leaf, proof).map_err(|e| failed(e.to_string()))?;
        write(&path, &forged.to_bytes())?;
        match Expected::default().verify(&self.head, &read_proof(&path)?) {
            Ok(()) => Err(failed("a forged proof was accepted")),
            Err(error) => say(format_args!(
                "\n  one bit of the leaf changed: refused\n    {error}"
            )),
        }
    }

    /// Says where the files are and what to do with them.
    fn say_goodbye(&self) -> Result<(), CliError> {
        let [head, old, proof, forged, consistency] = [
            "head.json",
            "old-head.json",
            "tx.qmp",
            "forged.qmp",
            "consistency.qmp",
        ]
        .map(|name| self.path(name).display().to_string());
        say(format_args!("\nCheck them yourself:"))?;
        say(format_args!("  qm verify --head {head} {proof}"))?;
        say(format_args!("  qm verify --head {head} {forged}"))?;
        say(format_args!(
            "  qm verify --head {head} --old-head {old} {consistency}"
        ))?;
        say(format_args!("\nThe files stay in {}", self.out.display()))
    }
}
