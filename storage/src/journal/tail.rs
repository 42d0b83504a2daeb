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
    // What a torn block carried is data of others, and may look like anything.
    let own = tail.first_chunk().and_then(RecordFront::from_bytes);
    let own = own
        .filter(|front| front.seq == lost)
        .map_or(0, |front| front.length);
    let skip = usize::try_from(own).unwrap_or(usize::MAX);
    tail.array_windows::<FRONT_LEN>()
        .enumerate()
        .skip(skip)
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
    fn the_payload_of_a_torn_block_is_no_witness() {
        let forged = record(9, 9);
        let front = RecordFront {
            kind: 1,
            seq: 5,
            durable: 5,
            length: 200,
        };
        let mut torn = [&front.to_bytes()[..], &[0; 60], &forged].concat();
        assert_eq!(find_witness(&torn, 5), None);
        // Behind the lost record it counts.
        torn.resize(FRONT_LEN + 200 + 8, 0);
        torn.extend_from_slice(&forged);
        assert_eq!(find_witness(&torn, 5).map(|witness| witness.seq), Some(9));
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
