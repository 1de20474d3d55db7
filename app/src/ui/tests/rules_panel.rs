//! The Rules panel, as a person meets it.

use egui::accesskit::{Role, Toggled};
use egui_kittest::kittest::NodeT as _;

use crate::log::{EntryFilter, EntryKind, Filter, FoundEntry, Store};
use crate::rules::file;
use crate::rules::spec::RuleSpec;
use crate::ui::tests::*;

const SENTENCE: &str = "What to watch for";
const RED: &str = "there is something red";

/// A window with an engine that scores, and its panel.
fn open_panel() -> Bench {
    let mut bench = Bench::with(SourceScript::live(), EngineScript::scoring(), Some("camera"), Some("256m"));
    bench.platform.source.show(10);
    bench.wait_for_label(&caption_of(10));
    bench.let_go();
    bench.window.key_press(Key::W);
    bench.wait_for_label(SENTENCE);
    bench
}

fn add(bench: &mut Bench, sentence: &str) {
    bench.window.get_by_label(SENTENCE).focus();
    bench.window.step();
    bench.window.get_by_label(SENTENCE).type_text(sentence);
    bench.window.step();
    bench.window.key_press(Key::Enter);
    bench.window.step();
    bench.window.step();
}

fn show(bench: &mut Bench, reds: &[u8]) {
    for red in reds {
        bench.platform.source.show(*red);
        bench.wait_for_label(&caption_of(*red));
    }
}

fn kept(bench: &Bench) -> Vec<RuleSpec> {
    let rules = file::read_or_none(&bench.folder.path().join("rules.toml")).unwrap_or_default();
    rules.iter().map(|rule| RuleSpec::clone(rule)).collect()
}

fn events(bench: &Bench) -> Vec<FoundEntry> {
    let filter = Filter { kinds: vec![EntryFilter::Of(EntryKind::Event)], ..Filter::default() };
    let path = bench.folder.path().join("captions.db");
    Store::open_existing(&path).and_then(|store| store.search(&filter, None, 99)).unwrap_or_default()
}

#[track_caller]
fn wait_for<T>(bench: &mut Bench, what: &str, mut look: impl FnMut(&Bench) -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        bench.window.step();
        if let Some(found) = look(bench) {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_sentence_is_watched_for_its_events_are_recorded_and_ticked() {
    let mut bench = open_panel();
    assert!(bench.shows("No rules yet"));
    bench.let_go();
    bench.window.key_press(Key::R);
    bench.wait_for_part("● Recording");
    add(&mut bench, RED);
    wait_for(&mut bench, "the file", |bench| (kept(bench).len() == 1).then_some(()));
    // The frame in hand is asked at once; two of three views make it an event.
    bench.wait_for_part("4 %");
    show(&mut bench, &[250, 251]);
    bench.wait_for_part("98 %");
    show(&mut bench, &[11, 12]);
    let event = wait_for(&mut bench, "an event", |bench| events(bench).pop());
    assert_eq!(event.entry.text, RED);
    bench.wait_for_part("Right: there is something red");
    assert!(bench.shows("Tick past events right or wrong"));
    let right = |bench: &Bench| {
        let node = bench.window.query_all_by_label_contains("Right: there is").next().expect("there");
        node.accesskit_node().toggled()
    };
    assert_eq!(right(&bench), Some(Toggled::False));
    bench.window.query_all_by_label_contains("Right: there is").next().expect("there").click();
    bench.window.step();
    wait_for(&mut bench, "the tick", |bench| {
        events(bench).first().and_then(|found| found.entry.event.as_ref()?.tick).filter(|tick| *tick)
    });
    bench.wait_for_part("Too few ticks to say");
    wait_for(&mut bench, "the button", |bench| (right(bench) == Some(Toggled::True)).then_some(()));
    bench.window.check_accessibility();
}

#[test]
fn sentences_are_typed_one_after_the_other() {
    let mut bench = open_panel();
    add(&mut bench, RED);
    // The box still has the focus: letters are no commands.
    bench.window.get_by_label(SENTENCE).type_text("there is a cup");
    bench.window.step();
    bench.window.key_press(Key::Enter);
    wait_for(&mut bench, "both", |bench| (kept(bench).len() == 2).then_some(()));
    assert!(!bench.shows("● Recording"), "R is a letter here");
}

#[test]
fn what_can_not_be_a_rule_is_said_and_nothing_is_written() {
    let mut bench = open_panel();
    add(&mut bench, "is there a cup?");
    bench.wait_for_part("in the place of a question");
    assert!(kept(&bench).is_empty());
    add(&mut bench, "");
    assert!(!bench.folder.path().join("rules.toml").exists());
}

#[test]
fn rules_are_switched_removed_and_put_back() {
    let mut bench = open_panel();
    add(&mut bench, RED);
    add(&mut bench, "there is a cup");
    wait_for(&mut bench, "both", |bench| (kept(bench).len() == 2).then_some(()));
    bench.click(&format!("Watch for {RED}"));
    wait_for(&mut bench, "the switch", |bench| (!kept(bench)[0].on).then_some(()));
    // The one that was added last is looked at.
    bench.click("Remove");
    wait_for(&mut bench, "it to go", |bench| (kept(bench).len() == 1).then_some(()));
    bench.wait_for_part("Removed there is a cup.");
    bench.click("Undo");
    wait_for(&mut bench, "it to come back", |bench| (kept(bench).len() == 2).then_some(()));
    add(&mut bench, RED);
    bench.wait_for_part("There is such a rule already.");
}

#[test]
fn a_threshold_is_moved_and_kept() {
    let mut bench = open_panel();
    add(&mut bench, RED);
    wait_for(&mut bench, "the rule", |bench| (kept(bench).len() == 1).then_some(()));
    bench.window.get_by_role(Role::Slider).focus();
    // From the second frame on, arrows are the slider's.
    bench.window.step();
    bench.window.step();
    for _ in 0..3 {
        bench.window.key_press(Key::ArrowRight);
        bench.window.step();
    }
    wait_for(&mut bench, "the threshold", |bench| ((kept(bench)[0].threshold - 0.53).abs() < 0.001).then_some(()));
}

#[test]
fn an_engine_that_can_not_score_is_said() {
    let mut bench = Bench::captioned();
    bench.let_go();
    bench.window.key_press(Key::W);
    bench.wait_for_label(SENTENCE);
    add(&mut bench, RED);
    bench.wait_for_part("This engine does not tell how likely answers are");
}
