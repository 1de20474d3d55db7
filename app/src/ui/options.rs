//! What the window opens with, and why there may be none. Plain data.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::ZonedDateTime;

use crate::actions::{Actions, CaptionFiles};
use crate::base::message::Message;
use crate::capture::SourceOptions;
use crate::live::Settings;
use crate::log::LogOptions;
use crate::models::spec::ModelSpec;
use crate::plan::ViewPlan;
use crate::ui::meter::Meter;
use crate::ui::platform::Platform;
use crate::ui::preferences::Preferences;
use crate::ui::rules::RuleBook;

/// Captions that follow each other faster than this can't be read.
pub const READABLE: Duration = Duration::from_millis(700);

/// What tells the time and the place, which tests make stand still.
pub type Clock = fn() -> ZonedDateTime;

/// What tells how time passes, which tests make stand still.
pub type Ticks = fn() -> Instant;

/// What the window opens with.
pub struct Options {
    /// What is looked at, each in a view of its own; one without a source where it is empty.
    pub views: Vec<ViewPlan>,
    /// They stand in a file, which says them again the next time: they are not remembered.
    pub is_from_file: bool,
    /// How sources are opened that are chosen later.
    pub source_options: SourceOptions,
    /// The model to open.
    pub model: Option<ModelSpec>,
    /// What a view is started with that is added later, or that has no source yet.
    pub settings: Settings,
    /// Which caption log is shown, and recorded into.
    pub log: LogOptions,
    /// What is written for other programs.
    pub caption_files: Option<CaptionFiles>,
    /// What is watched for.
    pub rules: RuleBook,
    /// What is told to others.
    pub actions: Option<Actions>,
    /// What days and times of the log are told by.
    pub clock: Clock,
    /// What ages and waits are told by.
    pub now: Ticks,
    /// What the user chose before.
    pub preferences: Preferences,
    /// What is wrong with how that was kept.
    pub trouble: Option<Message>,
    /// The way to sources, models and dialogs.
    pub platform: Arc<dyn Platform>,
    /// The window is opened to be measured by this, and closes when that says so.
    pub meter: Option<Arc<Meter>>,
}

/// Why there is no window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UiError {
    /// What happened and what to do.
    pub message: Message,
}

impl UiError {
    pub(super) fn no_thread(error: &io::Error) -> Self {
        Self { message: Message::new(format!("The system started no thread for the camera or the model: {error}.")) }
    }

    pub(super) fn no_window(error: &eframe::Error) -> Self {
        tracing::debug!(%error, "no window");
        let cause = match error {
            eframe::Error::AppCreation(cause) => return Self { message: Message::new(cause.to_string()) },
            // Its text names a line of the windowing library, which helps nobody.
            eframe::Error::WinitEventLoop(_) => "There is no display to open a window on.".to_owned(),
            other => format!("No window could be opened: {}.", other.to_string().trim_end_matches('.')),
        };
        let hint = "Use `sightline watch --source camera`, which writes the captions to the terminal.";
        Self { message: Message::new(cause).hint(hint) }
    }
}

impl fmt::Display for UiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.message.fmt(f)
    }
}

impl std::error::Error for UiError {}
