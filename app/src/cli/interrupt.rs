//! Ctrl-C, a closed terminal (SIGHUP) and a polite kill (SIGTERM): the first one raises a flag that
//! everything long looks at. One that comes a second later or more ends the process where it stands
//! (a model that is being loaded looks at no flag); one that comes sooner means the same:
//! timeout(1), npm and terminals that close send signals in pairs. A command calls [`flag`] or
//! [`Tasks::new`], once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use signal_hook::consts::{SIGINT, SIGTERM};
use vlm::Cancel;

/// The exit code of a program that was asked to end by SIGTERM: 128 and the signal's number.
pub const KILLED: i32 = 128 + 15;
const UNHANDLED: &str = "The system lets no signal be handled.";
/// Signals that come this soon after the first are the same wish; so is a Ctrl-C this soon after a
/// task ended, which was meant for the task.
const GRACE: Duration = Duration::from_secs(1);
/// How often it is looked whether a signal came: its handler may do no more than raise a flag.
/// Needs no file descriptor, and works on every system.
const LOOK_UP: Duration = Duration::from_millis(20);

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    /// Ctrl-C.
    Interrupt,
    /// SIGTERM or SIGHUP.
    End,
}

/// Raises the flag that is returned when the user wants the program to end.
///
/// # Errors
/// When the system takes no signal handler.
pub fn flag() -> anyhow::Result<Cancel> {
    flag_and(|| {})
}

/// The same, and calls `wake` once it is raised, for those who look at no clock.
///
/// # Errors
/// As [`flag`].
pub fn flag_and(wake: impl Fn() + Send + 'static) -> anyhow::Result<Cancel> {
    let flag = Cancel::default();
    let (raised, mut first) = (flag.clone(), None);
    listen(move |_| {
        raised.cancel();
        wake();
        if first.get_or_insert_with(Instant::now).elapsed() >= GRACE {
            at_once(1);
        }
    })?;
    Ok(flag)
}

/// Has a program that is aborted, for want of memory say, end with exit code 1. Why was said by
/// then.
pub fn fail_when_aborted() {
    #[cfg(unix)]
    {
        let always = Arc::new(AtomicBool::new(true));
        if let Err(error) = signal_hook::flag::register_conditional_shutdown(signal_hook::consts::SIGABRT, 1, always) {
            tracing::debug!(%error, "an abort is left as it is");
        }
    }
}

/// Calls `told` on a thread of its own with what signals ask for.
fn listen(mut told: impl FnMut(Wish) + Send + 'static) -> anyhow::Result<()> {
    #[cfg(unix)]
    const SIGNALS: [(i32, Wish); 3] =
        [(SIGINT, Wish::Interrupt), (SIGTERM, Wish::End), (signal_hook::consts::SIGHUP, Wish::End)];
    #[cfg(not(unix))]
    const SIGNALS: [(i32, Wish); 2] = [(SIGINT, Wish::Interrupt), (SIGTERM, Wish::End)];

    let mut flags = Vec::new();
    for (signal, wish) in SIGNALS {
        let came = Arc::new(AtomicBool::new(false));
        signal_hook::flag::register(signal, Arc::clone(&came)).context(UNHANDLED)?;
        flags.push((came, wish));
    }
    let look = move || {
        loop {
            for (came, wish) in &flags {
                if came.swap(false, Ordering::SeqCst) {
                    told(*wish);
                }
            }
            thread::sleep(LOOK_UP);
        }
    };
    thread::Builder::new().name("signals".into()).spawn(look).context(UNHANDLED)?;
    Ok(())
}

/// For a program of many tasks: Ctrl-C stops the one that runs, and the program goes on. While none
/// runs, it ends the program. A polite kill ends it too, once the task that runs has stopped.
pub struct Tasks {
    task: Arc<Mutex<Task>>,
    /// Raised when the program is to end.
    ending: Cancel,
}

/// What is being done.
enum Task {
    /// Nothing that could be stopped.
    None,
    Running(Cancel),
    /// It was stopped at this time, and may still run.
    Stopping(Instant),
    Ended(Instant),
}

impl Tasks {
    /// `leave` is done before a process ends where it stands.
    ///
    /// # Errors
    /// When the system takes no signal handler.
    pub fn new(leave: impl Fn() + Send + 'static) -> anyhow::Result<Self> {
        let tasks = Self::uninterrupted();
        let shared = tasks.share();
        listen(move |wish| match wish {
            Wish::Interrupt => {
                if !shared.stop() {
                    leave();
                    at_once(1);
                }
            }
            Wish::End => {
                if !shared.end() {
                    leave();
                    at_once(KILLED);
                }
            }
        })?;
        Ok(tasks)
    }

    /// Tasks that no signal interrupts.
    pub fn uninterrupted() -> Self {
        Self { task: Arc::new(Mutex::new(Task::None)), ending: Cancel::default() }
    }

    fn share(&self) -> Self {
        Self { task: Arc::clone(&self.task), ending: self.ending.clone() }
    }

    /// Whether the program is to end.
    pub fn is_ending(&self) -> bool {
        self.ending.is_cancelled()
    }

    /// Does `task`, which looks at a flag that Ctrl-C raises.
    pub fn run<T>(&self, task: impl FnOnce(&Cancel) -> T) -> T {
        let cancel = Cancel::default();
        self.set(Task::Running(cancel.clone()));
        let done = task(&cancel);
        self.set(Task::Ended(Instant::now()));
        done
    }

    /// Stops what runs. Says whether there was anything to stop: what was stopped just now need not
    /// be stopped again.
    fn stop(&self) -> bool {
        let mut task = self.lock();
        match &*task {
            Task::Running(cancel) => {
                cancel.cancel();
                *task = Task::Stopping(Instant::now());
                true
            }
            Task::Stopping(at) | Task::Ended(at) => at.elapsed() < GRACE,
            Task::None => false,
        }
    }

    /// Stops what runs, for good. Says whether there was anything to stop: it will see to the end.
    fn end(&self) -> bool {
        self.ending.cancel();
        let mut task = self.lock();
        match &*task {
            Task::Running(cancel) => {
                cancel.cancel();
                *task = Task::Stopping(Instant::now());
                true
            }
            Task::Stopping(at) => at.elapsed() < GRACE,
            Task::None | Task::Ended(_) => false,
        }
    }

    fn set(&self, task: Task) {
        *self.lock() = task;
    }

    fn lock(&self) -> MutexGuard<'_, Task> {
        self.task.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[allow(clippy::exit, reason = "the user asked twice, and the main thread may be busy for a long time")]
fn at_once(code: i32) -> ! {
    std::process::exit(code)
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
            assert!(tasks.stop(), "the same again is the same wish");
            tasks.set(Task::Stopping(Instant::now().checked_sub(2 * GRACE).unwrap()));
            assert!(!tasks.stop(), "much later it ends the program");
        });
        tasks.run(|cancel| assert!(!cancel.is_cancelled(), "each task has a flag of its own"));
        tasks.set(Task::Ended(Instant::now().checked_sub(2 * GRACE).unwrap()));
        assert!(!tasks.stop(), "the task ended long ago");
    }

    #[test]
    fn the_end_waits_for_the_task_that_runs() {
        let tasks = Tasks::uninterrupted();
        tasks.run(|cancel| {
            assert!(!tasks.is_ending() && tasks.end() && cancel.is_cancelled() && tasks.is_ending());
            assert!(tasks.end(), "the same again is the same wish");
            tasks.set(Task::Stopping(Instant::now().checked_sub(2 * GRACE).unwrap()));
            assert!(!tasks.end(), "much later it does not wait");
        });
        assert!(!Tasks::uninterrupted().end(), "nothing runs");
    }
}
