//! Bits in bytes, low bit first.

/// Reads bits of a slice from a byte on.
#[derive(Clone, Copy, Debug)]
pub(super) struct BitReader<'a> {
    bytes: &'a [u8],
    byte: usize,
    bit: u32,
}

impl<'a> BitReader<'a> {
    pub(super) fn new(bytes: &'a [u8], byte: usize) -> Self {
        Self {
            bytes,
            byte,
            bit: 0,
        }
    }

    /// The next bit, 0 or 1; `None` behind the end.
    pub(super) fn bit(&mut self) -> Option<usize> {
        let byte = self.bytes.get(self.byte)?;
        let bit = usize::from(byte >> self.bit & 1);
        self.bit += 1;
        if self.bit == 8 {
            self.byte += 1;
            self.bit = 0;
        }
        Some(bit)
    }

    /// The first byte that no bit was read from; `None` if a bit between is not zero.
    pub(super) fn align(self) -> Option<usize> {
        if self.bit == 0 {
            return Some(self.byte);
        }
        let rest = self.bytes.get(self.byte)? >> self.bit;
        (rest == 0).then_some(self.byte + 1)
    }
}

/// Appends codes of up to 50 bits and pads the last byte with zeros.
pub(super) fn pack(codes: &[(u64, u32)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut used = 8;
    for (code, len) in codes {
        for place in 0..*len {
            if used == 8 {
                bytes.push(0);
                used = 0;
            }
            let [bit, ..] = (code >> place & 1).to_le_bytes();
            if let Some(last) = bytes.last_mut() {
                *last |= bit << used;
            }
            used += 1;
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_codes_are_read_back() {
        let codes = [(0b101, 3), (0, 0), (0b11, 2), (0x3_ffff_0000_ffff, 50)];
        let bytes = pack(&codes);
        assert_eq!(bytes.len(), 7);
        let mut reader = BitReader::new(&bytes, 0);
        for (code, len) in codes {
            let read = (0..len).fold(0, |read, place| {
                read | (reader.bit().unwrap() as u64) << place
            });
            assert_eq!(read, code);
        }
        assert_eq!(reader.align(), Some(7));
        assert_eq!(BitReader::new(&[1], 0).align(), Some(0));
        let mut reader = BitReader::new(&[0b10], 0);
        reader.bit().unwrap();
        assert_eq!(reader.align(), None, "a bit of the padding is set");
        assert_eq!(BitReader::new(&[], 0).bit(), None);
    }
}
