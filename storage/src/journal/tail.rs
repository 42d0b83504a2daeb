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
/// What a torn block carries is data of others, and may look like anything but a record with the
/// salt of this file. Costs one pass, and the checksum of the body of each candidate. No
/// allocation.
pub(crate) fn find_witness(tail: &[u8], lost: u64, salt: u32) -> Option<Witness> {
    tail.array_windows::<FRONT_LEN>()
        .enumerate()
        .find_map(|(offset, window)| {
            // The first byte of the marker is enough to pass over nearly everything.
            if window.first() != Some(&b'Q') {
                return None;
            }
            let front = RecordFront::from_bytes(window, salt)?;
            if front.seq <= lost || front.durable <= lost {
                return None;
            }
            let record = WholeRecord::read(tail.get(offset..)?, salt)?;
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

    const SALT: u32 = 77;

    fn record(seq: u64, durable: u64) -> Vec<u8> {
        salted(SALT, seq, durable)
    }

    fn salted(salt: u32, seq: u64, durable: u64) -> Vec<u8> {
        let front = RecordFront {
            kind: 1,
            seq,
            durable,
            length: 3,
        };
        [
            &front.to_bytes(salt)[..],
            b"abc",
            &record_back(crc32c::crc32c_append(salt, b"abc")),
        ]
        .concat()
    }

    #[test]
    fn only_whole_later_records_that_know_of_a_sync_are_witnesses() {
        let find = |record: &[u8]| find_witness(&[b"torn Q QMR1", record, b"x"].concat(), 5, SALT);
        assert_eq!(find(&record(7, 6)), Some(Witness { seq: 7, offset: 11 }));
        assert_eq!(find(&record(6, 6)), Some(Witness { seq: 6, offset: 11 }));
        assert_eq!(find(&record(7, 5)), None);
        assert_eq!(find(&record(5, 6)), None);
        for len in 0..record(7, 6).len() {
            assert_eq!(find_witness(&record(7, 6)[..len], 5, SALT), None);
        }
        let mut flipped = record(7, 6);
        flipped[41] ^= 1;
        assert_eq!(find(&flipped), None);
    }

    #[test]
    fn the_payload_of_a_torn_block_is_no_witness() {
        // Whoever chose the payload may know everything but the salt.
        let torn = |salt| [&[0; 100][..], &salted(salt, 9, 9), &[0; 9]].concat();
        for salt in [0, 1, SALT + 1, !SALT] {
            assert_eq!(find_witness(&torn(salt), 5, SALT), None);
        }
        let witness = find_witness(&torn(SALT), 5, SALT);
        assert_eq!(
            witness,
            Some(Witness {
                seq: 9,
                offset: 100
            })
        );
    }

    #[test]
    fn the_first_byte_of_the_tail_counts_too() {
        // A record with the wrong number stands where the lost one should.
        assert_eq!(
            find_witness(&record(9, 9), 5, SALT),
            Some(Witness { seq: 9, offset: 0 })
        );
    }
}
