//! A program of somebody else's, run within limits: it reads what it is given, has so much time,
//! and is killed with all that it started when that is over. Knows no action.
//!
//! What it reads and what it complains of lie in files without a name, so that neither a program
//! that does not read nor one that writes without end can hold anybody up.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use vlm::Cancel;

/// How often it is asked whether a program has ended: soon at first, then less often.
const FIRST_LOOK: Duration = Duration::from_millis(2);
const LOOK_UP: Duration = Duration::from_millis(50);
/// The most that a program may write about its troubles, in bytes.
const MOST_COMPLAINTS: u64 = 1 << 20;
/// The most of it that is shown, in characters.
const MOST_SHOWN: usize = 200;

/// What became of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It ended well.
    Well,
    /// It ended with this code or signal, after the last line of its complaints.
    Badly(String),
    /// Its time was over.
    TooLate,
    /// It wrote too much.
    TooLoud,
    /// `cancel` was raised.
    Cancelled,
}

/// Runs a program to its end or until its time is over. It gets `input` on its standard input.
///
/// # Errors
/// When it can't be started.
pub fn run(command: &mut Command, input: &[u8], limit: Duration, cancel: &Cancel) -> io::Result<Ended> {
    let mut stdin = tempfile::tempfile()?;
    stdin.write_all(input)?;
    stdin.seek(SeekFrom::Start(0))?;
    let mut complaints = tempfile::tempfile()?;
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(command, 0);
    let child = command.stdin(stdin).stdout(Stdio::null()).stderr(complaints.try_clone()?).spawn()?;
    let mut group = Group(Some(child));
    let deadline = Instant::now() + limit;
    let mut look = FIRST_LOOK;
    loop {
        if let Some(status) = group.try_wait()? {
            return Ok(if status.success() { Ended::Well } else { Ended::Badly(words(status, &mut complaints)) });
        }
        if cancel.is_cancelled() {
            return Ok(Ended::Cancelled);
        }
        let now = Instant::now();
        if now >= deadline {
            return Ok(Ended::TooLate);
        }
        if complaints.metadata()?.len() > MOST_COMPLAINTS {
            return Ok(Ended::TooLoud);
        }
        thread::sleep(look.min(deadline - now));
        look = (look * 2).min(LOOK_UP);
    }
}

/// A program that runs, killed with all that it started when nobody wants it any more. What it
/// leaves behind when it ends by itself goes on.
struct Group(Option<Child>);

impl Group {
    fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        let Some(child) = &mut self.0 else { return Ok(None) };
        let status = child.try_wait()?;
        if status.is_some() {
            self.0 = None;
        }
        Ok(status)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let Some(child) = &mut self.0 else { return };
        #[cfg(unix)]
        {
            use nix::sys::signal::{Signal, killpg};
            use nix::unistd::Pid;
            // Its number is its own until it was waited for.
            let _ = killpg(Pid::from_raw(child.id().cast_signed()), Signal::SIGKILL);
        }
        #[cfg(not(unix))]
        let _ = child.kill();
        // Takes it out of the list of processes. A killed one ends at once.
        let _ = child.wait();
    }
}

/// How a program ended, with the last line that it wrote.
fn words(status: ExitStatus, complaints: &mut File) -> String {
    let mut text = Vec::new();
    let read = complaints
        .seek(SeekFrom::Start(0))
        .and_then(|_| complaints.take(MOST_COMPLAINTS).read_to_end(&mut text).map(drop));
    if let Err(error) = read {
        tracing::debug!(%error, "complaints that can't be read");
    }
    let text = String::from_utf8_lossy(&text);
    let last = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let last: String = last.trim().chars().take(MOST_SHOWN).collect();
    let how = match status.code() {
        Some(code) => format!("exit code {code}"),
        None => status.to_string(),
    };
    if last.is_empty() { how } else { format!("{how}: {}", last.trim_end_matches('.')) }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    const LONG: Duration = Duration::from_mins(1);

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    fn ended(script: &str, input: &[u8], limit: Duration) -> Ended {
        run(&mut shell(script), input, limit, &Cancel::default()).expect("started")
    }

    #[test]
    fn it_reads_its_input_whole_and_need_not_read_it_at_all() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("read");
        let large = vec![b'x'; 300_000];
        assert_eq!(ended(&format!("cat > '{}'", path.display()), &large, LONG), Ended::Well);
        assert_eq!(fs::read(&path).expect("written").len(), large.len());
        assert_eq!(ended("true", &large, LONG), Ended::Well);
    }

    #[test]
    fn how_it_failed_is_told_with_its_last_line() {
        assert_eq!(
            ended("echo one >&2; echo 'No bell.' >&2; exit 3", b"", LONG),
            Ended::Badly("exit code 3: No bell".into())
        );
        assert_eq!(ended("exit 4", b"", LONG), Ended::Badly("exit code 4".into()));
        assert!(matches!(ended("kill -9 $$", b"", LONG), Ended::Badly(how) if how.contains('9')));
        let missing = run(&mut Command::new("no-such-program-at-all"), b"", LONG, &Cancel::default());
        assert_eq!(missing.expect_err("missing").kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn what_is_killed_is_killed_with_all_that_it_started() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, limit) = (folder.path().join("pid"), Duration::from_millis(1));
        let script = format!("sleep 600 & echo $! > '{0}.new'; mv '{0}.new' '{0}'; wait", path.display());
        // Until the child of the child is there; then the time is over.
        let cancel = Cancel::default();
        let raised = cancel.clone();
        let waiter = thread::spawn({
            let path = path.clone();
            move || {
                while !path.exists() {
                    thread::sleep(Duration::from_millis(1));
                }
                raised.cancel();
            }
        });
        assert_eq!(run(&mut shell(&script), b"", LONG, &cancel).expect("started"), Ended::Cancelled);
        waiter.join().expect("it waited");
        let pid = fs::read_to_string(&path).expect("its number");
        assert!(is_gone(pid.trim()), "the child of the child lives on");
        assert_eq!(ended("sleep 600", b"", limit), Ended::TooLate);
        assert_eq!(ended("yes long complaint >&2", b"", LONG), Ended::TooLoud);
    }

    /// Killed, whether or not somebody has taken note of it.
    fn is_gone(pid: &str) -> bool {
        (0..2000).any(|_| {
            let stat = fs::read_to_string(Path::new("/proc").join(pid).join("stat"));
            let gone = stat.map_or(true, |stat| stat.contains(") Z") || stat.contains(") X"));
            if !gone {
                thread::sleep(Duration::from_millis(5));
            }
            gone
        })
    }
}
