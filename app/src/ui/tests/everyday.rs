//! What a window that is open all day has to get right: nothing is lost by a click or a key, and
//! nothing is done while nobody looks.

use egui::Modifiers;
use egui::accesskit::{Live, Role};
use egui_kittest::kittest::NodeT as _;

use crate::ui::tests::*;

fn delay(window: &Harness<'_, App>) -> Duration {
    window.output().viewport_output[&ViewportId::ROOT].repaint_delay
}

#[test]
fn a_desktop_without_dialogs_gets_a_box_for_the_path() {
    let mut bench = Bench::captioned();
    bench.platform.has_dialogs.store(false, Ordering::SeqCst);
    bench.click("Fake camera");
    bench.wait_for_part("Desk camera");
    bench.click("Open picture or video…");
    bench.wait_for_part("offers no file dialog");
    bench.window.get_by_label("Path").type_text("/somewhere/cat.png");
    bench.window.step();
    bench.window.key_press(Key::Enter);
    bench.window.step();
    bench.window.step();
    assert!(bench.opened().contains(&"source /somewhere/cat.png".to_owned()), "{:?}", bench.opened());
    assert!(!bench.shows("offers no file dialog"));
}

#[test]
fn an_address_is_typed_without_a_dialog() {
    let mut bench = Bench::captioned();
    bench.let_go();
    bench.window.key_press_modifiers(Modifiers::COMMAND, Key::O);
    bench.wait_for_label("Path");
    bench.window.get_by_label("Path").type_text("rtsp://door.invalid/1");
    bench.window.step();
    bench.click("Open");
    assert!(bench.opened().contains(&"source rtsp://door.invalid/1".to_owned()), "{:?}", bench.opened());
}

#[test]
fn a_pause_takes_no_pictures_and_drops_none() {
    let mut bench = Bench::captioned();
    bench.let_go();
    bench.window.key_press(Key::Space);
    bench.wait_for_label("Paused");
    let closed = Arc::clone(&bench.platform.source.closed);
    bench.wait("the camera to be put away", |_| closed.load(Ordering::SeqCst) == 1);
    bench.window.run();
    assert_eq!(delay(&bench.window), Duration::MAX, "no age is told while the picture stands still");
    bench.platform.source.show(77);
    bench.click("Resume");
    bench.wait_for_label(&caption_of(77));
    assert_eq!(bench.window.state().pipeline.view(0).statistics().dropped, 0);
}

#[test]
fn questions_are_hidden_and_cleared_apart_and_come_back() {
    let mut bench = Bench::captioned();
    bench.ask("Red?");
    bench.wait_for_label(&answer_of("Red?", 10));
    bench.click("Hide questions");
    assert!(!bench.shows("Red?"));
    bench.click("Show questions");
    assert!(bench.shows(&answer_of("Red?", 10)), "what is hidden is not gone");
    bench.click("Clear questions");
    assert!(!bench.shows("Red?") && bench.shows("Cleared 1 question."));
    bench.click("Undo");
    assert!(bench.shows(&answer_of("Red?", 10)) && !bench.shows("Cleared"));
    bench.click("Clear questions");
    bench.let_go();
    bench.window.key_press_modifiers(Modifiers::COMMAND, Key::Z);
    bench.window.step();
    bench.window.step();
    assert!(bench.shows(&answer_of("Red?", 10)));
}

#[test]
fn letters_typed_right_behind_enter_are_the_next_question() {
    let mut bench = Bench::captioned();
    bench.window.get_by_label(BOX).focus();
    bench.window.step();
    // All in one frame of a slow machine.
    let key = |pressed| egui::Event::Key {
        key: Key::Enter,
        physical_key: None,
        pressed,
        repeat: false,
        modifiers: Modifiers::NONE,
    };
    let text = |text: &str| egui::Event::Text(text.to_owned());
    for event in [text("Who?"), key(true), key(false), text("An"), text("d?")] {
        bench.window.event(event);
    }
    bench.window.step();
    bench.wait_for_label(&answer_of("Who?", 10));
    assert_eq!(bench.window.get_by_label(BOX).value().as_deref(), Some("And?"));
    bench.window.event(text(" Now"));
    bench.window.step();
    assert_eq!(bench.window.get_by_label(BOX).value().as_deref(), Some("And? Now"), "the box kept the focus");
}

#[test]
fn a_missing_source_is_one_state_with_buttons() {
    let source = SourceScript::live();
    source.refuse.store(1000, Ordering::SeqCst);
    let mut bench = Bench::with(source, EngineScript::default(), Some("camera"), Some("256m"));
    bench.wait_for_label("The source gives no pictures");
    assert_eq!(bench.window.query_all_by_label_contains("The camera is busy.").count(), 1, "said once");
    let opened = bench.opened().len();
    bench.click("Try again");
    bench.wait("another try", |window| window.query_by_label("The source gives no pictures").is_some());
    assert_eq!(bench.opened()[opened..], ["source camera"]);
    bench.click("Show the demo");
    assert_eq!(bench.opened().last().map(String::as_str), Some("source demo"));
}

#[test]
fn a_source_that_ended_can_be_played_again() {
    let source = SourceScript::patient();
    source.show(10).show(20).then(Step::Ended);
    let mut bench = Bench::with(source, EngineScript::default(), Some("film.mp4"), Some("256m"));
    bench.wait_for_label("The source has ended");
    bench.wait_for_label(&caption_of(20));
    bench.platform.source.show(30);
    bench.click("Play again");
    bench.wait_for_label(&caption_of(30));
    assert!(!bench.shows("has ended"));
}

#[test]
fn what_was_chosen_is_remembered() {
    let mut bench = Bench::captioned();
    bench.click("Show log");
    let platform = Arc::clone(&bench.platform);
    bench.wait("the choices to be kept", |_| {
        platform.keeps(|kept| {
            kept.source.as_deref() == Some("camera") && kept.model.as_deref() == Some("256m") && kept.panels.log
        })
    });
    bench.click("Fake camera");
    // What is found moves what stands below it.
    bench.wait_for_part("Desk camera");
    // An address with a password is not written down.
    bench.click("Open path or address…");
    bench.wait_for_label("Path");
    bench.window.get_by_label("Path").type_text("rtsp://me:secret@door.invalid/1");
    bench.window.step();
    bench.click("Open");
    assert_eq!(bench.opened().last().map(String::as_str), Some("source rtsp://door.invalid/1"));
    bench.wait("the password to be left out", |_| platform.keeps(|kept| kept.source.is_none()));
}

#[test]
fn a_caption_is_a_polite_live_region_with_its_text() {
    let bench = Bench::captioned();
    let said = caption_of(10);
    let caption = bench.window.get_by_label(&said);
    let node = caption.accesskit_node();
    assert_eq!((node.role(), node.live()), (Role::Label, Live::Polite));
    assert!(node.supports_text_ranges(), "screen readers step through its words");
    assert_eq!(node.document_range().text(), caption_of(10));
    // Numbers that change all the time have names that do not.
    for steady in ["Age of the caption", "Captions in the last minute", "Pictures a second"] {
        assert!(bench.window.query_by_label(steady).is_some(), "{steady}");
    }
    for region in ["Picture", "Status", "Source, model and commands"] {
        let found = bench.window.get_by_label(region);
        assert_eq!(found.accesskit_node().role(), Role::Region, "{region}");
    }
}

#[test]
fn the_tab_key_goes_from_left_to_right() {
    let mut bench = Bench::captioned();
    bench.let_go();
    let mut last = f32::MIN;
    for label in ["Fake camera", "SmolVLM 256M", "Record", "Show log", "Pause"] {
        bench.window.key_press(Key::Tab);
        bench.window.step();
        bench.window.step();
        let button = bench.window.get_by_label(label);
        assert!(button.is_focused(), "{label}");
        let left = button.rect().left();
        assert!(left > last, "{label}");
        last = left;
    }
}

#[test]
fn how_the_model_is_run_and_what_stays_of_the_log_are_settings() {
    let mut bench = Bench::captioned();
    bench.let_go();
    bench.window.key_press_modifiers(Modifiers::COMMAND, Key::Comma);
    bench.wait_for_label("Settings");
    assert!(!bench.shows("In effect when the model is loaded again."));
    bench.press("int8");
    bench.wait_for_part("In effect when the model is loaded again.");
    let opened = bench.opened().len();
    bench.press("Load it again");
    assert_eq!(bench.opened()[opened..], ["model 256m as int8"]);
    bench.wait("the hint to go", |window| window.query_by_label_contains("loaded again").is_none());
    let limit = bench
        .window
        .get_by(|node| node.label().as_deref() == Some("Age of its entries") && node.role() == Role::Slider);
    limit.focus();
    bench.window.step();
    bench.window.key_press(Key::ArrowLeft);
    bench.window.step();
    bench.window.step();
    bench.click("Close");
    let platform = Arc::clone(&bench.platform);
    bench.wait("the choices to be kept", |_| {
        platform.keeps(|kept| kept.run.precision.to_string() == "int8" && kept.log_limits.keep_days.is_some())
    });
}
