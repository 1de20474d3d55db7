//! Recording into the caption log from the command line: which log, and what is said of it while it
//! is written.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use crate::base::message::Message;
use crate::base::{quantity, text};
use crate::cli::parse;
use crate::log;
use crate::log::{Keep, LogError, LogOptions, OpenEmbedder, RecordedView, Recording, RecordingNews};

/// Bytes that kept views may use unless told otherwise: 27,000 at 256M.
const VIEWS_BYTES: u64 = 1_000_000_000;

/// Whether and where captions are recorded.
#[derive(Args, Clone, Debug, Default)]
pub struct RecordArgs {
    /// Record captions, into this file or into your caption log (see `sightline log path`)
    #[arg(long, value_name = "FILE", num_args = 0..=1, value_parser = parse::file())]
    #[allow(clippy::option_option, reason = "not given, given alone, and given with a file are three things to clap")]
    pub log: Option<Option<PathBuf>>,

    /// Keep the log below this size, such as 500MB: the oldest thumbnails go first; bookmarked
    /// entries stay
    #[arg(long, value_name = "SIZE", value_parser = quantity::size)]
    pub log_limit: Option<u64>,

    /// Remove entries that are older than this, such as 30d; bookmarked ones stay
    #[arg(long, value_name = "AGE", value_parser = quantity::length_of_time)]
    pub log_keep: Option<Duration>,

    /// Keep what stands for each view as well, 36 KiB at 256M, so that rules and questions can be
    /// asked about the past; below this size, oldest first [default size: 1GB]
    #[arg(long, value_name = "SIZE", num_args = 0..=1, require_equals = true, value_parser = quantity::size, requires = "log")]
    #[allow(clippy::option_option, reason = "not given, given alone, and given with a size are three things to clap")]
    pub keep_views: Option<Option<u64>>,
}

impl RecordArgs {
    /// Whether they limit a log without one being recorded. The window may record later, with a
    /// key.
    pub fn limit_nothing(&self) -> bool {
        self.log.is_none() && (self.log_limit.is_some() || self.log_keep.is_some())
    }

    /// The same for the log.
    pub fn log_options(&self) -> LogOptions {
        let keep = Keep {
            at_most_old: self.log_keep,
            at_most_bytes: self.log_limit,
            views_at_most_bytes: self.keep_views.map(|size| size.unwrap_or(VIEWS_BYTES)),
            bookmarked: true,
        };
        let named = self.log.clone().flatten();
        LogOptions { path: named.or_else(log::default_path), record: self.log.is_some(), keep }
    }

    /// The same, where a plan may say what is not said here.
    pub fn log_options_or(&self, planned: Option<&LogOptions>) -> LogOptions {
        let said = self.log_options();
        let Some(planned) = planned else { return said };
        LogOptions {
            path: if self.log.is_some() { said.path } else { planned.path.clone() },
            record: true,
            keep: Keep {
                at_most_old: said.keep.at_most_old.or(planned.keep.at_most_old),
                at_most_bytes: said.keep.at_most_bytes.or(planned.keep.at_most_bytes),
                views_at_most_bytes: said.keep.views_at_most_bytes,
                ..planned.keep
            },
        }
    }
}

/// Opens the log and begins to record these views, if that is wanted.
///
/// # Errors
/// When the log can't be opened.
pub fn start(
    options: LogOptions,
    views: Vec<RecordedView>,
    embedder: OpenEmbedder,
) -> Result<Option<Recording>, LogError> {
    if !options.record {
        return Ok(None);
    }
    // The main loop asks for news several times a second.
    let mut recording = Recording::new(options, views, Arc::new(|| {})).with_embedder(embedder);
    recording.start_opened()?;
    Ok(Some(recording))
}

/// What is said of news about the recording.
pub fn told(news: RecordingNews) -> Message {
    match news {
        RecordingNews::Trouble(message) | RecordingNews::Renewed(message) => message,
        RecordingNews::Well(lost) => Message::new(format!("Recording goes on; {} lost.", text::entries(lost))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::{Event, Pipeline, Settings};
    use crate::log::{Filter, Store, no_embedder};
    use crate::models::spec::ModelSpec;
    use crate::testing::pipeline::{EngineScript, SourceScript, Step, caption_of};

    fn views(names: &[Option<&str>]) -> Vec<RecordedView> {
        let view = |name: Option<&str>| RecordedView {
            name: name.map(str::to_owned),
            instruction: "What?".to_owned(),
            ..RecordedView::default()
        };
        names.iter().copied().map(view).collect()
    }

    #[test]
    fn several_views_have_a_session_each_in_one_log() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("captions.db");
        let args = RecordArgs { log: Some(Some(path.clone())), ..RecordArgs::default() };
        let mut recording =
            start(args.log_options(), views(&[Some("door"), None]), no_embedder()).expect("opened").expect("wanted");
        let settings = Settings { gate: None, ..Settings::default() };
        let pipeline = Pipeline::start(vec![settings; 2], Arc::new(|| {})).expect("threads start");
        pipeline.set_engine(ModelSpec::Demo, EngineScript::default().open());
        for view in 0..2 {
            let source = SourceScript::patient();
            // The same words in a row are one entry, also where another view speaks in between.
            source.show(7).show(7).show(8 + view).then(Step::Ended);
            pipeline.view(view.into()).set_source(source.open());
        }
        let mut done = 0;
        while done < 2 {
            let report = pipeline.wait_event(Duration::from_mins(1)).expect("an event");
            recording.observe(&report);
            done += u8::from(matches!(report.event, Event::Done));
        }
        let said = recording.finish().expect("it ran");
        assert_eq!(said, Message::new(format!("Recorded 6 captions in {}.", path.display())));
        let store = Store::open_existing(&path).expect("opened");
        let mut found = store.search(&Filter::default(), None, 9).expect("read");
        found.sort_by_key(|found| (found.entry.session, found.entry.id));
        let texts: Vec<_> = found.iter().map(|f| (f.source.as_str(), f.entry.text.clone(), f.entry.repeats)).collect();
        let of = |source: &'static str, last| [(source, caption_of(7), 1), (source, caption_of(last), 0)];
        let (door, other) = (of("door", 8), of("Fake camera", 9));
        assert!(texts == [door.clone(), other.clone()].concat() || texts == [other, door].concat(), "{texts:?}");
        for entry in &found {
            let session = store.session(entry.entry.session).expect("read").expect("there");
            assert!(session.ended_ms.is_some());
        }
    }

    #[test]
    fn a_watched_pipeline_is_recorded() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("new/captions.db");
        let args = RecordArgs { log: Some(Some(path.clone())), ..RecordArgs::default() };
        let mut recording = start(args.log_options(), views(&[None]), no_embedder()).expect("opened").expect("wanted");
        let settings = Settings { gate: None, ..Settings::default() };
        let pipeline = Pipeline::start(vec![settings], Arc::new(|| {})).expect("threads start");
        let source = SourceScript::patient();
        source.show(1).show(1).show(2).then(Step::Ended);
        pipeline.set_engine(ModelSpec::Demo, EngineScript::default().open());
        pipeline.view(0).set_source(source.open());
        loop {
            let report = pipeline.wait_event(Duration::from_mins(1)).expect("an event");
            recording.observe(&report);
            assert_eq!(recording.news(), None);
            if matches!(report.event, Event::Done) {
                break;
            }
        }
        // Three captions, of which one said the same again.
        let said = recording.finish().expect("it ran");
        assert_eq!(said, Message::new(format!("Recorded 3 captions in {}.", path.display())));
        let store = Store::open_existing(&path).expect("opened");
        let mut found = store.search(&Filter::default(), None, 9).expect("read");
        found.sort_by_key(|found| found.entry.id);
        let texts: Vec<_> = found.iter().map(|found| (found.entry.text.clone(), found.entry.repeats)).collect();
        assert_eq!(texts, [(caption_of(1), 1), (caption_of(2), 0)]);
        assert_eq!((found[0].source.as_str(), found[0].model.as_str()), ("Fake camera", "fake"));
        assert!(store.thumbnail(found[0].entry.id).expect("read").is_some());
        let session = store.session(found[0].entry.session).expect("read").expect("there");
        assert!(session.ended_ms.is_some() && session.start.instruction == "What?");
    }

    #[test]
    fn a_log_that_cannot_be_opened_is_refused_before_anything_starts() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("file");
        std::fs::write(&file, "This is a diary, not a log.").expect("written");
        for path in [file.clone(), file.join("below/captions.db")] {
            let args = RecordArgs { log: Some(Some(path)), ..RecordArgs::default() };
            assert!(start(args.log_options(), views(&[None]), no_embedder()).is_err());
        }
        assert_eq!(std::fs::read_to_string(&file).expect("read"), "This is a diary, not a log.");
        assert!(
            start(RecordArgs::default().log_options(), views(&[None]), no_embedder()).expect("nothing to do").is_none()
        );
    }
}
