//! The dialog of models.

use crate::ui::tests::*;

/// A window that has captioned a picture, with the dialog open.
fn opened() -> Bench {
    let mut bench = Bench::captioned();
    bench.let_go();
    bench.window.key_press(Key::M);
    bench.wait_for_part("Not here, 1.0 GB to download");
    bench
}

#[test]
fn models_are_told_by_what_is_here_and_what_they_take() {
    let mut bench = opened();
    assert!(bench.shows("Here, 513 MB · takes about 900 MB of memory, which is free · not measured here"));
    assert!(bench.shows("in use") && bench.shows("more than is free"));
    bench.press("Get SmolVLM 500M");
    assert_eq!(bench.opened().last().map(String::as_str), Some("model 500m"));
    bench.window.check_accessibility();
    bench.press("Close");
    assert!(!bench.shows("to download"));
}

#[test]
fn a_model_is_measured_in_the_place_of_the_one_in_use_which_comes_back() {
    let mut bench = opened();
    bench.press("Measure demo");
    bench.wait_for_part("captions a minute here (f32 on cpu)");
    let platform = Arc::clone(&bench.platform);
    bench.wait("the speed to be kept", |_| {
        platform.keeps(|kept| {
            let speed = kept.speeds.first().map(|speed| (speed.model.as_str(), speed.per_minute > 0.0));
            speed == Some(("demo", true)) && kept.model.as_deref() == Some("256m")
        })
    });
    bench.wait("the model that was in use", |_| {
        platform
            .opened
            .lock()
            .expect("no thread panicked")
            .ends_with(&["model demo".to_owned(), "model 256m".to_owned()])
    });
    bench.press("Close");
    bench.platform.source.show(44);
    bench.wait_for_label(&caption_of(44));
}

#[test]
fn measuring_can_be_stopped() {
    let mut bench = opened();
    bench.engine().hold_captions(true);
    bench.press("Measure SmolVLM 256M");
    bench.wait_for_label("Stop measuring SmolVLM 256M");
    bench.press("Stop measuring SmolVLM 256M");
    bench.wait_for_label("Measure SmolVLM 256M");
    assert!(bench.shows("not measured here") && !bench.shows("captions a minute here"));
    bench.engine().hold_captions(false);
    bench.press("Close");
    bench.platform.source.show(44);
    bench.wait_for_label(&caption_of(44));
}

#[test]
fn removing_asks_first_and_spares_the_model_in_use() {
    let mut bench = opened();
    assert_eq!(bench.window.get_all_by_label("Remove…").count(), 2, "of the one in use and of one besides");
    let others = bench.window.get_all_by_label("Remove…").last().expect("a button");
    others.click_accesskit();
    bench.window.step();
    bench.window.step();
    bench.wait_for_part("Other programs may use it, too.");
    bench.press("Keep it");
    assert!(!bench.shows("Other programs") && bench.platform.removed.lock().expect("no panic").is_empty());
    bench.window.get_all_by_label("Remove…").last().expect("a button").click_accesskit();
    bench.window.step();
    bench.window.step();
    bench.press("Remove it");
    bench.wait_for_part("513 MB are free again.");
    assert_eq!(*bench.platform.removed.lock().expect("no panic"), ["2.2b"]);
}

/// The log's search takes it from then on, without a new start.
#[test]
fn the_model_for_search_by_meaning_is_fetched_and_what_is_recorded_then_is_found_by_it() {
    let mut bench = opened();
    assert!(bench.shows("Not here, 91 MB to download · takes about 900 MB of memory, which is free · for the log's"));
    bench.press("Get Search by meaning");
    bench.wait_for_part("What is recorded from now on is found by its meaning, too.");
    assert!(bench.shows("sightline log embed") && !bench.shows("Use Search by meaning"));
    assert_eq!(bench.opened().last().map(String::as_str), Some("model 256m"), "the model in use stays");
    bench.press("Close");
    bench.platform.engine.say_instead(&caption_of(44), "A puppy sleeps.");
    bench.window.key_press(Key::R);
    bench.wait_for_part("● Recording");
    bench.platform.source.show(44);
    bench.wait_for_part("● Recording · 2");
    bench.click("Show log");
    bench.wait_for_label("Search the log");
    bench.window.get_by_label("Search the log").focus();
    bench.window.step();
    bench.window.get_by_label("Search the log").type_text("dog");
    bench.wait_for_label("1 entry found");
}
