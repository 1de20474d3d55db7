//! Pictures of the Log panel, held to those in `snapshots/`. `UPDATE_SNAPSHOTS=1 cargo test
//! --release --workspace snapshots` makes them anew: look at what has changed before you commit it.
//! Time, place, entries and pictures are fixed, and the triangles are drawn by [`Raster`], so they
//! are the same on every machine.

use egui::Theme;
use egui::accesskit::Role;
use egui_kittest::{SnapshotOptions, SnapshotResults};
use image::codecs::jpeg::JpegEncoder;
use image::{Rgb, RgbImage};

use crate::engine::EngineCard;
use crate::log::{Entry, EntryKind, Log as _, Metrics, Moment, SessionStart, Store};
use crate::ui::tests::raster::Raster;
use crate::ui::tests::*;

pub const SNAPSHOTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/ui/tests/snapshots");
/// A small window, in points, in which picture, panel and strip have room.
const SMALL: [f32; 2] = [960.0, 760.0];
pub const MINUTE: i64 = 60_000;

pub fn noon() -> ZonedDateTime {
    "2026-11-24T12:00:00+01:00[+01:00]".parse().expect("a time")
}

/// A ball before a wall. Plain colours, so that the pictures in the repository stay small.
pub fn jpeg(hue: u8) -> Vec<u8> {
    let picture = RgbImage::from_fn(320, 180, |x, y| {
        let (across, down) = (f64::from(x) - 60.0 - f64::from(hue), f64::from(y) - 100.0);
        if across.hypot(down) < 40.0 { Rgb([240, 180, hue]) } else { Rgb([hue, 120, 200 - hue / 2]) }
    });
    let mut jpeg = Vec::new();
    JpegEncoder::new_with_quality(&mut jpeg, 90).encode_image(&picture).expect("encoded");
    jpeg
}

/// A log with what there can be in a list: captions, an answer, a bookmark, a note, an entry
/// without a picture, another day.
pub fn record(store: &mut Store) {
    let at = |minutes: i64| Moment::of(&noon()).plus_ms(minutes * MINUTE);
    let card = EngineCard {
        model: "256m".to_owned(),
        device: "cpu".to_owned(),
        precision: "int8".to_owned(),
        ..EngineCard::default()
    };
    let instruction = "Describe this image in one sentence.".to_owned();
    let start = SessionStart {
        source: "Front door".to_owned(),
        card,
        instruction,
        began: at(-1500),
        ..SessionStart::default()
    };
    let session = store.begin(&start).expect("begun");
    let metrics = Metrics {
        preprocess_us: 6_100,
        vision_us: 407_000,
        prefill_us: 80_000,
        decode_us: 223_000,
        tokens: 29,
        draft_offered: 24,
        draft_accepted: 11,
        mean_log_prob: Some(-0.223),
        ..Metrics::default()
    };
    let mut add = |minutes: i64, hue: Option<u8>, entry: Entry| {
        let entry = Entry { session, at: at(minutes), frame: 1500 + minutes, metrics: metrics.clone(), ..entry };
        store.add(&entry, hue.map(jpeg).as_deref(), None, 0).expect("added");
    };
    let caption = |text: &str, duration_ms| Entry { text: text.to_owned(), duration_ms, ..Entry::default() };
    add(-1500, Some(0), caption("The porch is empty.", 5_400_000));
    add(-320, Some(30), caption("A parcel lies on the mat before the door.", 42_000));
    let marked = Entry { bookmarked: true, repeats: 2, ..caption("A person in a red coat rings the bell.", 8_300) };
    add(-240, Some(60), marked);
    let question = Some("What is the person carrying?".to_owned());
    add(-239, Some(70), Entry { kind: EntryKind::Answer, question, ..caption("A bunch of yellow tulips.", 0) });
    let note = Some("Grandma was here".to_owned());
    add(-200, None, Entry { note, ..caption("Two people talk at the open door.", 126_000) });
    let long = "A black and white cat with a long tail sits on the doormat and looks straight into the camera, as if it \
                were waiting for someone to open.";
    add(-90, Some(110), caption(long, 61_000));
    add(-30, Some(150), caption("A bicycle leans against the wall.", 1_800_000));
}

/// The window beside a log.
fn window(theme: Theme, fill: impl FnOnce(&mut Store)) -> Bench {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("captions.db");
    fill(&mut Store::open(&path).expect("a log"));
    let builder = Harness::builder()
        .with_size(SMALL)
        .with_theme(theme)
        .with_render_cursor(false)
        .with_options(SnapshotOptions::new().output_path(SNAPSHOTS))
        .renderer(Raster::default());
    let log = LogOptions { path: Some(path), record: false, keep: Keep::default() };
    let platform = FakePlatform::new(SourceScript::live(), EngineScript::default());
    let options = Options { clock: noon, ..platform.options(log) };
    let mut bench = Bench { window: open(builder, options), platform, folder };
    bench.window.key_press(Key::L);
    bench.wait_for_part("Timeline of the day");
    bench
}

/// The window beside the log of [`record`], when all that is in view of it is there.
fn beside_a_log(theme: Theme) -> Bench {
    let mut bench = window(theme, record);
    bench.wait_for_label("7 entries");
    bench.wait_for_part("Timeline of the day, 6 entries");
    bench.wait("the small pictures", |window| {
        let rows = window.query_all_by_role(Role::ListBoxOption).count();
        rows > 0 && window.state().log.pictures() >= rows
    });
    bench
}

/// Compares what a window shows in both themes.
#[track_caller]
fn compare(what: &str, window: impl Fn(Theme) -> Bench) {
    let mut compared = SnapshotResults::new();
    for (theme, name) in [(Theme::Dark, "dark"), (Theme::Light, "light")] {
        let mut bench = window(theme);
        bench.let_go();
        bench.window.run();
        compared.add(bench.window.try_snapshot(format!("{what}_{name}")));
    }
    compared.unwrap();
}

#[test]
fn the_log_looks_as_it_did() {
    compare("log", beside_a_log);
}

#[test]
fn an_empty_log_looks_as_it_did() {
    compare("empty", |theme| {
        let mut bench = window(theme, |_| ());
        bench.wait_for_label("Record (R)");
        bench
    });
}

#[test]
fn an_entry_looks_as_it_did() {
    compare("entry", |theme| {
        let mut bench = beside_a_log(theme);
        // Down into the list and on to the caption that a person marked.
        for _ in 0..5 {
            bench.window.key_press(Key::ArrowDown);
            bench.window.step();
            bench.window.step();
        }
        bench.window.key_press(Key::Enter);
        bench.wait_for_label("Remove bookmark");
        bench.wait_for_label("The picture that the words are about");
        bench
    });
}

#[test]
fn the_export_dialog_looks_as_it_did() {
    compare("export", |theme| {
        let mut bench = beside_a_log(theme);
        bench.window.get_by_label("Export…").click_accesskit();
        bench.wait_for_label("Export the log");
        bench
    });
}
