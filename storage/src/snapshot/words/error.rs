//! Why bytes are no word file.

/// Why bytes are not a word file, or not one that this release reads.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WordError {
    /// A version that is neither 0 nor 1.
    #[error("word file version {0}; this release reads 0 and 1")]
    Version(u8),
    /// A flag of version 1 that this release does not know.
    #[error("word file flags {0:#04x}; this release knows 0x01")]
    Flags(u8),
    /// The bytes end before what they announce.
    #[error("the file ends inside its {0}")]
    Truncated(&'static str),
    /// A length that is larger than the file.
    #[error("{what} of {len} bytes in a file of {file_len}")]
    BeyondFile {
        /// What the length is of.
        what: &'static str,
        /// The length.
        len: u64,
        /// Bytes of the file.
        file_len: u64,
    },
    /// More words than the file can hold, or more empty words than words.
    #[error("{count} {what} do not fit into the file")]
    Count {
        /// What is counted.
        what: &'static str,
        /// How many there should be.
        count: u64,
    },
    /// A number in a dictionary that is no variable-length integer of 64 bits.
    #[error("a number in the dictionary of {0} is malformed")]
    Number(&'static str),
    /// A pattern without bytes.
    #[error("a pattern without bytes in the dictionary")]
    EmptyPattern,
    /// A code longer than 50 bits.
    #[error("a code of {depth} bits in the dictionary of {dictionary}; the longest have 50")]
    Depth {
        /// Which dictionary.
        dictionary: &'static str,
        /// The depth that it names.
        depth: u64,
    },
    /// More entries than any writer makes.
    #[error("more than {limit} entries in the dictionary of {dictionary}")]
    Entries {
        /// Which dictionary.
        dictionary: &'static str,
        /// The most that are read.
        limit: usize,
    },
    /// The depths of a dictionary are not those of a full tree.
    #[error("the dictionary of {0} is not a full prefix code")]
    NotFull(&'static str),
    /// A word uses a dictionary that is empty.
    #[error("a word at byte {offset} uses the dictionary of {dictionary}, which is empty")]
    NoCode {
        /// Where the word begins, from the first one.
        offset: u64,
        /// Which dictionary.
        dictionary: &'static str,
    },
    /// A word without a length.
    #[error("a word at byte {offset} has no length")]
    NoLength {
        /// Where the word begins, from the first one.
        offset: u64,
    },
    /// A word that is longer than the reader allows.
    #[error("a word at byte {offset} has {len} bytes; {limit} are allowed here")]
    TooLong {
        /// Where the word begins, from the first one.
        offset: u64,
        /// Its length.
        len: u64,
        /// The most that is allowed.
        limit: u64,
    },
    /// A pattern that does not lie inside its word.
    #[error("a pattern of the word at byte {offset} does not lie inside it")]
    PatternOutside {
        /// Where the word begins, from the first one.
        offset: u64,
    },
    /// The bits that fill the last byte of the codes are not zero.
    #[error("the codes of the word at byte {offset} are not padded with zeros")]
    Padding {
        /// Where the word begins, from the first one.
        offset: u64,
    },
    /// Bytes behind the last word.
    #[error("{0} bytes behind the last word")]
    Trailing(u64),
    /// A code that would be longer than 50 bits, or a file longer than 2^64 bytes.
    #[error("these words cannot be written into one file")]
    Unwritable,
}
