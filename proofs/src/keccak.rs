//! Keccak-256 in safe portable Rust, first of all of messages that fit one permutation (at most 135
//! bytes).
//!
//! Every message of the Keccak profile is that short: a leaf has 128 bytes, a node 65, a head 111.
//! The fixed length buys three things over a general sponge: no buffer, constant padding, and a
//! last round that computes only the four digest words. The state index is `x + 5 * y`.
//!
//! The permutation is public, but hidden, so that `qmtree-kernels` compiles the same code once
//! more with more CPU features turned on.

#![expect(
    clippy::indexing_slicing,
    reason = "every index is a constant below 25"
)]

use crate::hash::Digest;

/// Round constants of Keccak-f\[1600\] (FIPS 202, section 3.2.5).
pub const ROUND_CONSTANTS: [u64; 24] = [
    0x0000_0000_0000_0001,
    0x0000_0000_0000_8082,
    0x8000_0000_0000_808a,
    0x8000_0000_8000_8000,
    0x0000_0000_0000_808b,
    0x0000_0000_8000_0001,
    0x8000_0000_8000_8081,
    0x8000_0000_0000_8009,
    0x0000_0000_0000_008a,
    0x0000_0000_0000_0088,
    0x0000_0000_8000_8009,
    0x0000_0000_8000_000a,
    0x0000_0000_8000_808b,
    0x8000_0000_0000_008b,
    0x8000_0000_0000_8089,
    0x8000_0000_0000_8003,
    0x8000_0000_0000_8002,
    0x8000_0000_0000_0080,
    0x0000_0000_0000_800a,
    0x8000_0000_8000_000a,
    0x8000_0000_8000_8081,
    0x8000_0000_0000_8080,
    0x0000_0000_8000_0001,
    0x8000_0000_8000_8008,
];

/// Bytes absorbed by one permutation of Keccak-256.
pub const RATE: usize = 136;

/// Keccak-256 of `message`, which must leave room for the padding.
///
/// # Panics
/// At compile time if `LEN` is 136 or more.
#[inline]
#[must_use]
pub fn keccak256_short<const LEN: usize>(message: &[u8; LEN]) -> Digest {
    const { assert!(LEN < RATE, "one permutation absorbs at most 135 bytes") };
    let mut block = [0u8; RATE];
    let (head, padding) = block.split_at_mut(LEN);
    head.copy_from_slice(message);
    if let Some(first) = padding.first_mut() {
        *first = 0x01;
    }
    if let Some(last) = padding.last_mut() {
        *last |= 0x80;
    }
    let mut state = [0u64; 25];
    for (word, bytes) in state.iter_mut().zip(block.as_chunks::<8>().0) {
        *word = u64::from_le_bytes(*bytes);
    }
    digest_bytes(permute_short(state))
}

/// The digest whose four words `permute_short` returned.
#[inline(always)]
#[must_use]
pub fn digest_bytes(words: [u64; 4]) -> Digest {
    let mut out = [0u8; 32];
    for (bytes, word) in out.as_chunks_mut::<8>().0.iter_mut().zip(words) {
        *bytes = word.to_le_bytes();
    }
    out
}

/// Keccak-f\[1600\] of an absorbed and padded state, first four words only.
#[inline(always)]
#[must_use]
pub fn permute_short(mut state: [u64; 25]) -> [u64; 4] {
    let mut round = 0;
    while round < 22 {
        state = full_round(state, ROUND_CONSTANTS[round]);
        state = full_round(state, ROUND_CONSTANTS[round + 1]);
        round += 2;
    }
    let [d0, d1, d2, d3, ..] =
        full_round(full_round(state, ROUND_CONSTANTS[22]), ROUND_CONSTANTS[23]);
    [d0, d1, d2, d3]
}

/// Keccak-256 of a message of any length, as Ethereum hashes trie nodes and codes.
#[inline(always)]
#[must_use]
pub fn keccak256(message: &[u8]) -> Digest {
    let mut state = [0u64; 25];
    let (blocks, rest) = message.as_chunks::<RATE>();
    for block in blocks {
        state = permute(absorbed(state, block));
    }
    let mut last = [0u8; RATE];
    for (byte, copy) in last.iter_mut().zip(rest.iter().chain(&[0x01])) {
        *byte = *copy;
    }
    last[RATE - 1] |= 0x80;
    digest_bytes(permute_short(absorbed(state, &last)))
}

/// The state with a block absorbed, before it is permuted.
#[inline(always)]
fn absorbed(mut state: [u64; 25], block: &[u8; RATE]) -> [u64; 25] {
    for (word, bytes) in state.iter_mut().zip(block.as_chunks::<8>().0) {
        *word ^= u64::from_le_bytes(*bytes);
    }
    state
}

/// Keccak-f\[1600\], all 25 words.
#[inline(always)]
fn permute(mut state: [u64; 25]) -> [u64; 25] {
    for [even, odd] in ROUND_CONSTANTS.as_chunks::<2>().0 {
        state = full_round(state, *even);
        state = full_round(state, *odd);
    }
    state
}

/// One round: theta, then rho, pi and chi row by row, then iota.
#[inline(always)]
fn full_round(a: [u64; 25], constant: u64) -> [u64; 25] {
    let column = |x: usize| a[x] ^ a[x + 5] ^ a[x + 10] ^ a[x + 15] ^ a[x + 20];
    let c = [column(0), column(1), column(2), column(3), column(4)];
    let d = [
        c[4] ^ c[1].rotate_left(1),
        c[0] ^ c[2].rotate_left(1),
        c[1] ^ c[3].rotate_left(1),
        c[2] ^ c[4].rotate_left(1),
        c[3] ^ c[0].rotate_left(1),
    ];
    // The lane at `i`, after theta, moved by rho: pi then reads it as the next lane of a row.
    let lane = |i: usize, turn: u32| (a[i] ^ d[i % 5]).rotate_left(turn);
    let r0 = chi([
        lane(0, 0),
        lane(6, 44),
        lane(12, 43),
        lane(18, 21),
        lane(24, 14),
    ]);
    let r1 = chi([
        lane(3, 28),
        lane(9, 20),
        lane(10, 3),
        lane(16, 45),
        lane(22, 61),
    ]);
    let r2 = chi([
        lane(1, 1),
        lane(7, 6),
        lane(13, 25),
        lane(19, 8),
        lane(20, 18),
    ]);
    let r3 = chi([
        lane(4, 27),
        lane(5, 36),
        lane(11, 10),
        lane(17, 15),
        lane(23, 56),
    ]);
    let r4 = chi([
        lane(2, 62),
        lane(8, 55),
        lane(14, 39),
        lane(15, 41),
        lane(21, 2),
    ]);
    [
        r0[0] ^ constant,
        r0[1],
        r0[2],
        r0[3],
        r0[4],
        r1[0],
        r1[1],
        r1[2],
        r1[3],
        r1[4],
        r2[0],
        r2[1],
        r2[2],
        r2[3],
        r2[4],
        r3[0],
        r3[1],
        r3[2],
        r3[3],
        r3[4],
        r4[0],
        r4[1],
        r4[2],
        r4[3],
        r4[4],
    ]
}

#[inline(always)]
fn chi(b: [u64; 5]) -> [u64; 5] {
    [
        b[0] ^ (!b[1] & b[2]),
        b[1] ^ (!b[2] & b[3]),
        b[2] ^ (!b[3] & b[4]),
        b[3] ^ (!b[4] & b[0]),
        b[4] ^ (!b[0] & b[1]),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use tiny_keccak::Hasher;

    fn reference(message: &[u8]) -> Digest {
        let mut hasher = tiny_keccak::Keccak::v256();
        let mut out = [0u8; 32];
        hasher.update(message);
        hasher.finalize(&mut out);
        out
    }

    fn check<const LEN: usize>() {
        let mut message = [0u8; LEN];
        for round in 0..64u8 {
            for (byte, i) in message.iter_mut().zip(0u8..) {
                *byte = reference(&[round, i])[0];
            }
            assert_eq!(
                keccak256_short(&message),
                reference(&message),
                "{LEN} bytes"
            );
        }
    }

    #[test]
    fn equals_tiny_keccak_at_every_length_in_use_and_at_the_edges() {
        check::<0>();
        check::<1>();
        check::<7>();
        check::<8>();
        check::<64>();
        check::<65>();
        check::<111>();
        check::<128>();
        check::<134>();
        check::<135>();
    }

    #[test]
    fn a_message_of_any_length_equals_tiny_keccak() {
        let message: alloc::vec::Vec<u8> = (0..1000u32).map(|i| (i * i % 251) as u8).collect();
        for len in (0..300).chain([407, 408, 409, 532, 544, 1000]) {
            let message = &message[..len];
            assert_eq!(keccak256(message), reference(message), "{len} bytes");
        }
    }
}
