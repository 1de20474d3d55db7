//! The egui window: live picture, subtitle, questions.
//!
//! `state` reduces what happens to what is shown; a file a widget draws it and says what the user did; `app` carries that
//! out on the pipeline. Nothing here waits: whatever blocks runs in `jobs`. It knows sources and models only by their
//! specs, and opens them through [`Platform`].

mod app;
mod download;
mod frame_times;
mod icon;
mod jobs;
mod log;
mod notice;
mod pickers;
mod pixels;
mod platform;
pub mod preferences;
mod question;
mod recording;
mod state;
mod status;
mod subtitle;
#[cfg(test)]
mod tests;
mod theme;
mod video;
mod wording;

use std::fmt;
use std::io;
use std::sync::Arc;

use egui::{IconData, ViewportBuilder};
use jiff::ZonedDateTime;

pub use crate::ui::app::App;
pub use crate::ui::platform::{Choice, Platform, Wanted};
pub use crate::ui::recording::LogOptions;

use crate::capture::SourceSpec;
use crate::live::Settings;
use crate::models::spec::ModelSpec;

const ICON: &[u8] = include_bytes!("../../../ui-assets/sightline.png");
/// The name of the desktop entry, by which the desktop finds the window's icon.
const APP_ID: &str = "sightline";
/// The size of a new window, in points: an HD picture and the bars around it on a small screen.
const SIZE: [f32; 2] = [1180.0, 780.0];
/// Smaller than this and the bars no longer fit.
const LEAST_SIZE: [f32; 2] = [560.0, 400.0];

/// What tells the time and the place, which tests make stand still.
pub type Clock = fn() -> ZonedDateTime;

/// What the window opens with.
pub struct Options {
    /// The source to open.
    pub source: Option<SourceSpec>,
    /// The model to open.
    pub model: Option<ModelSpec>,
    /// What the pipeline is started with.
    pub settings: Settings,
    /// Which caption log is shown, and recorded into.
    pub log: LogOptions,
    /// What days and times of the log are told by.
    pub clock: Clock,
    /// The way to sources, models and dialogs.
    pub platform: Arc<dyn Platform>,
}

/// Why there is no window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UiError {
    /// A sentence: what happened and what to do.
    pub message: String,
}

impl UiError {
    fn no_thread(error: &io::Error) -> Self {
        Self { message: format!("The system started no thread for the camera or the model: {error}.") }
    }

    fn no_window(error: &eframe::Error) -> Self {
        tracing::debug!(%error, "no window");
        let cause = match error {
            eframe::Error::AppCreation(cause) => return Self { message: cause.to_string() },
            // Its text names a line of the windowing library, which helps nobody.
            eframe::Error::WinitEventLoop(_) => "There is no display to open a window on.".to_owned(),
            other => format!("No window could be opened: {}.", other.to_string().trim_end_matches('.')),
        };
        let advice = "Use `sightline watch --source camera`, which writes the captions to the terminal.";
        let message = format!("{cause} {advice}");
        Self { message }
    }
}

impl fmt::Display for UiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for UiError {}

/// Opens the window and stays until it is closed. Has to be called on the main thread.
///
/// # Errors
/// When there is no display, or no graphics to draw with.
pub fn run(options: Options) -> Result<(), UiError> {
    let mut viewport = ViewportBuilder::default()
        .with_title("Sightline")
        .with_app_id(APP_ID)
        .with_inner_size(SIZE)
        .with_min_inner_size(LEAST_SIZE)
        .with_drag_and_drop(true);
    if let Some(icon) = icon() {
        viewport = viewport.with_icon(icon);
    }
    let native = eframe::NativeOptions { viewport, ..eframe::NativeOptions::default() };
    eframe::run_native(APP_ID, native, Box::new(|creation| Ok(Box::new(App::new(&creation.egui_ctx, options)?))))
        .map_err(|error| UiError::no_window(&error))
}

/// The icon of the window. A window without one is better than no window.
fn icon() -> Option<IconData> {
    let picture = image::load_from_memory(ICON).inspect_err(|error| tracing::warn!(%error, "no window icon")).ok()?;
    let rgba = picture.to_rgba8();
    Some(IconData { width: rgba.width(), height: rgba.height(), rgba: rgba.into_raw() })
}
