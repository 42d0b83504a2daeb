//! Leaves and nodes in batches: every kernel of this CPU, and the common crates one by one.

mod common;

use criterion::{BenchmarkId, Criterion, Throughput};
use qmtree_benches::{Contender, Random};
use qmtree_proofs::Profile;
use std::hint::black_box;

/// A single message, one group of lanes, and a batch of many groups that fits the cache.
const BATCHES: [usize; 3] = [1, 8, 1000];

fn leaves(criterion: &mut Criterion, profile: Profile, count: usize) {
    let leaves = Random::new().arrays(count);
    let mut out = vec![[0; 32]; count];
    let mut group = criterion.benchmark_group(format!("{profile}/leaves={count}"));
    group.throughput(Throughput::Elements(count as u64));
    for contender in Contender::all(profile) {
        group.bench_function(BenchmarkId::from_parameter(contender.name()), |bencher| {
            let hasher = contender.hasher();
            bencher.iter(|| hasher.hash_leaves(black_box(&leaves), black_box(&mut out)));
        });
    }
    group.finish();
}

fn nodes(criterion: &mut Criterion, profile: Profile, count: usize) {
    let pairs = Random::new().arrays(count);
    let mut out = vec![[0; 32]; count];
    let mut group = criterion.benchmark_group(format!("{profile}/nodes={count}"));
    group.throughput(Throughput::Elements(count as u64));
    for contender in Contender::all(profile) {
        group.bench_function(BenchmarkId::from_parameter(contender.name()), |bencher| {
            let hasher = contender.hasher();
            bencher.iter(|| hasher.hash_nodes(3, black_box(&pairs), black_box(&mut out)));
        });
    }
    group.finish();
}

fn main() {
    common::run(|criterion| {
        for profile in Profile::ALL {
            for count in BATCHES {
                leaves(criterion, profile, count);
                nodes(criterion, profile, count);
            }
        }
    });
}
