//! What each panel looks like in both themes, from the smallest window to the largest, held to the
//! sheets in `snapshots/` (see `snapshots.rs` for how to make them anew).

use egui::Theme;
use egui::accesskit::Role;
use egui_kittest::kittest::NodeT as _;
use vlm::{Draft, Timings};

use crate::log::{Entry, EntryKind, EventFacts, Log as _, Moment, SessionStart, Store};
use crate::rules::spec::RuleSpec;
use crate::ui::state::CaptionCost;
use crate::ui::tests::sheet::{compare, later, posed, scene};
use crate::ui::tests::snapshots::{MINUTE, jpeg, noon, record};
use crate::ui::tests::*;

fn plain(theme: Theme) -> Bench {
    posed(theme, EngineScript::default(), |_| (), |_, _| ())
}

/// Opens what this key opens.
fn pressed(mut bench: Bench, modifiers: egui::Modifiers, key: Key, label: &str) -> Bench {
    bench.let_go();
    bench.window.key_press_modifiers(modifiers, key);
    bench.wait_for_part(label);
    bench
}

#[test]
fn the_main_view_at_every_size() {
    compare("main", plain, |_| true);
}

#[test]
fn the_log_at_every_size() {
    let window = |theme| {
        let bench = posed(theme, EngineScript::default(), record, |_, _| ());
        let mut bench = pressed(bench, egui::Modifiers::NONE, Key::L, "7 entries");
        bench.wait_for_part("Timeline of the day, 6 entries");
        bench
    };
    compare("panel_log", window, |window| {
        let rows = window.query_all_by_role(Role::ListBoxOption).count();
        rows > 0 && window.state().log.pictures() >= rows
    });
}

/// A log with two events of the first rule.
fn events(store: &mut Store) {
    let at = |minutes: i64| Moment::of(&noon()).plus_ms(minutes * MINUTE);
    let start = SessionStart { source: "Front door".to_owned(), began: at(-300), ..SessionStart::default() };
    let session = store.begin(&start).expect("begun");
    for (minutes, kind, probability, tick) in
        [(-200, EntryKind::Event, 0.93, Some(true)), (-30, EntryKind::NearMiss, 0.48, None)]
    {
        let event = EventFacts { rule: RULES[0].to_owned(), peak: 2.0, probability, is_over: true, tick };
        let entry = Entry {
            session,
            kind,
            at: at(minutes),
            duration_ms: 42_000,
            text: RULES[0].to_owned(),
            event: Some(event),
            ..Entry::default()
        };
        store.add(&entry, Some(&jpeg(60)), None, 0).expect("added");
    }
}

const RULES: [&str; 2] =
    ["there is a parcel on the mat before the green door", "a person in a red coat rings the bell"];

#[test]
fn the_rules_at_every_size() {
    let window = |theme| {
        let bench = posed(theme, EngineScript::scoring(), events, |_, options| {
            let rules = RULES.map(|says| Arc::new(RuleSpec::new(says.parse().expect("a statement"))));
            options.rules = RuleBook { rules: rules.to_vec(), ..RuleBook::default() };
        });
        let mut bench = pressed(bench, egui::Modifiers::NONE, Key::W, "What to watch for");
        for (red, percent) in [(200, "78 %"), (230, "90 %"), (60, "24 %")] {
            later(Duration::from_secs(20));
            bench.platform.source.then(Step::Picture(scene(red)));
            bench.wait_for_part(percent);
            bench.wait_for_label(&caption_of(red));
        }
        let is_button = |node: &egui_kittest::Node<'_>| node.accesskit_node().role() == Role::Button;
        bench.window.query_all_by_label(RULES[0]).find(is_button).expect("a rule").click_accesskit();
        bench.window.step();
        bench
    };
    compare("panel_rules", window, |window| {
        // Where the panel has no room beside the picture, the past may be out of sight.
        window.state().pipeline.view(0).statistics().camera_fps < 0.5
    });
}

#[test]
fn the_settings_at_every_size() {
    let window = |theme| pressed(plain(theme), egui::Modifiers::COMMAND, Key::Comma, "Settings");
    compare("panel_settings", window, |_| true);
}

#[test]
fn the_models_at_every_size() {
    let window = |theme| pressed(plain(theme), egui::Modifiers::NONE, Key::M, "Not here, 1.0 GB to download");
    compare("panel_models", window, |_| true);
}

#[test]
fn the_performance_at_every_size() {
    let window = |theme| {
        let mut bench = plain(theme);
        bench.window.state_mut().state.history = (0..40)
            .map(|number: u64| {
                let ms = |most: u64| Duration::from_millis(most / 2 + (number * 37 + most) % (most / 2));
                let timings = Timings { preprocess: ms(12), vision: ms(420), prefill: ms(90), decode: ms(260) };
                CaptionCost { timings, tokens: 24, draft: Draft { offered: 20, accepted: 11, ..Draft::default() } }
            })
            .collect();
        pressed(bench, egui::Modifiers::NONE, Key::P, "Drafted tokens accepted")
    };
    compare("panel_performance", window, |_| true);
}

#[test]
fn the_keys_at_every_size() {
    compare("panel_keys", |theme| pressed(plain(theme), egui::Modifiers::NONE, Key::F1, "All keys"), |_| true);
}

#[test]
fn what_this_program_is_at_every_size() {
    let window = |theme| {
        let mut bench = plain(theme);
        bench.press("Everything else");
        bench.press("About…");
        bench.wait_for_part("MIT or Apache-2.0");
        bench
    };
    compare("panel_about", window, |_| true);
}

#[test]
fn a_conversation_at_every_size() {
    let window = |theme| {
        let mut bench = plain(theme);
        let questions = [
            ("Who is at the door?", "A person in a red coat, with a bunch of yellow tulips in the left hand."),
            ("What stands beside the cat?", "Two parcels. The larger one has a label that can't be read from here."),
        ];
        for (question, answer) in questions {
            bench.platform.engine.say_instead(&answer_of(question, 10), answer);
            bench.ask(question);
            bench.wait_for_label(answer);
        }
        bench
    };
    compare("panel_conversation", window, |_| true);
}

#[test]
fn several_views_at_every_size() {
    const GARDEN: &str = "A bicycle leans against the shed, and nobody is there.";
    let window = |theme| {
        let mut bench = posed(
            theme,
            EngineScript::default(),
            |_| (),
            |platform, options| {
                platform.engine.say_instead(&caption_of(70), GARDEN);
                let reds = [70, 120, 180];
                let names = ["garden", "hall", "the street as seen from the attic window"];
                for (number, (red, name)) in reds.into_iter().zip(names).enumerate() {
                    let (script, spec) = (SourceScript::live(), format!("camera:{}", number + 1));
                    script.then(Step::Picture(scene(red)));
                    platform.others.lock().expect("no thread panicked").insert(spec.clone(), script);
                    options.views.push(ViewPlan { name: name.to_owned(), ..view(&spec) });
                }
                options.views[0].name = "door".to_owned();
            },
        );
        for caption in [GARDEN, &caption_of(120), &caption_of(180)] {
            bench.wait_for_label(caption);
        }
        bench
    };
    compare("panel_grid", window, |_| true);
}

#[test]
fn what_the_model_is_told_at_every_size() {
    let window = |theme| {
        let mut bench = pressed(plain(theme), egui::Modifiers::NONE, Key::I, "What the model is told");
        bench.window.get_by_label("Before every picture, read once").focus();
        bench.window.step();
        bench.window.get_by_label("Before every picture, read once").type_text("You watch a front door.");
        bench.window.step();
        for (number, label) in [(1, "my closed door"), (2, "the neighbour's cat")] {
            bench.press("Pin the picture on screen");
            let label_of = format!("Label of reference {number}");
            bench.window.get_by_label(&label_of).focus();
            bench.window.step();
            bench.window.get_by_label(&label_of).type_text(label);
            bench.window.step();
        }
        bench
    };
    compare("panel_instruction", window, |_| true);
}

#[test]
fn the_first_run_at_every_size() {
    let window = |theme| {
        let demo = |platform: &FakePlatform, options: &mut Options| {
            platform.absent.lock().expect("no thread panicked").push("256m".to_owned());
            options.views = vec![view("demo")];
            options.model = Some(ModelSpec::Demo);
        };
        let mut bench = posed(theme, EngineScript::default(), |_| (), demo);
        bench.wait_for_part("This is a demo");
        bench
    };
    compare("first_run", window, |_| true);
}
