//! What is kept of what was seen: pictures with their caption, and the last half minute.

use std::process::Command;

use egui::Modifiers;

use crate::ui::tests::*;

/// A window that has captioned a picture, and in which a file of this name is chosen in dialogs.
fn choosing(name: &str) -> (Bench, PathBuf) {
    let mut bench = Bench::captioned();
    let path = bench.folder.path().join(name);
    *bench.platform.chosen.lock().expect("no thread panicked") = Some(path.clone());
    bench.let_go();
    (bench, path)
}

#[test]
fn the_last_half_minute_is_saved_with_its_captions() {
    if !Command::new("ffmpeg").arg("-version").output().is_ok_and(|output| output.status.success()) {
        return;
    }
    let (mut bench, path) = choosing("clip.mp4");
    bench.wait("a picture in memory", |window| window.state().has_clip());
    bench.window.key_press_modifiers(Modifiers::COMMAND | Modifiers::SHIFT, Key::S);
    bench.wait_for_part("Saved as");
    let said = Command::new("ffmpeg").args(["-v", "error", "-i"]).arg(&path).args(["-f", "srt", "-"]).output();
    let said = String::from_utf8_lossy(&said.expect("read").stdout).into_owned();
    assert!(said.contains(&caption_of(10)), "{said}");
    // Once more: another name, and the first file as it was.
    let before = std::fs::read(&path).expect("there");
    bench.press("Dismiss");
    bench.window.key_press_modifiers(Modifiers::COMMAND | Modifiers::SHIFT, Key::S);
    bench.wait_for_part("clip-2.mp4");
    assert_eq!(std::fs::read(&path).expect("there"), before);
}

#[test]
fn who_keeps_no_half_minute_is_told_how_to() {
    let (mut bench, _) = choosing("clip.mp4");
    bench.window.key_press_modifiers(Modifiers::COMMAND, Key::Comma);
    bench.wait_for_label("Settings");
    bench.press("Kept in memory, for clips");
    bench.press("Close");
    bench.let_go();
    bench.window.key_press_modifiers(Modifiers::COMMAND | Modifiers::SHIFT, Key::S);
    bench.wait_for_part("There is nothing to make a clip of.");
    assert!(!bench.window.state().has_clip(), "nothing is left in memory");
}

#[test]
fn a_picture_is_saved_plain_or_with_its_caption_drawn_in() {
    let (mut bench, path) = choosing("cat.png");
    bench.window.key_press_modifiers(Modifiers::COMMAND, Key::S);
    bench.wait_for_part("Saved as");
    let plain = image::open(&path).expect("a picture").to_rgb8();
    assert!(plain.pixels().all(|pixel| *pixel == *plain.get_pixel(0, 0)), "as it was captured");
    bench.press("Dismiss");
    bench.let_go();
    bench.window.key_press_modifiers(Modifiers::COMMAND, Key::Comma);
    bench.wait_for_label("Settings");
    bench.press("With the caption drawn in");
    bench.press("Close");
    bench.let_go();
    bench.window.key_press_modifiers(Modifiers::COMMAND, Key::S);
    bench.wait_for_part("cat-2.png");
    let drawn = image::open(path.with_file_name("cat-2.png")).expect("a picture").to_rgb8();
    assert!(drawn.pixels().any(|pixel| *pixel != *plain.get_pixel(0, 0)), "the caption is in it");
}

#[test]
fn the_widths_of_panels_are_remembered() {
    let mut bench = Bench::captioned();
    bench.press("Show log");
    let platform = Arc::clone(&bench.platform);
    bench.wait("the log to be open", |window| window.query_by_label("Search the log").is_some());
    bench.window.run();
    bench.press("Hide log");
    bench.wait("the width to be kept", |_| platform.keeps(|kept| kept.panels.log_width == Some(400)));

    let folder = tempfile::tempdir().expect("a folder");
    let platform = FakePlatform::new(SourceScript::live(), EngineScript::default());
    if let Ok(kept) = &mut *platform.kept.lock().expect("no thread panicked") {
        (kept.panels.log, kept.panels.log_width) = (true, Some(520));
    }
    let path = Some(folder.path().join("captions.db"));
    let options = platform.options(LogOptions { path, record: false, keep: Keep::default() });
    let mut bench = Bench { window: open(Harness::builder().with_size(SIZE), options), platform, folder };
    bench.wait_for_label("Search the log");
    bench.window.run();
    let log = bench.window.get_by_label("Search the log").rect();
    assert!((440.0..520.0).contains(&log.width()), "{log:?}");
}
