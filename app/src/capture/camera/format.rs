//! Which of a camera's formats to ask for. Pure.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

use crate::base::message::Message;
use crate::capture::camera::device::{Format, Pixels};

/// The size to be near to, in pixels: larger than any model looks at, small enough to decode in
/// milliseconds.
const WANTED_PIXELS: f64 = 1280.0 * 720.0;

/// From this rate on, motion looks smooth.
const SMOOTH_FPS: f64 = 24.0;

/// A rate beyond this only costs time.
const ENOUGH_FPS: f64 = 30.0;

/// What half the rate costs, measured in halvings of the size: 640x480 at 30 frames a second is
/// better than 1280x720 at 10.
const SLOWNESS: f64 = 2.0;

/// What twice the rate costs: little, just so that 30 wins over 60.
const HASTE: f64 = 0.1;

/// What lack of colour costs: such formats mostly belong to infra-red cameras.
const COLOURLESS: f64 = 8.0;

/// The size that a user wants, and the rate if that matters: `1920x1080@30`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct WantedFormat {
    width: u32,
    height: u32,
    fps: Option<u32>,
}

impl WantedFormat {
    /// The size and the rate of a format.
    #[must_use]
    pub fn of(format: Format) -> Self {
        Self { width: format.width, height: format.height, fps: Some(format.fps) }
    }

    /// Whether a format is what is wanted.
    #[must_use]
    pub fn fits(self, format: Format) -> bool {
        (self.width, self.height) == (format.width, format.height) && self.fps.is_none_or(|fps| fps == format.fps)
    }
}

impl fmt::Display for WantedFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = format!("{}x{}", self.width, self.height);
        f.pad(&self.fps.map_or_else(|| size.clone(), |fps| format!("{size}@{fps}")))
    }
}

impl FromStr for WantedFormat {
    type Err = Message;

    fn from_str(text: &str) -> Result<Self, Message> {
        let wrong = || {
            Message::new(format!("`{text}` is not a camera's format.")).hint(
                "Write its size and, if it matters, its rate, such as 1920x1080@30; `sightline cameras` lists them.",
            )
        };
        let (size, fps) = match text.split_once('@') {
            Some((size, fps)) => (size, Some(fps.trim().parse().map_err(|_| wrong())?)),
            None => (text, None),
        };
        let (width, height) = size.split_once(['x', 'X']).ok_or_else(wrong)?;
        let side = |text: &str| text.trim().parse().ok().filter(|&side: &u32| side > 0).ok_or_else(wrong);
        Ok(Self { width: side(width)?, height: side(height)?, fps })
    }
}

impl TryFrom<String> for WantedFormat {
    type Error = Message;

    fn try_from(text: String) -> Result<Self, Message> {
        text.parse()
    }
}

/// The formats from best to worst: near 1280x720, at 24 frames a second or more. Where that is
/// equal, MJPEG, YUYV, NV12 and then plain RGB, in which few cameras are at home.
pub(super) fn best_first(formats: &[Format]) -> Vec<Format> {
    let mut sorted = formats.iter().copied().filter(|f| f.width > 0 && f.height > 0 && f.fps > 0).collect::<Vec<_>>();
    sorted.sort_by(|a, b| cost(*a).total_cmp(&cost(*b)).then(rank(a.pixels).cmp(&rank(b.pixels))));
    sorted.dedup();
    sorted
}

fn cost(format: Format) -> f64 {
    let pixels = f64::from(format.width) * f64::from(format.height);
    let fps = f64::from(format.fps);
    let slowness = SLOWNESS * (SMOOTH_FPS / fps).log2().max(0.0);
    let haste = HASTE * (fps / ENOUGH_FPS).log2().max(0.0);
    let colourless = if format.pixels == Pixels::Grey { COLOURLESS } else { 0.0 };
    (pixels / WANTED_PIXELS).log2().abs() + slowness + haste + colourless
}

fn rank(pixels: Pixels) -> u8 {
    match pixels {
        Pixels::Mjpeg => 0,
        Pixels::Yuyv => 1,
        Pixels::Nv12 => 2,
        Pixels::Rgb => 3,
        Pixels::Bgr => 4,
        Pixels::Grey => 5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format(width: u32, height: u32, fps: u32, pixels: Pixels) -> Format {
        Format { width, height, fps, pixels }
    }

    fn best(formats: &[Format]) -> Format {
        best_first(formats)[0]
    }

    #[test]
    fn a_common_webcam_gives_720p_as_mjpeg() {
        let formats = [
            format(640, 480, 30, Pixels::Yuyv),
            format(1280, 720, 10, Pixels::Yuyv),
            format(1920, 1080, 5, Pixels::Yuyv),
            format(640, 480, 30, Pixels::Mjpeg),
            format(1280, 720, 60, Pixels::Mjpeg),
            format(1280, 720, 30, Pixels::Mjpeg),
            format(1920, 1080, 30, Pixels::Mjpeg),
        ];
        assert_eq!(best(&formats), format(1280, 720, 30, Pixels::Mjpeg));
    }

    #[test]
    fn smooth_is_better_than_sharp() {
        let formats = [format(1280, 720, 10, Pixels::Yuyv), format(640, 480, 30, Pixels::Yuyv)];
        assert_eq!(best(&formats), formats[1]);
    }

    #[test]
    fn but_not_at_any_size() {
        let formats = [format(160, 120, 30, Pixels::Yuyv), format(640, 480, 15, Pixels::Yuyv)];
        assert_eq!(best(&formats), formats[1]);
    }

    #[test]
    fn the_first_listed_is_not_taken_for_that() {
        let formats = [format(320, 180, 1, Pixels::Yuyv), format(1280, 720, 25, Pixels::Nv12)];
        assert_eq!(best(&formats), formats[1]);
    }

    #[test]
    fn a_wanted_format_is_written_as_it_is_read() {
        for text in ["1920x1080@30", "640x480"] {
            assert_eq!(text.parse::<WantedFormat>().expect(text).to_string(), text);
        }
        let wanted: WantedFormat = " 1280 X 720@30".parse().expect("spaces are left out");
        assert!(wanted.fits(format(1280, 720, 30, Pixels::Yuyv)));
        assert!(!wanted.fits(format(1280, 720, 15, Pixels::Mjpeg)) && !wanted.fits(format(640, 480, 30, Pixels::Yuyv)));
        assert!("1280x720".parse::<WantedFormat>().expect("a size").fits(format(1280, 720, 10, Pixels::Yuyv)));
        for text in ["", "1080p", "1920", "x1080", "0x0", "1920x1080@", "1920x1080@fast", "-1x5"] {
            assert!(text.parse::<WantedFormat>().is_err(), "{text}");
        }
    }

    #[test]
    fn grey_is_the_last_resort() {
        let formats = [format(1280, 720, 30, Pixels::Grey), format(320, 240, 15, Pixels::Yuyv)];
        assert_eq!(best_first(&formats), [formats[1], formats[0]]);
    }

    #[test]
    fn senseless_formats_are_left_out() {
        let formats = [format(0, 720, 30, Pixels::Yuyv), format(640, 480, 0, Pixels::Yuyv)];
        assert!(best_first(&formats).is_empty());
    }
}
