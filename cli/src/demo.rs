//! `qm demo`: a log is filled, proved and verified before the user's eyes.

use crate::error::CliError;
use crate::expect::Expected;
use crate::files::{read_head, read_proof, write};
use crate::output::say;
use alloy_primitives::{B256, keccak256};
use clap::Args;
use qmtree_kernels::Hasher;
use qmtree_proofs::{
    Head, LeafPayload, MemoryLog, Profile, Proof, ProveError, RangeWitness, Scheme, TxNum, Witness,
};
use std::path::PathBuf;
use std::time::Instant;

const CHAIN_ID: u64 = 1337;
const BLOCKS: u64 = 500;
/// Transactions of a block, beside its first and last leaf.
const TXS_PER_BLOCK: u64 = 198;
const LEAVES_PER_BLOCK: u64 = TXS_PER_BLOCK + 2;

/// Fill a log in memory, prove parts of it, and verify the proofs offline.
///
/// The leaves are made up: their words are hashes of their numbers. Executing real blocks into
/// leaves is the work of the execution adapter, which this release does not have yet.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Hash profile.
    #[arg(long, default_value = "keccak", value_parser = ["keccak", "blake3"])]
    profile: String,
    /// Folder for heads and proofs; a new temporary one, which is kept, if not given.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

impl Demo {
    pub(crate) fn run(&self) -> Result<(), CliError> {
        let profile = if self.profile == "blake3" {
            Profile::Blake3
        } else {
            Profile::Keccak256
        };
        let out = self.folder()?;
        say(format_args!(
            "QMTree demo: a log of made-up leaves in memory, profile {profile}\n"
        ))?;
        let (log, heads) = fill(profile)?;
        let head = last(&heads)?;
        say(format_args!("\n  head {}\n", head.hash()))?;

        let files = Files {
            out,
            head,
            heads: &heads,
        };
        files.write_heads()?;
        files.prove_and_verify(&log)?;
        files.forge(&log)?;
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

fn last(heads: &[Head]) -> Result<Head, CliError> {
    heads
        .last()
        .copied()
        .ok_or_else(|| failed("no block was appended"))
}

fn failed(what: impl Into<String>) -> CliError {
    CliError::Demo { what: what.into() }
}

/// Appends all blocks and keeps the head after each.
fn fill(profile: Profile) -> Result<(MemoryLog<Hasher>, Vec<Head>), CliError> {
    let mut log = MemoryLog::new(Hasher::new(profile));
    let blocks: Vec<Vec<LeafPayload>> = (0..BLOCKS)
        .map(|block| {
            let first = block * LEAVES_PER_BLOCK;
            (first..first + LEAVES_PER_BLOCK)
                .map(made_up_leaf)
                .collect()
        })
        .collect();
    let start = Instant::now();
    let mut heads = Vec::new();
    for (block, number) in blocks.iter().zip(0..) {
        log.append(block);
        heads.push(log.head(CHAIN_ID, Scheme::StateRoot1, number));
    }
    let seconds = start.elapsed().as_secs_f64();

    say(format_args!("  block     leaves  root after the block"))?;
    for head in heads.iter().filter(|head| head.block_number % 100 == 99) {
        say(format_args!(
            "  {:>5}  {:>9}  {}",
            head.block_number, head.leaf_count, head.root
        ))?;
    }
    say(format_args!(
        "\n  {} leaves in {BLOCKS} blocks appended in {:.0} ms, a root after each: {:.2} M leaves/s",
        log.leaf_count(),
        seconds * 1e3,
        log.leaf_count() as f64 / seconds / 1e6,
    ))?;
    Ok((log, heads))
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
struct Files<'a> {
    out: PathBuf,
    head: Head,
    heads: &'a [Head],
}

impl Files<'_> {
    fn path(&self, name: &str) -> PathBuf {
        self.out.join(name)
    }

    fn old_head(&self) -> Result<Head, CliError> {
        self.heads
            .get(self.heads.len() / 2)
            .copied()
            .ok_or_else(|| failed("no old head"))
    }

    fn write_heads(&self) -> Result<(), CliError> {
        for (name, head) in [
            ("head.json", self.head),
            ("old-head.json", self.old_head()?),
        ] {
            let json = serde_json::to_vec(&head).map_err(|e| failed(e.to_string()))?;
            write(&self.path(name), &json)?;
        }
        Ok(())
    }

    fn prove_and_verify(&self, log: &MemoryLog<Hasher>) -> Result<(), CliError> {
        let no_proof = |e: ProveError<_>| failed(e.to_string());
        let (n, old) = (self.head.leaf_count, self.old_head()?);
        let prover = log.prover(n).map_err(|e| failed(e.to_string()))?;
        let old_prover = log
            .prover(old.leaf_count)
            .map_err(|e| failed(e.to_string()))?;
        let i = TxNum(n / 3);
        let (from, to) = (TxNum(n / 2), TxNum(n / 2 + LEAVES_PER_BLOCK));
        let leaf = log.leaf(i).ok_or_else(|| failed("no such leaf"))?;

        say(format_args!(
            "  {:<34} {:>9}  {:>10}",
            "proof", "bytes", "verified"
        ))?;
        let witness = |proof| Witness::new(leaf, proof).map_err(|e| failed(e.to_string()));
        let at_head = witness(prover.inclusion(i).map_err(no_proof)?)?;
        self.show("one transaction", "tx.qmp", &Proof::Witness(at_head), &[])?;

        let at_old_head = witness(old_prover.inclusion(i).map_err(no_proof)?)?;
        let name = "the same, at the head of block 250";
        self.show_at(&old, name, "tx-old.qmp", &Proof::Witness(at_old_head), &[])?;

        let range = prover.range(from, to).map_err(no_proof)?;
        let previous = log
            .leaf(from)
            .map(|leaf| leaf.previous_leaf_hash)
            .unwrap_or_default();
        let payloads = log.payloads(from, to).unwrap_or_default().to_vec();
        let block = RangeWitness::new(previous, payloads, range);
        let block = block.map_err(|e| failed(e.to_string()))?;
        self.show(
            "a whole block of 200 leaves",
            "block.qmp",
            &Proof::RangeWitness(block),
            &[],
        )?;

        let set: Vec<_> = (0..n).step_by(1009).map(TxNum).collect();
        let hashes: Vec<B256> = set.iter().filter_map(|i| log.leaf_hash(*i)).collect();
        let multi = prover.multi(&set).map_err(no_proof)?;
        let name = format!("{} transactions at once", set.len());
        self.show(&name, "set.qmp", &Proof::Multi(multi), &hashes)?;

        let consistency = prover.consistency(old.leaf_count).map_err(no_proof)?;
        let proof = Proof::Consistency(consistency);
        self.show(
            "block 250 is a prefix of block 499",
            "consistency.qmp",
            &proof,
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
    fn forge(&self, log: &MemoryLog<Hasher>) -> Result<(), CliError> {
        let path = self.path("forged.qmp");
        let prover = log
            .prover(self.head.leaf_count)
            .map_err(|e| failed(e.to_string()))?;
        let i = TxNum(self.head.leaf_count / 3);
        let proof = prover.inclusion(i).map_err(|e| failed(e.to_string()))?;
        let mut leaf = log.leaf(i).ok_or_else(|| failed("no such leaf"))?;
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
