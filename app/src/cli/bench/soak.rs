//! `sightline bench soak`: whether anything grows or slows down while the program runs for long.
//!
//! The demo scene is captioned and recorded as `watch --log` does it, into a log that goes
//! afterwards. At even intervals it is asked what the process holds and how long captions take. The
//! scene may live faster than the clock, so that there is more to say in the same time.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Args;
use serde::Serialize;
use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, System};
use vlm::Stop;

use crate::capture::{Next, Source, SourceError};
use crate::cli::args::ModelArgs;
use crate::cli::bench::spread::{Spread, ms};
use crate::cli::output::{Notes, Output};
use crate::cli::parse::{factor, minutes};
use crate::cli::{download, interrupt, recording};
use crate::demo::paint;
use crate::demo::world::World;
use crate::engine::EngineCard;
use crate::live::{Event, OpenSource, Pipeline, Settings};
use crate::log::{Keep, LogOptions, RecordedView, no_embedder};

/// How often the interrupt flag is looked at.
const LOOK_UP: Duration = Duration::from_millis(100);
/// Time between two pictures.
const PERIOD: Duration = Duration::from_nanos(1_000_000_000 / 30);
/// How many times it is asked what the process holds.
const SAMPLES: u32 = 60;
/// What of the run counts as warming up: caches fill, the model's memory is taken.
const WARM_UP: f64 = 0.1;
/// The scene.
const SEED: u64 = 1;

/// The command's arguments.
#[derive(Args, Clone, Debug)]
pub struct SoakArgs {
    /// How long
    #[arg(long, value_name = "MINUTES", default_value = "10", value_parser = minutes)]
    pub minutes: Duration,

    /// How many times as fast as the clock the scene lives
    #[arg(long, value_name = "FACTOR", default_value = "1", value_parser = factor)]
    pub speed: f64,

    #[command(flatten)]
    pub model: ModelArgs,
}

/// What the process holds at one moment.
#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Sample {
    /// Seconds since the start.
    seconds: f64,
    /// Resident, in bytes.
    memory: u64,
    /// Open files; none where the system does not say.
    descriptors: Option<u64>,
    threads: Option<u64>,
    /// The log with what belongs to it, in bytes.
    log: u64,
    /// Captions so far.
    captions: u64,
}

/// A number that may grow, after the warm-up.
#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Growth {
    first: f64,
    last: f64,
    most: f64,
    /// The slope of the line that fits best, an hour.
    per_hour: f64,
}

/// The line on standard output.
#[derive(Serialize)]
struct Report {
    model: String,
    device: String,
    precision: String,
    minutes: f64,
    scene_minutes: f64,
    pictures: u64,
    captions: u64,
    unchanged: u64,
    failures: u64,
    memory: Growth,
    descriptors: Option<Growth>,
    threads: Option<Growth>,
    log: Growth,
    /// Bytes of the log a caption.
    log_per_caption: f64,
    /// Milliseconds a caption, in the first and in the last tenth after the warm-up.
    first_ms: Spread,
    last_ms: Spread,
    /// How many times as long the last tenth's median is.
    drift: f64,
    samples: Vec<Sample>,
}

/// Captions the scene for as long as it is told, and prints what became of the process.
///
/// # Errors
/// When the model can't be opened, the log can't be written, or standard output can't be.
pub fn run(args: &SoakArgs) -> anyhow::Result<ExitCode> {
    let interrupted = interrupt::flag()?;
    download::fetch(&args.model.model, &interrupted)?;
    let folder = tempfile::tempdir().context("A log for the run can't be made.")?;
    let path = folder.path().join("soak.db");
    let keep = Keep { at_most_old: None, at_most_bytes: None, views_at_most_bytes: None, bookmarked: true };
    let options = LogOptions { path: Some(path.clone()), record: true, keep };
    let view = RecordedView { instruction: args.model.prompt.clone(), ..RecordedView::default() };
    let mut recording = recording::start(options, vec![view], no_embedder())?.context("The log was not opened.")?;
    let settings = Settings {
        instruction: args.model.prompt.clone(),
        max_tokens: args.model.max_tokens.get(),
        ..Settings::default()
    };
    let pipeline = Pipeline::start(vec![settings], Arc::new(|| {})).context("The system starts no more threads.")?;
    pipeline.set_engine(args.model.model.clone(), args.model.open_engine());
    pipeline.view(0).set_source(fast_scene(args.speed));
    let mut soak = Soak::new(args.minutes, path);
    let mut notes = Notes::new(true);
    while !interrupted.is_cancelled() && !soak.is_over() {
        if let Some(report) = pipeline.wait_event(LOOK_UP) {
            recording.observe(&report);
            if let Event::Failed { message, retry_in: None, .. } = &report.event {
                return Err(message.clone().into());
            }
            soak.observe(&report.event);
        }
        if let Some(news) = recording.news() {
            notes.error(&recording::told(news));
            soak.failures += 1;
        }
        soak.sample();
    }
    let pictures = pipeline.view(0).statistics().captured;
    drop(pipeline);
    if let Some(message) = recording.finish() {
        notes.note(&message.to_string());
    }
    let mut out = Output::new();
    serde_json::to_writer(&mut out, &soak.report(args.speed, pictures))?;
    writeln!(out)?;
    Ok(ExitCode::SUCCESS)
}

/// What was seen of a run so far.
struct Soak {
    began: Instant,
    length: Duration,
    log: PathBuf,
    system: System,
    samples: Vec<Sample>,
    /// When each caption came, in seconds since the start, and how many milliseconds it took.
    captions: Vec<(f64, f64)>,
    card: EngineCard,
    unchanged: u64,
    failures: u64,
}

impl Soak {
    fn new(length: Duration, log: PathBuf) -> Self {
        Self {
            began: Instant::now(),
            length,
            log,
            system: System::new(),
            samples: Vec::new(),
            captions: Vec::new(),
            card: EngineCard::default(),
            unchanged: 0,
            failures: 0,
        }
    }

    fn is_over(&self) -> bool {
        self.began.elapsed() >= self.length
    }

    fn observe(&mut self, event: &Event) {
        match event {
            Event::ModelReady(card) => self.card = card.clone(),
            Event::Captioned(caption) if caption.reply.stop != Stop::Cancelled => {
                let took = ms(caption.reply.timings.total());
                self.captions.push((self.began.elapsed().as_secs_f64(), took));
            }
            Event::Unchanged { .. } => self.unchanged += 1,
            Event::Failed { .. } | Event::RequestFailed { .. } | Event::SourceLost { .. } => self.failures += 1,
            _ => {}
        }
    }

    /// Asks what the process holds, if it is time for it.
    fn sample(&mut self) {
        let elapsed = self.began.elapsed();
        if elapsed < self.length / SAMPLES * self.samples.len() as u32 {
            return;
        }
        let process = sysinfo::get_current_pid().ok();
        let memory = process.and_then(|id| {
            self.system.refresh_processes_specifics(
                ProcessesToUpdate::Some(&[id]),
                true,
                ProcessRefreshKind::nothing().with_memory(),
            );
            self.system.process(id).map(sysinfo::Process::memory)
        });
        self.samples.push(Sample {
            seconds: elapsed.as_secs_f64(),
            memory: memory.unwrap_or_default(),
            descriptors: entries(Path::new("/proc/self/fd")),
            threads: entries(Path::new("/proc/self/task")),
            log: ["", "-wal", "-shm"].iter().map(|ending| size_of(&self.log, ending)).sum(),
            captions: self.captions.len() as u64,
        });
    }

    fn report(self, speed: f64, pictures: u64) -> Report {
        let minutes = self.began.elapsed().as_secs_f64() / 60.0;
        // Of a run that ended at once, the last sample counts.
        let last = self.samples.last().map_or(0.0, |sample| sample.seconds);
        let warm = (minutes * 60.0 * WARM_UP).min(last);
        let of = |value: &dyn Fn(&Sample) -> Option<u64>| {
            let points = self.samples.iter().filter(|sample| sample.seconds >= warm);
            let points: Vec<_> = points.filter_map(|sample| Some((sample.seconds, value(sample)? as f64))).collect();
            Growth::of(&points)
        };
        let times: Vec<f64> = self.captions.iter().filter(|&&(at, _)| at >= warm).map(|&(_, took)| took).collect();
        let tenth = (times.len() / 10).max(1).min(times.len());
        let first_ms = Spread::of(times[..tenth].iter().copied());
        let last_ms = Spread::of(times[times.len() - tenth..].iter().copied());
        let captions = self.captions.len() as u64;
        let log = of(&|sample| Some(sample.log)).unwrap_or_default();
        Report {
            model: self.card.model.clone(),
            device: self.card.device.clone(),
            precision: self.card.precision.clone(),
            minutes,
            scene_minutes: minutes * speed,
            pictures,
            captions,
            unchanged: self.unchanged,
            failures: self.failures,
            memory: of(&|sample| Some(sample.memory)).unwrap_or_default(),
            descriptors: of(&|sample| sample.descriptors),
            threads: of(&|sample| sample.threads),
            log_per_caption: self.samples.last().map_or(0.0, |last| last.log as f64) / captions.max(1) as f64,
            log,
            first_ms,
            last_ms,
            drift: last_ms.median / first_ms.median.max(f64::MIN_POSITIVE),
            samples: self.samples,
        }
    }
}

impl Growth {
    /// Of values at moments, in seconds; none of none.
    fn of(points: &[(f64, f64)]) -> Option<Self> {
        let (&(_, first), &(_, last)) = (points.first()?, points.last()?);
        let count = points.len() as f64;
        let mean_at = points.iter().map(|(at, _)| at).sum::<f64>() / count;
        let mean = points.iter().map(|(_, value)| value).sum::<f64>() / count;
        let together: f64 = points.iter().map(|(at, value)| (at - mean_at) * (value - mean)).sum();
        let spread: f64 = points.iter().map(|(at, _)| (at - mean_at).powi(2)).sum();
        let slope = if spread > 0.0 { together / spread } else { 0.0 };
        let most = points.iter().map(|&(_, value)| value).fold(first, f64::max);
        Some(Self { first, last, most, per_hour: slope * 3600.0 })
    }
}

fn entries(folder: &Path) -> Option<u64> {
    fs::read_dir(folder).ok().map(|entries| entries.count() as u64)
}

fn size_of(log: &Path, ending: &str) -> u64 {
    let mut name = log.as_os_str().to_owned();
    name.push(ending);
    fs::metadata(name).map_or(0, |there| there.len())
}

/// What opens the scene, which lives so many times as fast as the clock.
fn fast_scene(speed: f64) -> OpenSource {
    Box::new(move || Ok(Box::new(FastScene { world: World::new(SEED), speed: speed as f32, due: Instant::now() })))
}

/// The demo scene at another pace, thirty pictures a second.
struct FastScene {
    world: World,
    speed: f32,
    due: Instant,
}

impl Source for FastScene {
    fn name(&self) -> String {
        "Demo scene".to_owned()
    }

    fn is_live(&self) -> bool {
        true
    }

    fn next(&mut self) -> Result<Next, SourceError> {
        let now = Instant::now();
        thread::sleep(self.due.saturating_duration_since(now));
        self.due = now.max(self.due) + PERIOD;
        self.world.advance(PERIOD.as_secs_f32() * self.speed);
        Ok(Next::Picture(paint(&self.world)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_the_slope_of_the_line_that_fits_best() {
        let growth = Growth::of(&[(0.0, 10.0), (10.0, 12.0), (20.0, 14.0)]).expect("points");
        assert!((growth.per_hour - 720.0).abs() < 1e-9, "{growth:?}");
        assert_eq!((growth.first, growth.last, growth.most), (10.0, 14.0, 14.0));
        let one = Growth::of(&[(5.0, 3.0)]).expect("a point");
        assert_eq!((one.per_hour, one.most), (0.0, 3.0));
        assert!(Growth::of(&[]).is_none());
    }

    #[test]
    fn a_run_without_captions_is_reported_as_one() {
        let mut soak = Soak::new(Duration::from_secs(1), PathBuf::from("no/such.db"));
        soak.sample();
        soak.sample();
        assert_eq!(soak.samples.len(), 1, "the next one is not due");
        let report = soak.report(60.0, 0);
        assert_eq!((report.captions, report.failures), (0, 0));
        assert!(report.memory.most > 1e6 && serde_json::to_string(&report).is_ok());
    }
}
