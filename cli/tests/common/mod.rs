//! A folder to run `qm` in, and what is put there.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses a part of it"
)]

use alloy_primitives::{B256, keccak256};
use qmtree::{Db, Identity, Options};
use qmtree_proofs::{LeafPayload, MemoryLog, Profile, Scheme};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A temporary folder; its database, if it has one, is called `db`.
#[derive(Debug)]
pub struct Workspace(tempfile::TempDir);

/// What a run of `qm` printed, and how it ended.
#[derive(Debug)]
pub struct Ran {
    pub out: String,
    pub error: String,
    pub code: Option<i32>,
    args: String,
}

/// The three words of a made-up leaf.
pub fn words(i: u64) -> [B256; 3] {
    ["pre", "change", "transition"]
        .map(|name| keccak256([name.as_bytes(), &i.to_be_bytes()].concat()))
}

pub fn leaf(i: u64) -> LeafPayload {
    let [pre_state_hash, state_change_hash, transition_hash] = words(i);
    LeafPayload {
        pre_state_hash,
        state_change_hash,
        transition_hash,
    }
}

/// A block as `qm append` takes it: leaves `first..first + count`.
pub fn block_line(block: u64, first: u64, count: u64) -> String {
    let leaves: Vec<LeafPayload> = (first..first + count).map(leaf).collect();
    format!(
        "{}\n",
        serde_json::json!({ "block": block, "leaves": leaves })
    )
}

impl Workspace {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// With an empty database.
    pub fn with_db() -> Self {
        let space = Self::new();
        space.ok(&["init", "--db", "db"]);
        space
    }

    /// With two sealed segments of 2048 leaves each, and three blocks.
    pub fn sealed() -> Self {
        let space = Self::new();
        let identity = Identity {
            profile: Profile::Keccak256,
            scheme: Scheme::StateRoot1,
            chain_id: 1,
        };
        let options = Options::bulk_load().with_segment_twigs(1);
        let mut db = Db::create(space.path("db"), identity, options).unwrap();
        for block in 0..3 {
            let leaves: Vec<_> = (0..2048).map(|i| leaf(2048 * block + i)).collect();
            db.append_block(block, &leaves).unwrap();
        }
        db.close().unwrap();
        space
    }

    /// Appends blocks of so many leaves to `db` through standard input, in order; returns the same
    /// log in memory.
    pub fn append_blocks(&self, profile: Profile, first: u64, sizes: &[u64]) -> MemoryLog<Profile> {
        let (mut lines, mut next) = (String::new(), 0);
        for (size, block) in sizes.iter().zip(first..) {
            lines.push_str(&block_line(block, next, *size));
            next += size;
        }
        let ran = self.run_with_input(&["append", "--db", "db", "-"], lines.as_bytes());
        ran.exits(0);
        let mut log = MemoryLog::new(profile);
        log.append(&(0..next).map(leaf).collect::<Vec<_>>());
        log
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn write(&self, name: &str, bytes: &[u8]) {
        let mut file = fs::File::create(self.path(name)).unwrap();
        file.write_all(bytes).unwrap();
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    /// Turns one bit of a file over.
    pub fn flip(&self, name: &str, offset: usize) {
        let mut bytes = self.read(name);
        bytes[offset] ^= 1;
        self.write(name, &bytes);
    }

    /// Files of a folder, sorted, as seen from the workspace.
    pub fn files_in(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(folder)).unwrap();
        let name = |entry: fs::DirEntry| entry.file_name().into_string().unwrap();
        let mut files: Vec<_> = entries
            .map(|entry| format!("{folder}/{}", name(entry.unwrap())))
            .filter(|file| self.path(file).is_file())
            .collect();
        files.sort();
        files
    }

    /// Every file that counts, with its content.
    pub fn database_files(&self) -> BTreeMap<String, Vec<u8>> {
        let folders = ["db", "db/journal", "db/segments"];
        let files = folders.iter().flat_map(|folder| self.files_in(folder));
        files.map(|file| (file.clone(), self.read(&file))).collect()
    }

    pub fn run(&self, args: &[&str]) -> Ran {
        self.run_with_input(args, b"")
    }

    pub fn run_with_input(&self, args: &[&str], input: &[u8]) -> Ran {
        let mut child = Command::new(env!("CARGO_BIN_EXE_qm"))
            .current_dir(self.0.path())
            .env("TMPDIR", self.0.path())
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // It may stop reading before the end.
        let _ = child.stdin.take().unwrap().write_all(input);
        Ran::new(args, child.wait_with_output().unwrap())
    }

    /// Runs what must succeed.
    pub fn ok(&self, args: &[&str]) -> Ran {
        self.run(args).exits(0)
    }

    pub fn root(&self) -> &Path {
        self.0.path()
    }
}

impl Ran {
    fn new(args: &[&str], output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self {
            out: text(output.stdout),
            error: text(output.stderr),
            code: output.status.code(),
            args: args.join(" "),
        }
    }

    pub fn exits(self, code: i32) -> Self {
        let Self {
            out, error, args, ..
        } = &self;
        assert_eq!(self.code, Some(code), "qm {args}: {out}{error}");
        if code == 0 {
            // On a slow machine it may have said how far it was.
            let expected = |line: &str| line.ends_with(" s") || line.starts_with("qm: note: ");
            assert!(error.lines().all(expected), "qm {args}: {error}");
        }
        assert!(!error.contains("panicked"), "qm {args}: {error}");
        assert!(
            !error.contains('\x1b'),
            "escape codes: qm {args}: {error:?}"
        );
        self
    }

    pub fn says(self, text: &str) -> Self {
        assert!(
            self.error.contains(text),
            "qm {}: {}",
            self.args,
            self.error
        );
        self
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap()
    }

    pub fn lines_json(&self) -> Vec<Value> {
        let lines = self.out.lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}
