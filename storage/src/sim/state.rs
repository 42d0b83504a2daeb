//! The whole state of a simulated disk, and how a step fails.

use crate::sim::content::Content;
use crate::sim::names::{Change, FileId, NameTable};
use crate::sim::random::Random;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

/// What becomes of all that was not synced when the power is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// None of it is there.
    Lost,
    /// All of it is there.
    Kept,
    /// Any part of it may be there, by the seed of the disk: files cut at some byte or with sectors
    /// that are old or zero, and some of the changes of names.
    Torn,
}

impl Fate {
    /// Every fate.
    pub const ALL: [Self; 3] = [Self::Lost, Self::Kept, Self::Torn];
}

#[derive(Clone, Copy, Debug)]
enum Fault {
    FailAt(u64),
    CrashAt(u64, Fate),
}

/// How much of a step is carried out. The caller hears of success only if it is `Whole` without fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    Nothing,
    Part,
    Whole,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) names: NameTable,
    pub(crate) locks: BTreeSet<PathBuf>,
    pub(crate) steps: u64,
    contents: Vec<Content>,
    random: Random,
    fault: Option<Fault>,
    crashed: bool,
}

impl State {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            names: NameTable::default(),
            locks: BTreeSet::new(),
            steps: 0,
            contents: Vec::new(),
            random: Random::new(seed),
            fault: None,
            crashed: false,
        }
    }

    pub(crate) fn fail_at(&mut self, step: u64) {
        self.fault = Some(Fault::FailAt(step));
    }

    pub(crate) fn crash_at(&mut self, step: u64, fate: Fate) {
        self.fault = Some(Fault::CrashAt(step, fate));
    }

    pub(crate) fn has_crashed(&self) -> bool {
        self.crashed
    }

    /// The fate of a crash that was asked for.
    pub(crate) fn fate(&self) -> Option<Fate> {
        match self.fault {
            Some(Fault::CrashAt(_, fate)) => Some(fate),
            _ => None,
        }
    }

    /// The disk as it is found when the power comes back.
    pub(crate) fn after_power_loss(&self, fate: Fate) -> Self {
        let mut random = self.random.clone();
        let mut names = self.names.after_power_loss(fate, &mut random);
        let (mut contents, mut moved) = (Vec::new(), BTreeMap::new());
        for id in names.files.values_mut() {
            // The names of one file find the same bytes.
            *id = *moved.entry(*id).or_insert_with(|| {
                let content = self.content(*id).after_power_loss(fate, &mut random);
                contents.push(Content::durable(content));
                contents.len() - 1
            });
        }
        let names = NameTable::durable(names);
        Self {
            names,
            contents,
            random,
            ..Self::new(0)
        }
    }

    /// Fails if the power is off.
    pub(crate) fn check_power(&self) -> io::Result<()> {
        if self.crashed {
            Err(io::Error::other("simulated power loss"))
        } else {
            Ok(())
        }
    }

    pub(crate) fn find(&self, path: &Path) -> io::Result<FileId> {
        self.names
            .now()
            .files
            .get(path)
            .copied()
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    pub(crate) fn content(&self, id: FileId) -> &Content {
        self.contents.get(id).expect("contents are never removed")
    }

    pub(crate) fn content_mut(&mut self, id: FileId) -> &mut Content {
        self.contents
            .get_mut(id)
            .expect("contents are never removed")
    }

    /// Puts these bytes into a file, durably and without a step.
    pub(crate) fn put(&mut self, path: PathBuf, bytes: Vec<u8>) {
        if let Ok(id) = self.find(&path) {
            *self.content_mut(id) = Content::durable(bytes);
            return;
        }
        let missing = |folder: &&Path| !self.names.now().has_folder(folder);
        let folders: Vec<&Path> = path.ancestors().skip(1).filter(missing).collect();
        let mut changes: Vec<Change> = folders
            .iter()
            .rev()
            .map(|folder| Change::Folder(folder.to_path_buf()))
            .collect();
        changes.push(Change::Create(path, self.contents.len()));
        self.contents.push(Content::durable(bytes));
        changes
            .iter()
            .for_each(|change| self.names.change_durably(change));
    }

    /// The step that changes names.
    pub(crate) fn change(&mut self, change: Change) -> io::Result<()> {
        self.step(|state, effect| {
            if effect == Effect::Whole {
                state.names.change(change);
            }
        })
    }

    /// The step that makes an empty file.
    pub(crate) fn create(&mut self, path: PathBuf) -> io::Result<FileId> {
        let id = self.contents.len();
        self.contents.push(Content::default());
        self.change(Change::Create(path, id))?;
        Ok(id)
    }

    pub(crate) fn sync_folder(&mut self, folder: &Path) -> io::Result<()> {
        self.step(|state, effect| {
            if effect == Effect::Whole {
                state.names.sync_folder(folder);
            }
        })
    }

    pub(crate) fn append(&mut self, id: FileId, bytes: &[u8]) -> io::Result<()> {
        self.step(|state, effect| {
            let len = match effect {
                Effect::Nothing => 0,
                Effect::Part => state.random.up_to(bytes.len()),
                Effect::Whole => bytes.len(),
            };
            let bytes = bytes.get(..len).unwrap_or_default();
            state.content_mut(id).append(bytes);
        })
    }

    /// The step that does all or nothing to the bytes of a file.
    pub(crate) fn with_content(
        &mut self,
        id: FileId,
        operation: impl FnOnce(&mut Content),
    ) -> io::Result<()> {
        self.step(|state, effect| {
            if effect == Effect::Whole {
                operation(state.content_mut(id));
            }
        })
    }

    /// Takes a step: `carry_out` does as much of it as it is told.
    fn step(&mut self, carry_out: impl FnOnce(&mut Self, Effect)) -> io::Result<()> {
        self.check_power()?;
        let step = self.steps;
        self.steps += 1;
        match self.fault {
            Some(Fault::FailAt(at)) if at == step => {
                carry_out(self, Effect::Part);
                Err(io::Error::other("simulated failure"))
            }
            Some(Fault::CrashAt(at, fate)) if at == step => {
                let effect = match fate {
                    Fate::Lost => Effect::Nothing,
                    Fate::Kept => Effect::Whole,
                    Fate::Torn if self.random.coin() => Effect::Whole,
                    Fate::Torn => Effect::Part,
                };
                carry_out(self, effect);
                self.crashed = true;
                self.check_power()
            }
            _ => {
                carry_out(self, Effect::Whole);
                Ok(())
            }
        }
    }
}
