//! Prefix codes: which entry of a dictionary a string of bits stands for.

use super::bits::BitReader;
use super::error::WordError;

/// Longest code of a valid file.
pub(super) const MAX_DEPTH: u64 = 50;

/// The tree of a dictionary as a table, walked bit by bit.
#[derive(Debug)]
pub(super) struct PrefixCode {
    /// Children of each inner node; of the root first.
    nodes: Vec<[Child; 2]>,
    entries: usize,
}

#[derive(Clone, Copy, Debug)]
enum Child {
    Node(u32),
    Entry(u32),
    None,
}

/// A tree that is being built from the depths of its leaves, left to right.
struct Builder {
    nodes: Vec<[Child; 2]>,
    /// The way from the root to the place of the next leaf: nodes, and the side taken.
    path: Vec<(u32, usize)>,
    complete: bool,
}

impl PrefixCode {
    /// The code whose entries have these depths. A single entry of depth 0 takes no bits.
    ///
    /// # Errors
    /// [`WordError::Depth`], or [`WordError::NotFull`] if the depths are not those of a full tree.
    pub(super) fn new(depths: &[u64], dictionary: &'static str) -> Result<Self, WordError> {
        let mut builder = Builder {
            nodes: Vec::with_capacity(depths.len()),
            path: Vec::new(),
            complete: depths.is_empty(),
        };
        for (entry, depth) in (0_u32..).zip(depths) {
            if *depth > MAX_DEPTH {
                let depth = *depth;
                return Err(WordError::Depth { dictionary, depth });
            }
            if builder.complete && !depths.is_empty() {
                return Err(WordError::NotFull(dictionary));
            }
            let placed = usize::try_from(*depth)
                .ok()
                .and_then(|depth| builder.place(entry, depth, depths.len()));
            placed.ok_or(WordError::NotFull(dictionary))?;
        }
        if !builder.complete {
            return Err(WordError::NotFull(dictionary));
        }
        Ok(Self {
            nodes: builder.nodes,
            entries: depths.len(),
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries == 0
    }

    /// Reads the next entry; `None` if the bits end. Costs a step a bit, 50 at most.
    pub(super) fn read(&self, bits: &mut BitReader<'_>) -> Option<usize> {
        if self.nodes.is_empty() {
            return (self.entries == 1).then_some(0);
        }
        let mut at = 0;
        loop {
            let side = bits.bit()?;
            match self.nodes.get(at)?.get(side)? {
                Child::Node(node) => at = usize::try_from(*node).ok()?,
                Child::Entry(entry) => return usize::try_from(*entry).ok(),
                Child::None => return None,
            }
        }
    }
}

impl Builder {
    /// Puts the next leaf at `depth`, or says that it cannot be there.
    fn place(&mut self, entry: u32, depth: usize, entries: usize) -> Option<()> {
        if depth == 0 {
            // The root itself is the only leaf.
            self.complete = self.nodes.is_empty();
            return self.complete.then_some(());
        }
        if depth < self.path.len() {
            return None;
        }
        if self.nodes.is_empty() {
            self.nodes.push([Child::None; 2]);
            self.path.push((0, 0));
        }
        while self.path.len() < depth {
            // A full tree has an inner node less than it has leaves.
            if self.nodes.len() >= entries {
                return None;
            }
            let node = u32::try_from(self.nodes.len()).ok()?;
            self.nodes.push([Child::None; 2]);
            self.set(Child::Node(node))?;
            self.path.push((node, 0));
        }
        self.set(Child::Entry(entry))?;
        // On to the next free place: up as long as this was the right side.
        while let Some((node, side)) = self.path.pop() {
            if side == 0 {
                self.path.push((node, 1));
                return Some(());
            }
        }
        self.complete = true;
        Some(())
    }

    fn set(&mut self, child: Child) -> Option<()> {
        let (node, side) = *self.path.last()?;
        let slot = self
            .nodes
            .get_mut(usize::try_from(node).ok()?)?
            .get_mut(side)?;
        *slot = child;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(depths: &[u64]) -> Result<PrefixCode, WordError> {
        PrefixCode::new(depths, "positions")
    }

    #[test]
    fn entries_are_the_leaves_from_left_to_right() {
        let code = code(&[2, 2, 1]).unwrap();
        // Bits, first one lowest: 00, 01 and 1.
        let bytes = [0b11000];
        let mut bits = BitReader::new(&bytes, 0);
        let read: Vec<_> = (0..3).map(|_| code.read(&mut bits)).collect();
        assert_eq!(read, [Some(0), Some(1), Some(2)]);
    }

    #[test]
    fn one_entry_takes_no_bits_and_none_reads_nothing() {
        let one = code(&[0]).unwrap();
        assert_eq!(one.read(&mut BitReader::new(&[], 0)), Some(0));
        let none = code(&[]).unwrap();
        assert!(none.is_empty());
        assert_eq!(none.read(&mut BitReader::new(&[0], 0)), None);
    }

    #[test]
    fn only_full_trees_are_codes() {
        for depths in [
            &[1][..],
            &[0, 0],
            &[0, 1],
            &[1, 1, 1],
            &[2, 1],
            &[1, 2],
            &[2, 2, 2],
            &[1, 0],
            &[2, 1, 2],
        ] {
            let refused = code(depths).unwrap_err();
            assert_eq!(refused, WordError::NotFull("positions"), "{depths:?}");
        }
        let chain: Vec<u64> = (1..=50).chain([50]).collect();
        assert!(code(&chain).is_ok());
        let deep: Vec<u64> = (1..=51).chain([51]).collect();
        let dictionary = "positions";
        let refused = WordError::Depth {
            dictionary,
            depth: 51,
        };
        assert_eq!(code(&deep).unwrap_err(), refused);
    }
}
