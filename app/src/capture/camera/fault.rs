//! What can be wrong with a camera, in people's words.

use crate::base::message::Message;
use crate::capture::SourceError;

/// How a system is told to let this program have a camera.
const ALLOW: &str = if cfg!(windows) {
    "Allow desktop apps to use the camera: Settings, Privacy & security, Camera."
} else if cfg!(target_os = "macos") {
    "Allow the program that you started this one from to use the camera: System Settings, Privacy & Security, Camera."
} else {
    "Add yourself to the group `video` (sudo usermod -aG video $USER) and log in again."
};

/// What is wrong with a camera.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// There is no camera at all.
    NoCamera,
    /// The part of Windows that cameras are read through is not there.
    NoSystem,
    /// There is no such camera, but there are these.
    NotFound { present: Vec<String> },
    /// The system does not let us open it.
    Denied,
    /// Another program has it.
    Busy,
    /// It was unplugged.
    Gone,
    /// It does not answer when it is opened.
    NoAnswer,
    /// It is open, and no frames come.
    Silent,
    /// It went silent before, and its last reader still waits for it.
    StillSilent,
    /// Another program left it in a state that can't be read.
    LeftOdd { why: String },
    /// It sends no pictures, or none in a format that we can read.
    NoFormat,
    /// It does not offer the format that is wanted, but these.
    NotOffered { wanted: String, offered: Vec<String> },
    /// This many frames in a row were broken.
    Junk { frames: u32 },
    /// Its reader died.
    Died,
    /// Something else, in the library's words.
    Other(String),
}

impl Fault {
    /// The fault of a camera such as `camera 0 (HD Webcam)`, for people.
    pub(super) fn about(&self, camera: &str) -> SourceError {
        const REPLUG: &str = "Unplug it and plug it in again.";
        let (what, hint) = match self {
            Self::NoCamera => return SourceError::passing(no_camera()),
            Self::NoSystem => (
                "There is no Media Foundation on this system, through which cameras are read.".to_owned(),
                "On Windows N, add the Media Feature Pack in the optional features. Without a camera, try --source \
                 with a picture or a video."
                    .to_owned(),
            ),
            Self::NotFound { present } => (
                format!("There is no {camera}. There is: {}.", present.join(", ")),
                "Plug it in, or choose another.".to_owned(),
            ),
            Self::Denied => (format!("The system does not allow {camera} to be opened."), ALLOW.to_owned()),
            Self::Busy => (
                format!("Another program is using {camera}."),
                "Close that program, or choose another camera.".to_owned(),
            ),
            Self::Gone => (format!("The connection to {camera} was lost."), "Plug it in again.".to_owned()),
            Self::NoAnswer => (format!("There is no answer from {camera}."), REPLUG.to_owned()),
            Self::Silent => (
                format!("No more pictures come from {camera}."),
                "If they stay away, unplug it and plug it in again.".to_owned(),
            ),
            Self::StillSilent => (format!("Still no pictures come from {camera}."), REPLUG.to_owned()),
            Self::LeftOdd { why } => (
                format!("Another program left {camera} in a state that can't be read ({why})."),
                "Unplug it and plug it in again, or reset it: v4l2-ctl -d /dev/videoN \
                 --set-fmt-video=pixelformat=YUYV --set-parm=30, with its number for N."
                    .to_owned(),
            ),
            Self::NoFormat => (
                format!("No pictures that can be read come from {camera}: it offers no format that is known here."),
                "Choose another camera, as `sightline cameras` lists them.".to_owned(),
            ),
            Self::NotOffered { wanted, offered } => (
                format!("The format {wanted} is not offered by {camera}."),
                format!("It offers {}.", offered.join(", ")),
            ),
            Self::Junk { frames } => (
                format!("The last {frames} pictures from {camera} were damaged."),
                "Check its cable, or try another USB port.".to_owned(),
            ),
            Self::Died => {
                (format!("Reading {camera} failed."), "If it happens again, unplug it and plug it in again.".to_owned())
            }
            Self::Other(why) => (format!("Reading {camera} failed ({why})."), REPLUG.to_owned()),
        };
        // All but a device that sends no pictures, or a system without cameras, may come right: it
        // is plugged in, freed, allowed or reset while we wait.
        let may_pass = !matches!(self, Self::NoFormat | Self::NotOffered { .. } | Self::NoSystem);
        SourceError { message: Message::new(what).hint(hint), may_pass }
    }
}

/// What to do when there is no camera.
pub(crate) fn no_camera() -> Message {
    let allowed = if cfg!(target_os = "linux") {
        "check that you are in the group `video`"
    } else {
        "check that the system lets programs use it"
    };
    Message::new("No camera was found.").hint(format!(
        "Plug one in; if it is plugged in, {allowed}. Without a camera, try --source with a picture or a video."
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_is_a_sentence_that_names_the_camera_and_no_error_number() {
        let faults = [
            Fault::Denied,
            Fault::Busy,
            Fault::Gone,
            Fault::NoAnswer,
            Fault::Silent,
            Fault::StillSilent,
            Fault::LeftOdd { why: "frame rate 25/2".into() },
            Fault::NoFormat,
            Fault::NotOffered { wanted: "1920x1080@30".into(), offered: vec!["640x480@30".into()] },
            Fault::Junk { frames: 60 },
            Fault::Died,
            Fault::NotFound { present: vec!["camera 1 (Other)".into()] },
        ];
        for fault in faults {
            let message = fault.about("camera 0 (HD Webcam)").message;
            assert!(message.advice().is_some(), "{message}");
            let message = message.to_string();
            assert!(message.contains("camera 0 (HD Webcam)") && message.ends_with('.'), "{message}");
            assert!(!message.contains("os error"), "{message}");
        }
    }

    #[test]
    fn only_what_sends_no_pictures_stays_so() {
        assert!(Fault::Busy.about("camera 0").may_pass);
        assert!(Fault::Gone.about("camera 0").may_pass);
        assert!(!Fault::NoFormat.about("camera 0").may_pass);
        assert!(!Fault::NoSystem.about("camera 0").may_pass);
    }

    #[test]
    fn who_has_no_system_for_cameras_is_not_told_to_unplug_one() {
        let said = Fault::NoSystem.about("the cameras").message;
        assert_eq!(said.what(), "There is no Media Foundation on this system, through which cameras are read.");
        assert!(said.advice().is_some_and(|hint| !hint.contains("nplug")), "{said}");
    }
}
