//! What ffprobe says of a video before it is played: its size, rate, turn, colours and
//! transparency.

use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use serde::Deserialize;
use vlm::Cancel;

use crate::base::text;
use crate::capture::SourceError;
use crate::capture::ffmpeg::failure::{failed, no_answer, without_video};
use crate::capture::ffmpeg::input::{Input, InputKind};
use crate::capture::ffmpeg::layout::{Layout, Transfer};
use crate::capture::ffmpeg::process::{Ending, Tool, answer};

/// Larger videos are scaled down to fit, so that the pipe carries no more than anybody looks at.
const MAX_LONG_SIDE: f64 = 1280.0;
const MAX_SHORT_SIDE: f64 = 720.0;

/// The longest side of what is cut into tiles: four tiles of 512 pixels, the most that any model
/// looks at.
const MAX_TILED_SIDE: f64 = 2048.0;

/// Faster videos give every second picture or fewer.
const MAX_FPS: f64 = 30.0;

/// For videos that do not say how fast they are.
const USUAL_FPS: f64 = 25.0;

/// How long ffprobe may look at a video. It reads its head, from a disk that may have to wake up.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long it may count a video's frames: an hour of film takes seconds.
const TO_COUNT: Duration = Duration::from_mins(10);

/// What ffprobe says of a video.
#[derive(Debug, Default, Deserialize)]
struct Probe {
    #[serde(default)]
    streams: Vec<Facts>,
    #[serde(default)]
    format: Format,
}

#[derive(Debug, Default, Deserialize)]
struct Format {
    #[serde(default)]
    format_name: String,
    /// In seconds, as digits.
    #[serde(default)]
    duration: String,
}

/// A stream of pictures, as ffprobe describes it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Facts {
    width: u32,
    height: u32,
    codec_name: String,
    pix_fmt: String,
    color_transfer: String,
    sample_aspect_ratio: String,
    avg_frame_rate: String,
    /// Counted when asked for, as digits.
    nb_read_packets: String,
    side_data_list: Vec<SideData>,
    tags: Tags,
    #[serde(skip)]
    decoder: Option<&'static str>,
    #[serde(skip)]
    length: Option<Duration>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct SideData {
    rotation: f64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Tags {
    /// `WebM`'s way to say that there is transparency beside the picture.
    #[serde(alias = "ALPHA_MODE")]
    alpha_mode: String,
}

impl Facts {
    /// Plain pixels of this size.
    pub(super) fn of_pixels((width, height): (u32, u32)) -> Self {
        Self { width, height, codec_name: "rawvideo".to_owned(), ..Self::default() }
    }

    /// The size to ask for: upright, with square pixels, no larger than it takes.
    pub(super) fn fitted(&self) -> (u32, u32) {
        self.fitted_within(MAX_LONG_SIDE, MAX_SHORT_SIDE)
    }

    /// The same for what is cut into tiles, so that letters stay letters.
    pub(super) fn fitted_for_tiles(&self) -> (u32, u32) {
        self.fitted_within(MAX_TILED_SIDE, MAX_TILED_SIDE)
    }

    fn fitted_within(&self, long: f64, short: f64) -> (u32, u32) {
        let aspect = ratio(&self.sample_aspect_ratio, ':').unwrap_or(1.0);
        let (mut width, mut height) = (f64::from(self.width) * aspect, f64::from(self.height));
        let turns = self.side_data_list.iter().map(|data| data.rotation).sum::<f64>() / 90.0;
        if turns.round() as i64 % 2 != 0 {
            (width, height) = (height, width);
        }
        let scale = (long / width.max(height)).min(short / width.min(height)).min(1.0);
        let side = |length: f64| ((length * scale).round() as u32).clamp(1, long as u32);
        (side(width), side(height))
    }

    /// How many pictures a second to ask for.
    pub(super) fn fps(&self) -> f64 {
        self.true_fps().min(MAX_FPS)
    }

    /// However fast it is.
    pub(super) fn true_fps(&self) -> f64 {
        ratio(&self.avg_frame_rate, '/').unwrap_or(USUAL_FPS)
    }

    /// How many frames there are; none unless they were counted.
    pub(super) fn frames(&self) -> usize {
        self.nb_read_packets.parse().unwrap_or_default()
    }

    /// Its pixels as they are sent, and how they are coded, in ffmpeg's words: `1920x1080, h264`.
    pub(super) fn described(&self) -> String {
        text::one_line(&format!("{}x{}, {}", self.width, self.height, self.codec_name))
    }

    /// Whether its pixels are square, as far as it says.
    pub(super) fn is_square(&self) -> bool {
        ratio(&self.sample_aspect_ratio, ':').is_none_or(|ratio| (ratio - 1.0).abs() < 1e-3)
    }

    /// How to ask for its pixels.
    pub(super) fn layout(&self) -> Layout {
        // ffmpeg's names of pixel formats that have an alpha channel, or a palette that may have
        // one.
        const WITH_ALPHA: [&str; 10] = ["yuva", "rgba", "bgra", "argb", "abgr", "gbrap", "ya8", "ya16", "pal8", "ayuv"];
        match self.color_transfer.as_str() {
            "smpte2084" => Layout::Hdr(Transfer::Pq),
            "arib-std-b67" => Layout::Hdr(Transfer::Hlg),
            _ if self.decoder.is_some() => Layout::Rgba,
            _ if WITH_ALPHA.iter().any(|name| self.pix_fmt.starts_with(name)) => Layout::Rgba,
            _ => Layout::Rgb,
        }
    }

    /// How long it is, if it says.
    pub(super) fn length(&self) -> Option<Duration> {
        self.length
    }

    /// The decoder to ask for, where the usual one passes over transparency.
    pub(super) fn decoder(&self) -> Option<&'static str> {
        self.decoder
    }

    /// The only decoder that reads the transparency of a `WebM` video, if it has some.
    fn alpha_decoder(&self) -> Option<&'static str> {
        match self.codec_name.as_str() {
            "vp8" if self.tags.alpha_mode == "1" => Some("libvpx"),
            "vp9" if self.tags.alpha_mode == "1" => Some("libvpx-vp9"),
            _ => None,
        }
    }
}

/// A positive fraction such as `30000/1001`.
fn ratio(text: &str, separator: char) -> Option<f64> {
    let (above, below) = text.split_once(separator)?;
    let ratio = above.parse::<f64>().ok()? / below.parse::<f64>().ok()?;
    (ratio.is_finite() && ratio > 0.0).then_some(ratio)
}

/// Asks ffprobe, until `cancel` is raised. Counting takes a pass over the whole file, without
/// decoding it.
pub(super) fn probe(input: &Input, count: bool, cancel: &Cancel) -> Result<Facts, SourceError> {
    let (probe, ending) = ask(input, count, cancel)?;
    let seconds = probe.format.duration.parse().ok();
    let length =
        seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()).filter(|length| !length.is_zero());
    let facts = probe.streams.into_iter().next().filter(|facts| facts.width > 0 && facts.height > 0);
    let mut facts = facts
        .ok_or_else(|| if input.kind == InputKind::Stream { without_video(input) } else { failed(input, &ending) })?;
    facts.length = length;
    facts.decoder = facts.alpha_decoder().filter(|decoder| knows(decoder));
    Ok(facts)
}

/// Whether this ffmpeg is of a version or a later one; one that numbers no versions is of the
/// latest.
pub(super) fn is_version(wanted: u32) -> bool {
    static MAJOR: OnceLock<u32> = OnceLock::new();
    let major = MAJOR.get_or_init(|| {
        let mut command = Tool::Ffprobe.command();
        command.arg("-version");
        let said = answer(Tool::Ffprobe, command, None, PATIENCE, &|| false);
        said.ok().flatten().map_or(0, |(said, _)| major_version(&String::from_utf8_lossy(&said)))
    });
    *major >= wanted
}

/// The first number in `ffprobe version 5.1.9-0+deb12u1 Copyright…`.
fn major_version(said: &str) -> u32 {
    let version = said.split_whitespace().skip_while(|word| *word != "version").nth(1).unwrap_or_default();
    let version = version.trim_start_matches('n');
    let digits = version.find(|c: char| !c.is_ascii_digit()).unwrap_or(version.len());
    version[..digits].parse().unwrap_or(u32::MAX)
}

/// Whether this ffmpeg was built with a decoder.
fn knows(decoder: &str) -> bool {
    let mut command = Tool::Ffmpeg.command();
    command.args(["-hide_banner", "-decoders"]);
    let listed = answer(Tool::Ffmpeg, command, None, PATIENCE, &|| false);
    // Each line has flags, a name and what it is.
    let named =
        |list: &[u8]| String::from_utf8_lossy(list).lines().any(|line| line.split_whitespace().nth(1) == Some(decoder));
    listed.is_ok_and(|listed| listed.is_some_and(|(list, _)| named(&list)))
}

/// Whether ffmpeg plays a file that says by nothing else that it is a video.
pub(crate) fn plays(path: &Path) -> bool {
    let Ok((probe, Ending::Done)) = ask(&Input::file(path), false, &Cancel::default()) else { return false };
    // To ffmpeg, text is a video of a terminal, and each picture one of itself.
    let format = probe.format.format_name;
    let film = format != "tty" && format != "image2" && !format.ends_with("_pipe");
    film && probe.streams.first().is_some_and(|facts| facts.width > 0)
}

fn ask(input: &Input, count: bool, cancel: &Cancel) -> Result<(Probe, Ending), SourceError> {
    let mut command = Tool::Ffprobe.command();
    if count {
        command.arg("-count_packets");
    }
    // All that it knows: what a section is called, and whether it is there, changes from version to
    // version.
    command.args(["-select_streams", "V:0", "-show_streams", "-show_format", "-of", "json"]);
    input.add_to(&mut command);
    let patience = if count { TO_COUNT } else { PATIENCE };
    match answer(Tool::Ffprobe, command, input.feed(), patience, &|| cancel.is_cancelled())? {
        Some((text, Ending::Done)) => {
            let probe = serde_json::from_slice(&text);
            let probe = probe.map_err(|error| failed(input, &Ending::Failed(error.to_string())))?;
            Ok((probe, Ending::Done))
        }
        Some((_, ending)) => Err(failed(input, &ending)),
        None => Err(no_answer(input)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(width: u32, height: u32, aspect: &str, rotation: f64) -> Facts {
        Facts {
            width,
            height,
            sample_aspect_ratio: aspect.into(),
            avg_frame_rate: "30000/1001".into(),
            side_data_list: vec![SideData { rotation }],
            ..Facts::default()
        }
    }

    #[test]
    fn large_videos_are_scaled_to_fit() {
        assert_eq!(facts(640, 480, "1:1", 0.0).fitted(), (640, 480));
        assert_eq!(facts(1920, 1080, "1:1", 0.0).fitted(), (1280, 720));
        assert_eq!(facts(3840, 2160, "N/A", -90.0).fitted(), (720, 1280));
        assert_eq!(facts(720, 576, "64:45", 0.0).fitted(), (1024, 576));
        assert_eq!(facts(4000, 2, "1:1", 0.0).fitted(), (1280, 1));
        assert_eq!(facts(1920, 1200, "1:1", 0.0).fitted_for_tiles(), (1920, 1200));
        assert_eq!(facts(3840, 2160, "1:1", 0.0).fitted_for_tiles(), (2048, 1152));
    }

    #[test]
    fn versions_are_read_from_what_ffmpeg_says() {
        for (said, major) in [
            ("ffprobe version 5.1.9-0+deb12u1 Copyright (c) 2007-2026", 5),
            ("ffprobe version n7.1 Copyright (c)", 7),
            ("ffprobe version 4.2.7-0ubuntu0.1 Copyright", 4),
            ("ffprobe version N-109542-gc4ae9ba Copyright", u32::MAX),
            ("", u32::MAX),
        ] {
            assert_eq!(major_version(said), major, "{said}");
        }
    }

    #[test]
    fn rates_are_read_and_bounded() {
        let rate = |text: &str| Facts { avg_frame_rate: text.into(), ..facts(2, 2, "", 0.0) }.fps();
        assert!((rate("30000/1001") - 29.97).abs() < 0.01);
        assert!((rate("120/1") - 30.0).abs() < f64::EPSILON);
        assert!((rate("0/0") - 25.0).abs() < f64::EPSILON);
    }

    #[test]
    fn colours_and_transparency_decide_how_pixels_come() {
        let of = |text: &str| serde_json::from_str::<Facts>(text).expect(text).layout();
        assert_eq!(of(r#"{"pix_fmt":"yuv420p","color_transfer":"bt709"}"#), Layout::Rgb);
        assert_eq!(of(r#"{"pix_fmt":"yuv420p10le","color_transfer":"smpte2084"}"#), Layout::Hdr(Transfer::Pq));
        assert_eq!(of(r#"{"pix_fmt":"p010le","color_transfer":"arib-std-b67"}"#), Layout::Hdr(Transfer::Hlg));
        for name in ["yuva420p", "rgba64be", "argb", "pal8", "gbrap10le", "ya8"] {
            assert_eq!(of(&format!(r#"{{"pix_fmt":"{name}"}}"#)), Layout::Rgba, "{name}");
        }
        let webm = r#"{"pix_fmt":"yuv420p","codec_name":"vp9","tags":{"alpha_mode":"1"}}"#;
        let webm = serde_json::from_str::<Facts>(webm).expect("read");
        assert_eq!(webm.alpha_decoder(), Some("libvpx-vp9"));
        assert_eq!(Facts { decoder: webm.alpha_decoder(), ..webm }.layout(), Layout::Rgba);
    }
}
