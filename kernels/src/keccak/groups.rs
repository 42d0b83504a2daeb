//! Cutting a batch into groups that fill the lanes of a kernel.

use crate::prefetch::prefetch;
use qmtree_proofs::Digest;

/// Hashes `messages` into `out`: whole groups of `LANES` through `group`, what is left through a
/// padded group, and one single message left over through `one`.
///
/// A group costs the same however few of its lanes are in use. That is less than two messages one
/// at a time (docs/decisions/0002-hashing-kernels.md), so only a single one takes the other path.
#[inline(always)]
pub(super) fn in_groups<const LEN: usize, const LANES: usize>(
    messages: &[[u8; LEN]],
    out: &mut [Digest],
    group: impl Fn(&[[u8; LEN]; LANES], &mut [Digest; LANES]),
    one: impl Fn(&[u8; LEN]) -> Digest,
) {
    assert_eq!(messages.len(), out.len(), "one digest per message");
    let (groups, rest) = messages.as_chunks::<LANES>();
    let (out_groups, out_rest) = out.as_chunks_mut::<LANES>();
    let mut upcoming = groups.iter().skip(1);
    for (messages, digests) in groups.iter().zip(out_groups) {
        prefetch(upcoming.next().map_or(rest, |next| next));
        group(messages, digests);
    }
    match (rest, out_rest) {
        ([], _) => {}
        ([message], [digest]) => *digest = one(message),
        (rest, out_rest) => {
            let mut padded = [[0; LEN]; LANES];
            let mut digests = [[0; 32]; LANES];
            for (copy, message) in padded.iter_mut().zip(rest) {
                *copy = *message;
            }
            group(&padded, &mut digests);
            for (digest, copy) in out_rest.iter_mut().zip(digests) {
                *digest = copy;
            }
        }
    }
}
