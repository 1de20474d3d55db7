//! Recording into the caption log from the command line: which log, and what is said of it while it
//! is written.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use crate::base::message::Message;
use crate::base::text;
use crate::cli::{parse, times};
use crate::engine::prefix::Prefix;
use crate::log;
use crate::log::{Keep, LogError, LogOptions, Recording, RecordingNews};

/// Whether and where captions are recorded.
#[derive(Args, Clone, Debug, Default)]
pub struct RecordArgs {
    /// Record captions, into this file or into your caption log (see `sightline log path`)
    #[arg(long, value_name = "FILE", num_args = 0..=1, value_parser = parse::file())]
    #[allow(clippy::option_option, reason = "not given, given alone, and given with a file are three things to clap")]
    pub log: Option<Option<PathBuf>>,

    /// Keep the log below this size, such as 500MB: the oldest thumbnails go first; bookmarked
    /// entries stay
    #[arg(long, value_name = "SIZE", value_parser = parse::size)]
    pub log_limit: Option<u64>,

    /// Remove entries that are older than this, such as 30d; bookmarked ones stay
    #[arg(long, value_name = "AGE", value_parser = times::age)]
    pub log_keep: Option<Duration>,
}

impl RecordArgs {
    /// Whether they limit a log without one being recorded. The window may record later, with a
    /// key.
    pub fn limit_nothing(&self) -> bool {
        self.log.is_none() && (self.log_limit.is_some() || self.log_keep.is_some())
    }

    /// The same for the log.
    pub fn log_options(&self) -> LogOptions {
        let keep = Keep { at_most_old: self.log_keep, at_most_bytes: self.log_limit, bookmarked: true };
        let named = self.log.clone().flatten();
        LogOptions { path: named.or_else(log::default_path), record: self.log.is_some(), keep }
    }

    /// Opens the log and begins to record, if that is wanted. Captions are made by this
    /// instruction, behind this prefix.
    ///
    /// # Errors
    /// When the log can't be opened.
    pub fn start(&self, instruction: &str, prefix: &Prefix) -> Result<Option<Recording>, LogError> {
        let options = self.log_options();
        if !options.record {
            return Ok(None);
        }
        // The main loop asks for news several times a second.
        let mut recording = Recording::new(options, instruction.to_owned(), Arc::new(|| {}));
        recording.set_prefix(prefix.text());
        recording.start_opened()?;
        Ok(Some(recording))
    }
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
    use crate::log::{Filter, Store};
    use crate::models::spec::ModelSpec;
    use crate::testing::pipeline::{EngineScript, SourceScript, Step, caption_of};

    #[test]
    fn a_watched_pipeline_is_recorded() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("new/captions.db");
        let args = RecordArgs { log: Some(Some(path.clone())), ..RecordArgs::default() };
        let mut recording = args.start("What?", &Prefix::default()).expect("opened").expect("wanted");
        let settings = Settings { gate: None, ..Settings::default() };
        let pipeline = Pipeline::start(vec![settings], Arc::new(|| {})).expect("threads start");
        let source = SourceScript::patient();
        source.show(1).show(1).show(2).then(Step::Ended);
        pipeline.set_engine(ModelSpec::Demo, EngineScript::default().open());
        pipeline.view(0).set_source(source.open());
        loop {
            let event = pipeline.wait_event(Duration::from_mins(1)).expect("an event").event;
            recording.observe(&event);
            assert_eq!(recording.news(), None);
            if matches!(event, Event::Done) {
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
            assert!(args.start("What?", &Prefix::default()).is_err());
        }
        assert_eq!(std::fs::read_to_string(&file).expect("read"), "This is a diary, not a log.");
        assert!(RecordArgs::default().start("What?", &Prefix::default()).expect("nothing to do").is_none());
    }
}
