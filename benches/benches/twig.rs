//! A full twig from stored leaves: 2048 leaf hashes, 2047 node hashes, all nodes kept.

mod common;

use criterion::{BenchmarkId, Criterion};
use qmtree_benches::{Contender, Random, Twig};
use qmtree_proofs::Profile;
use std::hint::black_box;

fn twig(criterion: &mut Criterion, profile: Profile) {
    let leaves = Random::new().arrays(Twig::LEAVES);
    let mut twig = Twig::new();
    let mut group = criterion.benchmark_group(format!("{profile}/twig leaves=2048"));
    for contender in Contender::slowest_and_fastest(profile) {
        group.bench_function(BenchmarkId::from_parameter(contender.name()), |bencher| {
            bencher.iter(|| twig.hash(contender.hasher(), black_box(&leaves)));
        });
        black_box(twig.root());
    }
    group.finish();
}

fn main() {
    common::run(|criterion| {
        for profile in Profile::ALL {
            twig(criterion, profile);
        }
    });
}
