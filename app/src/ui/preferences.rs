//! What the window remembers between starts, in a TOML file that people may change by hand:
//! `settings.toml` in the platform's folder for configuration. Knows no window.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use toml::Table;

use crate::base::message::Message;
use crate::base::{files, folders, text};
use crate::ui::run_choice::{LEAST_MEGABYTES, LogLimits, MOST_THREADS, RunChoice};

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
            window: WindowPlace::default(),
            panels: Panels::default(),
            references: Vec::new(),
            speeds: Vec::new(),
            others: Table::new(),
        }
    }
}

/// Light or dark.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ThemeChoice {
    /// As the system says; dark where it says nothing.
    #[default]
    System,
    /// Light.
    Light,
    /// Dark.
    Dark,
}

/// Where captions stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CaptionPlace {
    /// Over the lower edge of the picture.
    #[default]
    Picture,
    /// Under the picture.
    Below,
}

/// How captions look.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default)]
pub struct CaptionStyle {
    /// Their letters, as a part of the usual size.
    pub size: f32,
    /// Where they stand.
    pub place: CaptionPlace,
    /// How dark the plate under them is, in per cent.
    pub background: u8,
}

impl Default for CaptionStyle {
    fn default() -> Self {
        Self { size: 1.0, place: CaptionPlace::Picture, background: 80 }
    }
}

impl CaptionStyle {
    /// The size of the letters, in points.
    #[must_use]
    pub fn points(&self) -> f32 {
        USUAL_CAPTION * self.size
    }
}

/// The usual size of a caption's letters, in points: readable from a few steps away.
pub const USUAL_CAPTION: f32 = 24.0;

/// Where the window is, in points.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default)]
pub struct WindowPlace {
    /// Width and height.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<[f32; 2]>,
    /// From the left and the top of the screens, where the system tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<[f32; 2]>,
    /// Whether it fills the screen.
    pub maximized: bool,
    /// How large everything is: 1 is the system's own size.
    pub zoom: f32,
}

impl Default for WindowPlace {
    fn default() -> Self {
        Self { size: None, position: None, maximized: false, zoom: 1.0 }
    }
}

/// Which panels are open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct Panels {
    /// The log.
    pub log: bool,
    /// How fast everything is.
    pub performance: bool,
    /// The rules.
    pub rules: bool,
    /// The width of the log beside the picture, in points.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_width: Option<u32>,
    /// The same of the questions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub questions_width: Option<u32>,
}

/// A picture that the model is to know.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct KeptReference {
    /// What it shows.
    pub label: String,
    /// Its file.
    pub file: PathBuf,
}

/// How fast a model is on this machine.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct KeptSpeed {
    /// The model, as it is written after `--model`.
    pub model: String,
    /// Where it ran.
    pub device: String,
    /// In which numbers.
    pub precision: String,
    /// Captions in a minute.
    pub per_minute: f32,
}

impl KeptSpeed {
    /// In words.
    #[must_use]
    pub fn words(&self) -> String {
        let Self { device, precision, per_minute, .. } = self;
        format!("about {per_minute:.0} captions a minute here ({precision} on {device})")
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

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("below").join(FILE);
        fs::create_dir(path.parent().expect("a folder")).expect("made");
        (folder, path)
    }

    #[test]
    fn what_was_chosen_is_there_the_next_time() {
        let (_folder, path) = scratch();
        assert_eq!(Preferences::load(&path), (Preferences::default(), None));
        assert!(!Preferences::default().always_record, "nothing is recorded unless the user says so");
        let chosen = Preferences {
            source: Some("camera:1".to_owned()),
            instruction: Some("Say \"what\"\nyou see.".to_owned()),
            always_record: true,
            theme: ThemeChoice::Light,
            most_per_minute: Some(12),
            captions: CaptionStyle { size: 1.5, place: CaptionPlace::Below, background: 30 },
            window: WindowPlace { size: Some([800.0, 600.0]), zoom: 1.25, ..WindowPlace::default() },
            panels: Panels { log: true, rules: true, log_width: Some(444), ..Panels::default() },
            run: RunChoice { threads: Some(3), ..RunChoice::default() },
            log_limits: LogLimits { most_megabytes: Some(500), keep_days: None },
            references: vec![KeptReference { label: "my door".to_owned(), file: "/tmp/door.png".into() }],
            ..Preferences::default()
        };
        chosen.save(&path).expect("written");
        assert_eq!(Preferences::load(&path), (chosen, None));
        assert_eq!(fs::read_dir(path.parent().expect("a folder")).expect("a folder").count(), 1);
    }

    #[test]
    fn what_another_version_keeps_there_stays() {
        let (_folder, path) = scratch();
        fs::write(&path, "[voice]\npitch = 2\n").expect("written");
        let (mut chosen, trouble) = Preferences::load(&path);
        assert_eq!(trouble, None);
        chosen.always_record = true;
        chosen.save(&path).expect("written");
        let kept: Table = toml::from_str(&fs::read_to_string(&path).expect("read")).expect("TOML");
        assert_eq!(kept["voice"]["pitch"].as_integer(), Some(2));
        assert_eq!(kept["always_record"].as_bool(), Some(true));
    }

    #[test]
    fn what_the_first_release_kept_is_taken_over() {
        let (_folder, path) = scratch();
        fs::write(path.with_file_name(FORMER), r#"{"always_record": true}"#).expect("written");
        assert!(Preferences::load(&path).0.always_record);
    }

    #[test]
    fn a_damaged_file_is_kept_aside_and_the_line_is_named() {
        let (_folder, path) = scratch();
        for number in 1..3 {
            fs::write(&path, "always_record = true\ntheme = \"pink\"\n").expect("written");
            let (read, said) = Preferences::load(&path);
            assert_eq!(read, Preferences::default());
            let said = said.expect("trouble");
            assert!(said.what().contains("line 2"), "{said}");
            let aside = path.with_file_name(format!("{FILE}.damaged-{number}"));
            assert!(aside.exists() && !path.exists() && said.to_string().contains("damaged"), "{said}");
        }
        let said = Preferences::default().save(&path.join("below").join(FILE));
        assert!(said.is_ok(), "a folder that is missing is made");
        let said = Preferences::default().save(&path.join("below").join(FILE).join(FILE)).expect_err("no folder");
        assert!(said.what().contains("can't be remembered"), "{said}");
    }

    #[test]
    fn numbers_written_by_hand_are_held_within_bounds() {
        let (_folder, path) = scratch();
        fs::write(&path, "sensitivity = nan\n[engine]\nthreads = 0\n[captions]\nsize = 99.0\nbackground = 250\n[window]\nzoom = 0.0\n")
            .expect("written");
        let (read, trouble) = Preferences::load(&path);
        assert_eq!(trouble, None);
        assert_eq!((read.captions.size, read.captions.background), (3.0, 100));
        assert_eq!((read.window.zoom, read.sensitivity, read.run.threads), (0.5, 1.0, Some(1)));
    }
}
