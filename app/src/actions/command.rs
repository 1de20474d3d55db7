//! Runs a program of the user's. It gets what happened as JSON on its standard input and, where its
//! arguments ask for it, in them: each stays one argument, whatever is in it. No shell is involved.

use std::process::Command;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use vlm::Cancel;

use crate::actions::deliver::{Deliver, Told, Undelivered};
use crate::actions::occurrence::Occurrence;
use crate::actions::process::{self, Ended};
use crate::base::message::Message;
use crate::base::text;

/// See the module.
pub struct RunCommand {
    pub program: String,
    pub arguments: Vec<String>,
    pub limit: Duration,
}

/// What is sent: what happened, and the picture in base 64.
#[derive(Serialize)]
struct Sent<'a> {
    #[serde(flatten)]
    occurrence: &'a Occurrence,
    #[serde(skip_serializing_if = "Option::is_none")]
    picture: Option<SentPicture>,
}

#[derive(Serialize)]
struct SentPicture {
    r#type: &'static str,
    base64: String,
}

/// What happened as JSON, with the picture in it.
pub fn json(told: Told<'_>) -> Vec<u8> {
    let picture = told.picture.map(|jpeg| SentPicture { r#type: "image/jpeg", base64: STANDARD.encode(jpeg) });
    let sent = Sent { occurrence: told.occurrence, picture };
    // Plain data with texts for keys: there is nothing that can't be written.
    serde_json::to_vec(&sent).unwrap_or_default()
}

impl Deliver for RunCommand {
    fn deliver(&mut self, told: Told<'_>, cancel: &Cancel) -> Result<(), Undelivered> {
        let mut command = Command::new(&self.program);
        command.args(self.arguments.iter().map(|argument| filled(argument, told.occurrence)));
        let program = text::one_line(&self.program);
        let failed = |how: &str| Message::new(format!("The command {program} {how}."));
        match process::run(&mut command, &json(told), self.limit, cancel) {
            Ok(Ended::Well) => Ok(()),
            Ok(Ended::Cancelled) => Err(Undelivered::Cancelled),
            // It has run: running it again may do again what it did.
            Ok(Ended::Badly(how)) => Err(Undelivered::Never(failed(&format!("failed ({how})")))),
            Ok(Ended::TooLate) => {
                let seconds = self.limit.as_secs();
                let message = failed(&format!("did not end within {seconds} s, and was killed"));
                Err(Undelivered::Never(message.hint("Let it go on in the background, or raise timeout.")))
            }
            Ok(Ended::TooLoud) => {
                let message = failed("wrote over 1 MB of complaints, and was killed");
                Err(Undelivered::Never(message.hint("Run it by hand to see them.")))
            }
            Err(error) => {
                let message = failed(&format!("can't be started ({})", text::system(&error)));
                Err(Undelivered::later(message.hint("Check its name, and that it may be run.")))
            }
        }
    }
}

/// An argument with what happened in the place of `{text}` and the like. What is put in is not
/// looked at again.
fn filled(argument: &str, occurrence: &Occurrence) -> String {
    let mut filled = String::new();
    let mut rest = argument;
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        if let Some((value, after)) =
            after.split_once('}').and_then(|(name, after)| Some((value(name, occurrence)?, after)))
        {
            filled.push_str(&value);
            rest = after;
        } else {
            filled.push('{');
            rest = after;
        }
    }
    filled + rest
}

fn value(name: &str, occurrence: &Occurrence) -> Option<String> {
    let rule = occurrence.rule.as_ref();
    // A zero byte ends an argument, and starts no program.
    let value = match name {
        "kind" => serde_json::to_value(occurrence.kind).ok()?.as_str()?.to_owned(),
        "source" => occurrence.source.clone(),
        "time" => occurrence.time.clone(),
        "text" => occurrence.body(),
        "title" => occurrence.title().to_owned(),
        "rule" => rule.map(|rule| rule.name.clone()).unwrap_or_default(),
        "probability" => rule.map(|rule| format!("{:.3}", rule.probability)).unwrap_or_default(),
        _ => return None,
    };
    Some(value.replace('\0', " "))
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs;

    use super::*;
    use crate::testing::actions::{began, caption};

    fn deliver(arguments: &[&str], occurrence: &Occurrence) -> Result<(), Undelivered> {
        let (program, arguments) = arguments.split_first().expect("a program");
        let arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
        let mut command = RunCommand { program: (*program).to_owned(), arguments, limit: Duration::from_mins(1) };
        command.deliver(Told { occurrence, picture: Some(b"jpeg") }, &Cancel::default())
    }

    #[test]
    fn it_gets_json_and_arguments_that_no_shell_reads() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = folder.path().display();
        let script = format!("cat > '{at}/json'; printf '%s\\n' \"$@\" > '{at}/arguments'");
        let told = caption("door", "$(touch x); `id` \"'{source}\0");
        let arguments = ["sh", "-c", &script, "sh", "{text}", "at {source}: {kind}{odd}{", "{rule}"];
        deliver(&arguments, &told).expect("run");
        let arguments = fs::read_to_string(folder.path().join("arguments")).expect("written");
        assert_eq!(arguments, "$(touch x); `id` \"'{source} \nat door: caption{odd}{\n\n");
        let json: serde_json::Value =
            serde_json::from_slice(&fs::read(folder.path().join("json")).expect("written")).expect("JSON");
        assert_eq!((&json["source"], &json["picture"]["base64"]), (&"door".into(), &"anBlZw==".into()));
    }

    #[test]
    fn one_that_failed_is_not_run_again_and_one_that_is_missing_is_tried_again() {
        let failed = deliver(&["sh", "-c", "exit 3"], &began("parcel", "door")).expect_err("it fails");
        let Undelivered::Never(message) = failed else { panic!("{failed:?}") };
        assert_eq!(message.what(), "The command sh failed (exit code 3).");
        let missing = deliver(&["no-such-program-at-all"], &began("parcel", "door")).expect_err("it is missing");
        assert!(matches!(missing, Undelivered::Later { .. }));
    }
}
