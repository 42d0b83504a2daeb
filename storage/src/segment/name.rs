//! Names of segment files: `<first twig>-<twigs>.qms`, 16 hex digits each; `.qmp` once pruned, `.qmr` with
//! roots alone.

use qmtree_proofs::TwigId;
use std::ffi::OsStr;
use std::fmt;
use std::path::Path;

/// What a segment file holds of its twigs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Content {
    Pruned = 0,
    Whole = 1,
    /// Twig roots and nothing else: not even which blocks end here is known.
    Roots = 2,
}

impl Content {
    const ALL: [Self; 3] = [Self::Pruned, Self::Whole, Self::Roots];

    pub(super) fn id(self) -> u8 {
        self as u8
    }

    pub(super) fn from_id(id: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|content| content.id() == id)
    }

    fn ending(self) -> &'static str {
        match self {
            Self::Whole => "qms",
            Self::Pruned => "qmp",
            Self::Roots => "qmr",
        }
    }

    fn from_ending(ending: &OsStr) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|content| ending == content.ending())
    }
}

/// What the name of a segment says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SegmentName {
    pub(super) first_twig: TwigId,
    pub(super) twig_count: u64,
    pub(super) content: Content,
}

impl SegmentName {
    /// Reads a name. `None` if it does not end as segments do, `Some(None)` if it does and is
    /// malformed all the same.
    pub(super) fn parse(path: &Path) -> Option<Option<Self>> {
        let content = Content::from_ending(path.extension()?)?;
        Some(Self::parse_stem(path, content))
    }

    fn parse_stem(path: &Path, content: Content) -> Option<Self> {
        let (first, count) = path.file_stem()?.to_str()?.split_once('-')?;
        let number = |digits| u64::from_str_radix(digits, 16).ok();
        let (first_twig, twig_count) = (TwigId(number(first)?), number(count)?);
        let name = Self {
            first_twig,
            twig_count,
            content,
        };
        // One spelling per name: all digits, lower case.
        path.file_name()
            .is_some_and(|found| found == name.to_string().as_str())
            .then_some(name)
    }
}

/// True if this is the ending of a segment, whatever it holds of its twigs.
pub(crate) fn has_segment_ending(name: &Path) -> bool {
    name.extension().and_then(Content::from_ending).is_some()
}

/// True if this is the name of a segment, whole or pruned.
pub(crate) fn is_segment(name: &Path) -> bool {
    matches!(SegmentName::parse(name), Some(Some(_)))
}

impl fmt::Display for SegmentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            first_twig,
            twig_count,
            content,
        } = self;
        write!(
            f,
            "{:016x}-{twig_count:016x}.{}",
            first_twig.0,
            content.ending()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_have_one_spelling() {
        for content in Content::ALL {
            let name = SegmentName {
                first_twig: TwigId(0xab),
                twig_count: 2,
                content,
            };
            assert_eq!(
                SegmentName::parse(name.to_string().as_ref()),
                Some(Some(name))
            );
        }
        let parse = |name: &str| SegmentName::parse(name.as_ref());
        assert_eq!(parse("00000000000000AB-0000000000000002.qms"), Some(None));
        assert_eq!(parse("+0000000000000ab-0000000000000002.qms"), Some(None));
        assert_eq!(parse("ab-2.qms"), Some(None));
        assert_eq!(parse(".qms"), None);
        assert_eq!(parse("notes.qmp"), Some(None));
        assert_eq!(parse("00000000000000ab-0000000000000002.qms.tmp"), None);
        assert_eq!(parse("notes.txt"), None);
    }
}
