//! A panel at every size on one picture, and a window that stands still for it: its clocks do not
//! go, its picture and words are given, and nothing moves.

use std::cell::Cell;

use egui::Theme;
use egui_kittest::{SnapshotOptions, SnapshotResults, try_image_snapshot_options};
use image::{Rgb, Rgba, RgbaImage, imageops};

use crate::log::Store;
use crate::ui::state::CaptionRate;
use crate::ui::tests::raster::Raster;
use crate::ui::tests::snapshots::{SNAPSHOTS, noon};
use crate::ui::tests::*;

/// The window's sizes, in points, and how wide each is on the sheet, in pixels.
const SIZES: [([f32; 2], u32); 5] = [
    ([480.0, 360.0], 320),
    ([800.0, 600.0], 320),
    ([1280.0, 800.0], 320),
    ([1920.0, 1080.0], 320),
    ([3840.0, 2160.0], 480),
];
/// From this width on there are two points to a pixel.
const LARGE: f32 = 2000.0;
/// Pixels of a sheet that may differ: where a letter stands in the font's texture hangs on which
/// was drawn first, and with that the last digit of some of its pixels. What moves or is missing
/// changes hundreds.
const FEW: usize = 40;
/// Between two pictures of the sheet, in pixels.
const GAP: u32 = 8;
/// Frames after which nothing slides or fades any more.
const SETTLED: usize = 8;
/// A folder that gets every picture whole, for whoever wants to look at them.
const WHOLE: &str = "SIGHTLINE_PICTURES";

thread_local! {
    /// The time that the window of this test goes by.
    static NOW: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// The time of this test, which stands still.
fn now() -> Instant {
    NOW.get().unwrap_or_else(Instant::now)
}

/// Lets time pass.
pub fn later(by: Duration) {
    NOW.set(Some(now() + by));
}

/// A caption that is longer than a narrow window.
pub const CAPTION: &str = "A person in a red coat rings the bell at the green door, and a black and white cat with a long \
                           tail waits beside two parcels.";

/// A ball before a wall, 16 to 9. The fake engine knows it by `red`.
pub fn scene(red: u8) -> RgbImage {
    RgbImage::from_fn(640, 360, |x, y| {
        let (across, down) = (f64::from(x) - 250.0 - f64::from(red), f64::from(y) - 190.0);
        match (across.hypot(down) < 80.0, y < 270) {
            (true, _) => Rgb([240, 180, 60]),
            (false, true) => Rgb([red, 110, 150]),
            (false, false) => Rgb([90, 70, 60]),
        }
    })
}

/// A window that looks at [`scene`] 10 and has captioned it, beside a log of these entries.
pub fn posed(
    theme: Theme,
    engine: EngineScript,
    fill: impl FnOnce(&mut Store),
    change: impl FnOnce(&FakePlatform, &mut Options),
) -> Bench {
    NOW.set(Some(Instant::now()));
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("captions.db");
    fill(&mut Store::open(&path).expect("a log"));
    let platform = FakePlatform::new(SourceScript::live(), engine);
    platform.engine.say_instead(&caption_of(10), CAPTION);
    platform.source.then(Step::Picture(scene(10)));
    let mut options = Options {
        views: vec![view("camera")],
        model: Some("256m".parse().expect("a model")),
        clock: noon,
        now,
        ..platform.options(LogOptions { path: Some(path), record: false, keep: Keep::default() })
    };
    change(&platform, &mut options);
    let builder = Harness::builder().with_size(SIZE).with_theme(theme).with_render_cursor(false);
    let window = open(builder.renderer(Raster::default()), options);
    let mut bench = Bench { window, platform, folder };
    bench.wait_for_label(CAPTION);
    bench
}

/// Compares what a window shows at every size and in both themes. Each picture is taken once
/// `is_ready` says that all is there.
#[track_caller]
pub fn compare(name: &str, window: impl Fn(Theme) -> Bench, is_ready: impl Fn(&Harness<'static, App>) -> bool) {
    let mut compared = SnapshotResults::new();
    for (theme, word) in [(Theme::Dark, "dark"), (Theme::Light, "light")] {
        let mut bench = window(theme);
        bench.window.remove_cursor();
        bench.let_go();
        let pictures = SIZES.map(|([width, height], _)| {
            // What is large is drawn with fewer pixels, and laid out the same.
            bench.window.set_pixels_per_point(if width > LARGE { 0.5 } else { 1.0 });
            bench.window.set_size(egui::vec2(width, height));
            bench.window.run_steps(SETTLED);
            bench.wait("all to be there", &is_ready);
            // How many captions it took hangs on when the pictures came.
            bench.window.state_mut().state.caption_rate = CaptionRate::default();
            bench.window.run_steps(SETTLED);
            let picture = bench.window.render().expect("drawn");
            if let Some(folder) = std::env::var_os(WHOLE) {
                let file = format!("{name}_{word}_{width}x{height}.png");
                picture.save(PathBuf::from(folder).join(file)).expect("written");
            }
            picture
        });
        let options = SnapshotOptions::new().output_path(SNAPSHOTS).max_failed_pixels(FEW);
        compared.add(try_image_snapshot_options(&sheet(&pictures), format!("{name}_{word}"), &options));
    }
    compared.unwrap();
}

/// The pictures beside each other, smaller and in fewer colours, so that the repository stays
/// small.
fn sheet(pictures: &[RgbaImage; 5]) -> RgbaImage {
    let scaled: Vec<_> = pictures
        .iter()
        .zip(SIZES)
        .map(|(picture, (_, width))| {
            let height = (f64::from(width) * f64::from(picture.height()) / f64::from(picture.width())).round();
            imageops::thumbnail(picture, width, height as u32)
        })
        .collect();
    let width = scaled.iter().map(|picture| picture.width() + GAP).sum::<u32>() - GAP;
    let height = scaled.iter().map(RgbaImage::height).max().expect("pictures");
    let mut sheet = RgbaImage::from_pixel(width, height, Rgba([128, 128, 128, 255]));
    let mut left = 0;
    for picture in &scaled {
        imageops::replace(&mut sheet, picture, i64::from(left), 0);
        left += picture.width() + GAP;
    }
    for pixel in sheet.pixels_mut() {
        for channel in &mut pixel.0[..3] {
            *channel = (*channel & 0xF8) | (*channel >> 5);
        }
    }
    sheet
}
