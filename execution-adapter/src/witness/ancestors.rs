//! The line of headers before a block.

use super::error::{HeaderFault, WitnessError};
use super::pool::decode_header;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use alloy_consensus::Header;
use alloy_primitives::{B256, Bytes, keccak256};

/// Hashes of the blocks before a block, and its parent's header.
#[derive(Clone, Debug, Default)]
pub struct Ancestors {
    parent: Option<Header>,
    hashes: BTreeMap<u64, B256>,
}

impl Ancestors {
    /// Checks that `headers` lead from the parent of `block` back without a gap, in whatever order
    /// they are listed. One hash per header.
    ///
    /// The block itself proves the hash of its parent, and every header that of the one before it,
    /// so n headers prove n + 1 hashes.
    ///
    /// # Errors
    /// [`WitnessError::Header`] for a header that does not decode or does not belong to that line.
    pub fn verify(block: &Header, headers: &[Bytes]) -> Result<Self, WitnessError> {
        let decoded: Result<Vec<Header>, _> = headers
            .iter()
            .enumerate()
            .map(|(index, rlp)| decode_header(rlp, index))
            .collect();
        let decoded = decoded?;
        Self::of(block, headers.iter().map(keccak256).zip(&decoded))
    }

    /// The same from headers that were hashed and decoded before.
    pub(super) fn of<'h>(
        block: &Header,
        headers: impl Iterator<Item = (B256, &'h Header)>,
    ) -> Result<Self, WitnessError> {
        let line: BTreeMap<(u64, B256), (usize, &Header)> = headers
            .enumerate()
            .map(|(index, (hash, header))| ((header.number, hash), (index, header)))
            .collect();
        let mut ancestors = Self::default();
        let mut child = block;
        for ((number, hash), (index, header)) in line.iter().rev() {
            let expected = child.number.checked_sub(1);
            let fault = match expected {
                Some(expected) if expected == *number => None,
                _ => Some(HeaderFault::Number {
                    found: *number,
                    expected: expected.unwrap_or_default(),
                }),
            };
            let fault = fault.or_else(|| {
                (child.parent_hash != *hash).then_some(HeaderFault::Hash {
                    number: *number,
                    found: *hash,
                    expected: child.parent_hash,
                })
            });
            if let Some(fault) = fault {
                let index = *index;
                return Err(WitnessError::Header { index, fault });
            }
            ancestors.hashes.insert(*number, *hash);
            child = header;
        }
        if let Some(number) = child.number.checked_sub(1) {
            ancestors.hashes.insert(number, child.parent_hash);
        }
        let parent = line.into_values().next_back();
        ancestors.parent = parent.map(|(_, header)| header.clone());
        Ok(ancestors)
    }

    /// The parent's header, if it was there.
    #[must_use]
    pub const fn parent(&self) -> Option<&Header> {
        self.parent.as_ref()
    }

    /// The hash of block `number`, if the headers prove it.
    #[must_use]
    pub fn hash(&self, number: u64) -> Option<B256> {
        self.hashes.get(&number).copied()
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that fails may panic"
)]
mod tests {
    use super::*;

    /// A line of headers up to and with block `last`; the last one is the block.
    fn line(last: u64, len: u64) -> (Header, Vec<Bytes>) {
        let mut parent_hash = B256::repeat_byte(7);
        let mut headers = Vec::new();
        for number in last - len..last {
            let header = Header {
                number,
                parent_hash,
                ..Header::default()
            };
            parent_hash = header.hash_slow();
            headers.push(Bytes::from(alloy_rlp::encode(header)));
        }
        let block = Header {
            number: last,
            parent_hash,
            ..Header::default()
        };
        (block, headers)
    }

    #[test]
    fn headers_prove_hashes_to_one_before_the_oldest() {
        let (block, mut headers) = line(1000, 255);
        headers.reverse();
        headers.swap(3, 200);
        let ancestors = Ancestors::verify(&block, &headers).unwrap();
        assert_eq!(ancestors.parent().unwrap().number, 999);
        assert_eq!(ancestors.hash(999), Some(block.parent_hash));
        assert_eq!(ancestors.hash(744), Some(B256::repeat_byte(7)));
        assert_eq!(ancestors.hash(743), None);
        assert_eq!(ancestors.hash(1000), None);
        for number in 745..1000 {
            let hash = headers.iter().find_map(|rlp| {
                (decode_header(rlp, 0).unwrap().number == number).then(|| keccak256(rlp))
            });
            assert_eq!(ancestors.hash(number), hash);
        }
    }

    #[test]
    fn without_headers_the_parents_hash_is_known() {
        let (block, _) = line(5, 1);
        let ancestors = Ancestors::verify(&block, &[]).unwrap();
        assert_eq!(ancestors.hash(4), Some(block.parent_hash));
        assert!(ancestors.parent().is_none());
        let genesis = Header::default();
        assert!(Ancestors::verify(&genesis, &[]).unwrap().hashes.is_empty());
    }

    #[test]
    fn a_gap_a_stranger_and_a_flipped_bit_are_refused() {
        let (block, headers) = line(1000, 10);
        for dropped in 1..10 {
            let mut fewer = headers.clone();
            fewer.remove(dropped);
            let error = Ancestors::verify(&block, &fewer).unwrap_err();
            let fault = match error {
                WitnessError::Header { fault, .. } => fault,
                other => panic!("{other}"),
            };
            assert!(matches!(fault, HeaderFault::Number { .. }), "{fault}");
        }
        for (index, bit) in (0..10).zip([0usize, 77, 500, 901, 1234, 2222, 4000, 40, 41, 42]) {
            let mut flipped = headers.clone();
            let mut bytes = flipped[index].to_vec();
            let at = bit % bytes.len();
            bytes[at] ^= 1 << (bit % 8);
            flipped[index] = bytes.into();
            assert!(Ancestors::verify(&block, &flipped).is_err(), "{index}");
        }
        let mut stranger = headers.clone();
        stranger.push(Bytes::from(alloy_rlp::encode(&block)));
        assert!(Ancestors::verify(&block, &stranger).is_err());
        let mut long = headers[9].to_vec();
        long.push(0);
        let error = Ancestors::verify(&block, &[long.into()]).unwrap_err();
        assert!(matches!(
            error,
            WitnessError::Header {
                index: 0,
                fault: HeaderFault::Rlp(_)
            }
        ));
        let genesis = Header::default();
        assert!(Ancestors::verify(&genesis, &headers).is_err());
        let twice = [headers.clone(), headers].concat();
        assert!(Ancestors::verify(&block, &twice).is_ok());
    }
}
