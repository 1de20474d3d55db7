//! From the pipeline's events to what is recorded. Knows neither disk nor thread: it makes records,
//! the recorder takes them.
//!
//! A session is what one source, model, instruction and prefix told without a break. When one of
//! them changes, the next caption begins another session.

use std::sync::Arc;
use std::time::{Duration, Instant};

use vlm::{Features, Reply, Stop};

use crate::engine::EngineCard;
use crate::engine::prefix::PrefixText;
use crate::live::frame::Frame;
use crate::live::{Caption, Event, Question};
use crate::log::data::entry::{Moment, SessionStart};
use crate::rules::event::{EventKind, RuleEvent};

/// How often a caption that lasts is written down as lasting: what a kill may cost of its duration.
const LASTS_EVERY: Duration = Duration::from_secs(1);

/// The session that a record belongs to. Records of one session share one of these.
#[derive(Debug, PartialEq)]
pub struct SessionRef {
    /// The number of the view.
    pub view: usize,
    /// For the log.
    pub start: SessionStart,
    /// The moment when it began, on the monotonic clock.
    pub began_at: Instant,
}

impl SessionRef {
    /// From the session's start to the frame, in milliseconds. A frame from before it is at zero.
    #[must_use]
    pub fn since_ms(&self, frame: &Frame) -> i64 {
        let since = frame.captured_at.saturating_duration_since(self.began_at);
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }
}

/// One thing to write down.
#[derive(Clone, Debug)]
pub struct Record {
    /// Of which session.
    pub session: Arc<SessionRef>,
    /// What.
    pub what: RecordKind,
    /// When it was handed over, on the monotonic clock.
    pub at: Instant,
}

impl Record {
    /// Whether it is an entry of its own, rather than news about earlier ones.
    #[must_use]
    pub fn is_entry(&self) -> bool {
        match &self.what {
            RecordKind::Caption(_) | RecordKind::Answer { .. } => true,
            RecordKind::Rule(event) => matches!(event.kind, EventKind::Begin | EventKind::NearMiss),
            RecordKind::View { .. } | RecordKind::Lasts => false,
        }
    }
}

/// What is written down.
#[derive(Clone, Debug)]
pub enum RecordKind {
    /// A finished caption.
    Caption(Caption),
    /// A finished answer.
    Answer {
        /// What was asked, and about what.
        question: Question,
        /// The answer.
        reply: Reply,
    },
    /// What stands for a view.
    View {
        /// The picture.
        frame: Arc<Frame>,
        /// What stands for it.
        features: Arc<Features>,
    },
    /// What a rule has to tell.
    Rule(RuleEvent),
    /// The view is still as the last caption says.
    Lasts,
}

impl RecordKind {
    /// What it is about.
    #[must_use]
    pub fn frame(&self) -> Option<&Arc<Frame>> {
        match self {
            Self::Caption(caption) => Some(&caption.frame),
            Self::Answer { question, .. } => Some(&question.frame),
            Self::Rule(event) => Some(&event.frame),
            Self::View { frame, .. } => Some(frame),
            Self::Lasts => None,
        }
    }
}

/// Makes records of events.
#[derive(Debug)]
pub struct EventRecorder {
    view: usize,
    /// The source's name was given, whatever it calls itself.
    is_named: bool,
    source: String,
    card: EngineCard,
    instruction: String,
    prefix: PrefixText,
    /// Where the next session's time begins.
    began_at: Instant,
    began: Moment,
    session: Option<Arc<SessionRef>>,
    lasted: Option<Instant>,
}

impl EventRecorder {
    /// Begins to record now, with what is known of source and model; later events tell more.
    #[must_use]
    pub fn new(source: String, card: EngineCard, instruction: String) -> Self {
        Self {
            view: 0,
            is_named: false,
            source,
            card,
            instruction,
            prefix: PrefixText::default(),
            began_at: Instant::now(),
            began: Moment::now(),
            session: None,
            lasted: None,
        }
    }

    /// Records the view with this number. Its source is called by `name`, where it was given one.
    #[must_use]
    pub fn of_view(self, view: usize, name: Option<String>) -> Self {
        Self { view, is_named: name.is_some(), source: name.unwrap_or(self.source), ..self }
    }

    /// Its source is called as it calls itself, from the next one on.
    pub fn unname(&mut self) {
        self.is_named = false;
    }

    /// Begins another session now, whatever goes on.
    pub fn begin_anew(&mut self) {
        self.session = None;
        self.lasted = None;
        self.began_at = Instant::now();
        self.began = Moment::now();
    }

    /// Tells of another instruction.
    pub fn set_instruction(&mut self, instruction: String) {
        if instruction != self.instruction {
            self.instruction = instruction;
            self.begin_anew();
        }
    }

    /// Tells of another prefix.
    pub fn set_prefix(&mut self, prefix: PrefixText) {
        if prefix != self.prefix {
            self.prefix = prefix;
            self.begin_anew();
        }
    }

    /// What is to be recorded of an event.
    pub fn observe(&mut self, event: &Event) -> Option<Record> {
        match event {
            Event::SourceOpened { name } => {
                // A camera that was lost and came back goes on with its session.
                let is_another = !self.is_named && *name != self.source;
                if is_another {
                    self.source.clone_from(name);
                }
                if self.session.is_none() || is_another {
                    self.begin_anew();
                }
                None
            }
            Event::ModelReady(card) => {
                if *card != self.card {
                    self.card.clone_from(card);
                    // The session's time runs from its source's start: loading the first model is a
                    // part of it.
                    if self.session.is_some() {
                        self.begin_anew();
                    }
                }
                None
            }
            Event::Captioned(caption) if caption.reply.stop != Stop::Cancelled => {
                self.lasted = Some(Instant::now());
                Some(self.record(RecordKind::Caption(caption.clone())))
            }
            Event::Viewed { frame, features } => {
                let (frame, features) = (Arc::clone(frame), Arc::clone(features));
                Some(self.record(RecordKind::View { frame, features }))
            }
            Event::Unchanged { .. } => {
                let now = Instant::now();
                let is_due = self.lasted.is_none_or(|last| now.saturating_duration_since(last) >= LASTS_EVERY);
                if !is_due || self.session.is_none() {
                    return None;
                }
                self.lasted = Some(now);
                Some(self.record(RecordKind::Lasts))
            }
            Event::Answered { question, reply } if reply.stop != Stop::Cancelled => {
                Some(self.record(RecordKind::Answer { question: question.clone(), reply: reply.clone() }))
            }
            _ => None,
        }
    }

    /// What is to be recorded of a rule's event. Words are recorded as captions are.
    pub fn observe_rule(&mut self, event: &RuleEvent) -> Option<Record> {
        (event.kind != EventKind::Words).then(|| self.record(RecordKind::Rule(event.clone())))
    }

    fn record(&mut self, what: RecordKind) -> Record {
        let session = self.session.get_or_insert_with(|| {
            Arc::new(SessionRef {
                view: self.view,
                start: SessionStart {
                    source: self.source.clone(),
                    card: self.card.clone(),
                    instruction: self.instruction.clone(),
                    prefix: self.prefix.clone(),
                    began: self.began,
                },
                began_at: self.began_at,
            })
        });
        Record { session: Arc::clone(session), what, at: Instant::now() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::log::{answered, captioned, card};

    fn opened(name: &str) -> Event {
        Event::SourceOpened { name: name.to_owned() }
    }

    fn events() -> EventRecorder {
        let mut events = EventRecorder::new(String::new(), EngineCard::default(), "What?".to_owned());
        assert!(events.observe(&opened("camera")).is_none());
        assert!(events.observe(&Event::ModelReady(card("256m"))).is_none());
        events
    }

    fn session_of(events: &mut EventRecorder, text: &str) -> Arc<SessionRef> {
        events.observe(&captioned(1, text)).expect("recorded").session
    }

    #[test]
    fn a_session_lasts_until_source_model_instruction_or_prefix_change() {
        let mut events = events();
        let first = session_of(&mut events, "A cup.");
        assert_eq!((first.start.source.as_str(), first.start.card.model.as_str()), ("camera", "256m"));
        assert_eq!(first.start.instruction, "What?");
        // The camera was lost and came back, the model failed and was opened again.
        events.observe(&opened("camera"));
        events.observe(&Event::ModelReady(card("256m")));
        events.set_instruction("What?".to_owned());
        assert!(Arc::ptr_eq(&first, &session_of(&mut events, "A jug.")));

        let prefix = || PrefixText { standing: "Be brief.".to_owned(), references: vec!["my door".to_owned()] };
        let changes: [&dyn Fn(&mut EventRecorder); 4] = [
            &|events| drop(events.observe(&opened("film.mp4"))),
            &|events| drop(events.observe(&Event::ModelReady(card("500m")))),
            &|events| events.set_instruction("Where?".to_owned()),
            &|events| events.set_prefix(prefix()),
        ];
        let mut last = first;
        for change in changes {
            change(&mut events);
            let next = session_of(&mut events, "A cup.");
            assert!(!Arc::ptr_eq(&last, &next) && last.start != next.start);
            last = next;
        }
    }

    #[test]
    fn a_source_with_a_name_is_called_by_it() {
        let events = EventRecorder::new(String::new(), EngineCard::default(), "What?".to_owned());
        let mut events = events.of_view(3, Some("door".to_owned()));
        events.observe(&opened("HD Webcam"));
        let first = session_of(&mut events, "A cup.");
        assert_eq!((first.view, first.start.source.as_str()), (3, "door"));
        events.observe(&opened("HD Webcam"));
        assert!(Arc::ptr_eq(&first, &session_of(&mut events, "A jug.")));
    }

    #[test]
    fn what_was_cut_short_is_not_recorded() {
        let mut events = events();
        let Event::Captioned(mut caption) = captioned(1, "A c") else { unreachable!() };
        caption.reply.stop = Stop::Cancelled;
        assert!(events.observe(&Event::Captioned(caption)).is_none());
    }

    #[test]
    fn an_answer_is_recorded_with_its_question() {
        let mut events = events();
        let told = events.observe(&answered("How many?", "Two.")).expect("recorded");
        assert!(matches!(told.what, RecordKind::Answer { question, .. } if &*question.text == "How many?"));
    }

    #[test]
    fn an_unchanged_view_is_told_now_and_then() {
        let mut events = events();
        let unchanged = Event::Unchanged { skipped: 1 };
        assert!(events.observe(&unchanged).is_none(), "nothing was said yet");
        session_of(&mut events, "A cup.");
        assert!(events.observe(&unchanged).is_none(), "just said");
        events.lasted = Instant::now().checked_sub(LASTS_EVERY);
        assert!(events.observe(&unchanged).is_some_and(|record| !record.is_entry()));
        assert!(events.observe(&unchanged).is_none());
    }
}
