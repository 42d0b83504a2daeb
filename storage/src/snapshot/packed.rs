//! Words that compress: values, witnesses and proofs, each a zstd frame of its own.

use std::io::{self, Read};

/// Level 3 is zstd's own default.
const LEVEL: i32 = 3;
/// Largest window that a frame may ask for: 8 MiB, what a reader takes memory for.
const MAX_WINDOW_LOG: u32 = 23;

/// Why a word is no packed value.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// It is more than the caller has room for.
    #[error("a packed word of more than {limit} bytes")]
    TooLong {
        /// The most that is unpacked.
        limit: usize,
    },
    /// It is no zstd frame, or a damaged one.
    #[error("a packed word is damaged")]
    Damaged {
        /// What zstd says.
        source: io::Error,
    },
    /// Bytes behind the frame.
    #[error("a packed word with something behind it")]
    Trailing,
}

/// Packs a word, with a checksum.
///
/// # Errors
/// [`PackError::Damaged`] if zstd has no memory.
pub fn pack_word(word: &[u8]) -> Result<Vec<u8>, PackError> {
    let damaged = |source| PackError::Damaged { source };
    let mut encoder = zstd::Encoder::new(Vec::new(), LEVEL).map_err(damaged)?;
    encoder.include_checksum(true).map_err(damaged)?;
    encoder.window_log(MAX_WINDOW_LOG).map_err(damaged)?;
    io::Write::write_all(&mut encoder, word).map_err(damaged)?;
    encoder.finish().map_err(damaged)
}

/// Unpacks a word of at most `limit` bytes.
///
/// Takes memory for what comes out, never for what a frame announces, and 8 MiB beside it.
///
/// # Errors
/// [`PackError`]: it does not unpack to so much, or is damaged.
pub fn unpack_word(packed: &[u8], limit: usize) -> Result<Vec<u8>, PackError> {
    let damaged = |source| PackError::Damaged { source };
    let mut rest = packed;
    let mut decoder = zstd::Decoder::with_buffer(&mut rest)
        .map_err(damaged)?
        .single_frame();
    decoder.window_log_max(MAX_WINDOW_LOG).map_err(damaged)?;
    let mut word = Vec::new();
    let most = (limit as u64).saturating_add(1);
    (&mut decoder)
        .take(most)
        .read_to_end(&mut word)
        .map_err(damaged)?;
    drop(decoder);
    if word.len() > limit {
        return Err(PackError::TooLong { limit });
    }
    if rest.is_empty() {
        Ok(word)
    } else {
        Err(PackError::Trailing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_round_trip() {
        for word in [&b""[..], b"a", &[7; 100_000]] {
            let packed = pack_word(word).unwrap();
            assert_eq!(unpack_word(&packed, word.len()).unwrap(), word);
            for len in 0..packed.len() {
                unpack_word(&packed[..len], 200_000).unwrap_err();
            }
            let longer = [&packed[..], &[0]].concat();
            assert!(matches!(
                unpack_word(&longer, 200_000),
                Err(PackError::Trailing)
            ));
        }
    }

    #[test]
    fn bombs_are_cut_off() {
        let bomb = pack_word(&vec![0; 64 << 20]).unwrap();
        assert!(bomb.len() < 10_000);
        let refused = unpack_word(&bomb, 1 << 20);
        assert!(matches!(
            refused,
            Err(PackError::TooLong { limit: 0x10_0000 })
        ));
        let mut wide = zstd::Encoder::new(Vec::new(), 1).unwrap();
        wide.window_log(27).unwrap();
        io::Write::write_all(&mut wide, &[7; 300_000]).unwrap();
        let wide = wide.finish().unwrap();
        assert!(matches!(
            unpack_word(&wide, 1 << 20),
            Err(PackError::Damaged { .. })
        ));
    }

    #[test]
    fn flipped_bits_are_noticed() {
        let packed = pack_word(b"some words, some words, and some more words").unwrap();
        for (at, bit) in (0..packed.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
            let mut flipped = packed.clone();
            flipped[at] ^= 1 << bit;
            if let Ok(word) = unpack_word(&flipped, 1000) {
                assert_eq!(word, b"some words, some words, and some more words");
            }
        }
    }
}
