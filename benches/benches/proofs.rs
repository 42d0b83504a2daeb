//! Making and verifying proofs, each from a pool of different ones.
//!
//! Proofs are made from a log of 2^20 leaves in memory. They are verified with the portable
//! hasher and with the kernels; inclusion also at 2^32 leaves, over made-up paths. Names carry the
//! encoded size: `verify/range keccak leaves=2^20 covered=1000 bytes=415/portable`.

mod common;

use criterion::{BenchmarkId, Criterion};
use qmtree_benches::{Random, SyntheticPath};
use qmtree_kernels::Hasher;
use qmtree_proofs::{Head, MemoryLog, Profile, Prover, Scheme, TreeHasher, TxNum, VerifyError};
use std::hint::black_box;

const LEAF_COUNT: u64 = 1 << 20;
/// Where the older log of a consistency proof ends: anywhere, but not at a power of two.
const OLD_LEAF_COUNT: u64 = 777_777;
const RANGE_LEN: usize = 1000;
const MULTI_LEN: usize = 100;
/// Different proofs in a pool: enough that branches and the cache do not learn them.
const POOL: usize = 256;

/// A log, and positions in it.
struct Fixture {
    profile: Profile,
    log: MemoryLog<Hasher>,
    /// Single positions, all over the log.
    positions: Vec<TxNum>,
    /// Ranges of 1000 leaves.
    ranges: Vec<(TxNum, TxNum)>,
    /// Sets of 100 positions, ascending.
    sets: Vec<Vec<TxNum>>,
}

impl Fixture {
    fn new(profile: Profile) -> Self {
        let mut random = Random::new();
        let mut log = MemoryLog::new(Hasher::new(profile));
        for _ in 0..LEAF_COUNT >> 16 {
            log.append(&random.payloads(1 << 16));
        }
        let starts = random.positions(POOL, LEAF_COUNT - RANGE_LEN as u64);
        let range = |from: TxNum| (from, TxNum(from.0 + RANGE_LEN as u64));
        Self {
            profile,
            log,
            positions: random.positions(POOL, LEAF_COUNT),
            ranges: starts.into_iter().map(range).collect(),
            sets: (0..POOL).map(|_| ascending(&mut random)).collect(),
        }
    }

    fn prover(&self, leaf_count: u64) -> Prover<&MemoryLog<Hasher>> {
        self.log.prover(leaf_count).expect("the log has the leaves")
    }

    fn head(&self, leaf_count: u64) -> Head {
        Head {
            leaf_count,
            root: self.prover(leaf_count).root(),
            ..Head::empty(1, self.profile, Scheme::StateRoot1)
        }
    }

    fn leaf_hash(&self, tx_num: TxNum) -> alloy_primitives::B256 {
        self.log.leaf_hash(tx_num).expect("the log has the leaf")
    }
}

/// 100 different positions.
fn ascending(random: &mut Random) -> Vec<TxNum> {
    let mut set = std::collections::BTreeSet::new();
    while set.len() < MULTI_LEN {
        set.extend(random.positions(1, LEAF_COUNT));
    }
    set.into_iter().collect()
}

/// Times `make` over the inputs in turn.
fn make<I, P>(criterion: &mut Criterion, name: &str, inputs: &[I], make: impl Fn(&I) -> P) {
    let mut inputs = inputs.iter().cycle();
    criterion.bench_function(name, |bencher| {
        bencher.iter(|| inputs.next().map(|input| make(black_box(input))));
    });
}

/// Times `verify` over the proofs in turn, with the portable hasher and with the kernels.
fn verify<P>(
    criterion: &mut Criterion,
    profile: Profile,
    name: &str,
    proofs: &[P],
    verify: impl Fn(&P, &dyn TreeHasher) -> Result<(), VerifyError>,
) {
    let kernels = Hasher::new(profile);
    let mut group = criterion.benchmark_group(name);
    let hashers: [(_, &dyn TreeHasher); 2] = [("portable", &profile), ("kernels", &kernels)];
    for (name, hasher) in hashers {
        for proof in proofs {
            verify(proof, hasher).expect("the proof is good");
        }
        let mut proofs = proofs.iter().cycle();
        group.bench_function(BenchmarkId::from_parameter(name), |bencher| {
            bencher.iter(|| proofs.next().map(|proof| verify(black_box(proof), hasher)));
        });
    }
    group.finish();
}

/// The largest encoding in a pool; most pools have only one size.
fn largest<P>(proofs: &[P], encode: impl Fn(&P) -> Vec<u8>) -> usize {
    let sizes = proofs.iter().map(|proof| encode(proof).len());
    sizes.max().unwrap_or_default()
}

fn inclusion(criterion: &mut Criterion, fixture: &Fixture) {
    let (profile, prover) = (fixture.profile, fixture.prover(LEAF_COUNT));
    let head = fixture.head(LEAF_COUNT);
    let prove = |tx_num: &TxNum| prover.inclusion(*tx_num).expect("the leaf is there");
    let name = format!("make/inclusion {profile} leaves=2^20");
    make(criterion, &name, &fixture.positions, prove);

    let proofs: Vec<_> = fixture.positions.iter().map(prove).collect();
    let hashed = proofs
        .into_iter()
        .map(|p| (fixture.leaf_hash(p.tx_num()), p));
    let proofs: Vec<_> = hashed.collect();
    let bytes = largest(&proofs, |(_, proof)| proof.to_bytes());
    let name = format!("verify/inclusion {profile} leaves=2^20 bytes={bytes}");
    verify(
        criterion,
        profile,
        &name,
        &proofs,
        |(hash, proof), hasher| proof.verify_with(&hasher, &head, proof.tx_num(), *hash),
    );
}

fn inclusion_in_a_huge_tree(criterion: &mut Criterion, profile: Profile) {
    let paths = SyntheticPath::several(profile, POOL, 1 << 32);
    let bytes = largest(&paths, |path| path.proof.to_bytes());
    let name = format!("verify/inclusion {profile} leaves=2^32 bytes={bytes}");
    verify(criterion, profile, &name, &paths, |path, hasher| {
        path.verify(&hasher)
    });
}

fn consistency(criterion: &mut Criterion, fixture: &Fixture) {
    let (profile, prover) = (fixture.profile, fixture.prover(LEAF_COUNT));
    let (old, new) = (fixture.head(OLD_LEAF_COUNT), fixture.head(LEAF_COUNT));
    let prove = |old: &u64| prover.consistency(*old).expect("the old log is a prefix");
    let shape = format!("consistency {profile} leaves=2^20 old={OLD_LEAF_COUNT}");
    make(
        criterion,
        &format!("make/{shape}"),
        &[OLD_LEAF_COUNT],
        prove,
    );

    let proofs = [prove(&OLD_LEAF_COUNT)];
    let bytes = largest(&proofs, |proof| proof.to_bytes());
    let name = format!("verify/{shape} bytes={bytes}");
    verify(criterion, profile, &name, &proofs, |proof, hasher| {
        proof.verify_with(&hasher, &old, &new)
    });
}

fn range(criterion: &mut Criterion, fixture: &Fixture) {
    let (profile, prover) = (fixture.profile, fixture.prover(LEAF_COUNT));
    let head = fixture.head(LEAF_COUNT);
    let prove = |(from, to): &(TxNum, TxNum)| prover.range(*from, *to).expect("it is there");
    let shape = format!("range {profile} leaves=2^20 covered={RANGE_LEN}");
    make(criterion, &format!("make/{shape}"), &fixture.ranges, prove);

    let with_hashes = fixture.ranges.iter().map(|range| {
        let positions = (range.0.0..range.1.0).map(TxNum);
        let hashes: Vec<_> = positions.map(|tx_num| fixture.leaf_hash(tx_num)).collect();
        (prove(range), hashes)
    });
    let proofs: Vec<_> = with_hashes.collect();
    let bytes = largest(&proofs, |(proof, _)| proof.to_bytes());
    let name = format!("verify/{shape} bytes={bytes}");
    verify(
        criterion,
        profile,
        &name,
        &proofs,
        |(proof, hashes), hasher| proof.verify_with(&hasher, &head, proof.from(), hashes),
    );
}

fn multi(criterion: &mut Criterion, fixture: &Fixture) {
    let (profile, prover) = (fixture.profile, fixture.prover(LEAF_COUNT));
    let head = fixture.head(LEAF_COUNT);
    let prove = |set: &Vec<TxNum>| prover.multi(set).expect("the leaves are there");
    let shape = format!("multi {profile} leaves=2^20 positions={MULTI_LEN}");
    make(criterion, &format!("make/{shape}"), &fixture.sets, prove);

    let with_hashes = fixture.sets.iter().map(|set| {
        let hashed = set
            .iter()
            .map(|tx_num| (*tx_num, fixture.leaf_hash(*tx_num)));
        (prove(set), hashed.collect::<Vec<_>>())
    });
    let proofs: Vec<_> = with_hashes.collect();
    let bytes = largest(&proofs, |(proof, _)| proof.to_bytes());
    let name = format!("verify/{shape} bytes={bytes}");
    verify(
        criterion,
        profile,
        &name,
        &proofs,
        |(proof, leaves), hasher| proof.verify_with(&hasher, &head, leaves),
    );
}

fn main() {
    common::run(|criterion| {
        for profile in Profile::ALL {
            let fixture = Fixture::new(profile);
            inclusion(criterion, &fixture);
            inclusion_in_a_huge_tree(criterion, profile);
            consistency(criterion, &fixture);
            range(criterion, &fixture);
            multi(criterion, &fixture);
        }
    });
}
