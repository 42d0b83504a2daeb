//! Tells a torn tail, which a crash leaves, from damage, which it does not.

use crate::journal::record::{FRONT_LEN, RecordFront, WholeRecord};

/// A whole record that says that an earlier one had been synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Witness {
    pub(crate) seq: u64,
    /// Where it begins, from the start of the tail.
    pub(crate) offset: usize,
}

/// Looks through `tail`, which begins with a record `lost` that is not whole, for a whole record that
/// says that `lost` had been synced.
///
/// Costs one pass, and the checksum of the body of each candidate. No allocation.
pub(crate) fn find_witness(tail: &[u8], lost: u64) -> Option<Witness> {
    tail.array_windows::<FRONT_LEN>()
        .enumerate()
        .find_map(|(offset, window)| {
            // The first byte of the marker is enough to pass over nearly everything.
            if window.first() != Some(&b'Q') {
                return None;
            }
            let front = RecordFront::from_bytes(window)?;
            if front.seq <= lost || front.durable <= lost {
                return None;
            }
            let record = WholeRecord::read(tail.get(offset..)?)?;
            Some(Witness {
                seq: record.front.seq,
                offset,
            })
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::record::record_back;

    fn record(seq: u64, durable: u64) -> Vec<u8> {
        let front = RecordFront {
            kind: 1,
            seq,
            durable,
            length: 3,
        };
        [
            &front.to_bytes()[..],
            b"abc",
            &record_back(crc32c::crc32c(b"abc")),
        ]
        .concat()
    }

    #[test]
    fn only_whole_later_records_that_know_of_a_sync_are_witnesses() {
        let find = |record: &[u8]| find_witness(&[b"torn Q QMR1", record, b"x"].concat(), 5);
        assert_eq!(find(&record(7, 6)), Some(Witness { seq: 7, offset: 11 }));
        assert_eq!(find(&record(6, 6)), Some(Witness { seq: 6, offset: 11 }));
        assert_eq!(find(&record(7, 5)), None);
        assert_eq!(find(&record(5, 6)), None);
        for len in 0..record(7, 6).len() {
            assert_eq!(find_witness(&record(7, 6)[..len], 5), None);
        }
        let mut flipped = record(7, 6);
        flipped[41] ^= 1;
        assert_eq!(find(&flipped), None);
    }

    #[test]
    fn the_first_byte_of_the_tail_counts_too() {
        // A record with the wrong number stands where the lost one should.
        assert_eq!(
            find_witness(&record(9, 9), 5),
            Some(Witness { seq: 9, offset: 0 })
        );
    }
}
