//! Eight messages at a time, one in each 64-bit lane of a 512-bit register.
//!
//! The state is 25 registers of the 32 there are. AVX-512F has the two instructions that Keccak
//! asks for: a rotation, and any function of three words (`ternarylogic`), so that chi is one
//! instruction and theta one per word.

use super::groups::in_groups;
use super::messages::{any_ends, block, in_lanes, keep_ended, longest};
use super::rounds::{chi_row, permute, permute_short, round};
use super::{LAST_PADDING, LEAF_PADDING, NODE_PADDING, scalar};
use core::arch::x86_64::*;
use qmtree_proofs::keccak::RATE;
use qmtree_proofs::{Digest, LEAF_LEN, PAIR_LEN};

/// Messages in a group.
pub(super) const LANES: usize = 8;

type V = __m512i;

/// Hashes each leaf.
#[target_feature(enable = "avx512f,bmi1,bmi2")]
pub(super) fn hash_leaves(leaves: &[[u8; LEAF_LEN]], out: &mut [Digest]) {
    in_groups(
        leaves,
        out,
        |group, digests| leaf_group(group, digests),
        |leaf| scalar::hash_leaf(leaf),
    );
}

/// Hashes each pair under `tag`.
#[target_feature(enable = "avx512f,bmi1,bmi2")]
pub(super) fn hash_nodes(tag: u8, pairs: &[[u8; PAIR_LEN]], out: &mut [Digest]) {
    in_groups(
        pairs,
        out,
        |group, digests| node_group(tag, group, digests),
        |pair| scalar::hash_node(tag, pair),
    );
}

/// Hashes each message.
#[target_feature(enable = "avx512f,bmi1,bmi2")]
pub(super) fn hash_messages(messages: &[&[u8]], out: &mut [Digest]) {
    in_lanes(
        messages,
        out,
        |group, digests| message_group(group, digests),
        |message| scalar::hash_message(message),
    );
}

#[inline(never)]
#[target_feature(enable = "avx512f")]
fn leaf_group(leaves: &[[u8; LEAF_LEN]; LANES], out: &mut [Digest; LANES]) {
    let halves = leaves.as_flattened().as_chunks().0;
    let &[
        a0,
        a1,
        b0,
        b1,
        c0,
        c1,
        d0,
        d1,
        e0,
        e1,
        f0,
        f1,
        g0,
        g1,
        h0,
        h1,
    ] = halves
    else {
        unreachable!("eight leaves are sixteen halves")
    };
    let front = transpose([&a0, &b0, &c0, &d0, &e0, &f0, &g0, &h0].map(|half| load(half)));
    let back = transpose([&a1, &b1, &c1, &d1, &e1, &f1, &g1, &h1].map(|half| load(half)));
    let mut state = [splat(0); 25];
    state[..8].copy_from_slice(&front);
    state[8..16].copy_from_slice(&back);
    state[16] = splat(LEAF_PADDING);
    store_digests(permute_short!(state), out);
}

#[inline(never)]
#[target_feature(enable = "avx512f")]
fn node_group(tag: u8, pairs: &[[u8; PAIR_LEN]; LANES], out: &mut [Digest; LANES]) {
    let words = transpose(pairs.each_ref().map(|pair| load(pair)));
    let mut state = [splat(0); 25];
    // The tag pushes every byte up by one: rotate each word, then swap the bytes that went round.
    let mut carry = splat(u64::from(tag));
    for (shifted, word) in state.iter_mut().zip(words) {
        let turned = rol::<8>(word);
        *shifted = low_byte_from(carry, turned);
        carry = turned;
    }
    state[8] = low_byte_from(carry, splat(NODE_PADDING));
    state[16] = splat(LAST_PADDING);
    store_digests(permute_short!(state), out);
}

#[inline(never)]
#[target_feature(enable = "avx512f")]
fn message_group(messages: &[&[u8]; LANES], out: &mut [Digest; LANES]) {
    let mut state = [splat(0); 25];
    for index in 0..longest(messages) {
        let blocks = messages.map(|message| block(message, index));
        absorb(&mut state, &blocks);
        state = permute!(state);
        if any_ends(messages, index) {
            let [d0, d1, d2, d3, ..] = state;
            let mut digests = [[0; 32]; LANES];
            store_digests([d0, d1, d2, d3], &mut digests);
            keep_ended(messages, index, &digests, out);
        }
    }
}

/// Mixes one block of each message into the state: two halves of eight words, and a last word.
#[inline]
#[target_feature(enable = "avx512f")]
fn absorb(state: &mut [V; 25], blocks: &[[u8; RATE]; LANES]) {
    let parts = blocks.each_ref().map(|block| {
        let ([front, back], rest) = block.as_chunks::<64>() else {
            unreachable!("a block is two halves of eight words and one more")
        };
        (load(front), load(back), rest)
    });
    let front = transpose(parts.map(|(front, _, _)| front));
    let back = transpose(parts.map(|(_, back, _)| back));
    let mut last = [0; 64];
    for (word, (_, _, rest)) in last.as_chunks_mut::<8>().0.iter_mut().zip(parts) {
        word.copy_from_slice(rest);
    }
    let words = front.into_iter().chain(back).chain([load(&last)]);
    for (word, mixed) in state.iter_mut().zip(words) {
        *word = xor(*word, mixed);
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn splat(word: u64) -> V {
    _mm512_set1_epi64(word.cast_signed())
}

#[inline]
#[target_feature(enable = "avx512f")]
fn xor(a: V, b: V) -> V {
    _mm512_xor_si512(a, b)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn xor3(a: V, b: V, c: V) -> V {
    _mm512_ternarylogic_epi64::<0x96>(a, b, c)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn chi(a: V, b: V, c: V) -> V {
    _mm512_ternarylogic_epi64::<0xD2>(a, b, c)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn rol<const N: i32>(a: V) -> V {
    _mm512_rol_epi64::<N>(a)
}

/// `rest`, its lowest byte in each lane taken from `low`.
#[inline]
#[target_feature(enable = "avx512f")]
fn low_byte_from(low: V, rest: V) -> V {
    // The function "mask ? low : rest" of three bits.
    _mm512_ternarylogic_epi64::<0xCA>(splat(0xFF), low, rest)
}

/// Turns eight messages of eight words into eight words of eight messages.
#[inline]
#[target_feature(enable = "avx512f")]
fn transpose(m: [V; 8]) -> [V; 8] {
    // Words of two messages side by side; even words, then odd.
    let even01 = _mm512_unpacklo_epi64(m[0], m[1]);
    let even23 = _mm512_unpacklo_epi64(m[2], m[3]);
    let even45 = _mm512_unpacklo_epi64(m[4], m[5]);
    let even67 = _mm512_unpacklo_epi64(m[6], m[7]);
    let odd01 = _mm512_unpackhi_epi64(m[0], m[1]);
    let odd23 = _mm512_unpackhi_epi64(m[2], m[3]);
    let odd45 = _mm512_unpackhi_epi64(m[4], m[5]);
    let odd67 = _mm512_unpackhi_epi64(m[6], m[7]);
    // Of four messages, two words each.
    let w04_low = _mm512_shuffle_i64x2::<0x88>(even01, even23);
    let w26_low = _mm512_shuffle_i64x2::<0xDD>(even01, even23);
    let w04_high = _mm512_shuffle_i64x2::<0x88>(even45, even67);
    let w26_high = _mm512_shuffle_i64x2::<0xDD>(even45, even67);
    let w15_low = _mm512_shuffle_i64x2::<0x88>(odd01, odd23);
    let w37_low = _mm512_shuffle_i64x2::<0xDD>(odd01, odd23);
    let w15_high = _mm512_shuffle_i64x2::<0x88>(odd45, odd67);
    let w37_high = _mm512_shuffle_i64x2::<0xDD>(odd45, odd67);
    [
        _mm512_shuffle_i64x2::<0x88>(w04_low, w04_high),
        _mm512_shuffle_i64x2::<0x88>(w15_low, w15_high),
        _mm512_shuffle_i64x2::<0x88>(w26_low, w26_high),
        _mm512_shuffle_i64x2::<0x88>(w37_low, w37_high),
        _mm512_shuffle_i64x2::<0xDD>(w04_low, w04_high),
        _mm512_shuffle_i64x2::<0xDD>(w15_low, w15_high),
        _mm512_shuffle_i64x2::<0xDD>(w26_low, w26_high),
        _mm512_shuffle_i64x2::<0xDD>(w37_low, w37_high),
    ]
}

/// Writes the digests of eight messages from their four words.
#[inline]
#[target_feature(enable = "avx512f")]
fn store_digests(d: [V; 4], out: &mut [Digest; LANES]) {
    // Half digests: of the even messages in `even*`, of the odd ones in `odd*`.
    let even01 = _mm512_unpacklo_epi64(d[0], d[1]);
    let odd01 = _mm512_unpackhi_epi64(d[0], d[1]);
    let even23 = _mm512_unpacklo_epi64(d[2], d[3]);
    let odd23 = _mm512_unpackhi_epi64(d[2], d[3]);
    // Whole digests, two in each register.
    let low = _mm512_set_epi64(11, 10, 3, 2, 9, 8, 1, 0);
    let high = _mm512_set_epi64(15, 14, 7, 6, 13, 12, 5, 4);
    let m02 = _mm512_permutex2var_epi64(even01, low, even23);
    let m13 = _mm512_permutex2var_epi64(odd01, low, odd23);
    let m46 = _mm512_permutex2var_epi64(even01, high, even23);
    let m57 = _mm512_permutex2var_epi64(odd01, high, odd23);
    let rows = [
        _mm512_shuffle_i64x2::<0x44>(m02, m13),
        _mm512_shuffle_i64x2::<0xEE>(m02, m13),
        _mm512_shuffle_i64x2::<0x44>(m46, m57),
        _mm512_shuffle_i64x2::<0xEE>(m46, m57),
    ];
    for (bytes, row) in out
        .as_flattened_mut()
        .as_chunks_mut()
        .0
        .iter_mut()
        .zip(rows)
    {
        store(bytes, row);
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load(bytes: &[u8; 64]) -> V {
    // SAFETY: the reference covers the 64 bytes read, and this load needs no alignment.
    unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn store(bytes: &mut [u8; 64], value: V) {
    // SAFETY: the reference covers the 64 bytes written, and this store needs no alignment.
    unsafe { _mm512_storeu_si512(bytes.as_mut_ptr().cast(), value) }
}
