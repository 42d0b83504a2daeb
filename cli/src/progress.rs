//! How far a long command is: a bar on a terminal, a line now and then anywhere else.
//!
//! Both go to standard error, and neither before a second has passed. Whoever works only stores a
//! number; a thread of its own looks at it.

use indicatif::{ProgressBar, ProgressStyle};
use std::io::{IsTerminal as _, Write as _, stderr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Nothing is shown of what takes less.
const QUIET: Duration = Duration::from_secs(1);
const BETWEEN_FRAMES: Duration = Duration::from_millis(100);
const BETWEEN_LINES: Duration = Duration::from_secs(10);

/// Shows how far something is until it is dropped.
#[derive(Debug)]
pub(crate) struct Progress {
    done: Arc<AtomicU64>,
    /// Dropped to stop the thread.
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What is done, and how much of it there is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Task {
    pub(crate) name: &'static str,
    pub(crate) unit: Unit,
    /// `None` if not known before the end.
    pub(crate) total: Option<u64>,
}

/// What is counted.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Unit {
    Bytes,
    Leaves,
    Files,
    Blocks,
    /// Nothing that could be counted: only that it is at work.
    Nothing,
}

impl Progress {
    /// Shows that something is at work, which cannot tell how far it is.
    pub(crate) fn working(name: &'static str) -> Self {
        Self::start(Task {
            name,
            unit: Unit::Nothing,
            total: None,
        })
    }

    pub(crate) fn start(task: Task) -> Self {
        let done = Arc::new(AtomicU64::new(0));
        let (stop, stopped) = channel();
        let seen = Arc::clone(&done);
        let thread = std::thread::Builder::new().spawn(move || {
            let seen = || seen.load(Ordering::Relaxed);
            if stderr().is_terminal() {
                show_bar(task, &stopped, seen);
            } else {
                follow(&stopped, QUIET, BETWEEN_LINES, |elapsed| {
                    let _ = writeln!(stderr().lock(), "{}", task.text(seen(), elapsed));
                });
            }
        });
        Self {
            done,
            stop: Some(stop),
            // Without a thread there is no progress to see, and the work goes on.
            thread: thread.ok(),
        }
    }

    /// What counts how much is done.
    pub(crate) fn counter(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.done)
    }

    /// So much is done, of the total.
    pub(crate) fn set(&self, done: u64) {
        self.done.store(done, Ordering::Relaxed);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It only drew.
            let _ = thread.join();
        }
    }
}

impl Task {
    /// One line: what, how far, since when.
    fn text(&self, done: u64, elapsed: Duration) -> String {
        let (name, seconds) = (self.name, elapsed.as_secs());
        let (unit, per_unit, decimals) = match self.unit {
            Unit::Bytes => ("MiB", (1u64 << 20) as f64, 1),
            Unit::Leaves => ("M leaves", 1e6, 1),
            Unit::Files => ("files", 1.0, 0),
            Unit::Blocks => ("blocks", 1.0, 0),
            Unit::Nothing => return format!("{name}: {seconds} s"),
        };
        let done_units = done as f64 / per_unit;
        match self.total {
            // Work that cannot tell how far it is.
            Some(total) if done == 0 => {
                let total = total as f64 / per_unit;
                format!("{name}: {total:.decimals$} {unit} to do, {seconds} s")
            }
            Some(total) => {
                let total = total as f64 / per_unit;
                format!("{name}: {done_units:.decimals$} of {total:.decimals$} {unit}, {seconds} s")
            }
            None => format!("{name}: {done_units:.decimals$} {unit}, {seconds} s"),
        }
    }
}

/// Calls `draw` after `quiet` and then every `period`, until the other side is dropped.
fn follow(
    stopped: &Receiver<()>,
    quiet: Duration,
    period: Duration,
    mut draw: impl FnMut(Duration),
) {
    let start = Instant::now();
    let mut wait = quiet;
    while stopped.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
        draw(start.elapsed());
        wait = period;
    }
}

fn show_bar(task: Task, stopped: &Receiver<()>, done: impl Fn() -> u64) {
    let mut shown: Option<ProgressBar> = None;
    follow(stopped, QUIET, BETWEEN_FRAMES, |elapsed| {
        let done = done();
        let bar = shown.get_or_insert_with(|| new_bar(task.total.filter(|_| done > 0)));
        bar.set_position(done);
        bar.set_message(task.text(done, elapsed));
        bar.tick();
    });
    if let Some(bar) = shown {
        bar.finish_and_clear();
    }
}

fn new_bar(total: Option<u64>) -> ProgressBar {
    let (bar, template) = match total {
        Some(total) => (ProgressBar::new(total), "[{bar:30}] {percent:>3}% {msg}"),
        None => (ProgressBar::new_spinner(), "{spinner} {msg}"),
    };
    let style = ProgressStyle::with_template(template).expect("both templates are good");
    bar.with_style(style.progress_chars("=> ").tick_chars("|/-\\ "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_how_far_and_since_when() {
        let text = |total, unit, done| {
            let name = "append";
            Task { name, unit, total }.text(done, Duration::from_millis(12_900))
        };
        let mib = 1 << 20;
        assert_eq!(
            text(Some(8 * mib), Unit::Bytes, mib / 2),
            "append: 0.5 of 8.0 MiB, 12 s"
        );
        assert_eq!(text(None, Unit::Bytes, 3 * mib), "append: 3.0 MiB, 12 s");
        assert_eq!(text(None, Unit::Nothing, 0), "append: 12 s");
        assert_eq!(
            text(Some(2_500_000), Unit::Leaves, 0),
            "append: 2.5 M leaves to do, 12 s"
        );
        assert_eq!(
            text(Some(53), Unit::Files, 7),
            "append: 7 of 53 files, 12 s"
        );
    }

    #[test]
    fn nothing_is_drawn_before_time_or_after_the_end() {
        let (stop, stopped) = channel::<()>();
        let mut drawn = 0;
        let mut stop = Some(stop);
        follow(&stopped, Duration::ZERO, Duration::ZERO, |_| {
            drawn += 1;
            if drawn == 3 {
                stop = None;
            }
        });
        assert_eq!(drawn, 3);
        follow(&stopped, QUIET, QUIET, |_| panic!("it has ended"));
    }
}
