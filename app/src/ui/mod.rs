//! The egui window: live picture, subtitle, questions.
//!
//! `state` reduces what happens to what is shown; a file a widget draws it and says what the user
//! did; `app` carries that out on the pipeline. Nothing here waits: whatever blocks runs in `jobs`.
//! It knows sources and models only by their specs, and opens them through [`Platform`].

mod app;
mod clip;
mod command;
mod download;
mod entered;
mod exchange_card;
mod first_run;
mod focus;
mod fonts;
mod frame_times;
mod grid;
mod held_keys;
mod help;
mod icon;
mod instruction;
mod jobs;
mod keep;
mod keep_drawn;
mod log;
mod measuring;
mod meter;
mod models;
mod notice;
mod options;
mod path_box;
mod performance;
mod pickers;
mod pixels;
mod plate;
mod platform;
mod player;
pub mod preferences;
mod question;
mod region;
mod room;
mod rules;
mod run_choice;
mod settings;
mod source_menu;
mod source_state;
mod state;
mod status;
mod stills;
mod subtitle;
#[cfg(test)]
mod tests;
mod theme;
mod video;
mod views;
mod window;
mod wording;

pub use crate::ui::app::App;
pub use crate::ui::meter::{Measured, Meter};
pub use crate::ui::options::{Clock, Options, READABLE, Ticks, UiError};
pub use crate::ui::platform::{Choice, Chosen, FoundCamera, Platform, Wanted};
pub use crate::ui::rules::RuleBook;
pub use crate::ui::run_choice::RunChoice;
pub use crate::ui::window::run;
