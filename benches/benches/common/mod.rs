//! What every bench here has in common: short runs.

use criterion::Criterion;
use std::time::Duration;

/// Runs `benches` under the arguments that cargo passes on.
pub(crate) fn run(benches: impl FnOnce(&mut Criterion)) {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(1))
        .sample_size(30)
        .nresamples(10_000)
        .configure_from_args();
    benches(&mut criterion);
    criterion.final_summary();
}
