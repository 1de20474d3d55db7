//! Ctrl-C, a closed terminal (SIGHUP) and a polite kill (SIGTERM): the first one raises a flag that everything long looks at, a
//! second one ends the process where it stands (a model that is being loaded looks at no flag). A command calls [`flag`]
//! or [`Tasks::new`], once.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use vlm::Cancel;

/// The exit code of a program that was asked to end by SIGTERM: 128 and the signal's number.
pub const KILLED: i32 = 128 + 15;
const UNHANDLED: &str = "The system lets no signal be handled.";
/// A Ctrl-C that comes this soon after a task ended was meant for the task.
const GRACE: Duration = Duration::from_secs(1);

/// Raises the flag that is returned when the user wants the program to end.
///
/// # Errors
/// When the system takes no signal handler.
pub fn flag() -> anyhow::Result<Cancel> {
    let flag = Cancel::default();
    let (interrupted, ended) = (flag.clone(), flag.clone());
    let raise = |flag: &Cancel| {
        if flag.is_cancelled() {
            at_once(1);
        }
        flag.cancel();
    };
    ctrlc::set_handler(move || raise(&interrupted)).context(UNHANDLED)?;
    on_end(move || raise(&ended))?;
    Ok(flag)
}

/// For a program of many tasks: Ctrl-C stops the one that runs, and the program goes on. While none runs, it ends the program.
/// A polite kill ends it too, once the task that runs has stopped.
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
    Ended(Instant),
}

impl Tasks {
    /// `leave` is done before a process ends where it stands.
    ///
    /// # Errors
    /// When the system takes no signal handler.
    pub fn new(leave: impl Fn() + Send + 'static) -> anyhow::Result<Self> {
        let tasks = Self::uninterrupted();
        let (interrupted, ended) = (tasks.share(), tasks.share());
        ctrlc::set_handler(move || {
            if !interrupted.stop() {
                at_once(1);
            }
        })
        .context(UNHANDLED)?;
        on_end(move || {
            if !ended.end() {
                leave();
                at_once(KILLED);
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

    /// Stops what runs. Says whether there was anything that had not been stopped before.
    fn stop(&self) -> bool {
        match &*self.lock() {
            Task::Running(cancel) if !cancel.is_cancelled() => {
                cancel.cancel();
                true
            }
            Task::Ended(at) => at.elapsed() < GRACE,
            Task::None | Task::Running(_) => false,
        }
    }

    /// Stops what runs, for good. Says whether there was anything that had not been stopped before: it will see to the end.
    fn end(&self) -> bool {
        self.ending.cancel();
        match &*self.lock() {
            Task::Running(cancel) if !cancel.is_cancelled() => {
                cancel.cancel();
                true
            }
            _ => false,
        }
    }

    fn set(&self, task: Task) {
        *self.lock() = task;
    }

    fn lock(&self) -> MutexGuard<'_, Task> {
        self.task.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Calls `end` whenever the program is asked to end by SIGTERM or SIGHUP.
#[cfg(unix)]
fn on_end(end: impl Fn() + Send + 'static) -> anyhow::Result<()> {
    use std::task::Poll;
    use tokio::signal::unix::{SignalKind, signal};

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context(UNHANDLED)?;
    let (mut killed, mut closed) = {
        let _inside = runtime.enter();
        (signal(SignalKind::terminate()).context(UNHANDLED)?, signal(SignalKind::hangup()).context(UNHANDLED)?)
    };
    let wait = move || {
        runtime.block_on(async {
            loop {
                std::future::poll_fn(|context| {
                    let came = killed.poll_recv(context).is_ready() || closed.poll_recv(context).is_ready();
                    if came { Poll::Ready(()) } else { Poll::Pending }
                })
                .await;
                end();
            }
        });
    };
    std::thread::Builder::new().name("signals".into()).spawn(wait).context(UNHANDLED)?;
    Ok(())
}

/// There the console's own signals are all there is.
#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "elsewhere it may fail")]
fn on_end(_: impl Fn() + Send + 'static) -> anyhow::Result<()> {
    Ok(())
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
            assert!(!tasks.stop(), "a second time ends the program");
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
            assert!(!tasks.end(), "a second time it does not wait");
        });
        assert!(!Tasks::uninterrupted().end(), "nothing runs");
    }
}
