//! The Rules panel: sentences that are watched for, how strongly each holds, and what they had to
//! tell. It listens to the pipeline's reports and gives back what rules make of them; who records
//! that and acts on it is the window's. It writes no file itself.

mod curve;
mod panel;
mod past;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use egui::Context;

use crate::base::message::Message;
use crate::engine::EngineCard;
use crate::live::{Asides, Event, Report, Waker};
use crate::rules::calibrate::{Calibration, Tick};
use crate::rules::calibrations::Calibrations;
use crate::rules::event::RuleEvent;
use crate::rules::file;
use crate::rules::spec::RuleSpec;
use crate::rules::statement::Statement;
use crate::rules::watch::RuleWatch;
use crate::ui::rules::curve::Curve;
use crate::ui::rules::past::Past;

/// The rules that the window begins with, and the files that keep them.
#[derive(Clone, Debug, Default)]
pub struct RuleBook {
    /// The file of rules. None where the system knows no folder for one and none is named.
    pub file: Option<PathBuf>,
    /// What is in it.
    pub rules: Vec<Arc<RuleSpec>>,
    /// The file of what the user's ticks made of scores.
    pub calibration_file: Option<PathBuf>,
    /// What is in it.
    pub calibrations: Calibrations,
}

/// What a file of sources says of a view that it has.
#[derive(Clone, Debug)]
pub struct PlannedRules {
    /// What the view is called; none where it is called as its source calls itself.
    pub name: Option<String>,
    /// What is watched for in it besides the rules of the window.
    pub rules: Vec<Arc<RuleSpec>>,
}

/// What is to be written.
#[derive(Clone, Debug, PartialEq)]
pub enum RuleEdit {
    /// Another rule.
    Add(Arc<RuleSpec>),
    /// This rule has another threshold or switch.
    Change(Arc<RuleSpec>),
    /// No rule of this name any more.
    Remove(String),
    /// What these ticks make of a sentence with a model.
    Calibrate {
        /// The sentence.
        says: String,
        /// The model.
        model: String,
        /// The line; none where there are too few ticks.
        line: Option<Calibration>,
    },
}

/// What the user did.
#[derive(Clone, Debug, PartialEq)]
pub enum RulesAction {
    /// Wants it closed.
    Close,
    /// Wants this written.
    Edit(RuleEdit),
}

/// See the module.
pub struct RulesPanel {
    book: RuleBook,
    /// By the views' numbers.
    planned: BTreeMap<usize, PlannedRules>,
    is_open: bool,
    watches: BTreeMap<usize, RuleWatch>,
    /// Views of which other questions are to be asked.
    stale: BTreeSet<usize>,
    /// Scores by view and name of the rule.
    curves: BTreeMap<(usize, String), Curve>,
    /// The rule that is looked at.
    chosen: Option<String>,
    /// The sentence that is being typed, and what is wrong with it.
    draft: String,
    refused: Option<String>,
    /// The threshold of a rule that is being dragged.
    dragged: Option<(String, f32)>,
    /// The rule that was removed last.
    removed: Option<Arc<RuleSpec>>,
    /// The engine in use.
    card: Option<EngineCard>,
    /// The engine refuses these questions, and why.
    not_scored: Option<Message>,
    past: Past,
}

impl RulesPanel {
    /// A closed panel of these rules, those that were planned for the first views, and the log at
    /// `log`. `wake` is called when there is news of the log.
    pub fn new(book: RuleBook, planned: Vec<PlannedRules>, log: Option<PathBuf>, wake: Waker) -> Self {
        let mut panel = Self {
            book,
            planned: planned.into_iter().enumerate().collect(),
            is_open: false,
            watches: BTreeMap::new(),
            stale: BTreeSet::new(),
            curves: BTreeMap::new(),
            chosen: None,
            draft: String::new(),
            refused: None,
            dragged: None,
            removed: None,
            card: None,
            not_scored: None,
            past: Past::new(log, wake),
        };
        for view in 0..panel.planned.len().max(1) {
            panel.watch_view(view);
        }
        panel
    }

    /// A view is called as its source calls itself from now on.
    pub fn unname(&mut self, view: usize) {
        if let Some(watch) = self.watches.get_mut(&view) {
            watch.unname();
        }
    }

    /// A view is not there any more: what goes on there is over, and is given. Another view may
    /// have its number later.
    pub fn forget_view(&mut self, view: usize) -> Vec<(usize, RuleEvent)> {
        self.planned.remove(&view);
        self.stale.remove(&view);
        self.curves.retain(|(of, _), _| *of != view);
        let over = self.watches.remove(&view).map(|mut watch| watch.finish()).unwrap_or_default();
        over.into_iter().map(|event| (view, event)).collect()
    }

    /// Whether it is open.
    pub fn is_open(&self) -> bool {
        self.is_open
    }

    /// Shows or hides it. Rules are watched all the same.
    pub fn set_open(&mut self, open: bool) {
        self.is_open = open;
        self.past.set_open(open);
    }

    /// The files that keep the rules.
    pub fn book(&self) -> &RuleBook {
        &self.book
    }

    /// Takes in what the pipeline tells. Gives what the rules of each view make of it.
    pub fn observe(&mut self, report: &Report, now: Instant) -> Vec<(usize, RuleEvent)> {
        if let Event::ModelReady(card) = &report.event {
            (self.card, self.not_scored) = (Some(card.clone()), None);
        }
        if let Event::NotScored { message } = &report.event {
            self.not_scored = Some(message.clone());
        }
        if let Some(view) = report.view {
            self.watch_view(view);
        }
        let mut told = Vec::new();
        for (view, watch) in &mut self.watches {
            if report.view.is_none_or(|number| number == *view) {
                told.extend(watch.observe(&report.event).into_iter().map(|event| (*view, event)));
                if let Event::Scored(scored) = &report.event
                    && Arc::ptr_eq(&scored.asides, &watch.asides())
                {
                    self.not_scored = None;
                    for (rule, score) in watch.scores() {
                        self.curves.entry((*view, rule.name().to_owned())).or_default().push(now, score);
                    }
                }
            }
        }
        told
    }

    /// Nothing more is known of any view: what goes on is over.
    pub fn finish(&mut self) -> Vec<(usize, RuleEvent)> {
        let ends = |(view, watch): (&usize, &mut RuleWatch)| {
            let view = *view;
            watch.finish().into_iter().map(move |event| (view, event)).collect::<Vec<_>>()
        };
        self.watches.iter_mut().flat_map(ends).collect()
    }

    /// What is to be asked of views from now on, where that has changed.
    pub fn asides(&mut self) -> Vec<(usize, Arc<Asides>)> {
        let stale = std::mem::take(&mut self.stale);
        stale.into_iter().filter_map(|view| Some((view, self.watches.get(&view)?.asides()))).collect()
    }

    /// Takes in what the log tells. Gives what is to be written.
    pub fn catch_up(&mut self, ctx: &Context) -> Vec<RuleEdit> {
        let mut edits = Vec::new();
        for (says, ticks) in self.past.catch_up(ctx) {
            let mut models: BTreeMap<String, Vec<Tick>> = BTreeMap::new();
            // Where the last tick was taken back, the model in use has none.
            models.entry(self.model().to_owned()).or_default();
            for (model, tick) in ticks {
                models.entry(model).or_default().push(tick);
            }
            for (model, ticks) in models {
                edits.push(RuleEdit::Calibrate { says: says.clone(), model, line: Calibration::fit(&ticks) });
            }
        }
        edits
    }

    /// Puts an edit into effect, before it is on the disk. Gives what ends by it.
    ///
    /// # Errors
    /// With a sentence, when the rule does not go with the others.
    pub fn apply(&mut self, edit: &RuleEdit) -> Result<Vec<(usize, RuleEvent)>, String> {
        let mut rules = self.book.rules.clone();
        match edit {
            RuleEdit::Add(rule) => rules.push(Arc::clone(rule)),
            RuleEdit::Change(rule) => {
                for known in &mut rules {
                    if known.name() == rule.name() {
                        *known = Arc::clone(rule);
                    }
                }
            }
            RuleEdit::Remove(name) => rules.retain(|rule| rule.name() != name),
            RuleEdit::Calibrate { says, model, line } => {
                self.book.calibrations.set(says, model, *line);
                let calibrations = Arc::new(self.book.calibrations.clone());
                for watch in self.watches.values_mut() {
                    watch.set_calibrations(Arc::clone(&calibrations));
                }
                return Ok(Vec::new());
            }
        }
        file::check(rules.iter().map(AsRef::as_ref))?;
        for planned in self.planned.values() {
            file::check(rules.iter().chain(&planned.rules).map(AsRef::as_ref))?;
        }
        Ok(self.set_rules(rules))
    }

    /// These are the rules from now on. Gives what ends by it.
    pub fn set_rules(&mut self, rules: Vec<Arc<RuleSpec>>) -> Vec<(usize, RuleEvent)> {
        if rules == self.book.rules {
            return Vec::new();
        }
        self.book.rules = rules;
        let mut told = Vec::new();
        for (view, watch) in &mut self.watches {
            let (asides, watched) = (watch.asides(), watched(&self.book, self.planned.get(view)));
            told.extend(watch.set_rules(&watched).into_iter().map(|event| (*view, event)));
            if !Arc::ptr_eq(&asides, &watch.asides()) {
                self.stale.insert(*view);
                self.not_scored = None;
            }
        }
        let Self { book, planned, curves, .. } = self;
        curves
            .retain(|(view, name), _| watched(book, planned.get(view)).iter().any(|rule| rule.name() == name.as_str()));
        told
    }

    /// A rule of a sentence alone, if it can be one.
    fn rule_of(sentence: &str) -> Result<Arc<RuleSpec>, String> {
        let says: Statement = sentence.parse().map_err(|error| format!("{error}"))?;
        Ok(Arc::new(RuleSpec::new(says)))
    }

    /// The model in use.
    fn model(&self) -> &str {
        self.card.as_ref().map_or("", |card| card.model.as_str())
    }

    fn watch_view(&mut self, view: usize) {
        if self.watches.contains_key(&view) {
            return;
        }
        let calibrations = Arc::new(self.book.calibrations.clone());
        let planned = self.planned.get(&view);
        let rules = watched(&self.book, planned);
        let watch = match planned.and_then(|planned| planned.name.as_deref()) {
            Some(name) => RuleWatch::new(&rules, name),
            None => RuleWatch::unnamed(&rules),
        };
        let mut watch = watch.calibrated(calibrations);
        if let Some(card) = &self.card {
            watch.observe(&Event::ModelReady(card.clone()));
        }
        self.watches.insert(view, watch);
        self.stale.insert(view);
    }
}

/// What is watched for in a view: the window's rules, and those that were planned for it.
fn watched(book: &RuleBook, planned: Option<&PlannedRules>) -> Vec<Arc<RuleSpec>> {
    let planned = planned.into_iter().flat_map(|planned| &planned.rules);
    book.rules.iter().chain(planned).filter(|rule| rule.on).cloned().collect()
}
