//! Writes a short video from pictures and their times, with a track of subtitles. Knows neither
//! where the pictures come from nor what is said of them.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::base::message::Message;
use crate::base::{text, webvtt};
use crate::capture::ffmpeg::process::{Ending, Tool, answer};

/// Pictures a second of the video: each is shown until the next one's time, to a tenth of a second.
const RATE: &str = "10";
/// How long ffmpeg may take. Half a minute of small pictures takes it a second or two.
const PATIENCE: Duration = Duration::from_mins(2);
/// How the video is packed: as everything plays it, or as every ffmpeg can.
const PACKINGS: [&[&str]; 2] =
    [&["-c:v", "libx264", "-preset", "veryfast", "-crf", "23"], &["-c:v", "mpeg4", "-q:v", "4"]];

/// What is to be written. Times count from the first picture.
#[derive(Clone, Debug, Default)]
pub struct Clip {
    /// Pictures as JPEG, all of one size, with the times at which they begin.
    pub pictures: Vec<(Duration, Arc<[u8]>)>,
    /// When it ends.
    pub length: Duration,
    /// What is said, from when to when.
    pub captions: Vec<(Duration, Duration, String)>,
}

/// Writes an MP4 file to `to`, which must not be there. Blocks until it is whole.
///
/// # Errors
/// For people: why it could not be written. There is no file then.
pub fn write(clip: &Clip, to: &Path) -> Result<(), Message> {
    let failed = |why: &str| {
        let what = format!("The clip was not saved as {} ({why}).", text::path(to));
        Message::new(what).hint("Choose another folder, or install ffmpeg as your system has it.")
    };
    let disk = |error: io::Error| failed(&error.to_string());
    let parts = tempfile::tempdir().map_err(disk)?;
    list(clip, parts.path()).map_err(disk)?;
    // Beside its place, so that it appears there whole or not at all.
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let video = tempfile::Builder::new().prefix(".clip").suffix(".mp4").tempfile_in(folder).map_err(disk)?;
    let mut last_words = String::new();
    for packing in PACKINGS {
        let mut command = Tool::Ffmpeg.command();
        command.args(["-f", "concat", "-safe", "0", "-i"]).arg(parts.path().join("pictures"));
        command.args(["-f", "srt", "-i"]).arg(parts.path().join("captions"));
        command.args(["-map", "0:v", "-map", "1:s", "-r", RATE, "-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2"]);
        command.args(packing).args(["-pix_fmt", "yuv420p", "-c:s", "mov_text", "-disposition:s:0", "default"]);
        command.args(["-movflags", "+faststart", "-f", "mp4", "-y"]).arg(video.path());
        match answer(Tool::Ffmpeg, command, None, PATIENCE, &|| false).map_err(|error| error.message)? {
            None => return Err(failed("ffmpeg takes too long")),
            Some((_, Ending::Done)) => {
                return match video.persist_noclobber(to) {
                    Ok(_) => Ok(()),
                    Err(error) => Err(disk(error.error)),
                };
            }
            Some((_, Ending::Killed(by))) => return Err(failed(&format!("ffmpeg was stopped by {by}"))),
            Some((_, Ending::Failed(words))) => last_words = words,
        }
    }
    Err(failed(&format!("ffmpeg says: {}", last_words.lines().last().unwrap_or("nothing"))))
}

/// Writes the pictures, their list and the captions into a folder.
fn list(clip: &Clip, folder: &Path) -> io::Result<()> {
    let mut pictures = "ffconcat version 1.0\n".to_owned();
    for (number, (at, jpeg)) in clip.pictures.iter().enumerate() {
        let name = format!("{number:04}.jpg");
        fs::write(folder.join(&name), jpeg)?;
        let until = clip.pictures.get(number + 1).map_or(clip.length, |(next, _)| *next);
        let shown = until.saturating_sub(*at).max(Duration::from_millis(1));
        // Writing to a text does not fail.
        let _ = writeln!(pictures, "file {name}\nduration {:.3}", shown.as_secs_f64());
        if number + 1 == clip.pictures.len() {
            // Without its name once more, the last one's duration would not count.
            let _ = writeln!(pictures, "file {name}");
        }
    }
    fs::write(folder.join("pictures"), pictures)?;
    let mut captions = String::new();
    for (number, (from, until, words)) in clip.captions.iter().enumerate() {
        let at = |at: &Duration| webvtt::clock(i64::try_from(at.as_millis()).unwrap_or(i64::MAX), ',');
        let _ = writeln!(captions, "{}\n{} --> {}\n{}\n", number + 1, at(from), at(until), webvtt::words(words));
    }
    if captions.is_empty() {
        // A track needs an entry.
        captions.push_str("1\n00:00:00,000 --> 00:00:00,100\n \n\n");
    }
    fs::write(folder.join("captions"), captions)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use image::{Rgb, RgbImage};

    use super::*;
    use crate::base::jpeg;

    fn clip() -> Clip {
        let picture = |hue: u8| jpeg::encode(&RgbImage::from_pixel(63, 47, Rgb([hue, 80, 80])), 960, 80);
        let at = Duration::from_millis;
        Clip {
            pictures: (0..5_u8).map(|n| (at(u64::from(n) * 400), picture(n * 50).expect("a JPEG").into())).collect(),
            length: at(2000),
            captions: vec![(at(0), at(800), "A cat.".to_owned()), (at(800), at(2000), "A <dog> & more.".to_owned())],
        }
    }

    fn has_ffmpeg() -> bool {
        Command::new("ffmpeg").arg("-version").output().is_ok_and(|output| output.status.success())
    }

    #[test]
    fn the_pictures_are_listed_with_their_lengths_and_captions_with_their_times() {
        let folder = tempfile::tempdir().expect("a folder");
        list(&clip(), folder.path()).expect("written");
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).expect("there");
        assert!(read("pictures").starts_with("ffconcat version 1.0\nfile 0000.jpg\nduration 0.400\nfile 0001.jpg\n"));
        assert!(read("pictures").ends_with("file 0004.jpg\nduration 0.400\nfile 0004.jpg\n"));
        let want = "1\n00:00:00,000 --> 00:00:00,800\nA cat.\n\n2\n00:00:00,800 --> 00:00:02,000\nA <dog> & more.\n\n";
        assert_eq!(read("captions"), want);
    }

    #[test]
    fn a_clip_plays_with_its_subtitles_and_nothing_is_written_over() {
        if !has_ffmpeg() {
            return;
        }
        let folder = tempfile::tempdir().expect("a folder");
        let to = folder.path().join("clip.mp4");
        write(&clip(), &to).expect("written");
        let asked = Command::new("ffprobe")
            .args(["-v", "error", "-show_entries", "stream=codec_type,width,height:format=duration", "-of", "csv=p=0"])
            .arg(&to)
            .output()
            .expect("asked");
        let said = String::from_utf8_lossy(&asked.stdout).into_owned();
        assert!(said.contains("video,64,48") && said.contains("subtitle"), "{said}");
        let length: f64 = said.lines().last().and_then(|line| line.parse().ok()).expect("a length");
        assert!((1.9..2.7).contains(&length), "{said}");
        let words = Command::new("ffmpeg").args(["-v", "error", "-i"]).arg(&to).args(["-f", "srt", "-"]).output();
        let words = String::from_utf8_lossy(&words.expect("read").stdout).into_owned();
        assert!(words.contains("A cat.") && words.contains("00:00:00,800"), "{words}");
        let before = fs::metadata(&to).expect("there").len();
        assert!(write(&clip(), &to).is_err(), "it is there already");
        assert_eq!(fs::metadata(&to).expect("there").len(), before);
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1, "nothing else is left");
        let said = write(&clip(), &folder.path().join("none/clip.mp4")).expect_err("no folder");
        assert!(said.what().contains("not saved"), "{said}");
    }
}
