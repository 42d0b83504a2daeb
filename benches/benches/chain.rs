//! The serial chain: leaf hashes over 2048 payloads, each with the hash of the leaf before in it.

mod common;

use criterion::{BenchmarkId, Criterion, Throughput};
use qmtree_benches::{Contender, Random};
use qmtree_proofs::Profile;
use std::hint::black_box;

const LEAVES: usize = 2048;

fn chain(criterion: &mut Criterion, profile: Profile) {
    let payloads = Random::new().arrays(LEAVES);
    let mut out = vec![[0; 32]; LEAVES];
    let mut group = criterion.benchmark_group(format!("{profile}/chain leaves={LEAVES}"));
    group.throughput(Throughput::Elements(LEAVES as u64));
    for contender in Contender::all(profile) {
        group.bench_function(BenchmarkId::from_parameter(contender.name()), |bencher| {
            let hasher = contender.hasher();
            bencher
                .iter(|| hasher.chain_leaves([0; 32], black_box(&payloads), black_box(&mut out)));
        });
    }
    group.finish();
}

fn main() {
    common::run(|criterion| {
        for profile in Profile::ALL {
            chain(criterion, profile);
        }
    });
}
