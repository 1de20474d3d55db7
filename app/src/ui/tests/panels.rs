//! Pictures of each panel and dialog in both themes at five sizes, one below the other on a sheet.
//! Each is made smaller before it is compared and kept: what is out of place shows, and the sheets
//! stay small. `UPDATE_SNAPSHOTS=1` makes them anew, as those of the log.

use egui::{Theme, Vec2, vec2};
use egui_kittest::{SnapshotOptions, SnapshotResults, try_image_snapshot_options};
use image::{Rgba, RgbaImage, imageops};

use crate::ui::tests::raster::Raster;
use crate::ui::tests::*;

const SNAPSHOTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/ui/tests/snapshots");
/// From the smallest window in use to a large one, in points.
const SIZES: [[f32; 2]; 5] = [[480.0, 360.0], [640.0, 480.0], [960.0, 600.0], [1180.0, 780.0], [1920.0, 1080.0]];
/// The width of each on the sheet, in pixels.
const WIDTH: u32 = 400;
/// The height of the status line, whose figures are never the same, in points.
const STATUS: f32 = 30.0;

/// A window of this size that has captioned a picture, which stands still.
fn window(theme: Theme, size: Vec2) -> Bench {
    let folder = tempfile::tempdir().expect("a folder");
    let platform = FakePlatform::new(SourceScript::live(), EngineScript::default());
    let log = LogOptions { path: Some(folder.path().join("captions.db")), record: false, keep: Keep::default() };
    let options = Options {
        source: Some("camera".parse().expect("a source")),
        model: Some("256m".parse().expect("a model")),
        ..platform.options(log)
    };
    let builder =
        Harness::builder().with_size(size).with_theme(theme).with_render_cursor(false).renderer(Raster::default());
    let mut bench = Bench { window: open(builder, options), platform, folder };
    bench.platform.source.show(10);
    bench.wait_for_label(&caption_of(10));
    bench
}

/// Holds the picture still and draws all.
fn still(bench: &mut Bench) -> RgbaImage {
    bench.let_go();
    bench.window.run();
    let mut drawn = bench.window.render().expect("drawn");
    let from = drawn.height().saturating_sub(STATUS as u32);
    for y in from..drawn.height() {
        for x in 0..drawn.width() {
            drawn.put_pixel(x, y, Rgba([128, 128, 128, 255]));
        }
    }
    let height = drawn.height() * WIDTH / drawn.width();
    imageops::resize(&drawn, WIDTH, height, imageops::FilterType::Triangle)
}

/// Compares what a window shows in both themes at all sizes, once `prepare` is done with it.
#[track_caller]
fn compare(what: &str, prepare: impl Fn(&mut Bench)) {
    let mut compared = SnapshotResults::new();
    for (theme, name) in [(Theme::Dark, "dark"), (Theme::Light, "light")] {
        let drawn = SIZES.map(|[width, height]| {
            let mut bench = window(theme, vec2(width, height));
            bench.let_go();
            bench.window.key_press(Key::Space);
            bench.wait_for_label("Paused");
            prepare(&mut bench);
            still(&mut bench)
        });
        let height = drawn.iter().map(|one| one.height() + 4).sum();
        let mut sheet = RgbaImage::from_pixel(WIDTH, height, Rgba([255, 0, 255, 255]));
        let mut top = 0;
        for one in drawn {
            imageops::replace(&mut sheet, &one, 0, top);
            top += i64::from(one.height()) + 4;
        }
        let options = SnapshotOptions::new().output_path(SNAPSHOTS);
        compared.add(try_image_snapshot_options(&sheet, format!("panel_{what}_{name}"), &options));
    }
    compared.unwrap();
}

fn press(bench: &mut Bench, key: Key, modifiers: egui::Modifiers, until: &str) {
    bench.let_go();
    bench.window.key_press_modifiers(modifiers, key);
    bench.wait_for_label(until);
}

#[test]
fn the_window_looks_as_it_did() {
    compare("window", |_| ());
}

#[test]
fn questions_look_as_they_did() {
    compare("questions", |bench| {
        bench.ask("What is on the desk, and what colour is it?");
        bench.wait_for_label(&answer_of("What is on the desk, and what colour is it?", 10));
        bench.press("Follow up");
        bench.ask("Why?");
        bench.wait_for_label(&answer_of("Why?", 10));
        bench.press("About now");
    });
}

#[test]
fn the_settings_look_as_they_did() {
    compare("settings", |bench| press(bench, Key::Comma, egui::Modifiers::COMMAND, "Settings"));
}

#[test]
fn the_models_look_as_they_did() {
    compare("models", |bench| {
        press(bench, Key::M, egui::Modifiers::NONE, "Models");
        bench.wait_for_part("Not here, 1.0 GB to download");
    });
}

#[test]
fn what_the_model_is_told_looks_as_it_did() {
    compare("instruction", |bench| press(bench, Key::I, egui::Modifiers::NONE, "What the model is told"));
}

#[test]
fn the_keys_look_as_they_did() {
    compare("keys", |bench| {
        bench.let_go();
        bench.window.key_press(Key::F1);
        bench.wait_for_label("All keys");
    });
}

#[test]
fn the_log_beside_the_picture_looks_as_it_did() {
    compare("log", |bench| {
        bench.let_go();
        bench.window.key_press(Key::L);
        bench.wait_for_label("Record (R)");
    });
}
