//! Videos as SmolVLM2 was trained on them: which frames are looked at, and the words between them.
//!
//! Follows `SmolVLMVideoProcessor.sample_frames` and `SmolVLMProcessor.replace_video_token` of
//! transformers 5.23. A video becomes the parts of one turn; its frames are shown with
//! [`Tiling::Frame`](crate::Tiling::Frame). Knows no file and no codec.

use std::time::Duration;

use image::RgbImage;

use crate::checkpoint::processor::VideoSampling;
use crate::input::prompt::Part;

/// What is left out at both ends of a video that is long enough (`skip_secs`), in seconds.
const SKIPPED: f64 = 1.0;
/// More frames than this have no place in a prompt, whatever a checkpoint says.
const MOST_FRAMES: usize = 999;
const TO_TWENTY: [&str; 20] = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
];
const TENS: [&str; 10] = ["", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];

/// A video of `frames` frames, `fps` for each second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Footage {
    /// How many frames it has.
    pub frames: usize,
    /// How many of them make a second.
    pub fps: f64,
}

impl Footage {
    /// How long it is, in seconds.
    fn seconds(self) -> f64 {
        self.frames as f64 / self.fps
    }

    /// When a frame is shown.
    fn time_of(self, frame: usize) -> Duration {
        Duration::try_from_secs_f64(frame as f64 / self.fps).unwrap_or_default()
    }
}

impl VideoSampling {
    /// The numbers of the frames to show, in order and without repetition: spread evenly, and
    /// without the first and the last second of a video that is long enough. None of a video
    /// without frames.
    #[must_use]
    pub fn frames(&self, footage: Footage) -> Vec<usize> {
        let Footage { frames, fps } = footage;
        if frames == 0 || fps.is_nan() || fps <= 0.0 {
            return Vec::new();
        }
        let seconds = footage.seconds();
        let most = self.max_frames.clamp(1, MOST_FRAMES);
        let wanted = ((self.fps * seconds).round_ties_even() as usize).clamp(1, most);
        let last = frames - 1;
        let (mut first, mut end) = (0, last);
        if seconds - 2.0 * SKIPPED > most as f64 * self.fps {
            first = (SKIPPED * fps) as usize;
            end = ((frames as f64 - SKIPPED * fps) as usize).min(last);
        }
        if first >= end {
            (first, end) = (0, last);
        }
        let step = (end - first) as f64 / wanted.saturating_sub(1).max(1) as f64;
        let mut numbers: Vec<usize> = (0..wanted).map(|i| (first as f64 + i as f64 * step) as usize).collect();
        if wanted > 1 {
            // As numpy's linspace: the end is the end, however the steps were rounded.
            numbers[wanted - 1] = end;
        }
        numbers.dedup();
        numbers
    }
}

/// A turn about a video: an introduction, each frame behind its time, the question. `frames` are
/// `(number, picture)`.
#[must_use]
pub fn video_turn(footage: Footage, frames: Vec<(usize, RgbImage)>, question: &str) -> Vec<Part> {
    let (whole, count) = (footage.seconds() as u64, frames.len());
    let mut words = format!(
        "You are provided the following series of {} frames from a {}:{:02}:{:02} [H:MM:SS] video.\n",
        in_words(count),
        whole / 3600,
        whole / 60 % 60,
        whole % 60
    );
    let mut parts = Vec::with_capacity(2 * count + 1);
    for (number, picture) in frames {
        let at = footage.time_of(number).as_secs();
        let stamp = format!("\nFrame from {:02}:{:02}:", at / 60, at % 60);
        parts.push(Part::Text(std::mem::take(&mut words) + &stamp));
        parts.push(Part::Picture(picture));
    }
    parts.push(Part::Text(format!("{words}\n\n{question}")));
    parts
}

/// A number below a thousand, as `num2words` writes it.
fn in_words(number: usize) -> String {
    match number {
        0..20 => TO_TWENTY[number].to_owned(),
        20..100 if number.is_multiple_of(10) => TENS[number / 10].to_owned(),
        20..100 => format!("{}-{}", TENS[number / 10], TO_TWENTY[number % 10]),
        100..1000 if number.is_multiple_of(100) => format!("{} hundred", TO_TWENTY[number / 100]),
        100..1000 => format!("{} hundred and {}", TO_TWENTY[number / 100], in_words(number % 100)),
        _ => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRAINED: VideoSampling = VideoSampling { fps: 1.0, max_frames: 64 };

    fn frames(frames: usize, fps: f64) -> Vec<usize> {
        TRAINED.frames(Footage { frames, fps })
    }

    /// What transformers 5.23 gives for the same footage.
    #[test]
    fn frames_are_those_of_the_reference() {
        assert_eq!(frames(1, 25.0), [0]);
        assert_eq!(frames(10, 25.0), [0]);
        assert_eq!(frames(75, 25.0), [0, 37, 74]);
        assert_eq!(frames(90, 30000.0 / 1001.0), [0, 44, 89]);
        assert_eq!(frames(62, 25.0), [0, 61]);
        let long = frames(3000, 30.0);
        assert_eq!((long.len(), long[0], long[1], long[62], long[63]), (64, 30, 76, 2923, 2970));
        assert_eq!(frames(4, 2.0), [0, 3]);
        let slow = frames(70, 1.0);
        assert_eq!((slow.len(), slow[0], slow[1], slow[63]), (64, 1, 2, 69));
        assert!(frames(0, 25.0).is_empty() && frames(5, 0.0).is_empty() && frames(5, f64::NAN).is_empty());
    }

    #[test]
    fn every_frame_stands_behind_its_time() {
        let footage = Footage { frames: 3000, fps: 30.0 };
        let shown = [0, 1980].map(|number| (number, RgbImage::new(1, 1)));
        let parts = video_turn(footage, shown.into(), "What happens?");
        let words: Vec<_> = parts
            .iter()
            .filter_map(|part| match part {
                Part::Text(words) => Some(words.as_str()),
                Part::Picture(_) => None,
            })
            .collect();
        let intro = "You are provided the following series of two frames from a 0:01:40 [H:MM:SS] video.\n";
        assert_eq!(words, [&format!("{intro}\nFrame from 00:00:"), "\nFrame from 01:06:", "\n\nWhat happens?"]);
        assert!(parts[1].picture().is_some() && parts[3].picture().is_some());
    }

    #[test]
    fn numbers_are_written_out() {
        for (number, words) in
            [(1, "one"), (13, "thirteen"), (20, "twenty"), (64, "sixty-four"), (101, "one hundred and one")]
        {
            assert_eq!(in_words(number), words);
        }
    }
}
