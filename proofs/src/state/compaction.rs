//! The rule by which old entries move to the end of the log, so that old twigs die (docs/FORMAT.md,
//! section 1.4).

use core::fmt;

/// How dense a database keeps its state log: a rule of the database, because it changes roots.
///
/// Each batch that appends n entries of its own also rewrites, as they are, those of the n oldest
/// active entries that it does not rewrite anyway, as long as the log from the oldest active entry
/// on holds more than so many entries for each live key. What is before the oldest active entry
/// can then be pruned. It depends on the log alone, so every node moves the same entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Compaction(u8);

impl Compaction {
    /// Nothing moves.
    pub const OFF: Self = Self(0);

    /// Entries move as long as there are more than `entries_per_key` for each live key; 0 is
    /// [`OFF`](Self::OFF). A log of random updates has about twice as many entries to write at 2
    /// as without compaction, less at more.
    #[must_use]
    pub const fn new(entries_per_key: u8) -> Self {
        Self(entries_per_key)
    }

    /// Entries for each live key; 0 if nothing moves.
    #[must_use]
    pub const fn entries_per_key(self) -> u8 {
        self.0
    }

    /// How many of the oldest active entries a batch looks at that appends `own` entries by
    /// itself: `own` or none. `entry_count` and `live_keys`, the sentinel counted, are those
    /// before the batch, and `oldest` is the smallest id of an active entry then.
    #[must_use]
    pub fn moves(self, own: u64, entry_count: u64, oldest: u64, live_keys: u64) -> u64 {
        let dense = u64::from(self.0).saturating_mul(live_keys);
        if self == Self::OFF || entry_count.saturating_sub(oldest) <= dense {
            return 0;
        }
        own
    }
}

impl fmt::Display for Compaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("off"),
            entries => write!(f, "{entries} entries per key"),
        }
    }
}
