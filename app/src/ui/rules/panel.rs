//! The panel as it is drawn: each rule with its switch, its curve and how well it tells, what is to
//! be watched for next, and what was told before.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Instant;

use egui::accesskit::Role;
use egui::{
    Align, Button, Frame, Id, Label, Layout, Margin, Panel, RichText, ScrollArea, Slider, SliderClamping, TextEdit, Ui,
    Widget as _, WidgetInfo,
};

use crate::base::text;
use crate::rules::calibrate::Separation;
use crate::rules::spec::{Of, RuleSpec};
use crate::ui::icon;
use crate::ui::icon::{Icon, Look};
use crate::ui::room::{Place, RULES_WIDTH};
use crate::ui::rules::curve::THRESHOLDS;
use crate::ui::rules::{RuleEdit, RulesAction, RulesPanel};
use crate::ui::{entered, notice, theme};

/// The width of the panel, in points.
const WIDTH: f32 = 360.0;
/// The most characters of a sentence.
const LONGEST: usize = 200;
/// The accessible name of the box for a sentence.
const BOX: &str = "What to watch for";

/// Where a rule comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    /// It is changed here.
    Window,
    /// A file of sources has it.
    File,
}

impl RulesPanel {
    /// Draws the panel at the right, if that is its place. `view` is the one on show.
    pub fn show_panel(&mut self, ui: &mut Ui, place: Place, view: usize, now: Instant) -> Option<RulesAction> {
        let Place::Beside(most) = place else { return None };
        let frame = Frame::new().fill(theme::palette(ui.visuals()).panel).inner_margin(Margin::same(12));
        let width = RULES_WIDTH[0]..=most.max(RULES_WIDTH[0]);
        let panel = Panel::right("rules").frame(frame).default_size(WIDTH).size_range(width);
        panel.show(ui, |ui| self.show_content(ui, view, now)).inner
    }

    /// Draws what is in the panel.
    pub fn show_content(&mut self, ui: &mut Ui, view: usize, now: Instant) -> Option<RulesAction> {
        theme::name_region(ui, "Rules");
        let planned = self.planned.get(&view).map(|planned| planned.rules.clone()).unwrap_or_default();
        let count = self.book.rules.len() + planned.len();
        let mut action = heading(ui, count);
        action = self.sentence_box(ui).map(RulesAction::Edit).or(action);
        self.remarks(ui, count);
        let mut edit = self.put_back(ui);
        ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
            for rule in self.book.rules.clone() {
                edit = self.rule(ui, &rule, view, now, Origin::Window).or(edit.take());
            }
            for rule in &planned {
                self.rule(ui, rule, view, now, Origin::File);
            }
            ui.add_space(theme::GRID);
            let mut rules = self.book.rules.iter().chain(&planned);
            let chosen = rules.find(|rule| Some(rule.name()) == self.chosen.as_deref()).cloned();
            if count > 0 {
                let of = chosen.as_ref().map_or_else(String::new, |rule| format!(" of {}", rule.name()));
                ui.add(Label::new(RichText::new(format!("Past events{of}")).font(theme::strong(13.0))).truncate());
                self.past.show(ui, chosen.as_ref().map(|rule| rule.says.text()));
            }
        });
        edit.map(RulesAction::Edit).or(action)
    }

    fn sentence_box(&mut self, ui: &mut Ui) -> Option<RuleEdit> {
        let id = Id::unique("rule sentence");
        let (mut is_wanted, mut behind) = (false, None);
        ui.horizontal(|ui| {
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                let has_words = !self.draft.trim().is_empty();
                is_wanted =
                    ui.add_enabled(has_words, Button::new("Add")).on_hover_text("Watch for it (Enter)").clicked();
                let hint = RichText::new("there is a red circle").color(theme::palette(ui.visuals()).weak);
                behind = entered::take(ui.ctx(), id);
                let field = TextEdit::singleline(&mut self.draft).id(id).hint_text(hint).char_limit(LONGEST);
                let field = field.return_key(None);
                let response = ui.add(field.desired_width(f32::INFINITY).margin(Margin::symmetric(10, 8)));
                ui.ctx().accesskit_node_builder(id, |node| node.set_label(BOX));
                is_wanted |= behind.is_some();
                if response.changed() {
                    self.refused = None;
                }
            });
        });
        if let Some(why) = &self.refused {
            let response = ui.add(Label::new(notice::words(ui, &crate::base::message::Message::new(why))).wrap());
            response.widget_info(|| WidgetInfo::labeled(Role::Alert, true, why));
        }
        let edit = if is_wanted && !self.draft.trim().is_empty() { self.added() } else { None };
        if let Some(behind) = behind {
            entered::go_on(ui.ctx(), id, &mut self.draft, &behind);
        }
        edit
    }

    /// The rule of the sentence in the box, or why it is none.
    fn added(&mut self) -> Option<RuleEdit> {
        match Self::rule_of(&self.draft) {
            Ok(rule) => {
                let name = rule.name().to_owned();
                if self.book.rules.iter().any(|known| known.name() == name) {
                    self.refused = Some("There is such a rule already.".to_owned());
                    return None;
                }
                self.draft.clear();
                (self.chosen, self.removed) = (Some(name), None);
                Some(RuleEdit::Add(rule))
            }
            Err(why) => {
                self.refused = Some(text::sentence(&why));
                None
            }
        }
    }

    /// What is to be said before the rules.
    fn remarks(&self, ui: &mut Ui, count: usize) {
        let cannot = self.card.as_ref().is_some_and(|card| !card.can.scores);
        let said = if count == 0 {
            Some(
                "No rules yet. Write a statement above, such as \"there is a red circle\": it is scored on every new \
                  view, and what begins or ends is told."
                    .to_owned(),
            )
        } else if cannot {
            Some(
                "This engine does not tell how likely answers are, so rules are not watched. Use a model on this \
                  machine."
                    .to_owned(),
            )
        } else {
            self.not_scored.as_ref().map(|message| format!("The rules can't be watched. {message}"))
        };
        if let Some(said) = said {
            ui.add(Label::new(RichText::new(&said).weak()).wrap());
        }
        ui.add_space(theme::GRID);
    }

    /// The rule that was removed last can be put back.
    fn put_back(&mut self, ui: &mut Ui) -> Option<RuleEdit> {
        let removed = self.removed.clone()?;
        let mut edit = None;
        ui.horizontal(|ui| {
            ui.add(Label::new(format!("Removed {}.", removed.name())).truncate());
            if ui.button("Undo").on_hover_text("Put the rule back").clicked() {
                self.removed = None;
                edit = Some(RuleEdit::Add(removed));
            }
        });
        edit
    }

    fn rule(
        &mut self,
        ui: &mut Ui,
        rule: &Arc<RuleSpec>,
        view: usize,
        now: Instant,
        origin: Origin,
    ) -> Option<RuleEdit> {
        let colours = theme::palette(ui.visuals());
        let is_chosen = self.chosen.as_deref() == Some(rule.name());
        let holds = rule.on && self.watches.get(&view).is_some_and(|watch| watch.holds(rule.name()));
        let key = (view, rule.name().to_owned());
        let score = self.curves.get(&key).and_then(super::curve::Curve::last).filter(|_| rule.on);
        let mut edit = None;
        let card = Frame::new().fill(colours.card).corner_radius(theme::RADIUS).inner_margin(Margin::same(10));
        card.show(ui, |ui| {
            // Beside the scroll bar.
            ui.set_width(ui.available_width() - 2.0 * theme::GRID);
            let still = &mut ui.visuals_mut().widgets.inactive;
            (still.bg_fill, still.weak_bg_fill) = (colours.lifted, colours.lifted);
            ui.horizontal(|ui| {
                if origin == Origin::Window {
                    let mut on = rule.on;
                    let switch = theme::tick_box(ui, &mut on, "");
                    let label = format!("Watch for {}", rule.name());
                    switch.widget_info(|| WidgetInfo::selected(Role::CheckBox, true, on, &label));
                    if switch.on_hover_text("Whether it is watched for").changed() {
                        edit = Some(RuleEdit::Change(Arc::new(RuleSpec::clone(rule).switched(on))));
                    }
                }
                ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                    let percent = score.map_or_else(String::new, |score| format!("{:.0} %", score * 100.0));
                    ui.label(RichText::new(percent).color(if holds { colours.warning } else { colours.weak }));
                    if holds {
                        icon::show(ui, Icon::Bell, colours.warning);
                    }
                    ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                        let name = RichText::new(rule.name()).font(theme::strong(14.0));
                        let name = if rule.on { name } else { name.color(colours.weak) };
                        let button = Button::new(name).frame(false).truncate();
                        let response = ui.add(button).on_hover_text(rule.says.text());
                        response.widget_info(|| WidgetInfo::labeled(Role::Button, true, rule.name()));
                        if response.clicked() {
                            self.chosen = (!is_chosen).then(|| rule.name().to_owned());
                        }
                    });
                });
            });
            if is_chosen && origin == Origin::File {
                let curve = self.curves.entry(key.clone()).or_default();
                // What it is dragged to is for the file to say.
                let _ = curve.show(ui, rule.threshold, now);
                let said = format!("{} It stands in the file of sources: change it there.", facts(rule));
                ui.add(Label::new(RichText::new(said).small().weak()).wrap());
            } else if is_chosen {
                edit = self.details(ui, rule, &key, now).or(edit.take());
            }
        });
        edit
    }

    /// What is seen of the rule that is looked at.
    fn details(&mut self, ui: &mut Ui, rule: &Arc<RuleSpec>, key: &(usize, String), now: Instant) -> Option<RuleEdit> {
        let weak = |text: String| RichText::new(text).small().weak();
        let mut edit = None;
        if rule.name() != rule.says.text() {
            ui.add(Label::new(weak(rule.says.text().to_owned())).wrap());
        }
        // While it is dragged, the threshold holds here alone; let go, it is written.
        let mut threshold = self.dragged.as_ref().filter(|(of, _)| of == rule.name()).map_or(rule.threshold, |at| at.1);
        let mut is_set = false;
        let curve = self.curves.entry(key.clone()).or_default();
        if let Some((to, is_let_go)) = curve.show(ui, threshold, now) {
            (threshold, is_set) = (to, is_let_go);
            self.dragged = Some((rule.name().to_owned(), to));
        }
        let label = ui.label(weak("Counts from".to_owned()));
        let mut percent = threshold * 100.0;
        let range = THRESHOLDS[0] * 100.0..=THRESHOLDS[1] * 100.0;
        let slider = Slider::new(&mut percent, range).step_by(1.0).suffix(" %").clamping(SliderClamping::Edits);
        let response = slider.ui(ui).labelled_by(label.id);
        if response.changed() {
            threshold = (percent.round() / 100.0).clamp(0.001, 0.999);
            self.dragged = Some((rule.name().to_owned(), threshold));
        }
        is_set |= response.drag_stopped() || response.changed() && !response.dragged();
        if is_set {
            self.dragged = None;
            edit = Some(RuleEdit::Change(Arc::new(RuleSpec::clone(rule).with_threshold(threshold))));
        }
        ui.add(Label::new(weak(facts(rule))).wrap());
        let ticks = {
            let model = self.card.as_ref().map_or("", |card| card.model.as_str()).to_owned();
            self.past.ticks(rule.says.text(), &model)
        };
        ui.add(Label::new(RichText::new(separation(Separation::of(&ticks), ticks.len())).small()).wrap());
        if ui.button("Remove").on_hover_text("Watch for it no more; it can be undone").clicked() {
            (self.removed, self.chosen) = (Some(Arc::clone(rule)), None);
            edit = Some(RuleEdit::Remove(rule.name().to_owned()));
        }
        edit
    }
}

fn heading(ui: &mut Ui, rules: usize) -> Option<RulesAction> {
    let mut action = None;
    ui.horizontal(|ui| {
        ui.heading("Rules");
        if rules > 0 {
            ui.label(RichText::new(text::count(rules as u64, "rule", "rules")).small().weak());
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let hint = "Close the rules; they are watched all the same (W)";
            if icon::button(ui, Icon::Close, Look::Quiet, true, "Close rules", hint).clicked() {
                action = Some(RulesAction::Close);
            }
        });
    });
    action
}

/// When it counts and what it sets off, in a line.
fn facts(rule: &RuleSpec) -> String {
    let Of { least, views } = rule.of;
    // Writing to a text does not fail.
    let mut facts = format!("Holds while {least} of the last {views} new views count.");
    if !rule.hold.is_zero() {
        let _ = write!(facts, " The next no sooner than {} after.", text::length(rule.hold.as_millis() as i64));
    }
    if !rule.quiet.is_empty() {
        let times: Vec<String> = rule.quiet.iter().map(ToString::to_string).collect();
        let _ = write!(facts, " Quiet {}.", times.join(", "));
    }
    if !rule.actions.is_empty() {
        let _ = write!(facts, " Sets off {}.", rule.actions.join(", "));
    }
    facts
}

/// How well it tells, in a line.
fn separation(separation: Option<Separation>, ticks: usize) -> String {
    match separation {
        None if ticks == 0 => "Tick past events right or wrong, and it is said how well this model tells.".to_owned(),
        None => "Too few ticks to say: three of each kind are needed.".to_owned(),
        Some(told) => {
            let (low, high) = told.interval;
            let (auroc, holding, others) = (told.auroc, told.holding, told.others);
            let kinds = format!("Ticked: {holding} that hold, {others} that do not.");
            format!("{} {kinds} AUROC {auroc:.2} ({low:.2} to {high:.2}).", told.verdict())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::calibrate::Tick;
    use crate::testing::rules::rule;

    #[test]
    fn a_rule_is_told_in_a_line() {
        let rule = rule("says = \"a\"\nof = [3, 5]\nhold = \"10m\"\nquiet = [\"22:00-07:00\"]\ndo = [\"desk\"]");
        assert_eq!(
            facts(&rule),
            "Holds while 3 of the last 5 new views count. The next no sooner than 10 min after. Quiet 22:00-07:00. \
             Sets off desk."
        );
    }

    #[test]
    fn it_is_said_how_well_a_rule_tells() {
        assert!(separation(None, 0).starts_with("Tick past events"));
        assert!(separation(None, 2).starts_with("Too few ticks"));
        let ticks: Vec<Tick> = (0..20).map(|n| Tick { nats: f64::from(n), holds: n >= 10 }).collect();
        let said = separation(Separation::of(&ticks), 20);
        assert!(said.starts_with("This model tells.") && said.contains("AUROC 1.00"), "{said}");
    }
}
