//! Several views in one window: each is captioned by the one model, one is in hand, and what
//! happens to one disturbs no other.

use egui::{Rect, vec2};

use crate::actions::{CaptionFileOptions, CaptionFiles};
use crate::log::{EntryFilter, EntryKind, Filter, Store};
use crate::testing::rules::rule;
use crate::ui::tests::*;

/// A window with a door and a garden, and the test's ends of their sources.
struct House {
    bench: Bench,
    door: SourceScript,
    garden: SourceScript,
}

fn house_with(door: SourceScript, size: [f32; 2], change: impl FnOnce(&mut Options)) -> House {
    let folder = tempfile::tempdir().expect("a folder");
    let garden = SourceScript::live();
    let platform = FakePlatform::new(SourceScript::live(), EngineScript::scoring());
    let scripts = [("camera:1", &door), ("camera:2", &garden)];
    let scripts = scripts.map(|(spec, script)| (spec.to_owned(), script.clone()));
    *platform.others.lock().expect("no thread panicked") = scripts.into();
    let log = LogOptions { path: Some(folder.path().join("captions.db")), record: false, keep: Keep::default() };
    let named = |name: &str, source: &str| ViewPlan { name: name.to_owned(), ..view(source) };
    let mut options = Options {
        views: vec![named("door", "camera:1"), named("garden", "camera:2")],
        model: Some("256m".parse().expect("a model")),
        ..platform.options(log)
    };
    change(&mut options);
    let window = open(Harness::builder().with_size(size), options);
    House { bench: Bench { window, platform, folder }, door, garden }
}

impl House {
    fn open() -> Self {
        house_with(SourceScript::live(), SIZE, |_| {})
    }

    /// Both have a picture and a caption of it.
    fn captioned() -> Self {
        let mut house = Self::open();
        house.door.show(10);
        house.garden.show(20);
        house.bench.wait_for_label(&caption_of(10));
        house.bench.wait_for_label(&caption_of(20));
        house
    }

    fn rect(&self, label: &str) -> Rect {
        self.bench.window.get_by_label(label).rect()
    }

    fn press(&mut self, key: Key) {
        self.bench.let_go();
        self.bench.window.key_press(key);
        self.bench.window.step();
        self.bench.window.step();
    }
}

#[test]
fn each_view_has_its_picture_its_name_and_its_caption_by_one_model() {
    let house = House::captioned();
    let (door, garden) = (house.rect("View 1: door"), house.rect("View 2: garden"));
    assert_eq!(door.size(), garden.size(), "all alike");
    assert!(!door.intersects(garden));
    for (place, picture, caption) in
        [(door, "Live picture of door", caption_of(10)), (garden, "Live picture of garden", caption_of(20))]
    {
        assert!(place.contains_rect(house.rect(picture)), "{picture}");
        assert!(place.contains_rect(house.rect(&caption)), "{caption}");
    }
    assert_eq!(house.bench.engine().opened.load(Ordering::SeqCst), 1);
    house.bench.window.check_accessibility();
}

#[test]
fn a_click_or_a_key_makes_one_large_and_another_shows_all_again() {
    let mut house = House::captioned();
    let (alike, small) = (house.rect("View 2: garden"), house.rect("Live picture of garden"));
    house.bench.click("View 2: garden");
    let large = house.rect("Live picture");
    assert!(large.area() > 1.5 * small.area(), "{large:?} {small:?}");
    assert!(house.rect("View 1: door").area() < alike.area() / 2.0, "the other one stays in sight");
    assert!(house.bench.shows(&caption_of(10)) && house.bench.shows("garden"));
    house.bench.click("Show all views");
    assert_eq!(house.rect("View 2: garden"), alike);

    house.press(Key::Num1);
    assert!(house.rect("View 2: garden").area() < alike.area() / 2.0);
    house.press(Key::Escape);
    assert_eq!(house.rect("View 2: garden"), alike);
    house.press(Key::Num2);
    house.press(Key::Num2);
    assert_eq!(house.rect("View 2: garden"), alike);
    house.press(Key::G);
    assert!(house.rect("View 1: door").area() < alike.area() / 2.0, "the one in hand is large");
    house.press(Key::Num9);
    assert!(house.bench.shows("Show all views"), "there is no ninth view");
}

#[test]
fn a_question_goes_to_the_view_in_hand() {
    let mut house = House::captioned();
    house.bench.ask("Who?");
    house.bench.wait_for_label(&answer_of("Who?", 10));
    house.bench.click("View 2: garden");
    house.bench.ask("Where?");
    house.bench.wait_for_label(&answer_of("Where?", 20));
    house.bench.click("View 1: door");
    house.bench.ask("What?");
    house.bench.wait_for_label(&answer_of("What?", 10));
}

#[test]
fn a_picture_is_asked_about_where_it_is_from_whichever_view_is_in_hand() {
    let mut house = House::captioned();
    house.bench.ask("Who?");
    house.bench.wait_for_label(&answer_of("Who?", 10));
    house.bench.click("View 2: garden");
    let looked =
        |house: &House| house.bench.engine().calls().iter().filter(|call| matches!(call, Call::Look(_))).count();
    let before = looked(&house);
    house.bench.press("Follow up");
    house.bench.ask("Why?");
    house.bench.wait_for_label(&answer_of("Why?", 10));
    assert_eq!(looked(&house), before, "the door's own conversation went on");
    house.bench.click("Show all views");
    house.door.then(Step::Broken("The cable is cut."));
    house.bench.wait_for_part("The cable is cut.");
    house.bench.click("Remove door");
    house.bench.ask("Since when?");
    house.bench.wait_for_part("The source of that picture was removed.");
}

#[test]
fn captions_go_on_in_every_view_whichever_is_in_hand() {
    let mut house = House::captioned();
    house.bench.click("View 2: garden");
    house.door.show(30);
    house.bench.wait_for_label(&caption_of(30));
    house.garden.show(40);
    house.bench.wait_for_label(&caption_of(40));
    house.press(Key::Escape);
    assert!(house.bench.shows(&caption_of(30)) && house.bench.shows(&caption_of(40)));
}

#[test]
fn a_pause_is_of_the_view_in_hand() {
    let mut house = House::captioned();
    house.bench.click("View 2: garden");
    house.press(Key::Space);
    house.bench.wait_for_label("Paused");
    house.press(Key::Num1);
    house.door.show(30);
    house.bench.wait_for_label(&caption_of(30));
    assert!(house.bench.shows("Pause") && house.bench.shows("Paused"), "the garden stands still");
    house.press(Key::Num2);
    house.bench.click("Resume");
    house.garden.show(40);
    house.bench.wait_for_label(&caption_of(40));
}

#[test]
fn a_source_that_fails_says_so_in_its_cell_and_disturbs_no_other() {
    let mut house = House::captioned();
    house.door.refuse.store(1000, Ordering::SeqCst);
    house.door.then(Step::Lost("The cable was pulled."));
    house.bench.wait_for_part("The camera is busy.");
    assert!(house.rect("View 1: door").contains_rect(house.rect("Try again")));
    house.garden.show(30);
    house.bench.wait_for_label(&caption_of(30));
    house.bench.window.check_accessibility();

    house.door.refuse.store(0, Ordering::SeqCst);
    house.bench.click("Try again");
    house.door.show(40);
    house.bench.wait_for_label(&caption_of(40));
    assert!(!house.bench.shows("The camera is busy."));
}

#[test]
fn a_view_that_fails_can_be_removed_and_one_that_is_left_is_the_window_of_one() {
    let broken = SourceScript::live();
    broken.then(Step::Broken("That is no camera."));
    let mut house = house_with(broken, SIZE, |_| {});
    house.garden.show(20);
    house.bench.wait_for_label(&caption_of(20));
    house.bench.wait_for_part("That is no camera.");
    house.bench.click("Remove door");
    assert!(house.bench.shows("Live picture") && !house.bench.shows("View 1") && !house.bench.shows("no camera"));
    house.garden.show(30);
    house.bench.wait_for_label(&caption_of(30));
    house.bench.ask("Who?");
    house.bench.wait_for_label(&answer_of("Who?", 30));
}

#[test]
fn sources_are_added_and_removed_from_the_menu_and_remembered() {
    let mut bench = Bench::captioned();
    let desk = SourceScript::live();
    desk.show(70);
    bench.platform.others.lock().expect("no thread panicked").insert("camera:1".to_owned(), desk.clone());
    bench.click("Fake camera");
    bench.click("Add beside this one");
    bench.wait_for_part("Desk camera");
    bench.click("Desk camera");
    bench.wait_for_label(&caption_of(70));
    assert!(bench.shows(&caption_of(10)), "the first one stays");
    assert_eq!(bench.opened(), ["source camera", "model 256m", "source camera:1"]);
    assert_eq!(bench.engine().opened.load(Ordering::SeqCst), 1);
    let platform = Arc::clone(&bench.platform);
    bench.wait("both to be remembered", |_| {
        platform.keeps(|kept| kept.source.as_deref() == Some("camera") && kept.beside == ["camera:1"])
    });
    // The new one is in hand: the next source takes its place.
    bench.click("Fake camera");
    bench.wait_for_part("Desk camera");
    bench.click("Remove Fake camera");
    assert!(bench.shows("Live picture") && bench.shows(&caption_of(10)) && !bench.shows(&caption_of(70)));
    bench.wait("its camera to be closed", |_| desk.closed.load(Ordering::SeqCst) == 1);
    bench.wait("one to be remembered", |_| platform.keeps(|kept| kept.beside.is_empty()));
}

#[test]
fn what_stands_in_a_file_is_shown_as_it_says_and_not_remembered() {
    let mut house = house_with(SourceScript::live(), SIZE, |options| {
        options.is_from_file = true;
        options.views[1].settings.instruction = "What grows?".to_owned();
        options.views[1].framing.region = "0,0,50,50".parse().ok();
    });
    house.door.show(10);
    house.garden.show(20);
    house.bench.wait_for_label(&caption_of(20));
    house.bench.wait_for_label(&caption_of(10));
    assert!(house.bench.engine().calls().contains(&Call::Caption("What grows?".to_owned())));
    house.bench.click("View 2: garden");
    assert!(house.bench.shows("What grows?"), "the instruction is its own");
    let size = house.bench.window.state().video.frame().map(|frame| frame.image.dimensions());
    assert_eq!(size, Some((32, 24)));
    house.bench.click("Show log");
    let platform = Arc::clone(&house.bench.platform);
    house.bench.wait("the choice to be kept", |_| platform.keeps(|kept| kept.panels.log));
    assert!(platform.keeps(|kept| kept.source.is_none() && kept.beside.is_empty()));
}

#[test]
fn the_log_gets_a_session_a_view() {
    let mut house = house_with(SourceScript::live(), SIZE, |options| options.log.record = true);
    house.door.show(10);
    house.garden.show(20);
    house.bench.wait_for_label(&caption_of(10));
    house.bench.wait_for_label(&caption_of(20));
    let path = house.bench.folder.path().join("captions.db");
    house.bench.wait("two entries", |_| {
        let Ok(log) = Store::open_existing(&path) else { return false };
        let found = log.search(&Filter::default(), None, 9).unwrap_or_default();
        let said =
            |source: &str, red| found.iter().any(|found| found.source == source && found.entry.text == caption_of(red));
        said("door", 10) && said("garden", 20)
    });
}

#[test]
fn what_a_file_watches_for_in_one_view_is_watched_there_alone() {
    const RED: &str = "there is something red";
    let mut house = house_with(SourceScript::live(), [1280.0, 800.0], |options| {
        options.is_from_file = true;
        options.log.record = true;
        options.views[1].rules = vec![Arc::new(rule(&format!("says = \"{RED}\"\nof = [1, 1]")))];
    });
    house.press(Key::W);
    house.bench.wait_for_part("No rules yet");
    house.press(Key::Num2);
    house.bench.wait_for_label(RED);
    assert!(!house.bench.shows(&format!("Watch for {RED}")), "it is for the file to change");
    for (door, garden) in [(250, 20), (251, 252), (253, 21)] {
        house.door.show(door);
        house.bench.wait_for_label(&caption_of(door));
        house.garden.show(garden);
        house.bench.wait_for_label(&caption_of(garden));
    }
    let path = house.bench.folder.path().join("captions.db");
    house.bench.wait("the event", |_| {
        let filter = Filter { kinds: vec![EntryFilter::Of(EntryKind::Event)], ..Filter::default() };
        let found = Store::open_existing(&path).and_then(|log| log.search(&filter, None, 9)).unwrap_or_default();
        found.iter().map(|found| found.source.as_str()).eq(["garden"])
    });
}

#[test]
fn sources_that_are_added_later_are_in_the_caption_file_until_they_are_removed() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("captions.txt");
    let wanted = CaptionFileOptions { caption_file: Some(file.clone()), vtt_live: None };
    let mut house = house_with(SourceScript::live(), SIZE, |options| {
        options.views = vec![view("camera")];
        options.caption_files = CaptionFiles::start(&wanted, &[]).expect("begun");
    });
    let desk = SourceScript::live();
    house.bench.platform.others.lock().expect("no thread panicked").insert("camera:1".to_owned(), desk.clone());
    house.bench.platform.source.show(10);
    house.bench.wait_for_label(&caption_of(10));
    let has = |lines: &str| std::fs::read_to_string(&file).is_ok_and(|text| text == lines);
    house.bench.wait("the only one", |_| has(&format!("{}\n", caption_of(10))));
    house.bench.click("Fake camera");
    house.bench.click("Add beside this one");
    house.bench.wait_for_part("Desk camera");
    house.bench.click("Desk camera");
    desk.show(70);
    house.bench.wait_for_label(&caption_of(70));
    let both = format!("Fake camera: {}\nFake camera: {}\n", caption_of(10), caption_of(70));
    house.bench.wait("both", |_| has(&both));
    house.bench.click("Fake camera");
    house.bench.wait_for_part("Desk camera");
    house.bench.click("Remove Fake camera");
    house.bench.wait("the one that is left", |_| has(&format!("{}\n", caption_of(10))));
}

#[test]
fn nothing_of_several_views_leaves_the_window_or_overlaps_at_any_size() {
    for size in [[480.0, 360.0], [640.0, 480.0], [1280.0, 800.0], [1920.0, 1080.0]] {
        let mut house = house_with(SourceScript::live(), size, |_| {});
        house.door.show(10);
        house.garden.show(20);
        house.bench.wait_for_label("Live picture of door");
        let window = Rect::from_min_size(egui::Pos2::ZERO, vec2(size[0], size[1]));
        let (door, garden) = (house.rect("View 1: door"), house.rect("View 2: garden"));
        assert!(window.contains_rect(door) && window.contains_rect(garden), "{size:?}");
        assert!(!door.shrink(0.1).intersects(garden.shrink(0.1)), "{size:?}");
        house.bench.click("View 1: door");
        assert!(window.contains_rect(house.rect("Live picture")), "{size:?}");
    }
}
