//! The BLAKE3 compression of one full block, in general registers.
//!
//! A lone block leaves the lanes of a vector kernel empty, and there every step waits for the one
//! before it: on recent CPUs plain integer code is faster, the more so where it is compiled into
//! the loop of a chain (docs/decisions/0002-hashing-kernels.md).

use super::IV;

/// The chaining value after a block of 64 bytes of the first chunk.
#[inline(always)]
pub(super) fn compress(cv: [u32; 8], block: [u32; 16], flags: u8) -> [u32; 8] {
    let [h0, h1, h2, h3, h4, h5, h6, h7] = cv;
    // Columns of the state: the last word of each is chunk counter (low, high), length, flags.
    let state = [
        [h0, h4, IV[0], 0],
        [h1, h5, IV[1], 0],
        [h2, h6, IV[2], 64],
        [h3, h7, IV[3], u32::from(flags)],
    ];
    let (state, block) = (round(state, &block), permute(&block));
    let (state, block) = (round(state, &block), permute(&block));
    let (state, block) = (round(state, &block), permute(&block));
    let (state, block) = (round(state, &block), permute(&block));
    let (state, block) = (round(state, &block), permute(&block));
    let (state, block) = (round(state, &block), permute(&block));
    let [
        [a0, b0, c0, d0],
        [a1, b1, c1, d1],
        [a2, b2, c2, d2],
        [a3, b3, c3, d3],
    ] = round(state, &block);
    [
        a0 ^ c0,
        a1 ^ c1,
        a2 ^ c2,
        a3 ^ c3,
        b0 ^ d0,
        b1 ^ d1,
        b2 ^ d2,
        b3 ^ d3,
    ]
}

/// Mixes the columns, then the diagonals.
#[inline(always)]
fn round([p, q, r, s]: [[u32; 4]; 4], m: &[u32; 16]) -> [[u32; 4]; 4] {
    let [a0, b0, c0, d0] = mix(p, m[0], m[1]);
    let [a1, b1, c1, d1] = mix(q, m[2], m[3]);
    let [a2, b2, c2, d2] = mix(r, m[4], m[5]);
    let [a3, b3, c3, d3] = mix(s, m[6], m[7]);
    let [a0, b1, c2, d3] = mix([a0, b1, c2, d3], m[8], m[9]);
    let [a1, b2, c3, d0] = mix([a1, b2, c3, d0], m[10], m[11]);
    let [a2, b3, c0, d1] = mix([a2, b3, c0, d1], m[12], m[13]);
    let [a3, b0, c1, d2] = mix([a3, b0, c1, d2], m[14], m[15]);
    [
        [a0, b0, c0, d0],
        [a1, b1, c1, d1],
        [a2, b2, c2, d2],
        [a3, b3, c3, d3],
    ]
}

/// The quarter round `G` of the specification.
#[inline(always)]
fn mix([a, b, c, d]: [u32; 4], x: u32, y: u32) -> [u32; 4] {
    let a = a.wrapping_add(x).wrapping_add(b);
    let d = (d ^ a).rotate_right(16);
    let c = c.wrapping_add(d);
    let b = (b ^ c).rotate_right(12);
    let a = a.wrapping_add(y).wrapping_add(b);
    let d = (d ^ a).rotate_right(8);
    let c = c.wrapping_add(d);
    let b = (b ^ c).rotate_right(7);
    [a, b, c, d]
}

/// The order of the message words in the next round (BLAKE3 specification, table 2).
#[inline(always)]
fn permute(m: &[u32; 16]) -> [u32; 16] {
    [
        m[2], m[6], m[3], m[10], m[7], m[0], m[4], m[13], m[1], m[11], m[12], m[5], m[9], m[14],
        m[15], m[8],
    ]
}
