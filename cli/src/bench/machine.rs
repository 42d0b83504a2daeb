//! What else the machine was doing, and what this process took of it.

use serde::Serialize;
use std::fs::read_to_string;

/// The machine before a bench.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Machine {
    /// Load averages over 1, 5 and 15 minutes, where the system tells.
    load_average: Option<[f64; 3]>,
    cores: Option<usize>,
}

impl Machine {
    pub(super) fn now() -> Self {
        let cores = std::thread::available_parallelism().ok();
        Self {
            load_average: read_to_string("/proc/loadavg")
                .ok()
                .and_then(|text| load(&text)),
            cores: cores.map(usize::from),
        }
    }

    /// One line for people.
    pub(super) fn text(&self) -> String {
        let cores = self.cores.map_or("?".to_owned(), |cores| cores.to_string());
        match self.load_average {
            Some([one, five, fifteen]) => {
                format!("{cores} cores, load average before: {one} {five} {fifteen}")
            }
            None => format!("{cores} cores, load average not known"),
        }
    }
}

fn load(text: &str) -> Option<[f64; 3]> {
    let mut numbers = text
        .split_ascii_whitespace()
        .map_while(|word| word.parse().ok());
    Some([numbers.next()?, numbers.next()?, numbers.next()?])
}

/// Seconds that all threads of this process have computed, where the system tells.
pub(super) fn cpu_seconds() -> Option<f64> {
    read_to_string("/proc/self/stat")
        .ok()
        .and_then(|text| cpu(&text))
}

/// User and system time of `/proc/self/stat` (proc_pid_stat(5)), in ticks of 10 ms.
fn cpu(text: &str) -> Option<f64> {
    // The name may contain anything, and is in the last parentheses.
    let (_, fields) = text.rsplit_once(')')?;
    let mut times = fields.split_ascii_whitespace().skip(11);
    let mut ticks = || times.next()?.parse::<f64>().ok();
    Some((ticks()? + ticks()?) / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_says_is_understood() {
        assert_eq!(load("0.52 0.84 1.15 2/345 678\n"), Some([0.52, 0.84, 1.15]));
        assert_eq!(load("0.52 0.84"), None);
        let stat = "7 (a ) b) R 1 2 3 4 5 6 7 8 9 10 150 25 0 0 20";
        assert_eq!(cpu(stat), Some(1.75));
        assert_eq!(cpu(""), None);
    }
}
