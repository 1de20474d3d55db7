//! What is wrong with an input, for people, by how ffmpeg ended and what it said last.

use std::io;
use std::path::Path;

use crate::base::message::Message;
use crate::base::text;
use crate::capture::SourceError;
use crate::capture::address::Address;
use crate::capture::ffmpeg::input::{Input, InputKind};
use crate::capture::ffmpeg::process::Ending;

/// Why an input gives no pictures.
pub(super) fn failed(input: &Input, ending: &Ending) -> SourceError {
    let name = &input.name;
    match (ending, input.kind) {
        (Ending::Killed(by), kind) => {
            let message = Message::new(format!("Reading {name} was cut short: ffmpeg was stopped by {by}."))
                .hint("Start again. If memory had run out, close other programs first.");
            SourceError { message, may_pass: kind != InputKind::File }
        }
        (Ending::Failed(last_lines), InputKind::Stream) => of_stream(name, last_lines),
        (Ending::Done, InputKind::Stream) => ended(name),
        (Ending::Failed(last_lines), InputKind::Screen) => of_screen(name, last_lines),
        (Ending::Done, InputKind::Screen) => of_screen(name, ""),
        (Ending::Failed(last_lines), InputKind::File) => {
            let hint = "Use another video.";
            let last_line = last_lines.lines().last().unwrap_or_default();
            // Without the address that it begins with.
            let why = match last_line.rsplit_once(": ") {
                Some((_, why)) if last_line.starts_with("file:") => why,
                _ => last_line,
            };
            let what = match why {
                "" => format!("{name} can't be played; ffmpeg does not say why."),
                why => format!("{name} can't be played; ffmpeg says: {why}."),
            };
            SourceError::lasting(Message::new(what).hint(hint))
        }
        (Ending::Done, InputKind::File) => {
            let message = Message::new(format!("{name} has no pictures to play."));
            SourceError::lasting(message.hint("Use another video."))
        }
    }
}

/// Why a screen or window can't be looked at.
fn of_screen(name: &str, last_lines: &str) -> SourceError {
    if last_lines.contains("Unknown input format") {
        let message = Message::new(format!("This ffmpeg can't look at {name}: it was built without that."));
        return SourceError::lasting(message.hint("Install an ffmpeg that looks at screens, as most systems have it."));
    }
    // A window that was closed, or that changed its size: the next try finds out.
    let message = Message::new(format!("{name} can't be looked at any more."));
    SourceError::passing(message.hint("If that stays so, open the window again, or choose another."))
}

/// What a stream sends has no pictures.
pub(super) fn without_video(input: &Input) -> SourceError {
    let message = Message::new(format!("The stream {} sends no video.", input.name));
    SourceError::lasting(message.hint("Use the camera's address for video; others send sound alone."))
}

/// An old ffmpeg would read a stream without a look at its certificate.
pub(super) fn unverified(address: &Address) -> SourceError {
    let what = format!("This ffmpeg can't verify the encryption of {address}.");
    SourceError::lasting(Message::new(what).hint("Install ffmpeg 5 or later, or use an http address."))
}

/// There is no way to encrypt what is sent to a camera.
pub(super) fn no_encryption(address: &Address, authority: Option<&Path>, error: &io::Error) -> SourceError {
    let why = text::system(error);
    let message = match authority {
        Some(path) if matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::NotFound) => {
            let what = format!("The certificates in {} can't be read ({why}).", text::path(path));
            Message::new(what).hint("Name a file in PEM with --stream-ca, as the camera gives it.")
        }
        _ => Message::new(format!("The encryption of {address} can't be begun ({why}).")).hint("Check the address."),
    };
    SourceError::lasting(message)
}

/// A stream came to its end.
fn ended(name: &str) -> SourceError {
    let message = Message::new(format!("The stream {name} ended."));
    SourceError::passing(message.hint("If it stays away, check the camera or the program that sends it."))
}

/// A stream that falls silent.
pub(super) fn silent(input: &Input) -> SourceError {
    let name = &input.name;
    match input.kind {
        InputKind::File => {}
        InputKind::Screen => return of_screen(name, ""),
        InputKind::Stream => {
            let message = Message::new(format!("No pictures come from {name} any more."));
            return SourceError::passing(message.hint("If they stay away, check the camera and the network."));
        }
    }
    let message = Message::new(format!("No more pictures of {name} come from ffmpeg."));
    SourceError::lasting(message.hint("Start again, or use another video."))
}

/// Looking at an input took too long.
pub(super) fn no_answer(input: &Input) -> SourceError {
    let name = &input.name;
    if input.kind == InputKind::Stream {
        let message = Message::new(format!("There is no answer from {name}."));
        return SourceError::passing(message.hint("Check that the camera is on, and its address."));
    }
    let message = Message::new(format!("Looking at {name} was given up: it takes too long."));
    SourceError::lasting(message.hint("Check the disk that it is on, or use another video."))
}

/// What ffmpeg's last words about a stream mean. They are not quoted: addresses in them have
/// passwords.
fn of_stream(name: &str, last_lines: &str) -> SourceError {
    let says = |words: &[&str]| words.iter().any(|word| last_lines.contains(word));
    // HTTP's and RTSP's ways to say it; an address may have the number in it, too.
    let answers = |code: u32| says(&[&format!("returned {code}"), &format!("failed: {code}")]);
    if answers(401) {
        let message = Message::new(format!("{name} asks for another user or password."));
        return SourceError::lasting(message.hint(
            "Write them into the address (rtsp://USER:PASSWORD@HOST/…), or use --stream-user with \
             SIGHTLINE_STREAM_PASSWORD in the environment.",
        ));
    }
    if answers(403) {
        let message = Message::new(format!("{name} may not be seen with this user."));
        return SourceError::lasting(message.hint("Allow it in the camera's settings, or use another user."));
    }
    if says(&["Protocol not found", "not on whitelist"]) {
        let message = Message::new(format!("This ffmpeg can't read {name}, or it leads where no stream may lead."));
        return SourceError::lasting(message.hint("Install an ffmpeg with that protocol, or use another address."));
    }
    if says(&["certificate", "verification"]) {
        let message = Message::new(format!("The certificate of {name} can't be trusted."));
        return SourceError::lasting(message.hint(
            "Use the name that the certificate is for, or name the camera's own certificate with --stream-ca FILE.",
        ));
    }
    let (what, hint) = if answers(404) {
        (format!("There is no stream at {name}."), "Check the path behind the host, as the camera's manual has it.")
    } else if says(&["refused"]) {
        (format!("Nothing answers at {name}."), "Check the port, and that the camera or its server is on.")
    } else if says(&["resolve", "Name or service"]) {
        (format!("The host of {name} is unknown."), "Check its name, or write its number.")
    } else if says(&["unreachable", "No route", "timed out"]) {
        (format!("There is no way to {name}."), "Check the network, and that the camera is on.")
    } else if says(&["Invalid data", "Input/output", "End of file"]) {
        (
            format!("What comes from {name} can't be played."),
            "Check the port and the path: another protocol may answer there, or a page instead of a stream.",
        )
    } else {
        (format!("{name} can't be played."), "Check the address, and that the camera is on.")
    };
    SourceError::passing(Message::new(what).hint(hint))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::ffmpeg::input::Receiving;

    #[test]
    fn a_streams_last_words_are_told_without_its_password() {
        let address = Address::parse("rtsp://me:secret@door.invalid/1").expect("an address");
        let input = Input::stream(&address, &Receiving::default());
        let url = address.secret("");
        for (why, word, may_pass) in [
            ("Server returned 401 Unauthorized (authorization failed)", "password", false),
            ("Connection refused", "Nothing answers", true),
            ("Server returned 404 Not Found", "no stream", true),
            ("method DESCRIBE failed: 404 Stream not found\npipe:0: Server returned 404 Not Found", "no stream", true),
            ("method DESCRIBE failed: 401 Unauthorized\npipe:0: Input/output error", "password", false),
            ("Connection to tcp://door.invalid:40199?timeout=0 failed: Connection refused", "Nothing answers", true),
            ("Invalid data found when processing input", "can't be played", true),
            ("Peer certificate failed verification\npipe:0: Input/output error", "certificate", false),
            ("odd", "can't be played", true),
        ] {
            let error = failed(&input, &Ending::Failed(format!("{url}: {why}")));
            assert!(error.message.what().contains(word), "{error}");
            assert!(error.message.what().contains("rtsp://door.invalid/1"), "{error}");
            assert_eq!(error.may_pass, may_pass, "{error}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
        assert!(!format!("{input:?}").contains("secret"));
    }
}
