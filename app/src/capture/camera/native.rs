//! Real cameras, through nokhwa. The only file that opens one.

use std::panic::catch_unwind;

use nokhwa::utils::{ApiBackend, CameraFormat, CameraIndex, FrameFormat, RequestedFormat, RequestedFormatType};
use nokhwa::{Camera, NokhwaError};

use crate::capture::camera::device::{Device, Format, Opener, RawFrame};
use crate::capture::camera::fault::Fault;
use crate::capture::camera::format::{WantedFormat, best_first};

/// All that the library can decode.
const DECODABLE: [FrameFormat; 6] = [
    FrameFormat::MJPEG,
    FrameFormat::YUYV,
    FrameFormat::NV12,
    FrameFormat::RAWRGB,
    FrameFormat::RAWBGR,
    FrameFormat::GRAY,
];

/// How many formats are tried, from the best on, when a camera refuses what it offers.
const MOST_TRIES: usize = 16;

/// How many formats are named to people who want another.
const MOST_NAMED: usize = 12;

/// The cameras' numbers and names, in order. Opens none, so it is quick, and on Linux has nodes
/// that are no cameras.
pub(super) fn find() -> Result<Vec<(u32, String)>, Fault> {
    // It panics at files such as /dev/video-decoder.
    let found = catch_unwind(|| nokhwa::query(ApiBackend::Auto));
    let found = found.map_err(|_| Fault::Other("the list of cameras can't be read".to_owned()))?;
    let mut found = found
        .map_err(|error| fault_of(&error))?
        .iter()
        .filter_map(|info| Some((info.index().as_index().ok()?, info.human_name())))
        .collect::<Vec<_>>();
    found.sort();
    Ok(found)
}

/// What a camera offers, from the format that is used to the worst.
pub(super) fn formats(number: u32) -> Result<Vec<Format>, Fault> {
    open(number, None).map(|(_, formats)| formats)
}

/// Opens a camera at the format that is wanted or at its best one, to be read.
pub(super) fn opener(number: u32, wanted: Option<WantedFormat>) -> Opener {
    Box::new(move || {
        let (mut camera, formats) = open(number, wanted)?;
        let format = *formats.first().ok_or(Fault::NoFormat)?;
        camera.open_stream().map_err(|error| fault_of(&error))?;
        tracing::info!("Camera {number} sends {format}");
        Ok(Box::new(Native { camera, format }) as Box<dyn Device>)
    })
}

struct Native {
    camera: Camera,
    format: Format,
}

impl Device for Native {
    fn read(&mut self) -> Result<RawFrame, Fault> {
        let buffer = self.camera.frame().map_err(|error| fault_of(&error))?;
        Ok(RawFrame { format: self.format, bytes: buffer.buffer().to_vec() })
    }
}

/// Opens a camera, at the first of the formats that are returned with it. All of them are what is
/// wanted, if anything is.
///
/// The library wants a request to open a camera at all, before anybody can know what it offers;
/// cameras refuse some. So it is opened at any format, and then set to the best one.
fn open(number: u32, wanted: Option<WantedFormat>) -> Result<(Camera, Vec<Format>), Fault> {
    let requests = [RequestedFormatType::None, RequestedFormatType::AbsoluteHighestFrameRate];
    let mut last = Fault::NoFormat;
    for request in requests {
        let request = RequestedFormat::with_formats(request, &DECODABLE);
        match Camera::new(CameraIndex::Index(number), request) {
            Ok(mut camera) => {
                let formats = camera.compatible_camera_formats().map_err(|error| fault_of(&error))?;
                let formats = formats.iter().map(|format| Format {
                    width: format.width(),
                    height: format.height(),
                    fps: format.frame_rate(),
                    pixels: format.format().into(),
                });
                let mut formats = chosen(best_first(&formats.collect::<Vec<_>>()), wanted)?;
                set_first_possible(&mut camera, &mut formats)?;
                return Ok((camera, formats));
            }
            Err(error) => last = fault_of(&error),
        }
    }
    Err(last)
}

/// Those of the formats that are wanted.
fn chosen(formats: Vec<Format>, wanted: Option<WantedFormat>) -> Result<Vec<Format>, Fault> {
    let Some(wanted) = wanted else { return Ok(formats) };
    let fitting: Vec<_> = formats.iter().copied().filter(|format| wanted.fits(*format)).collect();
    if fitting.is_empty() && !formats.is_empty() {
        let mut offered: Vec<_> = formats.iter().map(|format| WantedFormat::of(*format).to_string()).collect();
        offered.dedup();
        offered.truncate(MOST_NAMED);
        return Err(Fault::NotOffered { wanted: wanted.to_string(), offered });
    }
    Ok(fitting)
}

/// Sets the first of the formats that the camera takes, and removes those before it.
///
/// Cameras refuse what they seem to offer, since the library lists 12.5 frames a second as 25.
/// Going on until one is taken also matters for the next time: a camera left at 12.5 can't be
/// opened any more.
fn set_first_possible(camera: &mut Camera, formats: &mut Vec<Format>) -> Result<(), Fault> {
    let mut last = Fault::NoFormat;
    for (position, format) in formats.iter().enumerate().take(MOST_TRIES) {
        match set(camera, *format) {
            Ok(()) => {
                formats.drain(..position);
                return Ok(());
            }
            Err(fault @ (Fault::Busy | Fault::Gone)) => return Err(fault),
            Err(fault) => {
                tracing::debug!("The camera refuses {format}: {fault:?}");
                last = fault;
            }
        }
    }
    Err(last)
}

fn set(camera: &mut Camera, format: Format) -> Result<(), Fault> {
    let wanted = CameraFormat::new_from(format.width, format.height, format.pixels.into(), format.fps);
    // Setting what is set already would fail while another program reads the camera, and need not
    // be done.
    if camera.camera_format() == wanted {
        return Ok(());
    }
    let request = RequestedFormat::with_formats(RequestedFormatType::Exact(wanted), &DECODABLE);
    camera.set_camera_requset(request).map(|_| ()).map_err(|error| fault_of(&error))
}

/// The library tells its errors apart by their text alone.
fn fault_of(error: &NokhwaError) -> Fault {
    // Numbers of Linux's errno.h.
    const ENOENT: &str = "(os error 2)";
    const EIO: &str = "(os error 5)";
    const ENXIO: &str = "(os error 6)";
    const EACCES: &str = "(os error 13)";
    const EBUSY: &str = "(os error 16)";
    const ENODEV: &str = "(os error 19)";
    const EINVAL: &str = "(os error 22)";
    const ENOTTY: &str = "(os error 25)";
    let text = error.to_string();
    let has = |part: &str| text.contains(part);
    if has(EACCES) {
        return Fault::Denied;
    }
    if has(EBUSY) {
        return Fault::Busy;
    }
    if has(ENOENT) || has(ENXIO) || has(ENODEV) {
        return Fault::Gone;
    }
    match error {
        NokhwaError::InitializeError { .. } => Fault::NoSystem,
        NokhwaError::GetPropertyError { property, error } => match property.as_str() {
            "FrameFormat" if error == "unsupported" => Fault::LeftOdd { why: "its picture format is unknown".into() },
            "V4L2 FrameRate" if error.starts_with("Framerate not whole") => {
                Fault::LeftOdd { why: "its frame rate is not a whole number".into() }
            }
            "FrameFormat" if has(EINVAL) || has(ENOTTY) => Fault::NoFormat,
            "CameraFormat" => Fault::NoFormat,
            _ => Fault::Other(error.clone()),
        },
        NokhwaError::ReadFrameError(_) if has(EIO) => Fault::Other("the transfer failed".into()),
        _ => Fault::Other(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::camera::device::Pixels;

    #[test]
    fn a_wanted_format_is_the_only_one_that_is_tried() {
        let format = |width, height, fps, pixels| Format { width, height, fps, pixels };
        let offered = vec![
            format(1280, 720, 30, Pixels::Mjpeg),
            format(1280, 720, 30, Pixels::Yuyv),
            format(1920, 1080, 30, Pixels::Mjpeg),
            format(1920, 1080, 5, Pixels::Yuyv),
        ];
        let choose = |text: &str| chosen(offered.clone(), Some(text.parse().expect(text)));
        assert_eq!(choose("1920x1080@30"), Ok(vec![offered[2]]));
        assert_eq!(choose("1920x1080"), Ok(offered[2..].to_vec()));
        let named = ["1280x720@30", "1920x1080@30", "1920x1080@5"].map(str::to_owned).to_vec();
        assert_eq!(choose("640x480"), Err(Fault::NotOffered { wanted: "640x480".into(), offered: named }));
        assert_eq!(chosen(offered.clone(), None), Ok(offered.clone()));
    }

    #[test]
    fn the_librarys_errors_are_told_apart() {
        let property = |property: &str, error: &str| NokhwaError::GetPropertyError {
            property: property.into(),
            error: error.into(),
        };
        let open = |why: &str| NokhwaError::OpenDeviceError("0".into(), format!("V4L2 Error: {why}"));
        assert_eq!(fault_of(&open("Permission denied (os error 13)")), Fault::Denied);
        assert_eq!(fault_of(&open("No such file or directory (os error 2)")), Fault::Gone);
        let busy = NokhwaError::OpenStreamError("Device or resource busy (os error 16)".into());
        assert_eq!(fault_of(&busy), Fault::Busy);
        assert_eq!(fault_of(&NokhwaError::ReadFrameError("No such device (os error 19)".into())), Fault::Gone);
        assert_eq!(fault_of(&property("CameraFormat", "Failed to Fufill")), Fault::NoFormat);
        assert!(matches!(fault_of(&property("FrameFormat", "unsupported")), Fault::LeftOdd { .. }));
        let rate = property("V4L2 FrameRate", "Framerate not whole number: 25 / 2");
        assert!(matches!(fault_of(&rate), Fault::LeftOdd { .. }));
        let backend = ApiBackend::MediaFoundation;
        let absent = NokhwaError::InitializeError { backend, error: "not implemented".into() };
        assert_eq!(fault_of(&absent), Fault::NoSystem);
        assert!(matches!(fault_of(&NokhwaError::GeneralError("odd".into())), Fault::Other(_)));
    }
}
