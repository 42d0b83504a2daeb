//! What a segment is made of: complete twigs, however they lie in memory.

use super::twig::Twig;
use crate::tag::Tag;
use qmtree_proofs::{Digest, PAYLOAD_LEN, TwigId};
use std::borrow::Cow;
use std::sync::Arc;

/// A complete twig that can be written into a segment.
pub trait SealableTwig {
    /// Number of the twig.
    fn twig_id(&self) -> TwigId;

    /// Hash of the leaf before the twig; zero for twig 0.
    fn previous_leaf_hash(&self) -> Digest;

    /// Words 0 to 2 of all 2048 leaves, in order, in as many pieces as they lie in.
    fn payload_pieces(&self) -> impl Iterator<Item = &[[u8; PAYLOAD_LEN]]>;

    /// The tag of each of the 2048 leaves' transactions; `None` if no leaf has one.
    fn tags(&self) -> Option<Cow<'_, [Tag]>>;

    /// A node of levels 0 to 11 by its index in the twig; `None` if the twig has no such node.
    fn node(&self, level: u32, index: u64) -> Option<Digest>;
}

impl SealableTwig for Arc<Twig> {
    fn twig_id(&self) -> TwigId {
        Twig::twig_id(self)
    }

    fn previous_leaf_hash(&self) -> Digest {
        Twig::previous_leaf_hash(self)
    }

    fn payload_pieces(&self) -> impl Iterator<Item = &[[u8; PAYLOAD_LEN]]> {
        std::iter::once(self.payloads())
    }

    fn tags(&self) -> Option<Cow<'_, [Tag]>> {
        Twig::tags(self).map(Cow::Borrowed)
    }

    fn node(&self, level: u32, index: u64) -> Option<Digest> {
        Twig::node(self, level, index)
    }
}
