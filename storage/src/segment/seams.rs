//! What a pruned segment keeps of its twigs: the nodes along the seams between blocks.
//!
//! ```text
//! twig    |a a a a a a|b b b b b b b b b b|      blocks end inside it, at 6
//! seams   |   4   | 2 | 2 |       8       |      each piece as its fewest complete nodes, in order
//! ```
//!
//! A proof that one log is a prefix of another needs nodes that begin or end at the ends of the
//! two. Such a node is kept, or made of kept ones: complete nodes are nested or apart, and each
//! kept one is the largest in its piece, so none reaches over a seam. A twig without a seam keeps
//! nothing; its root says all.

use super::error::{Part, SegmentError};
use super::group::Group;
use super::header::Header;
use super::layout::*;
use super::parts::Parts;
use super::reader::Segment;
use qmtree_proofs::{Digest, TWIG_LEAVES, TWIG_LEVEL, TreeHasher, TwigId, TxNum, level_tag};

/// A node of a twig, by its level and its index inside the twig.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SeamNode {
    level: u32,
    index: usize,
}

impl SeamNode {
    fn first_leaf(self) -> usize {
        self.index << self.level
    }

    fn end_leaf(self) -> usize {
        (self.index + 1) << self.level
    }

    fn parent(self) -> Self {
        Self {
            level: self.level + 1,
            index: self.index / 2,
        }
    }
}

/// The nodes that a twig keeps if blocks end at these places inside it, ascending, above 0.
fn seam_nodes(cuts: impl IntoIterator<Item = usize>) -> Vec<SeamNode> {
    let (mut nodes, mut start) = (Vec::new(), 0_usize);
    for end in cuts.into_iter().chain([LEAVES]) {
        while start < end {
            let fits = (end - start).ilog2();
            let level = start.trailing_zeros().min(fits);
            nodes.push(SeamNode {
                level,
                index: start >> level,
            });
            start += 1 << level;
        }
    }
    // The root alone is kept anyway.
    if nodes.len() == 1 {
        nodes.clear();
    }
    nodes
}

/// The nodes that twig number `place` of a segment keeps, by the block table.
fn nodes_of(header: &Header, parts: &Parts<'_>, place: usize) -> Vec<SeamNode> {
    let first = header.leaves().start.0 + place as u64 * TWIG_LEAVES;
    let end_of = |block: &[u8; BLOCK_LEN]| field_u64(block, 0);
    let from = parts.blocks.partition_point(|block| end_of(block) <= first);
    let ends = parts.blocks.iter().skip(from).map(end_of);
    let cuts = ends.map_while(|end| usize::try_from(end - first).ok());
    seam_nodes(cuts.take_while(|cut| *cut < LEAVES))
}

/// Where the seams of each twig start, counted in nodes, and where the last ones end.
pub(super) fn starts(header: &Header, parts: &Parts<'_>) -> Box<[usize]> {
    let mut end = 0;
    let ends = (0..parts.roots.len()).map(|place| {
        end += nodes_of(header, parts, place).len();
        end
    });
    std::iter::once(0).chain(ends).collect()
}

/// The one node that nodes without a gap make up; `None` if it is more than one.
fn fold(
    hasher: &impl TreeHasher,
    nodes: impl IntoIterator<Item = (SeamNode, Digest)>,
) -> Option<(SeamNode, Digest)> {
    let mut made: Vec<(SeamNode, Digest)> = Vec::new();
    for (mut node, mut digest) in nodes {
        while let Some((left, left_digest)) = made.last() {
            if left.level != node.level || node.index % 2 == 0 {
                break;
            }
            digest = hasher.hash_node(level_tag(node.level + 1), left_digest, &digest);
            node = node.parent();
            made.pop();
        }
        made.push((node, digest));
    }
    match made[..] {
        [one] => Some(one),
        _ => None,
    }
}

impl Segment {
    /// A node below a twig root of a pruned segment, if it follows from the seams.
    pub(super) fn seam_node(&self, level: u32, index: u64) -> Result<Digest, SegmentError> {
        let pruned = || self.pruned(TxNum(index << level));
        let above = TWIG_LEVEL - level;
        let place = self.place(TwigId(index >> above)).ok_or_else(pruned)?;
        let inside = index & ((1 << above) - 1);
        let wanted = SeamNode {
            level,
            index: usize::try_from(inside).map_err(|_| pruned())?,
        };
        let parts = self.parts();
        let nodes = nodes_of(&self.header, &parts, place).into_iter();
        let nodes = nodes.zip(self.seams_of(&parts, place).iter().copied());
        let nodes = nodes.filter(|(node, _)| {
            node.first_leaf() >= wanted.first_leaf() && node.end_leaf() <= wanted.end_leaf()
        });
        match fold(&self.hasher, nodes) {
            Some((made, digest)) if made == wanted => Ok(digest),
            _ => Err(pruned()),
        }
    }

    fn seams_of<'a>(&self, parts: &Parts<'a>, place: usize) -> &'a [Digest] {
        let range = (self.seam_starts.get(place), self.seam_starts.get(place + 1));
        let (Some(start), Some(end)) = range else {
            return &[];
        };
        parts.seams.get(*start..*end).unwrap_or_default()
    }

    /// Compares what the seams of each twig of a pruned segment hash to with its root.
    pub(super) fn check_seams(&self) -> Result<(), SegmentError> {
        let parts = self.parts();
        for place in 0..parts.roots.len() {
            let seams = self.seams_of(&parts, place);
            if !seams.is_empty() {
                self.check_root(&parts, place, seams)?;
            }
        }
        Ok(())
    }

    /// What is kept of a whole segment when it is pruned. Costs a group for each end of a block.
    pub(super) fn collect_seams(&self, parts: &Parts<'_>) -> Result<Vec<Digest>, SegmentError> {
        let (mut all, mut group) = (Vec::new(), None);
        for place in 0..parts.roots.len() {
            let first_leaf = self.leaves().start.0 + place as u64 * TWIG_LEAVES;
            let mut seams = Vec::new();
            for SeamNode { level, index } in nodes_of(&self.header, parts, place) {
                let index = (first_leaf >> level) + index as u64;
                seams.push(self.node_by_group(&mut group, level, index)?);
            }
            if !seams.is_empty() {
                // So that no damage since the segment was opened gets a fresh checksum.
                self.check_root(parts, place, &seams)?;
            }
            all.append(&mut seams);
        }
        Ok(all)
    }

    /// As [`node`](Self::node), but keeps the group that was derived last.
    fn node_by_group(
        &self,
        group: &mut Option<Group>,
        level: u32,
        index: u64,
    ) -> Result<Digest, SegmentError> {
        if level >= GROUP_LEVEL {
            return self.node(level, index);
        }
        if let Some(node) = group.as_ref().and_then(|group| group.node(level, index)) {
            return Ok(node);
        }
        let group = group.insert(self.group(TxNum(index << level))?);
        Ok(group.node(level, index).expect("a group holds its nodes"))
    }

    fn check_root(
        &self,
        parts: &Parts<'_>,
        place: usize,
        seams: &[Digest],
    ) -> Result<(), SegmentError> {
        let twig_id = TwigId(self.first_twig().0 + place as u64);
        let root = parts.roots.get(place).copied().unwrap_or_default();
        let nodes = nodes_of(&self.header, parts, place).into_iter();
        let computed = fold(&self.hasher, nodes.zip(seams.iter().copied()));
        let (_, computed) = computed.expect("the seams of a twig make up the twig");
        let offset = parts.footer_at + DIGEST_LEN * place;
        self.same(Part::TwigRoot(twig_id), offset as u64, root, computed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(cuts: &[usize]) -> Vec<(u32, usize)> {
        let nodes = seam_nodes(cuts.iter().copied());
        nodes
            .iter()
            .map(|node| (node.level, node.first_leaf()))
            .collect()
    }

    #[test]
    fn pieces_are_their_fewest_nodes() {
        assert_eq!(shape(&[]), []);
        assert_eq!(shape(&[1024]), [(10, 0), (10, 1024)]);
        // Two blocks that end at the same place, one of them without leaves.
        assert_eq!(shape(&[1024, 1024]), shape(&[1024]));
        let six = [(2, 0), (1, 4), (1, 6), (3, 8), (4, 16), (5, 32), (6, 64)];
        let rest = [(7, 128), (8, 256), (9, 512), (10, 1024)];
        assert_eq!(shape(&[6]), [&six[..], &rest].concat());
        assert_eq!(seam_nodes(1..LEAVES).len(), LEAVES);
    }

    #[test]
    fn the_nodes_of_a_twig_lie_side_by_side() {
        for step in [1, 2, 3, 7, 100, 200, 1000, 1023, 1025, 2047] {
            let nodes = seam_nodes((step..LEAVES).step_by(step));
            let mut end = 0;
            for node in &nodes {
                assert_eq!(node.first_leaf(), end, "{step}");
                end = node.end_leaf();
                assert!(
                    (0..LEAVES)
                        .step_by(step)
                        .all(|cut| { cut <= node.first_leaf() || cut >= node.end_leaf() })
                );
            }
            assert_eq!(end, LEAVES, "{step}");
        }
    }
}
