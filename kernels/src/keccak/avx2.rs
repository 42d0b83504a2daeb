//! Four messages at a time, one in each 64-bit lane of a 256-bit register.
//!
//! For CPUs without AVX-512. There are 16 registers for 25 words, so the state lives partly on
//! the stack, and a rotation is two shifts and an or.

use super::groups::in_groups;
use super::messages::{any_ends, block, in_lanes, keep_ended, longest};
use super::rounds::{chi_row, permute, permute_short, round};
use super::{LAST_PADDING, LEAF_PADDING, NODE_PADDING, scalar};
use core::arch::x86_64::*;
use qmtree_proofs::keccak::RATE;
use qmtree_proofs::{Digest, LEAF_LEN, PAIR_LEN};

/// Messages in a group.
pub(super) const LANES: usize = 4;

type V = __m256i;

/// Hashes each leaf.
#[target_feature(enable = "avx2,bmi1,bmi2")]
pub(super) fn hash_leaves(leaves: &[[u8; LEAF_LEN]], out: &mut [Digest]) {
    in_groups(
        leaves,
        out,
        |group, digests| leaf_group(group, digests),
        |leaf| scalar::hash_leaf(leaf),
    );
}

/// Hashes each pair under `tag`.
#[target_feature(enable = "avx2,bmi1,bmi2")]
pub(super) fn hash_nodes(tag: u8, pairs: &[[u8; PAIR_LEN]], out: &mut [Digest]) {
    in_groups(
        pairs,
        out,
        |group, digests| node_group(tag, group, digests),
        |pair| scalar::hash_node(tag, pair),
    );
}

/// Hashes each message.
#[target_feature(enable = "avx2,bmi1,bmi2")]
pub(super) fn hash_messages(messages: &[&[u8]], out: &mut [Digest]) {
    in_lanes(
        messages,
        out,
        |group, digests| message_group(group, digests),
        |message| scalar::hash_message(message),
    );
}

#[inline(never)]
#[target_feature(enable = "avx2")]
fn leaf_group(leaves: &[[u8; LEAF_LEN]; LANES], out: &mut [Digest; LANES]) {
    let mut state = [splat(0); 25];
    absorb(&mut state, leaves);
    state[16] = splat(LEAF_PADDING);
    store_digests(permute_short!(state), out);
}

#[inline(never)]
#[target_feature(enable = "avx2")]
fn node_group(tag: u8, pairs: &[[u8; PAIR_LEN]; LANES], out: &mut [Digest; LANES]) {
    let mut words = [splat(0); 8];
    absorb(&mut words, pairs);
    let mut state = [splat(0); 25];
    // The tag pushes every byte up by one.
    let mut carry = splat(u64::from(tag));
    for (shifted, word) in state.iter_mut().zip(words) {
        *shifted = xor(_mm256_slli_epi64::<8>(word), carry);
        carry = _mm256_srli_epi64::<56>(word);
    }
    state[8] = xor(splat(NODE_PADDING), carry);
    state[16] = splat(LAST_PADDING);
    store_digests(permute_short!(state), out);
}

#[inline(never)]
#[target_feature(enable = "avx2")]
fn message_group(messages: &[&[u8]; LANES], out: &mut [Digest; LANES]) {
    let mut state = [splat(0); 25];
    for index in 0..longest(messages) {
        let blocks = messages.map(|message| block(message, index));
        absorb_block(&mut state, &blocks);
        state = permute!(state);
        if any_ends(messages, index) {
            let [d0, d1, d2, d3, ..] = state;
            let mut digests = [[0; 32]; LANES];
            store_digests([d0, d1, d2, d3], &mut digests);
            keep_ended(messages, index, &digests, out);
        }
    }
}

/// Mixes one block of each message into the state: sixteen words, four at a time, and a last one.
#[inline]
#[target_feature(enable = "avx2")]
fn absorb_block(state: &mut [V; 25], blocks: &[[u8; RATE]; LANES]) {
    let mut words = [splat(0); 16];
    absorb(&mut words, blocks);
    let mut last = [0; 32];
    for (word, block) in last.as_chunks_mut::<8>().0.iter_mut().zip(blocks) {
        word.copy_from_slice(block.as_chunks::<32>().1);
    }
    for (word, mixed) in state.iter_mut().zip(words.into_iter().chain([load(&last)])) {
        *word = xor(*word, mixed);
    }
}

/// Puts the words of four messages into the front of `state`, four words at a time.
#[inline]
#[target_feature(enable = "avx2")]
fn absorb<const LEN: usize>(state: &mut [V], messages: &[[u8; LEN]; LANES]) {
    let [a, b, c, d] = messages.each_ref().map(|message| message.as_chunks().0);
    let rows = a.iter().zip(b).zip(c.iter().zip(d));
    for (words, ((a, b), (c, d))) in state.as_chunks_mut().0.iter_mut().zip(rows) {
        *words = transpose([load(a), load(b), load(c), load(d)]);
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn splat(word: u64) -> V {
    _mm256_set1_epi64x(word.cast_signed())
}

#[inline]
#[target_feature(enable = "avx2")]
fn xor(a: V, b: V) -> V {
    _mm256_xor_si256(a, b)
}

#[inline]
#[target_feature(enable = "avx2")]
fn xor3(a: V, b: V, c: V) -> V {
    // `b ^ c` is shared by the five words of a column.
    _mm256_xor_si256(a, _mm256_xor_si256(b, c))
}

#[inline]
#[target_feature(enable = "avx2")]
fn chi(a: V, b: V, c: V) -> V {
    _mm256_xor_si256(a, _mm256_andnot_si256(b, c))
}

#[inline]
#[target_feature(enable = "avx2")]
fn rol<const N: u64>(a: V) -> V {
    // The counts are constants, so these become shifts by an immediate, or one byte shuffle.
    let left = _mm256_sllv_epi64(a, splat(N));
    let right = _mm256_srlv_epi64(a, splat(64 - N));
    _mm256_or_si256(left, right)
}

/// Turns four messages of four words into four words of four messages, and back.
#[inline]
#[target_feature(enable = "avx2")]
fn transpose(m: [V; 4]) -> [V; 4] {
    let even01 = _mm256_unpacklo_epi64(m[0], m[1]);
    let even23 = _mm256_unpacklo_epi64(m[2], m[3]);
    let odd01 = _mm256_unpackhi_epi64(m[0], m[1]);
    let odd23 = _mm256_unpackhi_epi64(m[2], m[3]);
    [
        _mm256_permute2x128_si256::<0x20>(even01, even23),
        _mm256_permute2x128_si256::<0x20>(odd01, odd23),
        _mm256_permute2x128_si256::<0x31>(even01, even23),
        _mm256_permute2x128_si256::<0x31>(odd01, odd23),
    ]
}

/// Writes the digests of four messages from their four words.
#[inline]
#[target_feature(enable = "avx2")]
fn store_digests(d: [V; 4], out: &mut [Digest; LANES]) {
    for (digest, row) in out.iter_mut().zip(transpose(d)) {
        store(digest, row);
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn load(bytes: &[u8; 32]) -> V {
    // SAFETY: the reference covers the 32 bytes read, and this load needs no alignment.
    unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn store(bytes: &mut [u8; 32], value: V) {
    // SAFETY: the reference covers the 32 bytes written, and this store needs no alignment.
    unsafe { _mm256_storeu_si256(bytes.as_mut_ptr().cast(), value) }
}
