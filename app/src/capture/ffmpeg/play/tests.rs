//! Tests of videos that play, made by ffmpeg.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use image::RgbImage;
use tempfile::TempDir;

use super::*;
use crate::base::message::Message;

/// Long enough for a loaded machine.
const LONG: Duration = Duration::from_mins(1);

/// A clip made by ffmpeg with these arguments for its output.
fn clip(name: &str, source: &str, arguments: &[&str]) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join(name);
    let status = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "lavfi", "-i", source])
        .args(arguments)
        .arg(&path)
        .status()
        .expect("these tests need ffmpeg: install it (Debian and Ubuntu: sudo apt install ffmpeg)");
    assert!(status.success());
    (dir, path)
}

/// Red above, blue below, two seconds of ten pictures each.
fn two_colours(name: &str, arguments: &[&str]) -> (TempDir, PathBuf) {
    let source = "color=red:s=64x24:r=10:d=2[a];color=blue:s=64x24:r=10:d=2[b];[a][b]vstack";
    clip(name, source, arguments)
}

fn open(path: &Path) -> Video {
    Video::open(path, false).expect("opened")
}

fn refused(path: &Path) -> Message {
    Video::open(path, false).err().expect("refused").message
}

/// All pictures up to the end, or to the first error.
fn play(video: &mut Video) -> Result<Vec<RgbImage>, SourceError> {
    let begun = Instant::now();
    let mut images = Vec::new();
    loop {
        match video.next()? {
            Next::Picture(image) => images.push(image),
            Next::Nothing => assert!(begun.elapsed() < LONG, "the video does not end"),
            Next::Ended => return Ok(images),
        }
    }
}

#[test]
fn a_clip_plays_at_its_own_pace_and_ends() {
    let (_dir, path) = two_colours("clip.mp4", &[]);
    let begun = Instant::now();
    let mut video = open(&path);
    assert_eq!(video.name(), "clip.mp4");
    assert!(video.is_live());
    let images = play(&mut video).expect("played");
    assert!(begun.elapsed() > Duration::from_millis(1500), "two seconds of film take two seconds");
    // A slow machine drops some, and never all.
    assert!((2..=20).contains(&images.len()), "{} pictures", images.len());
    let image = &images[0];
    assert_eq!(image.dimensions(), (64, 48));
    let (above, below) = (image.get_pixel(32, 6).0, image.get_pixel(32, 42).0);
    assert!(above[0] > 200 && above[2] < 60, "{above:?}");
    assert!(below[2] > 200 && below[0] < 60, "{below:?}");
    assert!(matches!(video.next(), Ok(Next::Ended)), "and stays ended");
}

#[test]
fn a_repeated_clip_goes_on() {
    let (_dir, path) = clip("short.mp4", "color=green:s=32x32:r=10:d=0.4", &[]);
    let mut video = Video::open(&path, true).expect("opened");
    let begun = Instant::now();
    let mut pictures = 0;
    while pictures < 10 {
        assert!(begun.elapsed() < LONG);
        match video.next().expect("no error") {
            Next::Picture(_) => pictures += 1,
            Next::Nothing => {}
            Next::Ended => panic!("it ended after {pictures} pictures; the clip has four"),
        }
    }
}

#[test]
fn a_clip_goes_on_from_where_it_is_told() {
    let source = "color=red:s=32x32:r=10:d=5[a];color=blue:s=32x32:r=10:d=5[b];[a][b]concat";
    let (_dir, path) = clip("long.mkv", source, &["-g", "5"]);
    let mut video = open(&path);
    let next = |video: &mut Video| loop {
        if let Next::Picture(picture) = video.next().expect("no error") {
            return picture.get_pixel(16, 16).0;
        }
    };
    assert!(next(&mut video)[0] > 200, "red at first");
    assert_eq!(video.obey(PlayOrder::SeekTo(Duration::from_secs(7))), Ok(true));
    assert!(next(&mut video)[2] > 200, "then blue");
    let Some(Position::Time { at, length: Some(length) }) = video.position() else { panic!("a video") };
    assert!(at >= Duration::from_secs(7) && at <= length && length.as_secs() == 10, "{at:?} of {length:?}");
    assert_eq!(video.obey(PlayOrder::SeekTo(Duration::from_secs(1))), Ok(true));
    assert!(next(&mut video)[0] > 200, "and red again");
    assert_eq!(video.obey(PlayOrder::NextPicture), Ok(false), "that is for folders");
    assert_eq!(video.obey(PlayOrder::SeekTo(LONG)), Ok(true));
    assert!(play(&mut video).is_ok(), "at its end it ends");
}

#[test]
fn a_clip_that_rests_stands_still_and_goes_on_there() {
    let (_dir, path) = clip("long.mkv", "color=red:s=32x32:r=10:d=60", &["-preset", "ultrafast"]);
    let mut video = open(&path);
    while !matches!(video.next().expect("no error"), Next::Picture(_)) {}
    assert_eq!(video.obey(PlayOrder::SeekTo(Duration::from_secs(20))), Ok(true));
    while !matches!(video.next().expect("no error"), Next::Picture(_)) {}
    video.rest();
    let at = video.position();
    // What ffmpeg had decoded before it was stopped counts for nothing.
    assert_ne!(video.process.end(), Ending::Done, "nothing is decoded meanwhile");
    video.rest();
    assert_eq!(video.position(), at);
    while !matches!(video.next().expect("no error"), Next::Picture(_)) {}
    let (Some(Position::Time { at: before, .. }), Some(Position::Time { at: after, .. })) = (at, video.position())
    else {
        panic!("a video")
    };
    assert!(before >= Duration::from_secs(20) && after >= before, "{before:?} {after:?}");
    assert!(after < Duration::from_secs(50), "it did not play on: {after:?}");
}

#[test]
fn a_turned_clip_is_upright() {
    let (dir, path) = two_colours("level.mp4", &[]);
    let turned = dir.path().join("turned.mp4");
    let status = Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(&path)
        .args(["-c", "copy", "-metadata:s:v:0", "rotate=90"])
        .arg(&turned)
        .status()
        .expect("ffmpeg");
    assert!(status.success());
    assert_eq!(play(&mut open(&turned)).expect("played")[0].dimensions(), (48, 64));
}

#[test]
fn a_path_that_looks_like_an_option_is_a_path() {
    let (_dir, path) = clip("-i 100%d: x.mkv", "color=green:s=32x32:r=10:d=0.4", &[]);
    assert!(!play(&mut open(&path)).expect("played").is_empty());
}

#[cfg(target_os = "linux")]
#[test]
fn a_name_may_have_any_bytes() {
    let (dir, path) = clip("a.mkv", "color=green:s=32x32:r=10:d=0.4", &[]);
    let odd = dir.path().join(std::ffi::OsStr::new("a\u{1b}[2J\n.mkv"));
    let odd = PathBuf::from({
        let mut bytes = odd.into_os_string();
        bytes.push(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(b"\xff"));
        bytes
    });
    fs::rename(&path, &odd).expect("renamed");
    let mut video = open(&odd);
    assert_eq!(video.name(), "a [2J .mkv\u{fffd}");
    assert!(!play(&mut video).expect("played").is_empty());
}

#[test]
fn transparency_is_over_white() {
    for (name, arguments) in [
        ("a.mov", &["-c:v", "qtrle"][..]),
        ("a.webm", &["-c:v", "libvpx-vp9", "-pix_fmt", "yuva420p"]),
        ("a.mkv", &["-c:v", "ffv1", "-pix_fmt", "yuva444p"]),
    ] {
        let (_dir, path) = clip(name, "color=red@0.0:s=32x32:r=10:d=0.3,format=rgba", arguments);
        let image = &play(&mut open(&path)).expect("played")[0];
        let pixel = image.get_pixel(16, 16).0;
        assert!(pixel.iter().all(|channel| *channel > 250), "{name}: {pixel:?}");
    }
}

#[test]
fn broken_files_are_told_in_ffmpegs_words() {
    let dir = tempfile::tempdir().expect("a folder");
    let junk = dir.path().join("junk.mp4");
    fs::write(&junk, vec![7; 5000]).expect("written");
    let message = refused(&junk);
    let what = "junk.mp4 can't be played; ffmpeg says: Invalid data found when processing input.";
    assert_eq!((message.what(), message.advice()), (what, Some("Use another video.")));
    let (_dir, sound) = clip("sound.mkv", "sine=d=0.2", &[]);
    assert!(refused(&sound).what().contains("has no pictures"));
}

#[cfg(target_os = "linux")]
#[test]
fn a_killed_ffmpeg_is_told_as_that() {
    let (_dir, path) = clip("long.mkv", "color=green:s=32x32:r=10:d=60", &["-preset", "ultrafast"]);
    let mut video = open(&path);
    while !matches!(video.next().expect("no error"), Next::Picture(_)) {}
    let killed = Command::new("kill").args(["-9", &video.process.id().to_string()]).status();
    assert!(killed.expect("kill").success());
    let message = play(&mut video).expect_err("killed").message;
    assert_eq!(message.what(), "Reading long.mkv was cut short: ffmpeg was stopped by signal 9.");
    assert!(video.next().is_err(), "and stays so");
}

#[cfg(target_os = "linux")]
#[test]
fn a_silent_ffmpeg_is_given_up() {
    let (_dir, path) = clip("long.mkv", "color=green:s=32x32:r=10:d=60", &["-preset", "ultrafast"]);
    let mut video = open(&path);
    while !matches!(video.next().expect("no error"), Next::Picture(_)) {}
    video.be_patient_for(Duration::from_millis(50));
    let stopped = Command::new("kill").args(["-STOP", &video.process.id().to_string()]).status();
    assert!(stopped.expect("kill").success());
    let message = play(&mut video).expect_err("silent").message;
    assert_eq!(message.what(), "No more pictures of long.mkv come from ffmpeg.");
}

#[cfg(target_os = "linux")]
#[test]
fn dropping_a_video_ends_its_child() {
    let (_dir, path) = clip("long.mkv", "color=green:s=32x32:r=10:d=60", &["-preset", "ultrafast"]);
    let video = Video::open(&path, true).expect("opened");
    let process = PathBuf::from(format!("/proc/{}", video.process.id()));
    assert!(process.exists(), "it plays for a minute");
    drop(video);
    assert!(!process.exists(), "ended and reaped");
}
