//! How much of an execution the leaves commit to.

/// How much of the execution is committed to.
///
/// Every leaf binds the mode that it was made under, and a log holds the leaves of one range of blocks
/// under one of them. So the mode is a part of the statement: without it, the same blocks behind the
/// same head would lead to as many heads as there are modes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum TraceMode {
    /// The outcome, without steps.
    #[default]
    Outcome = 0,
    /// Every step, in a twig log of its own that single steps can be proved from.
    Full = 1,
    /// Every step, as one RLP list.
    Flat = 2,
}

impl TraceMode {
    /// The byte that names the mode.
    #[must_use]
    pub const fn id(self) -> u8 {
        self as u8
    }

    /// The mode named by `id`, if this version knows it.
    #[must_use]
    pub const fn from_id(id: u8) -> Option<Self> {
        match id {
            0 => Some(Self::Outcome),
            1 => Some(Self::Full),
            2 => Some(Self::Flat),
            _ => None,
        }
    }

    /// The name of the mode in text and JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Outcome => "outcome",
            Self::Full => "full",
            Self::Flat => "flat",
        }
    }
}
