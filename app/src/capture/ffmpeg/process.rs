//! An ffmpeg or ffprobe child process: how it is started, watched and ended, and what its end
//! means. Knows nothing of what it plays.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::base::message::Message;
use crate::capture::SourceError;

/// How many lines of ffmpeg's messages are kept: why something failed stands before what that led
/// to.
const LAST_LINES: usize = 4;

/// The longest line of them, in bytes.
const MAX_MESSAGE: u64 = 64 << 10;

/// The most that is read of what ffprobe or ffmpeg say about themselves or a file.
const MAX_ANSWER: u64 = 4 << 20;

/// How often a process that is waited for is looked at.
const LOOK_UP: Duration = Duration::from_millis(10);

/// `CREATE_NO_WINDOW` of Windows' `CreateProcess`.
#[cfg(windows)]
const NO_CONSOLE: u32 = 0x0800_0000;

/// How variables of the environment begin that are meant for this program alone.
const OUR_VARIABLES: &str = "SIGHTLINE_";

/// Which of ffmpeg's programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tool {
    Ffmpeg,
    Ffprobe,
}

impl Tool {
    fn name(self) -> &'static str {
        match self {
            Self::Ffmpeg => "ffmpeg",
            Self::Ffprobe => "ffprobe",
        }
    }

    /// The program, silent but for errors.
    pub(super) fn command(self) -> Command {
        let mut command = Command::new(self.name());
        command.args(["-v", "error"]);
        if self == Self::Ffmpeg {
            command.arg("-nostdin");
        }
        command
    }
}

/// A running process.
pub(super) struct Process {
    child: Child,
    messages: Option<JoinHandle<String>>,
}

/// How a process ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// It did what it was asked for.
    Done,
    /// It could not: its last lines, if it wrote some.
    Failed(String),
    /// Somebody or the system stopped it: by what.
    Killed(String),
}

impl Process {
    /// Starts a process, with what it will write to its standard output. It reads `feed` from its
    /// standard input, no more than a pipe holds.
    pub(super) fn start(
        tool: Tool,
        mut command: Command,
        feed: Option<&[u8]>,
    ) -> Result<(Self, ChildStdout), SourceError> {
        command.stdin(if feed.is_some() { Stdio::piped() } else { Stdio::null() });
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        // Passwords and keys are among them.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with(OUR_VARIABLES)) {
            command.env_remove(name);
        }
        // Ctrl-C in a terminal reaches the whole group: ffmpeg is stopped by us, not beside us.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        // There it reaches all that share a console, and a console of its own would be a window.
        #[cfg(windows)]
        std::os::windows::process::CommandExt::creation_flags(&mut command, NO_CONSOLE);
        let failed = |error: &std::io::Error| not_started(tool, error);
        let mut child = command.spawn().map_err(|error| failed(&error))?;
        let (output, errors) = (child.stdout.take(), child.stderr.take());
        let input = child.stdin.take();
        let mut process = Self { child, messages: None };
        if let (Some(mut input), Some(feed)) = (input, feed) {
            // If it has ended already, its end says why.
            let _ = input.write_all(feed);
        }
        let listener = thread::Builder::new()
            .name("ffmpeg messages".into())
            .spawn(move || errors.map(last_lines).unwrap_or_default());
        process.messages = Some(listener.map_err(|error| failed(&error))?);
        let output = output.ok_or_else(|| failed(&ErrorKind::BrokenPipe.into()))?;
        Ok((process, output))
    }

    /// Its number, for tests.
    #[cfg(test)]
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its end, which is near once its output has ended.
    pub(super) fn end(&mut self) -> Ending {
        let status = self.child.wait();
        let last_lines = self.messages.take().and_then(|thread| thread.join().ok()).unwrap_or_default();
        match status {
            Ok(status) if status.success() => Ending::Done,
            Ok(status) => killed_by(status).map_or(Ending::Failed(last_lines), Ending::Killed),
            Err(error) => Ending::Failed(error.to_string()),
        }
    }

    /// Ends it now.
    pub(super) fn kill(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        // Its pipe is closed now, so that the thread ends.
        if let Some(messages) = self.messages.take() {
            let _ = messages.join();
        }
    }
}

/// What stopped a process, if it did not end by itself.
fn killed_by(status: ExitStatus) -> Option<String> {
    #[cfg(unix)]
    {
        std::os::unix::process::ExitStatusExt::signal(&status).map(|signal| format!("signal {signal}"))
    }
    #[cfg(not(unix))]
    {
        let _ = status;
        None
    }
}

/// What a process writes to its standard output until its end; `None` when it was given up, because
/// `is_over` said so or it took longer than `patience`.
pub(super) fn answer(
    tool: Tool,
    command: Command,
    feed: Option<&[u8]>,
    patience: Duration,
    is_over: &dyn Fn() -> bool,
) -> Result<Option<(Vec<u8>, Ending)>, SourceError> {
    let begun = Instant::now();
    let (mut process, output) = Process::start(tool, command, feed)?;
    let reader = thread::Builder::new().name("ffmpeg answer".into()).spawn(move || {
        let mut answer = Vec::new();
        // What came before an error is all that there is.
        let _ = output.take(MAX_ANSWER).read_to_end(&mut answer);
        answer
    });
    let reader = reader.map_err(|error| not_started(tool, &error))?;
    while !reader.is_finished() {
        if is_over() || begun.elapsed() > patience {
            process.kill();
            let _ = reader.join();
            return Ok(None);
        }
        thread::sleep(LOOK_UP);
    }
    let answer = reader.join().unwrap_or_default();
    Ok(Some((answer, process.end())))
}

/// The last lines that are not empty, reading all so that the writer never waits.
fn last_lines(errors: impl Read) -> String {
    let mut last = VecDeque::new();
    let mut errors = BufReader::new(errors);
    let mut line = Vec::new();
    while errors.by_ref().take(MAX_MESSAGE).read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
        let text = String::from_utf8_lossy(&line);
        if !text.trim().is_empty() {
            if last.len() == LAST_LINES {
                last.pop_front();
            }
            last.push_back(text.trim().to_owned());
        }
        line.clear();
    }
    Vec::from(last).join("\n")
}

/// Why a tool does not run.
pub(super) fn not_started(tool: Tool, error: &std::io::Error) -> SourceError {
    let name = tool.name();
    SourceError::lasting(if error.kind() == ErrorKind::NotFound {
        Message::new(format!("Videos are played by ffmpeg, and its program {name} is not installed."))
            .hint("Install it (Debian and Ubuntu: sudo apt install ffmpeg).")
    } else {
        Message::new(format!("Videos are played by ffmpeg, and its program {name} does not start ({error})."))
            .hint("Install it anew, or free some memory if that has run out.")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_ffmpeg_says_what_to_install() {
        let error = Command::new("no-such-ffmpeg").spawn().expect_err("not there");
        let message = not_started(Tool::Ffprobe, &error).message;
        assert!(message.what().contains("ffprobe is not installed"), "{message}");
        assert!(message.advice().is_some_and(|hint| hint.contains("apt install ffmpeg")), "{message}");
    }

    #[cfg(unix)]
    #[test]
    fn ends_are_told_apart() {
        let run = |script: &str| {
            let mut command = Command::new("sh");
            command.args(["-c", script]);
            answer(Tool::Ffmpeg, command, None, Duration::from_mins(1), &|| false).expect("started").expect("ended")
        };
        assert_eq!(run("echo yes"), (b"yes\n".to_vec(), Ending::Done));
        let failed = Ending::Failed("c\nd\ne\nf".to_owned());
        assert_eq!(run("for w in a b c '' d e f; do echo $w >&2; done; exit 3"), (Vec::new(), failed));
        let mut copy = Command::new("cat");
        copy.arg("-");
        let copied = answer(Tool::Ffmpeg, copy, Some(b"fed"), Duration::from_mins(1), &|| false);
        assert_eq!(copied, Ok(Some((b"fed".to_vec(), Ending::Done))));
        assert_eq!(run("kill -9 $$"), (Vec::new(), Ending::Killed("signal 9".to_owned())));
    }

    #[cfg(unix)]
    #[test]
    fn what_takes_too_long_or_is_unwanted_is_given_up() {
        let endless = || {
            let mut command = Command::new("sleep");
            command.arg("1000");
            command
        };
        let short = Duration::from_millis(20);
        assert_eq!(answer(Tool::Ffmpeg, endless(), None, short, &|| false), Ok(None));
        assert_eq!(answer(Tool::Ffmpeg, endless(), None, Duration::from_mins(1), &|| true), Ok(None));
    }
}
