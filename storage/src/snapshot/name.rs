//! Names of snapshot files: `v1.0-qmtree-<content>.<from>-<to>.seg`, by the pattern of Erigon's
//! state files, numbers in decimal without leading zeros.

use std::fmt;
use std::path::Path;

/// What a snapshot file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum SnapshotContent {
    /// Whole twigs of the execution log: every leaf.
    Execution = 1,
    /// Their roots alone.
    Roots = 2,
    /// The leaves behind the last whole twig.
    Tail = 3,
    /// What finds the leaves of whole twigs by their transactions; nothing that they commit to.
    Tags = 4,
    /// Whole twigs of the state log: every entry, and the values.
    State = 5,
    /// The entries behind the last whole twig of the state log that is in files, and the values.
    StateTail = 6,
    /// What is live once the whole twigs of the state log are full: entries and values, and the
    /// nodes over all else.
    Live = 7,
}

impl SnapshotContent {
    const ALL: [Self; 7] = [
        Self::Execution,
        Self::Roots,
        Self::Tail,
        Self::Tags,
        Self::State,
        Self::StateTail,
        Self::Live,
    ];

    /// True for files of the state log, whose ranges count entries where others count leaves.
    #[must_use]
    pub fn is_state(self) -> bool {
        matches!(self, Self::State | Self::StateTail | Self::Live)
    }

    /// True if the range in the name counts leaves or entries, and not twigs.
    pub(super) fn is_tail(self) -> bool {
        matches!(self, Self::Tail | Self::StateTail)
    }

    pub(super) fn id(self) -> u8 {
        self as u8
    }

    pub(super) fn from_id(id: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|content| content.id() == id)
    }

    /// How it is called in the names of files.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Execution => "qmtree-execution",
            Self::Roots => "qmtree-roots",
            Self::Tail => "qmtree-tail",
            Self::Tags => "qmtree-tags",
            Self::State => "qmtree-state",
            Self::StateTail => "qmtree-statetail",
            Self::Live => "qmtree-live",
        }
    }
}

/// What the name of a snapshot file says.
///
/// Names come from strangers: [`parse`](Self::parse) takes exactly what [`Display`](fmt::Display)
/// writes, so nothing that it returns holds a separator, a dot-dot or anything else of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SnapshotName {
    /// What the file holds.
    pub content: SnapshotContent,
    /// Its first twig; of a tail, its first leaf or entry.
    pub from: u64,
    /// What its last twig, or leaf or entry, lies before. Larger than `from`.
    pub to: u64,
}

impl SnapshotName {
    /// Reads a name; `None` if it is another's, or spelled in another way.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let middle = name.strip_prefix("v1.0-")?.strip_suffix(".seg")?;
        let (text, range) = middle.split_once('.')?;
        let (from, to) = range.split_once('-')?;
        let content = SnapshotContent::ALL
            .into_iter()
            .find(|content| content.text() == text)?;
        let (from, to) = (from.parse().ok()?, to.parse().ok()?);
        let parsed = Self { content, from, to };
        (from < to && parsed.to_string() == name).then_some(parsed)
    }

    /// Reads the last part of a path.
    #[must_use]
    pub fn of_path(path: &Path) -> Option<Self> {
        Self::parse(path.file_name()?.to_str()?)
    }
}

impl fmt::Display for SnapshotName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { content, from, to } = self;
        write!(f, "v1.0-{}.{from}-{to}.seg", content.text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_have_one_spelling() {
        for content in SnapshotContent::ALL {
            assert_eq!(SnapshotContent::from_id(content.id()), Some(content));
            for (from, to) in [(0, 1), (64, 128), (7, u64::MAX)] {
                let name = SnapshotName { content, from, to };
                assert_eq!(SnapshotName::parse(&name.to_string()), Some(name));
            }
        }
        assert_eq!(SnapshotContent::from_id(9), None);
        let name = "v1.0-qmtree-execution.0-64.seg";
        assert!(SnapshotName::parse(name).is_some());
        assert!(SnapshotName::of_path(&Path::new("/a/../b").join(name)).is_some());
    }

    #[test]
    fn other_names_and_paths_are_refused() {
        for name in [
            "",
            ".seg",
            "v1.0-qmtree-execution.0-64",
            "v1.0-qmtree-execution.0-64.seg.tmp",
            "v1.0-qmtree-execution.64-64.seg",
            "v1.0-qmtree-execution.65-64.seg",
            "v1.0-qmtree-execution.00-64.seg",
            "v1.0-qmtree-execution.+0-64.seg",
            "v1.0-qmtree-execution.0-64.SEG",
            "v1.0-qmtree-execution.0-99999999999999999999.seg",
            "v1.1-qmtree-execution.0-64.seg",
            "v1.0-qmtree-accounts.0-64.seg",
            "v1.0-qmtree-execution.0-64-128.seg",
            "../v1.0-qmtree-execution.0-64.seg",
            "v1.0-qmtree-execution/../x.0-64.seg",
            "/etc/v1.0-qmtree-execution.0-64.seg",
            "v1.0-qmtree-execution.0-64.seg\0",
            "v1.0-qmtree-execution.0-6\u{664}.seg",
        ] {
            assert_eq!(SnapshotName::parse(name), None, "{name:?}");
        }
    }
}
