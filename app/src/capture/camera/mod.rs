//! Cameras: finding them, choosing a format, and reading them so that nothing they do stops the
//! program.

mod device;
mod fault;
mod format;
mod frame;
mod native;
mod reader;

pub use crate::capture::camera::device::{Format, Pixels};
pub(crate) use crate::capture::camera::fault::no_camera;
pub use crate::capture::camera::format::WantedFormat;

use crate::capture::camera::device::RawFrame;
use crate::capture::camera::fault::Fault;
use crate::capture::camera::reader::{CameraSource, Patience, called};

use image::RgbImage;

use crate::capture::{CameraChoice, Source, SourceError};

/// A camera and what it offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Camera {
    /// Its number, as in `camera:0`.
    pub number: u32,
    /// Its own name, as in `camera:HD Webcam`.
    pub name: String,
    /// What it offers, from what would be chosen to the worst; empty when it can't be asked.
    pub formats: Vec<Format>,
    /// Why it can't be used at the moment, as a sentence.
    pub problem: Option<String>,
}

/// The picture in a camera's buffer.
///
/// # Errors
/// What is broken, where the buffer holds no picture of this format.
pub fn decode(format: Format, bytes: Vec<u8>) -> Result<RgbImage, String> {
    frame::decode(&RawFrame { format, bytes })
}

/// The cameras' numbers and names, in order of their numbers. Quick, since none is opened: some may
/// turn out to be none.
///
/// # Errors
/// When the system can't tell.
pub fn names() -> Result<Vec<(u32, String)>, SourceError> {
    native::find().map_err(|fault| fault.about("the cameras"))
}

/// The cameras with their formats, in order of their numbers; those without colour, such as the
/// infra-red camera beside a laptop's own, come last. Opens each for a moment.
///
/// # Errors
/// When the system can't tell.
pub fn list() -> Result<Vec<Camera>, SourceError> {
    let mut cameras = Vec::new();
    for (number, name) in names()? {
        match native::formats(number) {
            Ok(formats) => cameras.push(Camera { number, name, formats, problem: None }),
            // A camera has nodes beside its own for metadata; a decoder is one, too.
            Err(Fault::NoFormat) => tracing::debug!("Node {number} ({name}) offers no pictures"),
            Err(fault) => {
                let problem = Some(fault.about(&called(number, &name)).message.to_string());
                cameras.push(Camera { number, name, formats: Vec::new(), problem });
            }
        }
    }
    cameras.sort_by_key(|camera| is_colourless(&camera.formats));
    Ok(cameras)
}

/// Whether a camera offers pictures, and none in colour.
fn is_colourless(formats: &[Format]) -> bool {
    !formats.is_empty() && formats.iter().all(|format| format.pixels == Pixels::Grey)
}

/// Opens a camera; waits some seconds for it at most.
///
/// # Errors
/// When there is none such, or it can't be opened.
pub(super) fn open(choice: &CameraChoice, format: Option<WantedFormat>) -> Result<Box<dyn Source>, SourceError> {
    let wanted = match choice {
        CameraChoice::First => "camera".to_owned(),
        CameraChoice::Number(number) => format!("camera {number}"),
        CameraChoice::Name(name) => format!("camera named {name}"),
    };
    let found = native::find().map_err(|fault| fault.about(&wanted))?;
    let candidates = choose(choice, &found).map_err(|fault| fault.about(&wanted))?;
    let candidates = colour_first(candidates, &native::formats);
    let mut last = Fault::NoCamera.about(&wanted);
    for (number, name) in candidates {
        match CameraSource::open(number, &name, native::opener(number, format), Patience::default()) {
            Ok(source) => return Ok(Box::new(source)),
            Err(fault) => {
                last = fault.about(&called(number, &name));
                if fault != Fault::NoFormat {
                    break;
                }
            }
        }
    }
    Err(last)
}

/// The cameras that may be meant, in the order in which to try them: the next is meant where one is
/// no camera after all.
fn choose(choice: &CameraChoice, found: &[(u32, String)]) -> Result<Vec<(u32, String)>, Fault> {
    let with = |fits: &dyn Fn(&(u32, String)) -> bool| found.iter().filter(|c| fits(c)).cloned().collect::<Vec<_>>();
    let candidates = match choice {
        CameraChoice::First => found.to_vec(),
        CameraChoice::Number(number) => with(&|camera| camera.0 == *number),
        CameraChoice::Name(name) => {
            let name = name.to_lowercase();
            let mut fitting = with(&|camera| camera.1.to_lowercase() == name);
            if fitting.is_empty() {
                fitting = with(&|camera| camera.1.to_lowercase().contains(&name));
            }
            fitting
        }
    };
    if !candidates.is_empty() {
        Ok(candidates)
    } else if found.is_empty() {
        Err(Fault::NoCamera)
    } else {
        Err(Fault::NotFound { present: found.iter().map(|(number, name)| called(*number, name)).collect() })
    }
}

/// The same cameras, from the first on that offers colour. Those before it that have none (the
/// infra-red camera beside a laptop's own, a depth camera) come last, and those without any format
/// that can be read are left out. Asks as few of them as it takes. One that can't be asked, such as
/// a busy one, may well be meant: opening it tells why.
fn colour_first(
    cameras: Vec<(u32, String)>,
    formats: &dyn Fn(u32) -> Result<Vec<Format>, Fault>,
) -> Vec<(u32, String)> {
    if cameras.len() < 2 {
        return cameras;
    }
    let (mut colourless, mut without) = (Vec::new(), Vec::new());
    let mut rest = cameras.into_iter();
    for camera in rest.by_ref() {
        match formats(camera.0) {
            Err(Fault::NoFormat) => without.push(camera),
            Ok(formats) if is_colourless(&formats) || formats.is_empty() => colourless.push(camera),
            _ => return std::iter::once(camera).chain(rest).chain(colourless).collect(),
        }
    }
    if colourless.is_empty() { without } else { colourless }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The order in which cameras are tried that offer this: `c` colour, `g` grey, `-` nothing, `b`
    /// busy.
    fn order(offers: &str) -> (Vec<u32>, u32) {
        let asked = std::cell::Cell::new(0);
        let format = |pixels| Format { width: 640, height: 480, fps: 30, pixels };
        let formats = |number: u32| {
            asked.set(asked.get() + 1);
            match offers.as_bytes()[number as usize] {
                b'c' => Ok(vec![format(Pixels::Grey), format(Pixels::Yuyv)]),
                b'g' => Ok(vec![format(Pixels::Grey)]),
                b'b' => Err(Fault::Busy),
                _ => Err(Fault::NoFormat),
            }
        };
        let cameras = (0..offers.len() as u32).map(|number| (number, String::new())).collect();
        (colour_first(cameras, &formats).into_iter().map(|camera| camera.0).collect(), asked.get())
    }

    #[test]
    fn the_lowest_camera_with_colour_is_tried_first() {
        assert_eq!(order("cc"), (vec![0, 1], 1), "and no other is asked");
        assert_eq!(order("gc"), (vec![1, 0], 2));
        assert_eq!(order("-g-cg"), (vec![3, 4, 1], 4));
        assert_eq!(order("bc"), (vec![0, 1], 1), "a busy one may be meant");
        assert_eq!(order("gb"), (vec![1, 0], 2));
        assert_eq!(order("-g"), (vec![1], 2), "grey is better than nothing");
        assert_eq!(order("--"), (vec![0, 1], 2));
        assert_eq!(order("g"), (vec![0], 0), "the only one is not asked");
    }

    #[test]
    fn a_camera_without_pictures_is_not_without_colour() {
        let format = |pixels| Format { width: 640, height: 480, fps: 30, pixels };
        assert!(is_colourless(&[format(Pixels::Grey)]));
        assert!(!is_colourless(&[format(Pixels::Grey), format(Pixels::Nv12)]) && !is_colourless(&[]));
    }

    fn found() -> Vec<(u32, String)> {
        [(0, "HD Webcam"), (2, "Logitech C920"), (3, "Logitech C920")].map(|(n, name)| (n, name.to_owned())).to_vec()
    }

    fn numbers(choice: &CameraChoice) -> Vec<u32> {
        choose(choice, &found()).expect("found").into_iter().map(|camera| camera.0).collect()
    }

    #[test]
    fn a_camera_is_chosen_by_place_number_or_name() {
        assert_eq!(numbers(&CameraChoice::First), [0, 2, 3]);
        assert_eq!(numbers(&CameraChoice::Number(2)), [2]);
        assert_eq!(numbers(&CameraChoice::Name("logitech c920".into())), [2, 3]);
        assert_eq!(numbers(&CameraChoice::Name("webcam".into())), [0]);
    }

    #[test]
    fn a_missing_camera_is_told_with_those_that_are_there() {
        let fault = choose(&CameraChoice::Number(7), &found()).expect_err("missing");
        let message = fault.about("camera 7").message.to_string();
        assert!(message.starts_with("There is no camera 7. There is: camera 0 (HD Webcam), camera 2"), "{message}");
        assert_eq!(choose(&CameraChoice::Name("x".into()), &[]), Err(Fault::NoCamera));
    }
}
