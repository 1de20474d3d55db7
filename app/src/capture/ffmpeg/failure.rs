//! What is wrong with an input, for people, by how ffmpeg ended and what it said last.

use crate::base::message::Message;
use crate::capture::SourceError;
use crate::capture::ffmpeg::input::Input;
use crate::capture::ffmpeg::process::Ending;

/// Why an input gives no pictures.
pub(super) fn failed(input: &Input, ending: &Ending) -> SourceError {
    let name = &input.name;
    match ending {
        Ending::Killed(by) => {
            let message = Message::new(format!("Reading {name} was cut short: ffmpeg was stopped by {by}."))
                .hint("Start again. If memory had run out, close other programs first.");
            if input.is_stream { SourceError::passing(message) } else { SourceError::lasting(message) }
        }
        Ending::Failed(last_line) if input.is_stream => of_stream(name, last_line),
        Ending::Done if input.is_stream => ended(name),
        Ending::Failed(last_line) => {
            let hint = "Use another video.";
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
        Ending::Done => {
            let message = Message::new(format!("{name} has no pictures to play."));
            SourceError::lasting(message.hint("Use another video."))
        }
    }
}

/// What a stream sends has no pictures.
pub(super) fn without_video(input: &Input) -> SourceError {
    let message = Message::new(format!("The stream {} sends no video.", input.name));
    SourceError::lasting(message.hint("Use the camera's address for video; others send sound alone."))
}

/// A stream came to its end.
fn ended(name: &str) -> SourceError {
    let message = Message::new(format!("The stream {name} ended."));
    SourceError::passing(message.hint("If it stays away, check the camera or the program that sends it."))
}

/// A stream that falls silent.
pub(super) fn silent(input: &Input) -> SourceError {
    let name = &input.name;
    if input.is_stream {
        let message = Message::new(format!("No pictures come from {name} any more."));
        return SourceError::passing(message.hint("If they stay away, check the camera and the network."));
    }
    let message = Message::new(format!("No more pictures of {name} come from ffmpeg."));
    SourceError::lasting(message.hint("Start again, or use another video."))
}

/// Looking at an input took too long.
pub(super) fn no_answer(input: &Input) -> SourceError {
    let name = &input.name;
    if input.is_stream {
        let message = Message::new(format!("There is no answer from {name}."));
        return SourceError::passing(message.hint("Check that the camera is on, and its address."));
    }
    let message = Message::new(format!("Looking at {name} was given up: it takes too long."));
    SourceError::lasting(message.hint("Check the disk that it is on, or use another video."))
}

/// What ffmpeg's last words about a stream mean. They are not quoted: addresses in them have
/// passwords.
fn of_stream(name: &str, last_line: &str) -> SourceError {
    let says = |words: &[&str]| words.iter().any(|word| last_line.contains(word));
    if says(&["401"]) {
        let message = Message::new(format!("{name} asks for another user or password."));
        return SourceError::lasting(message.hint(
            "Write them into the address (rtsp://USER:PASSWORD@HOST/…), or use --stream-user with \
             SIGHTLINE_STREAM_PASSWORD in the environment.",
        ));
    }
    if says(&["403"]) {
        let message = Message::new(format!("{name} may not be seen with this user."));
        return SourceError::lasting(message.hint("Allow it in the camera's settings, or use another user."));
    }
    if says(&["Protocol not found", "not on whitelist"]) {
        let message = Message::new(format!("This ffmpeg can't read {name}, or it leads where no stream may lead."));
        return SourceError::lasting(message.hint("Install an ffmpeg with that protocol, or use another address."));
    }
    if says(&["certificate", "verification"]) {
        let message = Message::new(format!("The encryption of {name} can't be trusted."));
        return SourceError::lasting(message.hint("Use the name that its certificate is for, or rtsp or http."));
    }
    let (what, hint) = if says(&["404"]) {
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
    use crate::capture::address::Address;

    #[test]
    fn a_streams_last_words_are_told_without_its_password() {
        let address = Address::parse("rtsp://me:secret@door.invalid/1").expect("an address");
        let input = Input::stream(&address);
        let url = address.secret("");
        for (why, word, may_pass) in [
            ("Server returned 401 Unauthorized (authorization failed)", "password", false),
            ("Connection refused", "Nothing answers", true),
            ("Server returned 404 Not Found", "no stream", true),
            ("Invalid data found when processing input", "can't be played", true),
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
