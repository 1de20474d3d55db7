//! Windows of every size: nothing overlaps, nothing leaves the window, the picture stays.

use egui::{Rect, Vec2, vec2};

use crate::ui::tests::*;

/// A window of this size, in pixels, at this zoom, that has captioned a picture.
fn captioned(size: Vec2, zoom: f32) -> Bench {
    let folder = tempfile::tempdir().expect("a folder");
    let platform = FakePlatform::new(SourceScript::live(), EngineScript::default());
    let kept = || platform.kept.lock().expect("no thread panicked");
    kept().as_mut().expect("kept").window.zoom = zoom;
    let log = LogOptions { path: Some(folder.path().join("captions.db")), record: false, keep: Keep::default() };
    let options =
        Options { views: vec![view("camera")], model: Some("256m".parse().expect("a model")), ..platform.options(log) };
    let mut bench = Bench { window: open(Harness::builder().with_size(size), options), platform, folder };
    bench.platform.source.show(10);
    bench.wait_for_label(&caption_of(10));
    bench
}

fn rect(bench: &Bench, label: &str) -> Option<Rect> {
    bench.window.query_by_label(label).map(|node| node.rect())
}

#[test]
fn nothing_overlaps_from_the_smallest_window_to_the_largest() {
    for (width, height) in [(480.0, 360.0), (640.0, 480.0), (1180.0, 780.0), (1920.0, 1080.0), (3840.0, 2160.0)] {
        let bench = captioned(vec2(width, height), 1.0);
        let window = Rect::from_min_size(egui::Pos2::ZERO, vec2(width, height));
        let picture = rect(&bench, "Live picture").expect("a picture");
        assert!(picture.height() >= 100.0, "{width} x {height}: {picture:?}");
        let caption = rect(&bench, &caption_of(10)).expect("a caption");
        assert!(window.contains_rect(caption) && picture.contains_rect(caption), "{width}: {caption:?} in {picture:?}");
        assert!(caption.height() <= picture.height() / 3.0 + 1.0);
        let status = ["Pictures a second", "Captions in the last minute", "fake · cpu · f32"];
        let shown: Vec<_> = status.iter().filter_map(|label| rect(&bench, label)).collect();
        assert!(!shown.is_empty(), "{width}");
        let buttons = ["Fake camera", "SmolVLM 256M", "Record", "Show log", "Pause"]
            .map(|label| rect(&bench, label).unwrap_or_else(|| panic!("{label} at {width} x {height}")));
        for group in [&shown[..], &buttons[..]] {
            for (number, one) in group.iter().enumerate() {
                assert!(window.contains_rect(*one), "{width}: {one:?}");
                for other in &group[number + 1..] {
                    assert!(!one.shrink(1.0).intersects(other.shrink(1.0)), "{width}: {one:?} {other:?}");
                }
            }
        }
    }
}

#[test]
fn every_zoom_of_a_small_window_draws_and_keeps_the_picture() {
    for zoom in [0.5, 1.0, 2.0, 3.0] {
        let bench = captioned(vec2(640.0, 480.0) / zoom, zoom);
        let picture = rect(&bench, "Live picture").expect("a picture");
        assert!(picture.area() > 0.0, "{zoom}: {picture:?}");
    }
}

#[test]
fn in_a_narrow_window_panels_are_tabs_in_the_place_of_the_picture() {
    let mut bench = captioned(vec2(520.0, 420.0), 1.0);
    bench.click("Show log");
    bench.wait_for_label("Search the log");
    assert!(rect(&bench, "Live picture").is_none(), "the log is in its place");
    bench.click("Live");
    assert!(rect(&bench, "Live picture").is_some() && rect(&bench, "Search the log").is_none());
    bench.ask("Red?");
    bench.wait_for_label(&answer_of("Red?", 10));
    bench.click("Log");
    assert!(rect(&bench, "Search the log").is_some() && !bench.shows(&answer_of("Red?", 10)));
    bench.click("Hide log");
    assert!(rect(&bench, "Live picture").is_some());
}
