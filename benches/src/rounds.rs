//! Sampling several tasks in one run, in interleaved rounds.
//!
//! A machine speeds up, slows down and is interrupted. A round runs every task once, so whatever
//! happens to the machine happens to all of them, and a ratio is taken within a round, where
//! the machine was the same. Medians over the rounds then drop the interrupted ones.

use std::fmt;
use std::time::{Duration, Instant};

/// Tasks and the wall time that each took in each round.
#[derive(Debug, Default)]
pub struct Rounds<'a> {
    tasks: Vec<Task<'a>>,
}

/// A task of some [`Rounds`].
#[derive(Clone, Copy, Debug)]
pub struct TaskId(usize);

struct Task<'a> {
    name: String,
    /// Things that one run of the task does: times are per thing.
    count: f64,
    run: Box<dyn FnMut() + 'a>,
    /// Nanoseconds per thing, by round.
    samples: Vec<f64>,
}

impl<'a> Rounds<'a> {
    /// No tasks yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a task that does `count` things a run; its times are per thing.
    pub fn add(&mut self, name: impl Into<String>, count: u32, run: impl FnMut() + 'a) -> TaskId {
        self.tasks.push(Task {
            name: name.into(),
            count: f64::from(count),
            run: Box::new(run),
            samples: Vec::new(),
        });
        TaskId(self.tasks.len() - 1)
    }

    /// Runs `count` rounds, or fewer if `budget` is used up before; the first is not counted.
    /// Returns how many were.
    pub fn run(&mut self, count: usize, budget: Duration) -> usize {
        let begin = Instant::now();
        for task in &mut self.tasks {
            (task.run)();
        }
        let mut done = 0;
        while done < count && (done == 0 || begin.elapsed() < budget) {
            for task in &mut self.tasks {
                let start = Instant::now();
                (task.run)();
                let elapsed = start.elapsed();
                task.samples.push(elapsed.as_secs_f64() * 1e9 / task.count);
            }
            done += 1;
        }
        done
    }

    /// The name of a task.
    #[must_use]
    pub fn name(&self, task: TaskId) -> &str {
        self.tasks.get(task.0).map_or("", |task| &task.name)
    }

    /// Every task, in the order they were added.
    pub fn tasks(&self) -> impl Iterator<Item = TaskId> {
        (0..self.tasks.len()).map(TaskId)
    }

    /// Nanoseconds per thing, ascending.
    #[must_use]
    pub fn times(&self, task: TaskId) -> Vec<f64> {
        sorted(self.samples(task).iter().copied())
    }

    /// How many times faster than `yardstick` the task was in the same round, ascending.
    #[must_use]
    pub fn ratios(&self, yardstick: TaskId, task: TaskId) -> Vec<f64> {
        let rounds = self.samples(yardstick).iter().zip(self.samples(task));
        sorted(rounds.map(|(yardstick, time)| yardstick / time))
    }

    fn samples(&self, task: TaskId) -> &[f64] {
        self.tasks.get(task.0).map_or(&[], |task| &task.samples)
    }
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

impl fmt::Debug for Task<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task")
            .field("name", &self.name)
            .field("samples", &self.samples.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    #[test]
    fn tasks_take_turns() {
        let log = RefCell::new(String::new());
        let mut rounds = Rounds::new();
        let a = rounds.add("a", 1, || log.borrow_mut().push('a'));
        let b = rounds.add("b", 1, || log.borrow_mut().push('b'));
        assert_eq!(rounds.run(2, Duration::MAX), 2);
        assert_eq!(rounds.times(a).len(), 2);
        assert_eq!(rounds.ratios(a, b).len(), 2);
        assert_eq!(rounds.name(b), "b");
        assert_eq!(*log.borrow(), "ababab");
    }

    #[test]
    fn a_spent_budget_still_leaves_one_round() {
        let mut rounds = Rounds::new();
        let task = rounds.add("slow", 1000, || {
            std::thread::sleep(Duration::from_millis(2))
        });
        assert_eq!(rounds.run(1000, Duration::ZERO), 1);
        assert!(rounds.times(task)[0] >= 2000.0, "2 ms in 1000 parts");
    }
}
