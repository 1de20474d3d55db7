//! Rules in the window: what they have to tell goes to the log and to actions, what the user
//! changes of them to the disk.

use std::time::Instant;

use egui::Context;

use crate::actions::{Actions, NewsKind};
use crate::base::message::Message;
use crate::live::Report;
use crate::rules::event::RuleEvent;
use crate::ui::app::{App, Tab};
use crate::ui::jobs::RulesKept;
use crate::ui::rules::{RuleEdit, RulesAction};
use crate::ui::state::Topic;

impl App {
    /// Takes in what the pipeline tells. Comes before recording, so that what rules make of it
    /// belongs to the session that it may end.
    pub(super) fn watch_rules(&mut self, report: &Report, now: Instant) {
        let told = self.rules.observe(report, now);
        self.pass_on(told);
        if let Some(actions) = &mut self.actions {
            actions.observe(report);
        }
    }

    /// Asks views what is to be asked, writes what was ticked, and says what is new of actions.
    pub(super) fn catch_up_rules(&mut self, ctx: &Context) {
        for (view, asides) in self.rules.asides() {
            self.pipeline.view(view).set_asides(asides);
        }
        for edit in self.rules.catch_up(ctx) {
            self.edit_rules(edit);
        }
        while let Some(news) = self.actions.as_ref().and_then(Actions::news) {
            if news.kind == NewsKind::Well {
                self.state.notices.clear(Topic::Actions);
            } else {
                self.state.notices.post(Topic::Actions, news.told(), None);
            }
        }
    }

    /// What rules have to tell goes to the log and to actions.
    pub(super) fn pass_on(&mut self, told: Vec<(usize, RuleEvent)>) {
        for (view, event) in told {
            self.recording.observe_rule(view, &event);
            if let Some(actions) = &self.actions {
                actions.tell_of_rule(&event);
            }
        }
    }

    pub(super) fn set_rules_open(&mut self, open: bool) {
        self.rules.set_open(open);
        self.tab = if open { Tab::Rules } else { Tab::Live };
        self.remember();
    }

    pub(super) fn ruled(&mut self, action: RulesAction) {
        match action {
            RulesAction::Close => self.set_rules_open(false),
            RulesAction::Edit(edit) => self.edit_rules(edit),
        }
    }

    /// Puts a change into effect at once, and has it written.
    fn edit_rules(&mut self, edit: RuleEdit) {
        match self.rules.apply(&edit) {
            Ok(told) => {
                self.pass_on(told);
                self.jobs.edit_rules(self.rules.book(), edit);
            }
            Err(what) => {
                let message = Message::new(format!("The rule was not added: {what}."));
                self.state.notices.post(Topic::Rules, message.hint("Remove another first."), None);
            }
        }
    }

    /// A change of the rules was written, or was not.
    pub(super) fn rules_kept(&mut self, kept: RulesKept) {
        match kept {
            Ok(Some(rules)) => {
                self.state.notices.clear(Topic::Rules);
                // As the file has them: somebody may have changed it by hand.
                if !self.jobs.are_rules_waiting() {
                    let told = self.rules.set_rules(rules);
                    self.pass_on(told);
                }
            }
            Ok(None) => self.state.notices.clear(Topic::Rules),
            Err(message) => self.state.notices.post(Topic::Rules, message, None),
        }
    }

    /// What goes on of rules ends with the window, and what is left is told.
    pub(super) fn finish_rules(&mut self) {
        let told = self.rules.finish();
        self.pass_on(told);
        let left = self.actions.take().map(Actions::finish).unwrap_or_default();
        for (action, count) in left {
            tracing::info!(action, count, "not told yet, and kept for the next start");
        }
    }
}
