//! Tags: what a log keeps of the hash of a transaction.

use alloy_primitives::B256;

/// Bytes of a [`Tag`].
pub const TAG_LEN: usize = 8;

/// The first eight bytes of the hash of the transaction that made a leaf; [`NO_TAG`] if none did.
///
/// A tag finds a leaf by its transaction and proves nothing: the leaf commits to the transaction
/// itself. Two transactions with one tag are both found, and whoever makes them on purpose has to
/// find 64 bits of a hash.
pub type Tag = [u8; TAG_LEN];

/// The tag of a leaf that no transaction made.
pub const NO_TAG: Tag = [0; TAG_LEN];

/// The tag of a transaction. Never [`NO_TAG`]: a hash that begins with eight zero bytes gets the
/// tag whose last byte is 1.
#[must_use]
pub fn tag_of(tx_hash: &B256) -> Tag {
    let tag = *tx_hash.first_chunk().expect("a hash has 32 bytes");
    if tag == NO_TAG {
        [0, 0, 0, 0, 0, 0, 0, 1]
    } else {
        tag
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_the_front_of_a_hash_and_never_none() {
        let hash = B256::from(std::array::from_fn(|i| [9, 8, 7, 6, 5, 4, 3, 2][i % 8]));
        assert_eq!(tag_of(&hash), [9, 8, 7, 6, 5, 4, 3, 2]);
        assert_eq!(tag_of(&B256::ZERO), [0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(tag_of(&B256::with_last_byte(7)), tag_of(&B256::ZERO));
    }
}
