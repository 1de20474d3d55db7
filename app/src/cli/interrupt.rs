//! Ctrl-C, a closed terminal and a polite kill: the first one raises a flag that everything long looks at, a second one
//! ends the process where it stands (a model that is being loaded looks at no flag). A command calls [`flag`] or
//! [`Tasks::new`], once.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use vlm::Cancel;

/// A Ctrl-C that comes this soon after a task ended was meant for the task.
const GRACE: Duration = Duration::from_secs(1);

/// Raises the flag that is returned when the user wants the program to end.
///
/// # Errors
/// When the system takes no signal handler.
pub fn flag() -> anyhow::Result<Cancel> {
    let flag = Cancel::default();
    let raised = flag.clone();
    ctrlc::set_handler(move || {
        if raised.is_cancelled() {
            at_once();
        }
        raised.cancel();
    })
    .context("The system lets no signal be handled.")?;
    Ok(flag)
}

/// For a program of many tasks: Ctrl-C stops the one that runs, and the program goes on. While none runs, it ends the program.
pub struct Tasks(Arc<Mutex<Task>>);

/// What is being done.
enum Task {
    /// Nothing that could be stopped.
    None,
    Running(Cancel),
    Ended(Instant),
}

impl Tasks {
    /// # Errors
    /// When the system takes no signal handler.
    pub fn new() -> anyhow::Result<Self> {
        let tasks = Self(Arc::new(Mutex::new(Task::None)));
        let seen = Self(Arc::clone(&tasks.0));
        ctrlc::set_handler(move || {
            if !seen.stop() {
                at_once();
            }
        })
        .context("The system lets no signal be handled.")?;
        Ok(tasks)
    }

    /// Does `task`, which looks at a flag that Ctrl-C raises.
    pub fn run<T>(&self, task: impl FnOnce(&Cancel) -> T) -> T {
        let cancel = Cancel::default();
        self.set(Task::Running(cancel.clone()));
        let done = task(&cancel);
        self.set(Task::Ended(Instant::now()));
        done
    }

    /// Stops what runs. Says whether there was anything that had not been stopped before.
    fn stop(&self) -> bool {
        match &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Task::Running(cancel) if !cancel.is_cancelled() => {
                cancel.cancel();
                true
            }
            Task::Ended(at) => at.elapsed() < GRACE,
            Task::None | Task::Running(_) => false,
        }
    }

    fn set(&self, task: Task) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = task;
    }

    /// Tasks that nothing interrupts, for tests.
    #[cfg(test)]
    pub fn uninterrupted() -> Self {
        Self(Arc::new(Mutex::new(Task::None)))
    }
}

#[allow(clippy::exit, reason = "the user asked twice, and the main thread may be busy for a long time")]
fn at_once() -> ! {
    std::process::exit(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_stopped_once_and_without_one_the_program_ends() {
        let tasks = Tasks::uninterrupted();
        assert!(!tasks.stop(), "nothing runs yet");
        tasks.run(|cancel| {
            assert!(tasks.stop() && cancel.is_cancelled());
            assert!(!tasks.stop(), "a second time ends the program");
        });
        tasks.run(|cancel| assert!(!cancel.is_cancelled(), "each task has a flag of its own"));
        tasks.set(Task::Ended(Instant::now().checked_sub(2 * GRACE).unwrap()));
        assert!(!tasks.stop(), "the task ended long ago");
    }
}
