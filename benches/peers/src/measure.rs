//! What a phase took of the machine.

use crate::Failure;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::Path;
use std::time::Instant;

/// Time of a phase and of its blocks.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Phase {
    pub(crate) block_writes: u64,
    pub(crate) writes: u64,
    pub(crate) seconds: f64,
    /// Of all threads, user and system.
    pub(crate) cpu_seconds: f64,
}

impl Phase {
    pub(crate) fn writes_per_second(&self) -> f64 {
        self.writes as f64 / self.seconds
    }

    pub(crate) fn cpu_micros_per_write(&self) -> f64 {
        self.cpu_seconds * 1e6 / self.writes as f64
    }
}

/// Runs `work`, which makes so many writes in blocks of that size.
pub(crate) fn phase(
    block_writes: u64,
    writes: u64,
    work: impl FnOnce() -> Result<(), Failure>,
) -> Result<Phase, Failure> {
    let (start, before) = (Instant::now(), cpu_seconds()?);
    work()?;
    Ok(Phase {
        block_writes,
        writes,
        seconds: start.elapsed().as_secs_f64(),
        cpu_seconds: cpu_seconds()? - before,
    })
}

/// Times of single operations, in microseconds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Times(Vec<f64>);

impl Times {
    pub(crate) fn of<T>(&mut self, operation: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = operation();
        self.0.push(start.elapsed().as_secs_f64() * 1e6);
        result
    }

    pub(crate) fn median(mut self) -> f64 {
        self.0.sort_unstable_by(f64::total_cmp);
        self.0.get(self.0.len() / 2).copied().unwrap_or_default()
    }
}

/// Seconds that all threads of this process have computed, to 10 ms.
fn cpu_seconds() -> Result<f64, Failure> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    // The name may contain anything, and is in the last parentheses.
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    let mut times = fields.split_ascii_whitespace().skip(11);
    let mut ticks = || times.next().and_then(|time| time.parse::<f64>().ok());
    let sum = ticks().zip(ticks()).map(|(user, system)| user + system);
    Ok(sum.ok_or("/proc/self/stat: not understood")? / 100.0)
}

/// Most memory that this process ever had, in bytes.
pub(crate) fn peak_memory() -> Result<u64, Failure> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    Ok(kib.ok_or("/proc/self/status: no VmHWM")? * 1024)
}

/// Bytes that the files of a folder take on the disk.
pub(crate) fn disk_bytes(folder: &Path) -> Result<u64, Failure> {
    use std::os::unix::fs::MetadataExt;
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let (path, metadata) = entry.and_then(|entry| Ok((entry.path(), entry.metadata()?)))?;
        bytes += match metadata.is_dir() {
            true => disk_bytes(&path)?,
            // A unit of stat(2), whatever the block size of the filesystem.
            false => metadata.blocks() * 512,
        };
    }
    Ok(bytes)
}

/// The load of the machine over the last minute.
pub(crate) fn load_average() -> Option<f64> {
    let text = fs::read_to_string("/proc/loadavg").ok()?;
    text.split_ascii_whitespace().next()?.parse().ok()
}
