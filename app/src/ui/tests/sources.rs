//! How a source is looked at: its tiles, its turn, its part, a camera's format, and its still in
//! the menu.

use crate::ui::tests::*;

/// Waits until the source was opened so many times, so that the next picture is of the newest one.
#[track_caller]
fn wait_for_opening(bench: &mut Bench, times: usize) {
    let opened = Arc::clone(&bench.platform.source.opened);
    bench.wait("the source to be opened", |_| opened.load(Ordering::SeqCst) == times);
}

fn size(bench: &Bench) -> Option<(u32, u32)> {
    bench.window.state().video.frame().map(|frame| frame.image.dimensions())
}

#[test]
fn what_is_mostly_text_is_cut_into_tiles_and_what_follows_is_not() {
    let mut bench = Bench::captioned();
    let tiled = |bench: &Bench| bench.engine().calls().iter().filter(|call| **call == Call::OpenTiled).count();
    assert_eq!(tiled(&bench), 0);
    bench.let_go();
    bench.window.key_press_modifiers(egui::Modifiers::COMMAND, Key::O);
    bench.wait_for_label("Path");
    bench.window.get_by_label("Path").type_text("window:Editor");
    bench.window.step();
    bench.click("Open");
    wait_for_opening(&mut bench, 2);
    bench.platform.source.show(20);
    bench.wait_for_label(&caption_of(20));
    assert_eq!(tiled(&bench), 1);
    bench.click("Fake camera");
    bench.wait_for_part("Desk camera");
    bench.click("Demo scene");
    wait_for_opening(&mut bench, 3);
    bench.platform.source.show(30);
    bench.wait_for_label(&caption_of(30));
    assert_eq!(tiled(&bench), 1);
}

#[test]
fn a_picture_is_turned_for_the_model_too() {
    let mut bench = Bench::captioned();
    assert_eq!(size(&bench), Some((64, 48)));
    for (times, red, turned) in [(2, 20, (48, 64)), (3, 30, (64, 48))] {
        bench.let_go();
        bench.window.key_press(Key::T);
        wait_for_opening(&mut bench, times);
        bench.platform.source.show(red);
        bench.wait_for_label(&caption_of(red));
        assert_eq!(size(&bench), Some(turned));
    }
}

#[test]
fn a_part_is_dragged_with_the_mouse_said_and_given_up() {
    let mut bench = Bench::captioned();
    bench.let_go();
    bench.window.key_press(Key::D);
    bench.wait_for_label("Draw the part that is to be looked at");
    let picture = bench.window.get_by_label("Live picture").rect();
    let corner = picture.min + picture.size() * 0.01;
    bench.window.hover_at(corner);
    bench.window.drag_at(corner);
    bench.window.step();
    let middle = picture.center();
    bench.window.hover_at(middle);
    bench.window.step();
    bench.window.drop_at(middle);
    bench.window.step();
    wait_for_opening(&mut bench, 2);
    bench.platform.source.show(20);
    bench.wait_for_label("Part of the picture (D: all)");
    bench.wait_for_label(&caption_of(20));
    let (width, height) = size(&bench).expect("a picture");
    assert!((31..=33).contains(&width) && (23..=25).contains(&height), "{width} x {height}");
    bench.let_go();
    bench.window.key_press(Key::D);
    wait_for_opening(&mut bench, 3);
    bench.platform.source.show(30);
    bench.wait_for_label(&caption_of(30));
    assert_eq!(size(&bench), Some((64, 48)));
    assert!(!bench.shows("Part of the picture"));
}

#[test]
fn the_menu_has_a_still_of_each_camera_and_the_formats_of_the_one_in_use() {
    let mut bench = Bench::captioned();
    bench.click("Fake camera");
    bench.wait_for_part("Desk camera");
    bench.wait("the still", |window| window.state().stills.has(&SourceSpec::Camera(CameraChoice::Number(1))));
    assert!(!bench.shows("Size and rate"), "another one is in use");
    bench.click("Desk camera");
    wait_for_opening(&mut bench, 2);
    bench.platform.source.show(20);
    bench.wait_for_label(&caption_of(20));
    bench.click("Fake camera");
    bench.wait_for_part("Desk camera");
    bench.wait_for_part("Size and rate");
    bench.click("Size and rate");
    bench.wait_for_part("1920x1080@15");
    bench.click("1920x1080@15");
    assert_eq!(bench.opened().last().map(String::as_str), Some("source camera:1 at 1920x1080@15"));
}
