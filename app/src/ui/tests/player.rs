//! The buttons of a player, under films and folders that are really there.

use std::path::Path;

use egui_kittest::kittest::NodeT as _;

use crate::capture;
use crate::capture::{Position, SourceOptions};
use crate::testing::pipeline::picture;
use crate::ui::player::STEP;
use crate::ui::tests::*;

/// A machine whose sources are the real ones.
struct Real {
    fake: Arc<FakePlatform>,
}

impl Platform for Real {
    fn source(&self, spec: &SourceSpec, options: &SourceOptions) -> OpenSource {
        self.fake.opened.lock().expect("no thread panicked").push(format!("source {spec}"));
        let (spec, options) = (spec.clone(), options.clone());
        Box::new(move || capture::open(&spec, &options))
    }

    fn engine(&self, model: &ModelSpec) -> OpenEngine {
        self.fake.engine(model)
    }

    fn models(&self) -> Vec<Choice<ModelSpec>> {
        self.fake.models()
    }

    fn cameras(&self) -> Result<Vec<FoundCamera>, Message> {
        self.fake.cameras()
    }

    fn choose(&self, wanted: Wanted) -> Chosen {
        self.fake.choose(wanted)
    }

    fn remember(&self, preferences: &Preferences) -> Result<(), Message> {
        self.fake.remember(preferences)
    }
}

fn open_real(folder: tempfile::TempDir, source: &Path, engine: EngineScript) -> Bench {
    let fake = FakePlatform::new(SourceScript::live(), engine);
    let log = LogOptions { path: Some(folder.path().join("captions.db")), record: false, keep: Keep::default() };
    let options = Options {
        views: vec![view(&source.to_string_lossy())],
        platform: Arc::new(Real { fake: Arc::clone(&fake) }),
        model: Some("256m".parse().expect("a model")),
        ..fake.options(log)
    };
    let mut bench = Bench { window: open(Harness::builder().with_size(SIZE), options), platform: fake, folder };
    bench.wait_for_label("Live picture");
    bench
}

/// A film that is red for some seconds, in which a key picture comes every half second.
fn film(path: &Path, seconds: u32) {
    let source = format!("color=red:s=64x48:r=10:d={seconds}");
    let mut command = std::process::Command::new("ffmpeg");
    command.args(["-v", "error", "-f", "lavfi", "-i", &source, "-g", "5", "-preset", "ultrafast"]);
    assert!(command.arg(path).status().expect("these tests need ffmpeg").success());
}

/// A window that shows the first of two films of a folder.
fn playing(seconds: u32) -> Bench {
    let folder = tempfile::tempdir().expect("a folder");
    let first = folder.path().join("film 2.mp4");
    film(&first, seconds);
    std::fs::copy(&first, folder.path().join("film 10.mp4")).expect("copied");
    let mut bench = open_real(folder, &first, EngineScript::default());
    bench.wait_for_label("Next file");
    bench
}

fn at(bench: &Bench) -> Duration {
    match bench.window.state().pipeline.view(0).position() {
        Some(Position::Time { at, .. }) => at,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_film_says_where_it_is_and_stands_still_when_it_is_told_to() {
    let mut bench = playing(600);
    bench.wait_for_label("Time in the video");
    let time = bench.window.get_by_label("Time in the video");
    let told = time.accesskit_node().description().unwrap_or_default();
    assert!(told.ends_with(" / 10:00") && told.starts_with("0:"), "{told}");
    assert!(bench.shows("film 2.mp4 · 1 of 2"));
    bench.window.check_accessibility();
    bench.click("Stop here");
    bench.wait_for_label("Paused");
    bench.click("Play");
    bench.wait_for_label("Stop here");
    let id = bench.window.state().video.frame().map(|frame| frame.id);
    bench.wait("the film to go on", |window| window.state().video.frame().map(|frame| frame.id) > id);
    assert!(at(&bench) < Duration::from_mins(5), "from where it stood");
}

#[test]
fn the_arrow_keys_and_the_bar_go_elsewhere_in_a_film() {
    let mut bench = playing(600);
    bench.let_go();
    bench.window.key_press(Key::ArrowRight);
    bench.wait("a step on", |window| {
        let position = window.state().pipeline.view(0).position();
        matches!(position, Some(Position::Time { at, .. }) if at >= STEP)
    });
    bench.wait_for_label("Position in the video");
    let bar = bench.window.get_by_label("Position in the video").rect();
    bench.window.hover_at(bar.left_center() + egui::vec2(12.0, 0.0));
    bench.window.step();
    bench.window.drag_at(bar.left_center() + egui::vec2(12.0, 0.0));
    bench.window.step();
    bench.window.hover_at(bar.center());
    bench.window.step();
    bench.window.drop_at(bar.center());
    bench.window.step();
    bench.wait("the middle", |window| {
        let position = window.state().pipeline.view(0).position();
        matches!(position, Some(Position::Time { at, .. }) if (250..400).contains(&at.as_secs()))
    });
}

#[test]
fn a_film_that_ended_is_played_again_and_one_that_loops_does_not_end() {
    let mut bench = playing(1);
    bench.wait_for_label("Play from the beginning");
    bench.click("Loop");
    bench.click("Play from the beginning");
    bench.wait_for_label("Stop here");
    let id = bench.window.state().video.frame().map_or(0, |frame| frame.id);
    // It has ten pictures, of which a slow machine drops some.
    bench.wait("more pictures than it has", |window| {
        window.state().video.frame().is_some_and(|frame| frame.id > id + 15)
    });
    let loop_button = bench.window.get_by_label("Loop");
    assert_eq!(loop_button.accesskit_node().toggled(), Some(egui::accesskit::Toggled::True));
}

#[test]
fn one_goes_to_the_next_file_of_the_folder_and_back_and_finds_both_in_the_menu() {
    let mut bench = playing(600);
    bench.click("Next file");
    bench.wait_for_label("film 10.mp4 · 2 of 2");
    assert!(bench.opened().last().is_some_and(|last| last.ends_with("film 10.mp4")));
    bench.let_go();
    bench.window.key_press(Key::PageUp);
    bench.wait_for_label("film 2.mp4 · 1 of 2");
    let platform = Arc::clone(&bench.platform);
    bench.wait("both to be remembered", |_| {
        platform.keeps(|kept| kept.recent.len() == 2 && kept.recent[0].ends_with("film 2.mp4"))
    });
    bench.wait_for_label("film 2.mp4");
    bench.click("film 2.mp4");
    // What the menu has moves when the cameras are found.
    bench.wait_for_part("Desk camera");
    bench.click("film 10.mp4");
    bench.wait_for_label("film 10.mp4 · 2 of 2");
    bench.wait_for_label("film 10.mp4");
    bench.click("film 10.mp4");
    bench.wait_for_part("Desk camera");
    bench.click("Forget these");
    bench.wait("nothing to be remembered", |_| platform.keeps(|kept| kept.recent.is_empty()));
}

#[test]
fn a_folder_of_pictures_goes_on_by_a_button() {
    let folder = tempfile::tempdir().expect("a folder");
    let pictures = folder.path().join("pictures");
    std::fs::create_dir(&pictures).expect("made");
    for (name, red) in [("a.png", 11), ("b.png", 22)] {
        picture(red).save(pictures.join(name)).expect("saved");
    }
    let engine = EngineScript::default();
    // A folder waits for its captions.
    engine.hold_captions(true);
    let mut bench = open_real(folder, &pictures, engine);
    bench.wait_for_label("a.png · 1 of 2");
    bench.click("Next picture");
    bench.wait_for_label("b.png · 2 of 2");
    bench.click("Previous picture");
    bench.wait_for_label("a.png · 1 of 2");
}
