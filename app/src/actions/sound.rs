//! Plays a sound with a program that the system has: no library of this program speaks to sound
//! hardware. On Linux `PipeWire`'s, `PulseAudio`'s or ALSA's player, whichever is there.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use tempfile::NamedTempFile;
use vlm::Cancel;

use crate::actions::deliver::{Deliver, Told, Undelivered};
use crate::actions::process::{self, Ended};
use crate::base::message::Message;
use crate::base::text;

/// Players that come with systems, with what stands before the file; the first one that is there
/// plays.
#[cfg(target_os = "macos")]
const PLAYERS: [&[&str]; 1] = [&["afplay"]];
#[cfg(windows)]
const PLAYERS: [&[&str]; 1] = [&[
    "powershell",
    "-NoProfile",
    "-NonInteractive",
    "-Command",
    "(New-Object Media.SoundPlayer $args[0]).PlaySync()",
]];
#[cfg(not(any(target_os = "macos", windows)))]
const PLAYERS: [&[&str]; 3] = [&["pw-play"], &["paplay"], &["aplay", "-q"]];

/// Samples a second of the built-in sound.
const RATE: u32 = 22_050;
/// Its two tones, in hertz: a fifth.
const TONES: [f32; 2] = [660.0, 990.0];
/// How long each is heard, in samples: a fifth of a second.
const TONE: u32 = RATE / 5;
/// Its loudness, of 1.
const LOUDNESS: f32 = 0.4;

/// See the module.
pub struct PlaySound {
    players: Vec<Vec<String>>,
    file: PathBuf,
    limit: Duration,
    /// The built-in sound, for as long as it may be played.
    _built_in: Option<NamedTempFile>,
}

impl PlaySound {
    /// Plays a file, or the sound that is built in.
    ///
    /// # Errors
    /// When the file is not there, or there is no room for the sound.
    pub fn new(file: Option<PathBuf>, limit: Duration) -> Result<Self, Message> {
        let players = PLAYERS.iter().map(|words| words.iter().map(|&word| word.to_owned()).collect()).collect();
        if let Some(file) = file {
            if !file.is_file() {
                return Err(Message::new(format!("The sound file {} is missing.", text::path(&file)))
                    .hint("Check the path, or write sound = true for the sound that is built in."));
            }
            return Ok(Self { players, file, limit, _built_in: None });
        }
        let kept = tempfile::Builder::new().prefix("sightline-").suffix(".wav").tempfile();
        let kept = kept.and_then(|mut kept| kept.write_all(&built_in()).map(|()| kept));
        let kept = kept.map_err(|error| {
            Message::new(format!("The built-in sound can't be kept on the disk ({}).", text::system(&error)))
        })?;
        Ok(Self { players, file: kept.path().to_owned(), limit, _built_in: Some(kept) })
    }
}

impl Deliver for PlaySound {
    fn deliver(&mut self, _: Told<'_>, cancel: &Cancel) -> Result<(), Undelivered> {
        for words in &self.players {
            let mut command = Command::new(&words[0]);
            command.args(&words[1..]).arg(&self.file);
            match process::run(&mut command, b"", self.limit, cancel) {
                Ok(Ended::Well) => return Ok(()),
                Ok(Ended::Cancelled) => return Err(Undelivered::Cancelled),
                Ok(Ended::Badly(how)) => {
                    return Err(Undelivered::Never(Message::new(format!("{} played no sound ({how}).", words[0]))));
                }
                Ok(Ended::TooLate | Ended::TooLoud) => {
                    return Err(Undelivered::Never(Message::new(format!("{} did not come to an end.", words[0]))));
                }
                // Another one is there, perhaps.
                Err(error) => tracing::debug!(%error, player = words[0], "no such player"),
            }
        }
        let names: Vec<_> = self.players.iter().map(|words| words[0].as_str()).collect();
        let message = Message::new(format!("No program that plays sounds was found ({}).", names.join(", ")));
        Err(Undelivered::Never(message.hint("Install one of them.")))
    }
}

/// Two tones that fade, as a WAV file of 16 bits and one channel.
fn built_in() -> Vec<u8> {
    let samples = TONES.iter().flat_map(|tone| {
        (0..TONE).map(move |at| {
            let (time, left) = (at as f32 / RATE as f32, 1.0 - at as f32 / TONE as f32);
            // Begins within two milliseconds: a jump would be a click.
            let rise = (time / 0.002).min(1.0);
            let wave = (time * tone * std::f32::consts::TAU).sin();
            (wave * LOUDNESS * rise * left * left * f32::from(i16::MAX)) as i16
        })
    });
    let data: Vec<u8> = samples.flat_map(i16::to_le_bytes).collect();
    let length = data.len() as u32;
    let mut file = Vec::with_capacity(44 + data.len());
    file.extend(b"RIFF");
    file.extend((36 + length).to_le_bytes());
    file.extend(b"WAVEfmt ");
    file.extend(16_u32.to_le_bytes());
    // PCM, one channel.
    file.extend([1, 0, 1, 0]);
    file.extend(RATE.to_le_bytes());
    file.extend((2 * RATE).to_le_bytes());
    file.extend([2, 0, 16, 0]);
    file.extend(b"data");
    file.extend(length.to_le_bytes());
    file.extend(data);
    file
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs;

    use super::*;
    use crate::actions::occurrence::Occurrence;

    fn play(sound: &mut PlaySound) -> Result<(), Undelivered> {
        sound.deliver(Told { occurrence: &Occurrence::test(), picture: None }, &Cancel::default())
    }

    #[test]
    fn the_first_player_that_is_there_plays_the_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let played = folder.path().join("played.wav");
        let mut sound = PlaySound::new(None, Duration::from_mins(1)).expect("room");
        let copy = format!("cp \"$0\" '{}'", played.display());
        sound.players = vec![
            vec!["no-such-player-at-all".to_owned()],
            vec!["sh".to_owned(), "-c".to_owned(), copy],
            vec!["false".to_owned()],
        ];
        play(&mut sound).expect("played");
        assert_eq!(fs::read(&played).expect("copied"), built_in());
        sound.players.truncate(1);
        let Err(Undelivered::Never(message)) = play(&mut sound) else { panic!("there is no player") };
        assert!(message.what().contains("no-such-player-at-all"), "{message}");
    }

    #[test]
    fn the_built_in_sound_is_heard_and_ends_quietly() {
        let wav = built_in();
        assert_eq!((&wav[..4], &wav[8..16]), (&b"RIFF"[..], &b"WAVEfmt "[..]));
        let samples: Vec<_> = wav[44..].chunks_exact(2).map(|two| i16::from_le_bytes([two[0], two[1]])).collect();
        assert_eq!(samples.len() as u32, 2 * TONE);
        let loudest = samples.iter().map(|sample| sample.unsigned_abs()).max();
        assert!(loudest.is_some_and(|loudest| (8000..16_000).contains(&loudest)), "{loudest:?}");
        assert!(samples.last().is_some_and(|last| last.abs() < 20));
    }

    #[test]
    fn a_file_that_is_not_there_is_refused_before_anything_happens() {
        assert!(PlaySound::new(Some(PathBuf::from("no/such.wav")), Duration::from_secs(1)).is_err());
    }
}
