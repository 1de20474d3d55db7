//! `sightline cameras`: which cameras there are and what they offer.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde::Serialize;

use crate::base::text::one_line;
use crate::capture::camera;
use crate::capture::camera::{Camera, Format, WantedFormat, no_camera};
use crate::cli::output::{Notes, Output};
use crate::cli::stream;
use crate::cli::stream::TestArgs;

/// The command's arguments.
#[derive(Args, Clone, Debug, Default)]
pub struct CamerasArgs {
    /// Print one JSON object a camera, each on a line of its own
    #[arg(long)]
    pub json: bool,

    /// What to do instead of listing them.
    #[command(subcommand)]
    pub command: Option<CamerasCommand>,
}

/// What to do with a camera beside listing it.
#[derive(Clone, Debug, Subcommand)]
pub enum CamerasCommand {
    /// Connect to a stream or another source, and say what it is or what is wrong with it
    Test(TestArgs),
}

/// Lists the cameras on standard output; with none, says on standard error what to do, and fails.
///
/// # Errors
/// When the cameras can't be listed, or standard output can't be written.
pub fn run(args: &CamerasArgs) -> anyhow::Result<ExitCode> {
    if let Some(CamerasCommand::Test(args)) = &args.command {
        return stream::test(args);
    }
    let cameras = camera::list()?;
    if cameras.is_empty() {
        Notes::new(args.json).error(&no_camera());
        return Ok(ExitCode::FAILURE);
    }
    let mut text = String::new();
    for camera in &cameras {
        if args.json {
            text.push_str(&serde_json::to_string(&CameraLine::from(camera))?);
            text.push('\n');
        } else {
            text.push_str(&for_people(camera)?);
        }
    }
    Output::new().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// A camera as a line of JSON.
#[derive(Serialize)]
struct CameraLine<'a> {
    index: u32,
    name: &'a str,
    formats: Vec<FormatLine>,
    problem: Option<&'a str>,
}

#[derive(Serialize)]
struct FormatLine {
    width: u32,
    height: u32,
    fps: u32,
    pixels: &'static str,
}

impl<'a> From<&'a Camera> for CameraLine<'a> {
    fn from(camera: &'a Camera) -> Self {
        let formats = camera.formats.iter().map(|&Format { width, height, fps, pixels }| FormatLine {
            width,
            height,
            fps,
            pixels: pixels.name(),
        });
        Self {
            index: camera.number,
            name: &camera.name,
            formats: formats.collect(),
            problem: camera.problem.as_deref(),
        }
    }
}

fn for_people(camera: &Camera) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    writeln!(text, "camera:{}  {}", camera.number, one_line(&camera.name))?;
    if let Some(problem) = &camera.problem {
        writeln!(text, "    {}", one_line(problem))?;
    }
    // As --camera-format takes them, the one first that is used without it.
    let mut listed: Vec<(WantedFormat, Vec<&str>)> = Vec::new();
    for format in &camera.formats {
        let (written, pixels) = (WantedFormat::of(*format), format.pixels.name());
        match listed.iter_mut().find(|(other, _)| *other == written) {
            Some((_, names)) => names.push(pixels),
            None => listed.push((written, vec![pixels])),
        }
    }
    for (written, names) in listed {
        writeln!(text, "    {written:<14} {}", names.join(", "))?;
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::camera::Pixels;

    fn camera() -> Camera {
        let format = Format { width: 1280, height: 720, fps: 30, pixels: Pixels::Mjpeg };
        Camera {
            number: 2,
            name: "HD Webcam".into(),
            formats: vec![format, Format { fps: 15, ..format }, Format { pixels: Pixels::Yuyv, ..format }],
            problem: None,
        }
    }

    #[test]
    fn people_read_the_name_the_number_and_the_formats_as_they_are_asked_for() {
        let text = for_people(&camera()).expect("written");
        let listed = "    1280x720@30    MJPEG, YUYV\n    1280x720@15    MJPEG\n";
        assert_eq!(text, format!("camera:2  HD Webcam\n{listed}"));
        let busy = Camera { formats: Vec::new(), problem: Some("It is busy.".into()), ..camera() };
        assert_eq!(for_people(&busy).expect("written"), "camera:2  HD Webcam\n    It is busy.\n");
    }

    #[test]
    fn programs_read_an_object_a_camera() {
        let line = serde_json::to_value(CameraLine::from(&camera())).expect("written");
        assert_eq!(line["index"], 2);
        assert_eq!(line["formats"][0]["pixels"], "MJPEG");
        assert_eq!(line["formats"][1]["fps"], 15);
        assert!(line["problem"].is_null());
    }
}
