//! Messages of any length: padded blocks of them, and groups of them that fill the lanes.

use qmtree_proofs::Digest;
use qmtree_proofs::keccak::RATE;

/// Blocks that a message takes. Padding needs at least one byte, so there is one more than it fills.
const fn block_count(message: &[u8]) -> usize {
    message.len() / RATE + 1
}

/// Block `index` of the padded message; zeros behind its end.
#[inline(always)]
pub(super) fn block(message: &[u8], index: usize) -> [u8; RATE] {
    let mut block = [0; RATE];
    let Some(rest) = message.get(index * RATE..) else {
        return block;
    };
    match rest.first_chunk() {
        Some(whole) => *whole,
        None => {
            for (byte, copy) in block.iter_mut().zip(rest.iter().chain(&[0x01])) {
                *byte = *copy;
            }
            block[RATE - 1] |= 0x80;
            block
        }
    }
}

/// Blocks of the longest message.
pub(super) fn longest<const LANES: usize>(messages: &[&[u8]; LANES]) -> usize {
    let counts = messages.iter().map(|message| block_count(message));
    counts.max().unwrap_or_default()
}

/// Whether block `index` is the last of any message.
pub(super) fn any_ends<const LANES: usize>(messages: &[&[u8]; LANES], index: usize) -> bool {
    messages
        .iter()
        .any(|message| block_count(message) == index + 1)
}

/// Takes over the digests of the messages whose last block is `index`.
pub(super) fn keep_ended<const LANES: usize>(
    messages: &[&[u8]; LANES],
    index: usize,
    digests: &[Digest; LANES],
    out: &mut [Digest; LANES],
) {
    for ((message, digest), kept) in messages.iter().zip(digests).zip(out) {
        if block_count(message) == index + 1 {
            *kept = *digest;
        }
    }
}

/// Hashes `messages` into `out`, those of equal block count beside each other: groups through
/// `group`, a single one left over through `one`.
///
/// A lane whose message has ended is idle until the group's longest has: sorting makes that rare.
#[inline(always)]
pub(super) fn in_lanes<const LANES: usize>(
    messages: &[&[u8]],
    out: &mut [Digest],
    group: impl Fn(&[&[u8]; LANES], &mut [Digest; LANES]),
    one: impl Fn(&[u8]) -> Digest,
) {
    assert_eq!(messages.len(), out.len(), "one digest per message");
    let mut pairs: Vec<(&[u8], &mut Digest)> = messages.iter().copied().zip(out).collect();
    pairs.sort_by_key(|(message, _)| block_count(message));
    for chunk in pairs.chunks_mut(LANES) {
        if let [(message, digest)] = chunk {
            **digest = one(message);
            continue;
        }
        let mut lanes: [&[u8]; LANES] = [&[]; LANES];
        let mut digests = [[0; 32]; LANES];
        for (lane, (message, _)) in lanes.iter_mut().zip(&*chunk) {
            *lane = message;
        }
        group(&lanes, &mut digests);
        for ((_, digest), copy) in chunk.iter_mut().zip(digests) {
            **digest = copy;
        }
    }
}
