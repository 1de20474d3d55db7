//! Network streams on the command line: who asks for one, and `sightline cameras test`.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Args;
use serde::Serialize;

use crate::base::message::Message;
use crate::base::{files, text};
use crate::capture;
use crate::capture::camera::WantedFormat;
use crate::capture::{Login, Next, PASSWORD_VARIABLE, SourceOptions, SourceSpec};
use crate::cli::args::source;
use crate::cli::interrupt;
use crate::cli::output::{Notes, Output};

/// How long a source is looked at to know its rate.
const LOOK: Duration = Duration::from_secs(3);

/// Who asks for a network stream.
#[derive(Args, Clone, Debug, Default)]
#[expect(clippy::struct_field_names, reason = "they are the names of the flags")]
pub struct StreamArgs {
    /// The user of a network stream whose address names none; the password is in
    /// `SIGHTLINE_STREAM_PASSWORD`
    #[arg(long, value_name = "NAME")]
    pub stream_user: Option<String>,

    /// A file whose first line is the stream's password, in place of `SIGHTLINE_STREAM_PASSWORD`
    #[arg(long, value_name = "FILE", requires = "stream_user")]
    pub stream_password_file: Option<PathBuf>,

    /// A file in PEM with the certificate of an https camera, in place of those that the system
    /// trusts
    #[arg(long, value_name = "FILE")]
    pub stream_ca: Option<PathBuf>,
}

impl StreamArgs {
    /// The login that they make, if any.
    ///
    /// # Errors
    /// When the file with the password can't be read.
    pub fn login(&self) -> anyhow::Result<Option<Login>> {
        let Some(user) = &self.stream_user else { return Ok(None) };
        let password = match &self.stream_password_file {
            Some(path) => files::first_line(path)
                .with_context(|| format!("The password in {} can't be read.", text::path(path)))?,
            None => std::env::var(PASSWORD_VARIABLE).unwrap_or_default(),
        };
        Ok(Some(Login::new(user, password)))
    }
}

/// The arguments of `cameras test`.
#[derive(Args, Clone, Debug)]
pub struct TestArgs {
    /// The address of a stream, or any other source
    #[arg(value_name = "SOURCE", value_parser = source())]
    pub source: SourceSpec,

    /// The size and rate of a camera's pictures, such as 1920x1080@30
    #[arg(long, value_name = "WxH@FPS")]
    pub camera_format: Option<WantedFormat>,

    #[command(flatten)]
    pub stream: StreamArgs,

    /// Print a JSON object
    #[arg(long)]
    pub json: bool,
}

/// What a source turned out to be.
#[derive(Serialize)]
struct Finding {
    source: String,
    /// How it is sent.
    format: Option<String>,
    /// As it is looked at.
    width: u32,
    height: u32,
    /// Pictures a second; zero with one picture alone.
    fps: f64,
    /// From the call to the first picture.
    first_picture_ms: u64,
}

/// Opens a source, looks at it for some seconds, and says what it is.
///
/// # Errors
/// What is wrong with it.
pub fn test(args: &TestArgs) -> anyhow::Result<ExitCode> {
    let interrupted = interrupt::flag()?;
    let begun = Instant::now();
    let options = SourceOptions {
        repeat: false,
        camera_format: args.camera_format,
        login: args.stream.login()?,
        authority: args.stream.stream_ca.clone(),
    };
    let mut source = capture::open(&args.source, &options)?;
    let mut first = None;
    let mut pictures = 0_u32;
    let mut size = (0, 0);
    while !interrupted.is_cancelled() && first.is_none_or(|first: Instant| first.elapsed() < LOOK) {
        match source.next()? {
            Next::Picture(picture) => {
                first = first.or_else(|| Some(Instant::now()));
                pictures += 1;
                size = picture.dimensions();
            }
            Next::Nothing => {}
            Next::Ended => break,
        }
    }
    let Some(first) = first else {
        Notes::new(args.json).error(&Message::new(format!("No picture came from {}.", source.name())));
        return Ok(ExitCode::FAILURE);
    };
    let seconds = first.elapsed().as_secs_f64();
    let finding = Finding {
        source: source.name(),
        format: source.format(),
        width: size.0,
        height: size.1,
        fps: if pictures > 1 { f64::from(pictures - 1) / seconds } else { 0.0 },
        first_picture_ms: u64::try_from((first - begun).as_millis()).unwrap_or(u64::MAX),
    };
    let mut out = Output::new();
    if args.json {
        writeln!(out, "{}", serde_json::to_string(&finding)?)?;
    } else {
        writeln!(out, "{}", for_people(&finding))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn for_people(finding: &Finding) -> String {
    let Finding { source, format, width, height, fps, first_picture_ms } = finding;
    let sent = format.as_ref().map_or_else(String::new, |format| format!("sent as {format}; "));
    let seconds = *first_picture_ms as f64 / 1000.0;
    text::one_line(&format!(
        "{source}: {sent}looked at as {width}x{height}, {fps:.1} pictures a second, the first after {seconds:.1} s"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_is_read_from_a_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("password");
        std::fs::write(&path, "p@ss word\r\nmore\n").expect("written");
        let args =
            StreamArgs { stream_user: Some("me".into()), stream_password_file: Some(path), ..StreamArgs::default() };
        assert_eq!(args.login().expect("read"), Some(Login::new("me", "p@ss word")));
        assert!(StreamArgs::default().login().expect("none").is_none());
        let missing = StreamArgs { stream_password_file: Some("/no/such/file".into()), ..args };
        assert!(missing.login().is_err());
    }

    #[test]
    fn a_finding_is_one_line() {
        let finding = Finding {
            source: "rtsp://door.invalid/1".into(),
            format: Some("1920x1080, h264".into()),
            width: 1280,
            height: 720,
            fps: 24.96,
            first_picture_ms: 1640,
        };
        let line = "rtsp://door.invalid/1: sent as 1920x1080, h264; looked at as 1280x720, 25.0 pictures a second, the \
                    first after 1.6 s";
        assert_eq!(for_people(&finding), line);
    }
}
