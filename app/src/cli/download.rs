//! Downloads a model before it is opened, with a bar on standard error for those who watch; without
//! a terminal, silently.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use vlm::Cancel;

use crate::models;
use crate::models::spec::ModelSpec;
use crate::models::{DownloadError, Mended, Pace, Progress};

/// How often the bar is drawn, per second.
const DRAWN: u8 = 10;
/// The spinner turns while the hub is waited for.
const TURN: Duration = Duration::from_millis(120);
/// The thousandths that a bar is full at.
const FULL: u64 = 1000;

/// Has a model be on this machine: downloads it unless it is there, and asks nobody if it is.
///
/// # Errors
/// When it can't be had, or `cancel` was raised; a sentence says what to do.
pub fn fetch(model: &ModelSpec, cancel: &Cancel) -> Result<(), DownloadError> {
    if models::is_here(model) {
        return Ok(());
    }
    let mut bar = Bar::new(model);
    models::fetch(model, cancel, &mut |progress| bar.show(progress))
}

/// The same for what is on this machine, too: reads and checks it, and downloads what is damaged
/// anew.
///
/// # Errors
/// As [`fetch`].
pub fn mend(model: &ModelSpec, cancel: &Cancel) -> Result<Mended, DownloadError> {
    let mut bar = Bar::new(model);
    models::mend(model, cancel, &mut |progress| bar.show(progress))
}

/// A bar, gone when it is dropped.
struct Bar {
    bar: ProgressBar,
    pace: Pace,
}

impl Bar {
    fn new(model: &ModelSpec) -> Self {
        let is_watched = io::stderr().is_terminal();
        if is_watched && !models::is_here(model) {
            let id = model.hub_id().unwrap_or_default();
            // Nobody is there to be told when this fails.
            let _ = writeln!(io::stderr(), "Downloading {id}. Ctrl-C stops; the next time it goes on from there.");
        }
        let target = if is_watched { ProgressDrawTarget::stderr_with_hz(DRAWN) } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(FULL), target);
        if let Ok(style) = ProgressStyle::with_template("{spinner} {bar:30} {msg}") {
            bar.set_style(style);
        }
        if is_watched {
            bar.enable_steady_tick(TURN);
        }
        Self { bar, pace: Pace::default() }
    }

    fn show(&mut self, progress: &Progress) {
        self.pace.record(Instant::now(), progress);
        let part = (progress.done * FULL).checked_div(progress.total).unwrap_or_default();
        self.bar.set_position(part);
        self.bar.set_message(format!("{} · {}", self.pace.words(progress), progress.file));
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
