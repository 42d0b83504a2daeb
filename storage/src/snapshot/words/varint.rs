//! Variable-length integers: seven bits a byte, low bits first, as Go's `binary.Uvarint`.

/// Reads a number and what follows it. `None` if the bytes end in it, if it has more than 64 bits,
/// or if a shorter spelling exists.
pub(crate) fn read(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0_u64;
    for (place, byte) in bytes.iter().take(10).enumerate() {
        let low = u64::from(byte & 0x7f);
        let shift = 7 * u32::try_from(place).ok()?;
        let shifted = low.checked_shl(shift)?;
        if shifted >> shift != low {
            return None;
        }
        value |= shifted;
        if byte & 0x80 == 0 {
            let shortest = place == 0 || *byte != 0;
            return shortest.then_some((value, bytes.get(place + 1..)?));
        }
    }
    None
}

/// Appends a number, 1 to 10 bytes.
pub(crate) fn write(mut value: u64, out: &mut Vec<u8>) {
    loop {
        let [low, ..] = value.to_le_bytes();
        value >>= 7;
        if value == 0 {
            out.push(low & 0x7f);
            return;
        }
        out.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_round_trip_and_have_one_spelling() {
        for value in [0, 1, 127, 128, 300, 1 << 35, u64::MAX - 1, u64::MAX] {
            let mut bytes = Vec::new();
            write(value, &mut bytes);
            assert_eq!(read(&bytes), Some((value, &[][..])));
            for len in 0..bytes.len() {
                assert_eq!(read(&bytes[..len]), None);
            }
            bytes.push(7);
            assert_eq!(read(&bytes), Some((value, &[7][..])));
        }
        assert_eq!(read(&[0x80, 0]), None, "a longer spelling of 0");
        let too_large = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2];
        assert_eq!(read(&too_large), None);
        assert_eq!(read(&[0x80; 11]), None);
    }
}
