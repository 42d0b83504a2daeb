//! Figures beside their targets, as a table and as JSON.

use serde_json::{Map, Value, json};
use std::fmt;

/// What a figure should come to. A report states it and judges by it; nothing fails.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Target {
    /// This much or more.
    AtLeast(f64),
    /// This much or less.
    AtMost(f64),
    /// Less than this.
    Below(f64),
}

/// One line of a report.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// What was measured.
    pub name: String,
    /// The unit of every number here.
    pub unit: &'static str,
    /// The median over all rounds.
    pub median: f64,
    /// What 99 of 100 rounds reach or do better than; nothing where there is only one value.
    pub p99: Option<f64>,
    /// What the median should come to.
    pub target: Option<Target>,
}

/// What one run measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Rounds sampled.
    pub rounds: usize,
    /// The fastest kernel of this CPU, by profile.
    pub kernels: Vec<(String, String)>,
    /// The figures, those with a target first.
    pub figures: Vec<Figure>,
}

impl Target {
    /// Whether `value` meets the target.
    #[must_use]
    pub fn is_met_by(self, value: f64) -> bool {
        match self {
            Self::AtLeast(bound) => value >= bound,
            Self::AtMost(bound) => value <= bound,
            Self::Below(bound) => value < bound,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtLeast(bound) => write!(f, ">= {bound}"),
            Self::AtMost(bound) => write!(f, "<= {bound}"),
            Self::Below(bound) => write!(f, "< {bound}"),
        }
    }
}

impl Figure {
    /// A figure that is the same in every round.
    #[must_use]
    pub fn exact(name: impl Into<String>, unit: &'static str, value: f64) -> Self {
        Self {
            name: name.into(),
            unit,
            median: value,
            p99: None,
            target: None,
        }
    }

    /// A time from its samples, ascending.
    #[must_use]
    pub fn time(name: impl Into<String>, unit: &'static str, samples: &[f64]) -> Self {
        Self {
            p99: Some(percentile(samples, 99)),
            ..Self::exact(name, unit, percentile(samples, 50))
        }
    }

    /// A ratio from its samples, ascending. More is better, so 99 of 100 are above its `p99`.
    #[must_use]
    pub fn ratio(name: impl Into<String>, samples: &[f64]) -> Self {
        Self {
            p99: Some(percentile(samples, 1)),
            ..Self::exact(name, "x", percentile(samples, 50))
        }
    }

    /// The figure with its target.
    #[must_use]
    pub fn with_target(self, target: Target) -> Self {
        Self {
            target: Some(target),
            ..self
        }
    }

    fn is_met(&self) -> Option<bool> {
        self.target.map(|target| target.is_met_by(self.median))
    }

    fn to_json(&self) -> Value {
        json!({
            "name": self.name,
            "unit": self.unit,
            "median": rounded(self.median),
            "p99": self.p99.map(rounded),
            "target": self.target.map(|target| target.to_string()),
            "met": self.is_met(),
        })
    }
}

impl Report {
    /// The report for programs.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let kernels = self.kernels.iter().cloned();
        let kernels: Map<_, _> = kernels.map(|(p, kernel)| (p, kernel.into())).collect();
        let figures: Vec<_> = self.figures.iter().map(Figure::to_json).collect();
        json!({
            "clock": "wall",
            "rounds": self.rounds,
            "kernels": kernels,
            "figures": figures,
        })
    }
}

/// The report for people.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kernels = self.kernels.iter();
        let kernels: Vec<_> = kernels.map(|(p, kernel)| format!("{p} {kernel}")).collect();
        writeln!(f, "fastest kernels here: {}", kernels.join(", "))?;
        writeln!(
            f,
            "one thread, wall time, {} interleaved rounds",
            self.rounds
        )?;
        writeln!(
            f,
            "\n{:<58} {:>9} {:>9}  {:<5} {:<9}",
            "", "median", "p99", "unit", "target"
        )?;
        for figure in &self.figures {
            writeln!(f, "{figure}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = |value: f64| match value {
            value if value.fract() == 0.0 => format!("{value}"),
            value if value >= 100.0 => format!("{value:.0}"),
            value => format!("{value:.2}"),
        };
        let p99 = self.p99.map(number).unwrap_or_default();
        let target = self.target.map(|target| target.to_string());
        let verdict = match self.is_met() {
            Some(true) => "met",
            Some(false) => "MISSED",
            None => "",
        };
        let line = format!(
            "{:<58} {:>9} {p99:>9}  {:<5} {:<9} {verdict}",
            self.name,
            number(self.median),
            self.unit,
            target.unwrap_or_default(),
        );
        f.write_str(line.trim_end())
    }
}

/// The value below which `percent` of the samples lie, which are ascending; 0 if there are none.
fn percentile(samples: &[f64], percent: usize) -> f64 {
    let last = samples.len().saturating_sub(1);
    let rank = (samples.len() * percent / 100).min(last);
    samples.get(rank).copied().unwrap_or_default()
}

/// Three decimals are more than any figure here is good for.
fn rounded(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_tails_are_taken_from_the_worse_side() {
        let samples: Vec<f64> = (0..1000).map(f64::from).collect();
        let time = Figure::time("t", "ns", &samples);
        assert_eq!((time.median, time.p99), (500.0, Some(990.0)));
        let ratio = Figure::ratio("r", &samples);
        assert_eq!((ratio.median, ratio.p99), (500.0, Some(10.0)));
        assert_eq!(Figure::time("none", "ns", &[]).median, 0.0);
    }

    #[test]
    fn targets_judge_the_median() {
        let met = |target: Target| Figure::exact("f", "us", 10.0).with_target(target).is_met();
        assert_eq!(met(Target::AtLeast(10.0)), Some(true));
        assert_eq!(met(Target::AtMost(10.0)), Some(true));
        assert_eq!(met(Target::Below(10.0)), Some(false));
    }

    #[test]
    fn a_report_reads_well_either_way() {
        let report = Report {
            rounds: 2,
            kernels: vec![("keccak".to_owned(), "avx2".to_owned())],
            figures: vec![
                Figure::ratio("twig", &[3.0, 5.5]).with_target(Target::AtLeast(6.0)),
                Figure::exact("size", "bytes", 1079.0),
            ],
        };
        let table = report.to_string();
        let lines: Vec<_> = table.lines().skip(4).collect();
        assert!(
            lines[0].ends_with("5.50         3  x     >= 6      MISSED"),
            "{table}"
        );
        assert!(lines[1].ends_with("1079            bytes"), "{table}");
        let json = report.to_json();
        assert_eq!(json["kernels"]["keccak"], "avx2");
        assert_eq!(json["figures"][0]["met"], false);
        assert_eq!(json["figures"][0]["target"], ">= 6");
        assert_eq!(json["figures"][1]["met"], Value::Null);
    }
}
