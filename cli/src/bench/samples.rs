//! Times of many short operations.

use crate::error::CliError;
use std::time::Instant;

/// What was measured, ascending.
#[derive(Debug)]
pub(super) struct Samples(Vec<f64>);

impl Samples {
    pub(super) fn new(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        Self(values)
    }

    /// Times `operation` on each item, in microseconds; keeps what it returns.
    pub(super) fn of<I, T>(
        items: impl IntoIterator<Item = I>,
        mut operation: impl FnMut(I) -> Result<T, CliError>,
    ) -> Result<(Self, Vec<T>), CliError> {
        let (mut micros, mut results) = (Vec::new(), Vec::new());
        for item in items {
            let start = Instant::now();
            let result = operation(item)?;
            micros.push(start.elapsed().as_secs_f64() * 1e6);
            results.push(result);
        }
        Ok((Self::new(micros), results))
    }

    /// The smallest value that `percent` of 100 do not exceed; 0 if there are none.
    pub(super) fn percentile(&self, percent: usize) -> f64 {
        let rank = (self.0.len() * percent).div_ceil(100).saturating_sub(1);
        self.0.get(rank).copied().unwrap_or_default()
    }

    pub(super) fn median(&self) -> f64 {
        self.percentile(50)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_seen() {
        let samples = Samples::new((1..=200).rev().map(f64::from).collect());
        assert_eq!(samples.median(), 100.0);
        assert_eq!(samples.percentile(99), 198.0);
        assert_eq!(samples.percentile(100), 200.0);
        assert_eq!(Samples::new(vec![3.0]).percentile(99), 3.0);
        assert_eq!(Samples::new(vec![]).median(), 0.0);
    }
}
