//! Tags and byte places of the trace's records. Mirrors docs/FORMAT.md, section 9.

use alloy_primitives::Address;

/// A record: the 128 bytes of a leaf, zero where no field is.
pub(crate) type Message = [u8; 128];

/// First bytes of the records, and tags of the nodes.
pub(super) mod tag {
    /// Records.
    pub(crate) const STORAGE: u8 = 2;
    pub(crate) const TRANSIENT: u8 = 3;
    pub(crate) const LOG: u8 = 4;
    pub(crate) const CALL: u8 = 5;
    pub(crate) const CREATE: u8 = 6;
    pub(crate) const END: u8 = 7;
    pub(crate) const SELF_DESTRUCT: u8 = 8;
    pub(crate) const FRAME: u8 = 9;
    pub(crate) const GROUP: u8 = 10;
    pub(crate) const STRETCH: u8 = 11;

    /// Node of a stack: the hash below, and the item on top of it.
    pub(crate) const STACK_NODE: u8 = 0x90;
    /// Node of memory root and hash of the return data.
    pub(crate) const BUFFERS_NODE: u8 = 0x91;
    /// Node of the opening effect and the frame record: what a stack begins with.
    pub(crate) const FRAME_NODE: u8 = 0x92;
    /// Node of steps, with their effects so far, and one more effect or stretch.
    pub(crate) const EFFECTS_NODE: u8 = 0x93;
    /// Node of a memory hash and the place of a long call input in that memory.
    pub(crate) const LONG_INPUT_NODE: u8 = 0x94;
    /// Tag of a memory node is this and its level.
    pub(crate) const MEMORY_NODE: u8 = 0xa0;
}

/// Levels of a memory tree, the words included: sizes are below 2^32 words.
pub(super) const MEMORY_LEVELS: usize = 33;

/// Longest call input, in bytes, that is hashed as such; a longer one is bound by its place in the
/// caller's memory, so that no call costs more to trace than to run.
pub(super) const LONG_INPUT: usize = 4096;

/// Steps of a group but the last: what one leaf hash takes. A power of two.
pub(super) const GROUP_STEPS: usize = 8;

/// Bytes of a step in its group.
pub(super) const STEP_LEN: usize = 16;

/// Opening step of an outermost frame.
pub(super) const NO_STEP: u64 = u64::MAX;

/// Fills a record.
#[derive(Debug)]
pub(super) struct Writer(Message);

impl Writer {
    pub(super) fn new(tag: u8) -> Self {
        let mut message = [0; 128];
        let [first, ..] = &mut message;
        *first = tag;
        Self(message)
    }

    /// Copies `bytes` to place `at`. Places are constants that end inside the record.
    pub(super) fn put(&mut self, at: usize, bytes: &[u8]) -> &mut Self {
        if let Some(field) = self.0.get_mut(at..at + bytes.len()) {
            field.copy_from_slice(bytes);
        }
        self
    }

    pub(super) fn finish(&self) -> Message {
        self.0
    }
}

/// Reads a record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields<'a>(pub(super) &'a Message);

impl Fields<'_> {
    /// The `N` bytes at place `at`.
    ///
    /// # Panics
    /// If they are not all in the record; places are constants.
    pub(super) fn array<const N: usize>(self, at: usize) -> [u8; N] {
        let field = self.0.get(at..).and_then(|rest| rest.first_chunk());
        *field.expect("places are inside the record")
    }

    pub(super) fn address(self, at: usize) -> Address {
        Address::new(self.array(at))
    }
}
