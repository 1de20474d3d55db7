//! Who is told what a pipeline tells besides whoever reads it: rules, the log, files for other
//! programs and actions. Prints nothing: what there is to say is given back.

use crate::actions::{Actions, CaptionFileNews, CaptionFiles, NewsKind};
use crate::base::message::Message;
use crate::cli::caption_files::WELL;
use crate::cli::{actions, recording};
use crate::live::Report;
use crate::log::Recording;
use crate::rules::event::RuleEvent;
use crate::rules::watch::RuleWatch;

/// See the module.
#[derive(Default)]
pub struct Listeners {
    /// With `--rules`, those of each source.
    pub rules: Vec<RuleWatch>,
    /// With `--log`.
    pub recording: Option<Recording>,
    /// With `--caption-file` or `--vtt-live`.
    pub caption_files: Option<CaptionFiles>,
    /// With `--actions`, or where a file of rules has some.
    pub actions: Option<Actions>,
}

/// What one of them has to say.
pub enum Heard {
    /// A rule.
    Rule(Box<RuleEvent>),
    /// Something is wrong.
    Trouble(Message),
    /// It is right again.
    Well(String),
}

impl Listeners {
    /// Whether any rule is watched for.
    pub fn have_rules(&self) -> bool {
        self.rules.iter().any(|watch| watch.scores().next().is_some())
    }

    /// Tells all of them, and asks what they have to say; without a report, asks only.
    pub fn observe(&mut self, report: Option<&Report>) -> Vec<Heard> {
        let mut heard = Vec::new();
        if let Some(report) = report {
            // Rules first: what they make of it belongs to the session that it may end.
            for number in 0..self.rules.len() {
                if report.view.is_none_or(|view| view == number) {
                    let events = self.rules[number].observe(&report.event);
                    heard.extend(self.pass_on(number, events));
                }
            }
            if let Some(recording) = &mut self.recording {
                recording.observe(report);
            }
            if let Some(files) = &mut self.caption_files {
                files.observe(report);
            }
            if let Some(actions) = &mut self.actions {
                actions.observe(report);
            }
        }
        heard.extend(self.news());
        heard
    }

    /// Ends what the rules were told to hold of, since nothing more is known.
    pub fn finish_rules(&mut self) -> Vec<Heard> {
        let mut heard = Vec::new();
        for number in 0..self.rules.len() {
            let events = self.rules[number].finish();
            heard.extend(self.pass_on(number, events));
        }
        heard
    }

    /// Has all of them write and tell what is left, and says what became of it. A recording ends
    /// its session, whatever ended the watching.
    pub fn finish(&mut self) -> Vec<String> {
        let recorded = self.recording.take().and_then(Recording::finish).map(|message| message.to_string());
        let left = self.actions.take().map(Actions::finish).unwrap_or_default();
        recorded.into_iter().chain(actions::left(&left)).collect()
    }

    /// What a source's rules have to tell goes to the log and to actions.
    fn pass_on(&mut self, number: usize, events: Vec<RuleEvent>) -> impl Iterator<Item = Heard> + use<> {
        for event in &events {
            if let Some(recording) = &mut self.recording {
                recording.observe_rule(number, event);
            }
            if let Some(actions) = &self.actions {
                actions.tell_of_rule(event);
            }
        }
        events.into_iter().map(|event| Heard::Rule(Box::new(event)))
    }

    /// What is new of the log, the files and the actions: nothing twice.
    fn news(&mut self) -> Vec<Heard> {
        let mut heard = Vec::new();
        heard.extend(
            self.recording.as_mut().and_then(Recording::news).map(|news| Heard::Trouble(recording::told(news))),
        );
        heard.extend(self.caption_files.as_ref().and_then(CaptionFiles::news).map(|news| match news {
            CaptionFileNews::Trouble(message) => Heard::Trouble(message),
            CaptionFileNews::Well => Heard::Well(WELL.to_owned()),
        }));
        while let Some(news) = self.actions.as_ref().and_then(Actions::news) {
            let told = news.told();
            heard.push(match news.kind {
                NewsKind::Well => Heard::Well(told.what().to_owned()),
                _ => Heard::Trouble(told),
            });
        }
        heard
    }
}
