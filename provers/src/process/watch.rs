//! What a worker's processes take, and their end.

use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, kill_process, kill_process_group, waitid,
};

/// The processes that belong to a worker: those of its group, and what descends from it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Members {
    pids: Vec<i32>,
    /// Bytes of memory of all of them.
    pub(super) memory_bytes: u64,
}

impl Members {
    pub(super) fn count(&self) -> u64 {
        self.pids.len() as u64
    }

    /// Those of the worker whose first process is `leader`. Empty where there is no `/proc`.
    pub(super) fn of(leader: Pid) -> Self {
        let leader = leader.as_raw_nonzero().get();
        let mut processes: Vec<Process> = std::fs::read_dir("/proc")
            .into_iter()
            .flatten()
            .filter_map(|entry| Process::read(entry.ok()?.file_name().to_str()?.parse().ok()?))
            .collect();
        let mut members = Self::default();
        let page = rustix::param::page_size() as u64;
        // Until nobody is added who belongs to the group, or whose parent belongs to the worker.
        loop {
            let before = members.pids.len();
            processes.retain(|process| {
                let belongs = process.group == leader
                    || process.pid == leader
                    || members.pids.contains(&process.parent);
                if belongs {
                    members.pids.push(process.pid);
                    members.memory_bytes += process.pages.saturating_mul(page);
                }
                !belongs
            });
            if members.pids.len() == before {
                return members;
            }
        }
    }

    fn kill(&self) {
        for pid in self.pids.iter().filter_map(|pid| Pid::from_raw(*pid)) {
            // One that is gone already is what is wanted.
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

/// Ends a worker and what belongs to it. To be called before its first process is waited for, whose
/// number nobody else can have until then.
pub(super) fn end(leader: Pid) {
    let strays = Members::of(leader);
    // The group at once, so that nobody in it can make more meanwhile.
    let _ = kill_process_group(leader, Signal::KILL);
    strays.kill();
    // What a stray made while it was looked for.
    Members::of(leader).kill();
}

/// Whether the first process of a worker is over, without waiting for it.
pub(super) fn has_ended(leader: Pid) -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
    matches!(waitid(WaitId::Pid(leader), options), Ok(Some(_)))
}

/// A line of `/proc/PID/stat`.
#[derive(Clone, Copy, Debug)]
struct Process {
    pid: i32,
    parent: i32,
    group: i32,
    pages: u64,
}

impl Process {
    fn read(pid: i32) -> Option<Self> {
        let stat = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
        Self::parse(pid, &stat)
    }

    /// The name in it may hold anything, parentheses too; what counts comes after the last one.
    fn parse(pid: i32, stat: &[u8]) -> Option<Self> {
        let behind = stat.iter().rposition(|byte| *byte == b')')?;
        let rest = str::from_utf8(stat.get(behind + 1..)?).ok()?;
        let mut fields = rest.split_ascii_whitespace();
        let (_state, parent, group) = (fields.next()?, fields.next()?, fields.next()?);
        // Field 24 of the whole line; the first of `rest` is field 3.
        let pages = fields.nth(24 - 6)?;
        Some(Self {
            pid,
            parent: parent.parse().ok()?,
            group: group.parse().ok()?,
            pages: pages.parse().unwrap_or_default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_lines_are_read_behind_any_name() {
        let line =
            b"42 (a) b (c)) S 7 9 9 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 12345 1000 77 18446";
        let process = Process::parse(42, line).unwrap();
        assert_eq!((process.parent, process.group, process.pages), (7, 9, 77));
        assert!(Process::parse(42, b"42 (x").is_none());
        assert!(Process::parse(42, b"42 (x) S 1").is_none());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_takes_memory() {
        let own = Process::read(i32::try_from(std::process::id()).unwrap()).unwrap();
        assert!(own.pages > 10);
    }
}
