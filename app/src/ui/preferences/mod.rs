//! What the window remembers between starts, in a TOML file that people may change by hand:
//! `settings.toml` in the platform's folder for configuration. Knows no window.

mod parts;
#[cfg(test)]
mod tests;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use toml::Table;

use crate::actions::speech::RATES;
use crate::base::message::Message;
use crate::base::{files, folders, text};
use crate::ui::run_choice::{LEAST_MEGABYTES, LogLimits, MOST_THREADS, RunChoice};

pub use crate::ui::preferences::parts::{
    CaptionPlace, CaptionStyle, KeptReference, KeptSpeed, Panels, SpeechChoice, ThemeChoice, USUAL_CAPTION, WindowPlace,
};

/// The file's name.
const FILE: &str = "settings.toml";
/// What the first release kept in its place.
const FORMER: &str = "preferences.json";
/// What stands at the head of the file.
const HEAD: &str =
    "# What Sightline's window remembers. Change it while the window is closed; the guide has the keys.\n\n";
/// Letters of the caption, as parts of the usual size.
pub const CAPTION_SIZES: [f32; 2] = [0.5, 3.0];
/// The window's zoom.
pub const ZOOMS: [f32; 2] = [0.5, 3.0];
/// How much of a change counts, as a part of what usually does.
pub const SENSITIVITIES: [f32; 2] = [0.25, 4.0];
/// The most sources that were looked at that are kept.
pub const MOST_RECENT: usize = 8;
/// The most own instructions that are kept.
pub const MOST_INSTRUCTIONS: usize = 20;
/// The most speeds that are kept.
const MOST_SPEEDS: usize = 40;

/// The choices.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a choice of its own")]
pub struct Preferences {
    /// The source, as it is written after `--source`. One with a password is not kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The sources beside it, written likewise.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub beside: Vec<String>,
    /// Files, folders and addresses that were looked at, newest first, written likewise.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub recent: Vec<String>,
    /// The model, as it is written after `--model`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// What the model is told to do with a picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instruction: Option<String>,
    /// The user's own instructions, newest first.
    pub own_instructions: Vec<String>,
    /// What the model is told before every picture.
    pub standing: String,
    /// Whether the window begins to record when it opens.
    pub always_record: bool,
    /// Light or dark.
    pub theme: ThemeChoice,
    /// Whether the picture is shown the other way round. The model sees it as it is.
    pub mirror: bool,
    /// Whether the last half minute is kept in memory, for clips.
    pub clips: bool,
    /// Whether the caption is drawn into pictures that are saved.
    pub draw_captions: bool,
    /// Whether the offer of a model over the demo was turned down.
    pub demo_will_do: bool,
    /// The most captions a minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub most_per_minute: Option<u32>,
    /// The most tokens of a caption.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub most_tokens: Option<usize>,
    /// Whether a caption stays until there is something new.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steady: Option<bool>,
    /// How small a change is captioned: 2 is twice as sensitive as usual.
    pub sensitivity: f32,
    /// How models are run.
    #[serde(rename = "engine")]
    pub run: RunChoice,
    /// How much of a log stays.
    #[serde(rename = "log")]
    pub log_limits: LogLimits,
    /// How captions look.
    pub captions: CaptionStyle,
    /// Whether and how they are read aloud.
    pub speech: SpeechChoice,
    /// Where the window is.
    pub window: WindowPlace,
    /// Which panels are open.
    pub panels: Panels,
    /// Pictures that the model is to know.
    #[serde(rename = "reference")]
    pub references: Vec<KeptReference>,
    /// How fast models are here.
    #[serde(rename = "speed")]
    pub speeds: Vec<KeptSpeed>,
    /// What another version of the program keeps here. It stays as it is.
    #[serde(flatten)]
    others: Table,
}

impl Default for Preferences {
    fn default() -> Self {
        Self {
            source: None,
            beside: Vec::new(),
            recent: Vec::new(),
            model: None,
            instruction: None,
            own_instructions: Vec::new(),
            standing: String::new(),
            always_record: false,
            theme: ThemeChoice::System,
            mirror: false,
            clips: true,
            draw_captions: false,
            demo_will_do: false,
            most_per_minute: None,
            most_tokens: None,
            steady: None,
            sensitivity: 1.0,
            run: RunChoice::default(),
            log_limits: LogLimits::default(),
            captions: CaptionStyle::default(),
            speech: SpeechChoice::default(),
            window: WindowPlace::default(),
            panels: Panels::default(),
            references: Vec::new(),
            speeds: Vec::new(),
            others: Table::new(),
        }
    }
}

/// The file of this user's choices. None where the system knows no home.
#[must_use]
pub fn default_path() -> Option<PathBuf> {
    Some(folders::config()?.join(FILE))
}

impl Preferences {
    /// Reads the file. Where there is none, nothing was chosen yet. A damaged one is kept aside, so
    /// that nothing that was written by hand gets lost; what happened is said.
    #[must_use]
    pub fn load(path: &Path) -> (Self, Option<Message>) {
        let text = match files::text_of(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return (Self::former(path), None),
            Err(error) => {
                let what = format!("What you chose last time can't be read from {} ({error}).", text::path(path));
                let hint = "Check the permissions of the file. Until then your choices hold until the window closes.";
                return (Self::default(), Some(Message::new(what).hint(hint)));
            }
        };
        match toml::from_str::<Self>(&text) {
            Ok(read) => (read.within_bounds(), None),
            Err(error) => {
                let line = error.span().map(|span| text::line_at(&text, span.start));
                (Self::default(), Some(put_aside(path, line, &text::of_toml(&error))))
            }
        }
    }

    /// What the first release kept.
    fn former(path: &Path) -> Self {
        let always_record = || -> Option<bool> {
            let former: serde_json::Value =
                serde_json::from_slice(&fs::read(path.with_file_name(FORMER)).ok()?).ok()?;
            former.get("always_record")?.as_bool()
        };
        Self { always_record: always_record().unwrap_or(false), ..Self::default() }
    }

    /// Keeps a speed in the place of an older one of the same model, device and precision.
    pub fn keep_speed(&mut self, speed: KeptSpeed) {
        let key = |speed: &KeptSpeed| (speed.model.clone(), speed.device.clone(), speed.precision.clone());
        self.speeds.retain(|old| key(old) != key(&speed));
        self.speeds.push(speed);
        let surplus = self.speeds.len().saturating_sub(MOST_SPEEDS);
        self.speeds.drain(..surplus);
    }

    /// Numbers that were written by hand, as far as they make sense.
    fn within_bounds(mut self) -> Self {
        let within =
            |value: f32, [least, most]: [f32; 2]| if value.is_finite() { value.clamp(least, most) } else { 1.0 };
        self.captions.size = within(self.captions.size, CAPTION_SIZES);
        self.captions.background = self.captions.background.min(100);
        let [slowest, _, fastest] = RATES;
        self.speech.rate = within(self.speech.rate, [slowest, fastest]);
        self.window.zoom = within(self.window.zoom, ZOOMS);
        self.sensitivity = within(self.sensitivity, SENSITIVITIES);
        self.run.threads = self.run.threads.map(|threads| threads.clamp(1, MOST_THREADS));
        self.log_limits.most_megabytes = self.log_limits.most_megabytes.map(|size| size.max(LEAST_MEGABYTES));
        self.own_instructions.truncate(MOST_INSTRUCTIONS);
        self.speeds.retain(|speed| speed.per_minute.is_finite() && speed.per_minute > 0.0);
        self.recent.truncate(MOST_RECENT);
        self
    }

    /// Writes the file, whole or not at all, and its folder when it is not there.
    ///
    /// # Errors
    /// Why, when it can't be written.
    pub fn save(&self, path: &Path) -> Result<(), Message> {
        let written = || -> io::Result<()> {
            let text = toml::to_string(self).map_err(io::Error::other)?;
            files::write_text(path, &(HEAD.to_owned() + &text))
        };
        written().map_err(|error| {
            let what = format!(
                "Your choice holds until the window closes, but can't be remembered: {} was not written ({error}).",
                text::path(path)
            );
            Message::new(what).hint("Check the disk and the permissions of its folder.")
        })
    }
}

/// Renames a damaged file, never over another one.
fn put_aside(path: &Path, line: Option<usize>, why: &str) -> Message {
    let place = line.map(|line| format!("line {line}: ")).unwrap_or_default();
    let what = format!("What you chose last time can't be read from {} ({place}{why}).", text::path(path));
    let names = (1..100).map(|number| path.with_file_name(format!("{FILE}.damaged-{number}")));
    let aside = names.into_iter().find(|aside| !aside.exists()).filter(|aside| fs::rename(path, aside).is_ok());
    match aside {
        Some(aside) => {
            Message::new(what).hint(format!("It was kept as {}; everything is as at first.", text::path(&aside)))
        }
        None => Message::new(what).hint("Fix or delete the file; it is rewritten when you next change a setting."),
    }
}
