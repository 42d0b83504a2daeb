//! Every kernel of this CPU, bit for bit against implementations that share no code with it.
#![expect(
    clippy::indexing_slicing,
    reason = "a test that indexes wrongly should fail"
)]

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use qmtree_kernels::{Blake3, Blake3Kernel, Hasher, Keccak256, KeccakKernel};
use qmtree_proofs::{Digest, LEAF_LEN, PAIR_LEN, PAYLOAD_LEN, Profile, TreeHasher};
use std::panic::{AssertUnwindSafe, catch_unwind};

const TAGS: [u8; 6] = [0, 10, 12, 63, 0x80, 255];

/// Hashes one at a time, by the public API of `tiny-keccak` and of `blake3`.
struct Reference(Profile);

impl Reference {
    fn leaf(&self, leaf: &[u8; LEAF_LEN]) -> Digest {
        match self.0 {
            Profile::Keccak256 => tiny_keccak256(&[leaf]),
            Profile::Blake3 => *blake3::hash(leaf).as_bytes(),
            other => panic!("no reference for {other}"),
        }
    }

    fn node(&self, tag: u8, pair: &[u8; PAIR_LEN]) -> Digest {
        match self.0 {
            Profile::Keccak256 => tiny_keccak256(&[&[tag], pair]),
            Profile::Blake3 => {
                let mut key = [0; 32];
                key[0] = tag;
                *blake3::keyed_hash(&key, pair).as_bytes()
            }
            other => panic!("no reference for {other}"),
        }
    }

    fn chain(&self, previous: Digest, payloads: &[[u8; PAYLOAD_LEN]]) -> Vec<Digest> {
        let mut link = previous;
        let mut leaf = [0; LEAF_LEN];
        let next = |payload: &[u8; PAYLOAD_LEN]| {
            leaf[..PAYLOAD_LEN].copy_from_slice(payload);
            leaf[PAYLOAD_LEN..].copy_from_slice(&link);
            link = self.leaf(&leaf);
            link
        };
        payloads.iter().map(next).collect()
    }
}

fn tiny_keccak256(parts: &[&[u8]]) -> Digest {
    use tiny_keccak::Hasher;
    let mut hasher = tiny_keccak::Keccak::v256();
    let mut out = [0; 32];
    parts.iter().for_each(|part| hasher.update(part));
    hasher.finalize(&mut out);
    out
}

/// Each kernel that this CPU runs, by name, and what `Hasher` detects.
fn hashers() -> Vec<(String, Box<dyn TreeHasher>)> {
    let mut all: Vec<(String, Box<dyn TreeHasher>)> = Vec::new();
    for kernel in KeccakKernel::available() {
        let hasher = Keccak256::with_kernel(kernel).expect("it is available");
        all.push((format!("Keccak-256 {kernel:?}"), Box::new(hasher)));
    }
    for kernel in Blake3Kernel::available() {
        let hasher = Blake3::with_kernel(kernel).expect("it is available");
        all.push((format!("BLAKE3 {kernel:?}"), Box::new(hasher)));
    }
    for profile in Profile::ALL {
        all.push((
            format!("{profile} detected"),
            Box::new(Hasher::new(profile)),
        ));
    }
    all
}

fn lengths() -> impl Iterator<Item = usize> {
    (0..=40).chain([1000])
}

/// Messages of `LEN` bytes in a buffer of other bytes, beginning `offset` bytes into it.
struct Batch<const LEN: usize> {
    buffer: Vec<u8>,
    offset: usize,
    count: usize,
}

impl<const LEN: usize> Batch<LEN> {
    /// Pseudorandom messages, the same for the same seed (SplitMix64).
    fn random(seed: u64, offset: usize, count: usize) -> Self {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let z = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            (z ^ (z >> 31)).to_le_bytes()
        };
        let mut buffer = vec![0; offset + LEN * count + 64];
        buffer
            .chunks_mut(8)
            .for_each(|chunk| chunk.copy_from_slice(&next()[..chunk.len()]));
        Self {
            buffer,
            offset,
            count,
        }
    }

    fn messages(&self) -> &[[u8; LEN]] {
        &self.buffer[self.offset..].as_chunks().0[..self.count]
    }

    fn messages_mut(&mut self) -> &mut [[u8; LEN]] {
        &mut self.buffer[self.offset..].as_chunks_mut().0[..self.count]
    }

    /// The bytes before and after the messages.
    fn around(&self) -> (Vec<u8>, Vec<u8>) {
        let end = self.offset + LEN * self.count;
        (
            self.buffer[..self.offset].to_vec(),
            self.buffer[end..].to_vec(),
        )
    }
}

/// Runs `hash` into an unaligned output of `count` digests, and checks that it kept to them.
fn digests_of(count: usize, offset: usize, hash: impl FnOnce(&mut [Digest])) -> Vec<Digest> {
    let mut out = Batch::<32>::random(1, offset, count);
    let around = out.around();
    hash(out.messages_mut());
    assert_eq!(out.around(), around, "wrote outside its output");
    out.messages().to_vec()
}

fn check_leaves(name: &str, hasher: &dyn TreeHasher, batch: &Batch<LEAF_LEN>) {
    let leaves = batch.messages();
    let got = digests_of(leaves.len(), batch.offset, |out| {
        hasher.hash_leaves(leaves, out)
    });
    let reference = Reference(hasher.profile());
    let expected: Vec<_> = leaves.iter().map(|leaf| reference.leaf(leaf)).collect();
    assert_eq!(got, expected, "{name}: {} leaves", leaves.len());
}

fn check_nodes(name: &str, hasher: &dyn TreeHasher, tag: u8, batch: &Batch<PAIR_LEN>) {
    let pairs = batch.messages();
    let got = digests_of(pairs.len(), batch.offset, |out| {
        hasher.hash_nodes(tag, pairs, out)
    });
    let reference = Reference(hasher.profile());
    let expected: Vec<_> = pairs.iter().map(|pair| reference.node(tag, pair)).collect();
    assert_eq!(
        got,
        expected,
        "{name}: {} nodes under tag {tag}",
        pairs.len()
    );
}

fn check_chain(name: &str, hasher: &dyn TreeHasher, previous: Digest, batch: &Batch<PAYLOAD_LEN>) {
    let payloads = batch.messages();
    let mut last = previous;
    let got = digests_of(payloads.len(), batch.offset, |out| {
        last = hasher.chain_leaves(previous, payloads, out);
    });
    let expected = Reference(hasher.profile()).chain(previous, payloads);
    assert_eq!(
        got,
        expected,
        "{name}: a chain of {} leaves",
        payloads.len()
    );
    assert_eq!(
        last,
        *expected.last().unwrap_or(&previous),
        "{name}: the last link"
    );
}

#[test]
fn the_portable_kernels_run_everywhere() {
    assert!(KeccakKernel::Portable.is_available());
    assert!(Blake3Kernel::Portable.is_available());
}

#[test]
fn detection_picks_the_last_available_kernel() {
    assert_eq!(
        Some(Keccak256::new().kernel()),
        KeccakKernel::available().last()
    );
    assert_eq!(
        Some(Blake3::new().kernel()),
        Blake3Kernel::available().last()
    );
}

#[test]
fn kernels_that_the_cpu_lacks_are_refused() {
    for kernel in KeccakKernel::ALL {
        if !kernel.is_available() {
            eprintln!("no test here covers Keccak-256 {kernel:?}: this CPU lacks it");
        }
        let hasher = Keccak256::with_kernel(kernel);
        assert_eq!(
            hasher.map(Keccak256::kernel),
            kernel.is_available().then_some(kernel)
        );
    }
    for kernel in Blake3Kernel::ALL {
        if !kernel.is_available() {
            eprintln!("no test here covers BLAKE3 {kernel:?}: this CPU or build lacks it");
        }
        let hasher = Blake3::with_kernel(kernel);
        assert_eq!(
            hasher.map(Blake3::kernel),
            kernel.is_available().then_some(kernel)
        );
    }
}

#[test]
fn leaves_equal_the_reference_at_every_batch_length() {
    for (name, hasher) in hashers() {
        for count in lengths() {
            check_leaves(
                &name,
                &*hasher,
                &Batch::random(count as u64, count % 64, count),
            );
        }
    }
}

#[test]
fn nodes_equal_the_reference_under_every_tag() {
    for (name, hasher) in hashers() {
        for tag in TAGS {
            for count in lengths() {
                check_nodes(
                    &name,
                    &*hasher,
                    tag,
                    &Batch::random(count as u64, count % 64, count),
                );
            }
        }
    }
}

#[test]
fn chains_equal_hashing_one_by_one() {
    for (name, hasher) in hashers() {
        for count in lengths() {
            let batch = Batch::random(count as u64, count % 64, count);
            check_chain(&name, &*hasher, [0; 32], &batch);
            check_chain(&name, &*hasher, [0xA5; 32], &batch);
        }
    }
}

#[test]
fn a_chain_may_be_cut_anywhere() {
    let batch = Batch::<PAYLOAD_LEN>::random(7, 3, 50);
    let payloads = batch.messages();
    for (name, hasher) in hashers() {
        let whole = digests_of(50, 5, |out| {
            hasher.chain_leaves([9; 32], payloads, out);
        });
        for cut in 0..=50 {
            let parts = digests_of(50, 11, |out| {
                let (front, back) = out.split_at_mut(cut);
                let link = hasher.chain_leaves([9; 32], &payloads[..cut], front);
                hasher.chain_leaves(link, &payloads[cut..], back);
            });
            assert_eq!(parts, whole, "{name}: cut at {cut}");
        }
    }
}

#[test]
fn single_hashes_equal_the_reference() {
    let leaves = Batch::<LEAF_LEN>::random(11, 1, 8);
    let pairs = Batch::<PAIR_LEN>::random(12, 1, 8);
    for (name, hasher) in hashers() {
        let reference = Reference(hasher.profile());
        for leaf in leaves.messages() {
            assert_eq!(hasher.hash_leaf(leaf), reference.leaf(leaf), "{name}");
        }
        for (pair, tag) in pairs.messages().iter().zip(TAGS) {
            let (left, right) = pair.split_first_chunk::<32>().unwrap();
            let got = hasher.hash_node(tag, left, right.try_into().unwrap());
            assert_eq!(got, reference.node(tag, pair), "{name} tag {tag}");
        }
    }
}

#[test]
fn kernels_equal_the_portable_hashers_of_proofs() {
    let leaves = Batch::<LEAF_LEN>::random(21, 0, 100);
    let pairs = Batch::<PAIR_LEN>::random(22, 0, 100);
    for (name, hasher) in hashers() {
        let portable: &dyn TreeHasher = match hasher.profile() {
            Profile::Keccak256 => &qmtree_proofs::Keccak256,
            _ => &qmtree_proofs::Blake3,
        };
        assert_eq!(
            digests_of(100, 0, |out| hasher.hash_leaves(leaves.messages(), out)),
            digests_of(100, 0, |out| portable.hash_leaves(leaves.messages(), out)),
            "{name}"
        );
        assert_eq!(
            digests_of(100, 0, |out| hasher.hash_nodes(63, pairs.messages(), out)),
            digests_of(100, 0, |out| portable.hash_nodes(63, pairs.messages(), out)),
            "{name}"
        );
    }
}

#[test]
fn an_output_of_the_wrong_length_panics() {
    let panics = |call: &mut dyn FnMut()| catch_unwind(AssertUnwindSafe(call)).is_err();
    for (name, hasher) in hashers() {
        for (count, room) in [(0, 1), (1, 0), (1, 2), (16, 17), (17, 16), (40, 8)] {
            let mut out = vec![[0; 32]; room];
            let leaves = vec![[0; LEAF_LEN]; count];
            let pairs = vec![[0; PAIR_LEN]; count];
            let payloads = vec![[0; PAYLOAD_LEN]; count];
            let case = format!("{name}: {count} messages into {room} digests");
            assert!(
                panics(&mut || hasher.hash_leaves(&leaves, &mut out)),
                "leaves, {case}"
            );
            assert!(
                panics(&mut || hasher.hash_nodes(0, &pairs, &mut out)),
                "nodes, {case}"
            );
            assert!(
                panics(&mut || _ = hasher.chain_leaves([0; 32], &payloads, &mut out)),
                "chain, {case}"
            );
        }
    }
}

fn check_messages(messages: &[&[u8]]) {
    let expected: Vec<Digest> = messages
        .iter()
        .map(|message| tiny_keccak256(&[message]))
        .collect();
    for kernel in KeccakKernel::available() {
        let hasher = Keccak256::with_kernel(kernel).expect("it is available");
        let mut out = vec![[0; 32]; messages.len()];
        hasher.hash_messages(messages, &mut out);
        assert_eq!(out, expected, "{kernel:?}, {} messages", messages.len());
    }
}

#[test]
fn messages_of_every_length_and_number_equal_the_reference() {
    let bytes = Batch::<1>::random(31, 0, 30_000);
    let bytes = bytes.messages().as_flattened();
    // Around the edges of a block of 136 bytes, and codes of 24 KiB.
    let lengths = [
        0, 1, 7, 8, 32, 64, 127, 134, 135, 136, 137, 271, 272, 273, 532, 544, 24_576,
    ];
    for start in 0..lengths.len() {
        for count in 0..=20 {
            let lengths = lengths.iter().cycle().skip(start).take(count).enumerate();
            let messages = lengths.map(|(at, len)| &bytes[at..at + len]);
            check_messages(&messages.collect::<Vec<_>>());
        }
    }
    let all: Vec<&[u8]> = (0..600).map(|len| &bytes[len..2 * len]).collect();
    check_messages(&all);
    for kernel in KeccakKernel::available() {
        let hasher = Keccak256::with_kernel(kernel).expect("it is available");
        for (count, room) in [(0, 1), (1, 0), (9, 8)] {
            let call = || hasher.hash_messages(&vec![&[][..]; count], &mut vec![[0; 32]; room]);
            assert!(catch_unwind(call).is_err(), "{kernel:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 64,
        rng_seed: RngSeed::Fixed(2026),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_batch_at_any_alignment_equals_the_reference(
        seed: u64,
        tag: u8,
        previous: Digest,
        offset in 0..64usize,
        count in 0..200usize,
    ) {
        for (name, hasher) in hashers() {
            check_leaves(&name, &*hasher, &Batch::random(seed, offset, count));
            check_nodes(&name, &*hasher, tag, &Batch::random(seed, offset, count));
            check_chain(&name, &*hasher, previous, &Batch::random(seed, offset, count));
        }
    }

    #[test]
    fn any_messages_equal_the_reference(
        messages in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..700), 0..40),
    ) {
        check_messages(&messages.iter().map(Vec::as_slice).collect::<Vec<_>>());
    }
}
