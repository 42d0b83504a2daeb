//! Reads files of state tests into cases.

use super::error::StateTestError;
use super::find::io;
use super::fork::Rules;
use super::post::PreState;
use super::setup::Setup;
use super::unit::{Expected, Unit};
use core::fmt;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

/// The most JSON that is read of one file. The largest of the published ones have some tens of MB.
const JSON_LIMIT: u64 = 256 << 20;
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// The state tests of one file.
#[derive(Debug)]
pub struct StateTestFile {
    tests: Vec<StateTest>,
    skipped: Vec<Skipped>,
}

#[derive(Debug)]
struct StateTest {
    name: String,
    unit: Unit,
    pre: PreState,
}

/// Something in a file that is not run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// The name of the test or of the entry.
    pub test: String,
    /// Why, and what of it.
    pub what: String,
}

/// One transaction under one fork, with what should come of it.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    test: &'a StateTest,
    fork: &'a str,
    rules: Rules,
    pub(super) pre: &'a PreState,
    pub(super) expected: &'a Expected,
}

/// Names a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseId {
    /// The test's name in its file.
    pub test: String,
    /// The fork's name in the test.
    pub fork: String,
    /// Which of the transaction's data it picks, from zero.
    pub data: usize,
    /// Which of its gas limits.
    pub gas: usize,
    /// Which of its values.
    pub value: usize,
}

impl fmt::Display for CaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            test,
            fork,
            data,
            gas,
            value,
        } = self;
        write!(f, "{test} [{fork}, data {data}, gas {gas}, value {value}]")
    }
}

impl StateTestFile {
    /// Reads a file, plain or compressed with zstd.
    ///
    /// # Errors
    /// [`StateTestError`], naming the file, and the test and field where it is about one.
    pub fn read(path: &Path) -> Result<Self, StateTestError> {
        Self::parse(path, &read_json(path)?)
    }

    /// Reads the JSON of a file; the path is for errors.
    ///
    /// # Errors
    /// As [`StateTestFile::read`].
    pub fn parse(path: &Path, json: &[u8]) -> Result<Self, StateTestError> {
        let entries: Entries<'_> =
            serde_json::from_slice(json).map_err(|source| StateTestError::Json {
                path: path.into(),
                source,
            })?;
        let (mut tests, mut skipped) = (Vec::new(), Vec::new());
        for (name, json) in entries.0 {
            match not_a_test(&name, json) {
                None => {
                    let test = StateTest::read(path, name, json)?;
                    skipped.extend(test.skipped_forks());
                    tests.push(test);
                }
                Some(what) => skipped.push(Skipped { test: name, what }),
            }
        }
        if tests.is_empty() {
            let first = skipped.first();
            let what = first.map_or("it is empty".into(), |entry| {
                format!("{:?} {}", entry.test, entry.what)
            });
            let path = PathBuf::from(path);
            return Err(StateTestError::NotStateTests { path, what });
        }
        Ok(Self { tests, skipped })
    }

    /// What is in the file but not run.
    pub fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    /// All cases: tests as the file has them, forks by age, indexes as the file has them.
    pub fn cases(&self) -> Vec<Case<'_>> {
        self.tests.iter().flat_map(StateTest::cases).collect()
    }
}

impl StateTest {
    fn read(path: &Path, name: String, json: &RawValue) -> Result<Self, StateTestError> {
        let in_test = |source| StateTestError::Test {
            path: path.into(),
            test: name.clone(),
            source,
        };
        let unit: Unit = serde_json::from_str(json.get()).map_err(in_test)?;
        let pre = PreState::new(&unit.pre)
            .ok_or_else(|| in_test(serde_json::Error::custom("pre: a number is too wide")))?;
        let test = Self { name, unit, pre };
        test.check_indexes(path)?;
        Ok(test)
    }

    fn check_indexes(&self, path: &Path) -> Result<(), StateTestError> {
        let tx = &self.unit.transaction;
        let (data, gas, value) = (tx.data.len(), tx.gas_limit.len(), tx.value.len());
        for (fork, cases) in &self.unit.post {
            for indexes in cases.iter().map(|case| case.indexes) {
                for (list, index, len) in [
                    ("data", indexes.data, data),
                    ("gasLimit", indexes.gas, gas),
                    ("value", indexes.value, value),
                ] {
                    if index >= len {
                        return Err(StateTestError::Index {
                            path: path.into(),
                            test: self.name.clone(),
                            fork: fork.clone(),
                            list,
                            index,
                            len,
                        });
                    }
                }
            }
        }
        Ok(())
    }

    fn skipped_forks(&self) -> impl Iterator<Item = Skipped> {
        let post = self.unit.post.iter();
        post.filter(|(fork, _)| Rules::named(fork).is_none())
            .map(|(fork, cases)| Skipped {
                test: self.name.clone(),
                what: format!("{} cases of unknown fork {fork:?}", cases.len()),
            })
    }

    fn cases(&self) -> impl Iterator<Item = Case<'_>> {
        let known = self.unit.post.iter().filter_map(|(fork, cases)| {
            let rules = Rules::named(fork)?.with_config(fork, &self.unit.config);
            Some((fork, rules, cases))
        });
        let mut known: Vec<_> = known.collect();
        known.sort_by_key(|(_, rules, _)| (rules.spec, !rules.eip1283));
        known.into_iter().flat_map(move |(fork, rules, cases)| {
            cases.iter().map(move |expected| Case {
                test: self,
                fork,
                rules,
                pre: &self.pre,
                expected,
            })
        })
    }
}

impl Case<'_> {
    /// Which one it is.
    pub fn id(&self) -> CaseId {
        let indexes = self.expected.indexes;
        CaseId {
            test: self.test.name.clone(),
            fork: self.fork.to_owned(),
            data: indexes.data,
            gas: indexes.gas,
            value: indexes.value,
        }
    }

    /// The name of its fork.
    pub fn fork(&self) -> &str {
        self.fork
    }

    /// The name of its test.
    pub fn test(&self) -> &str {
        &self.test.name
    }

    pub(super) fn setup(&self) -> Setup {
        let must_fail = self.expected.expect_exception.is_some();
        Setup::new(
            &self.test.unit,
            self.rules,
            self.expected.indexes,
            must_fail,
        )
    }
}

/// Why an entry is no state test, if it is none.
fn not_a_test(name: &str, json: &RawValue) -> Option<String> {
    if name.starts_with('_') || name.starts_with("//") {
        return Some("is a comment".into());
    }
    let Ok(shape) = serde_json::from_str::<Shape>(json.get()) else {
        return Some("is no object".into());
    };
    if shape.blocks.is_some() {
        return Some("has blocks: it is a blockchain test".into());
    }
    if shape.expect.is_some() {
        return Some("has expect: it is the source of a test, not yet filled".into());
    }
    let parts = [
        ("env", shape.env),
        ("pre", shape.pre),
        ("transaction", shape.transaction),
        ("post", shape.post),
    ];
    let missing = parts.iter().find(|(_, part)| part.is_none());
    missing.map(|(part, _)| format!("has no {part}"))
}

#[derive(Deserialize)]
struct Shape {
    env: Option<IgnoredAny>,
    pre: Option<IgnoredAny>,
    transaction: Option<IgnoredAny>,
    post: Option<IgnoredAny>,
    blocks: Option<IgnoredAny>,
    expect: Option<IgnoredAny>,
}

/// The entries of an object in the file's order; a name may be there twice.
struct Entries<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Entries<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EntriesVisitor)
    }
}

struct EntriesVisitor;

impl<'de> Visitor<'de> for EntriesVisitor {
    type Value = Entries<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of tests by their names")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries<'de>, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Entries(entries))
    }
}

/// The JSON of a file, taken out of its compression if it has one.
fn read_json(path: &Path) -> Result<Vec<u8>, StateTestError> {
    let file = File::open(path).map_err(io(path, "open"))?;
    let mut reader = BufReader::new(file);
    let mut start = Vec::new();
    reader
        .by_ref()
        .take(ZSTD_MAGIC.len() as u64)
        .read_to_end(&mut start)
        .map_err(io(path, "read"))?;
    let compressed = start == ZSTD_MAGIC;
    let whole = std::io::Cursor::new(start).chain(reader);
    let mut json = Vec::new();
    let read = if compressed {
        let decoder = zstd::Decoder::with_buffer(BufReader::new(whole));
        decoder.and_then(|decoder| decoder.take(JSON_LIMIT + 1).read_to_end(&mut json))
    } else {
        whole.take(JSON_LIMIT + 1).read_to_end(&mut json)
    };
    let action = if compressed { "decompress" } else { "read" };
    read.map_err(io(path, action))?;
    if json.len() as u64 > JSON_LIMIT {
        return Err(StateTestError::TooLarge {
            path: path.into(),
            limit: JSON_LIMIT,
        });
    }
    Ok(json)
}
