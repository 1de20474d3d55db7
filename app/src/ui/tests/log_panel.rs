//! Recording and the Log panel, as a person meets them.

use egui::Modifiers;
use egui::accesskit::{Role, Toggled};
use egui_kittest::kittest::NodeT as _;

use crate::log::{Entry, EntryKind, Filter, FoundEntry, Log as _, Moment, SessionStart, Store};
use crate::ui::tests::*;

const SEARCH: &str = "Search the log";

fn path(bench: &Bench) -> PathBuf {
    bench.folder.path().join("captions.db")
}

fn entries(bench: &Bench) -> Vec<FoundEntry> {
    Store::open_existing(&path(bench)).and_then(|store| store.search(&Filter::default(), None, 99)).unwrap_or_default()
}

/// A window beside a log with so many captions, of which every third is about tea, and one answer
/// at the end.
fn beside_a_log(captions: i64) -> Bench {
    let bench = Bench::open(None, None);
    let mut store = Store::open(&path(&bench)).expect("a log");
    let now = Moment::now();
    let start = SessionStart {
        source: "Front door".to_owned(),
        began: now.plus_ms(-1000 * captions),
        ..SessionStart::default()
    };
    let session = store.begin(&start).expect("begun");
    for number in 1..=captions {
        let text = if number % 3 == 0 { format!("Cup of tea {number}.") } else { format!("Jug {number}.") };
        let entry = Entry { session, at: now.plus_ms(1000 * (number - captions - 1)), text, ..Entry::default() };
        store.add(&entry, None, None, 0).expect("added");
    }
    let answer = Entry {
        session,
        at: now,
        kind: EntryKind::Answer,
        question: Some("Is it warm?".to_owned()),
        text: "Yes, it is.".to_owned(),
        ..Entry::default()
    };
    store.add(&answer, None, None, 0).expect("added");
    bench
}

fn open_log(bench: &mut Bench) {
    if !bench.window.state().log.is_open() {
        bench.click("Show log");
    }
    bench.wait_for_label(SEARCH);
}

fn type_words(bench: &mut Bench, words: &str) {
    bench.window.get_by_label(SEARCH).focus();
    bench.window.step();
    bench.window.get_by_label(SEARCH).type_text(words);
    bench.window.step();
}

fn clear_words(bench: &mut Bench) {
    bench.window.key_press_modifiers(Modifiers::COMMAND, Key::A);
    bench.window.step();
    bench.window.key_press(Key::Backspace);
    bench.window.step();
}

#[test]
fn r_records_what_is_captioned_and_says_so() {
    let mut bench = Bench::captioned();
    assert!(!bench.shows("Recording") && !path(&bench).exists());
    bench.window.key_press(Key::R);
    bench.wait_for_part("● Recording");
    bench.platform.source.show(20);
    bench.wait_for_label(&caption_of(20));
    bench.ask("Red?");
    bench.wait_for_label(&answer_of("Red?", 20));
    bench.click("Stop recording");
    assert!(!bench.shows("● Recording"));
    bench.platform.source.show(30);
    bench.wait_for_label(&caption_of(30));
    bench.wait("the recording to end", |_| true);
    let deadline = Instant::now() + PATIENCE;
    while entries(&bench).len() < 3 {
        assert!(Instant::now() < deadline, "{:?}", entries(&bench));
        thread::sleep(Duration::from_millis(5));
    }
    let mut said: Vec<_> = entries(&bench).into_iter().map(|found| (found.entry.id, found.entry)).collect();
    said.sort_by_key(|(id, _)| *id);
    let texts: Vec<_> = said.iter().map(|(_, entry)| entry.text.as_str()).collect();
    // The caption that held when it began, and nothing from after its end.
    assert_eq!(texts, [&*caption_of(10), &caption_of(20), &answer_of("Red?", 20)]);
    assert_eq!(said[2].1.question.as_deref(), Some("Red?"));
    let store = Store::open_existing(&path(&bench)).expect("opened");
    assert!(store.thumbnail(said[0].0).expect("read").is_some());
    let session = store.session(1).expect("read").expect("there");
    assert_eq!((session.start.source.as_str(), session.start.card.model.as_str()), ("Fake camera", "fake"));
    assert_eq!(said[0].1.metrics.mean_log_prob, Some(-0.25));
}

#[test]
fn a_flag_records_from_the_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = LogOptions { path: Some(folder.path().join("captions.db")), record: true, keep: Keep::default() };
    let mut bench =
        Bench::with_log(SourceScript::live(), EngineScript::default(), Some("camera"), Some("256m"), log, folder);
    bench.wait_for_part("● Recording");
    bench.platform.source.show(10);
    bench.wait_for_part("● Recording · 1");
}

#[test]
fn a_log_that_cannot_be_written_is_said_and_captioning_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let diary = folder.path().join("diary");
    std::fs::write(&diary, "This is a diary, not a log at all.").expect("written");
    let log = LogOptions { path: Some(diary.clone()), record: true, keep: Keep::default() };
    let mut bench =
        Bench::with_log(SourceScript::live(), EngineScript::default(), Some("camera"), Some("256m"), log, folder);
    bench.wait_for_part("is not a caption log");
    bench.platform.source.show(10);
    bench.wait_for_label(&caption_of(10));
    bench.wait_for_part("● Not recording · 1 lost");
    assert_eq!(std::fs::read_to_string(diary).expect("read"), "This is a diary, not a log at all.");
    bench.click("Stop recording");
    assert!(!bench.shows("is not a caption log"));
}

#[test]
fn a_log_of_nobody_invites_to_record() {
    let mut bench = Bench::captioned();
    open_log(&mut bench);
    bench.wait_for_part("Nothing was recorded yet.");
    bench.click("Record (R)");
    bench.wait_for_part("● Recording");
    // The live tail: what is recorded appears without a deed.
    bench.wait("the caption in the list", |window| {
        window.query_by_role(Role::ListBoxOption).is_some_and(|row| row.accesskit_node().label().is_some())
    });
    bench.wait_for_label("1 entry");
    bench.window.check_accessibility();
}

/// The same user's next window.
fn opened_again(bench: &Bench) -> Bench {
    let folder = tempfile::tempdir().expect("a folder");
    let path = Some(folder.path().join("captions.db"));
    let platform = Arc::clone(&bench.platform);
    let options = platform.options(LogOptions { path, record: false, keep: Keep::default() });
    Bench { window: open(Harness::builder().with_size(SIZE), options), platform, folder }
}

#[test]
fn whoever_always_records_does_so_now_and_the_next_time() {
    let mut bench = Bench::captioned();
    open_log(&mut bench);
    bench.click("Always record");
    bench.wait_for_part("● Recording");
    let kept = |platform: &FakePlatform| platform.keeps(|kept| kept.always_record);
    let platform = Arc::clone(&bench.platform);
    bench.wait("the choice to be kept", |_| kept(&platform));
    bench.click("Stop recording");
    assert!(!bench.shows("● Recording") && kept(&platform), "for now only");

    let mut next = opened_again(&bench);
    next.wait_for_part("● Recording");
    open_log(&mut next);
    next.click("Always record");
    // The last of many counts, and none is lost when the window closes.
    for _ in 0..6 {
        next.click("Always record");
    }
    eframe::App::on_exit(next.window.state_mut(), None);
    assert!(!kept(&platform));
    assert!(next.shows("● Recording"), "what runs goes on");
    assert!(!opened_again(&next).shows("● Recording"));
}

#[test]
fn a_choice_that_cannot_be_read_or_kept_is_said() {
    let bench = Bench::open(None, None);
    *bench.platform.kept.lock().expect("no thread panicked") = Err(Message::new("The disk has a scratch."));
    let mut next = opened_again(&bench);
    assert!(next.shows("The disk has a scratch.") && !next.shows("● Recording"));
    next.click("Dismiss");
    *next.platform.kept.lock().expect("no thread panicked") = Err(Message::new("The disk is in the bin."));
    open_log(&mut next);
    next.click("Always record");
    next.wait_for_part("The disk is in the bin.");
    assert!(next.shows("● Recording"), "until the window closes");
}

#[test]
fn searching_filters_as_one_types() {
    let mut bench = beside_a_log(90);
    open_log(&mut bench);
    bench.wait_for_label("91 entries");
    bench.wait_for_part("Jug 89.");
    type_words(&mut bench, "tea");
    bench.wait_for_label("30 entries found");
    bench.wait_for_part("Cup of tea 90.");
    assert!(!bench.shows("Jug"));
    type_words(&mut bench, " NOT 90");
    bench.wait_for_label("29 entries found");
    clear_words(&mut bench);
    type_words(&mut bench, "nonsense");
    bench.wait_for_part("Nothing was found.");
    clear_words(&mut bench);
    bench.wait_for_label("91 entries");
    bench.click("Answers");
    bench.wait_for_label("1 entry found");
    bench.wait_for_part("Is it warm? Yes, it is.");
}

#[test]
fn an_entry_is_large_when_clicked_and_can_be_marked_noted_deleted_and_put_back() {
    let mut bench = beside_a_log(9);
    open_log(&mut bench);
    bench.wait_for_part("Jug 8.");
    bench.window.query_all_by_label_contains("Jug 8.").next().expect("a row").click();
    bench.wait_for_label("Back to live");
    bench.wait_for_label("Front door");
    bench.window.check_accessibility();
    bench.let_go();
    bench.window.key_press(Key::B);
    bench.wait_for_label("Remove bookmark");

    bench.window.get_by_label("Note").focus();
    bench.window.step();
    bench.window.get_by_label("Note").type_text("lukewarm");
    bench.window.step();
    bench.window.key_press(Key::Enter);
    bench.wait("the note in the list", |window| window.query_all_by_label_contains("· note").next().is_some());
    let noted = entries(&bench).into_iter().find(|found| found.entry.bookmarked).expect("a bookmark").entry;
    assert_eq!((noted.text.as_str(), noted.note.as_deref()), ("Jug 8.", Some("lukewarm")));

    bench.let_go();
    bench.window.key_press(Key::Delete);
    bench.wait_for_label("9 entries");
    bench.wait("the entry to go", |window| window.query_all_by_label_contains("Jug 8.").next().is_none());
    // The next one of the list is shown in its place.
    bench.wait_for_label("Jug 7.");
    bench.click("Undo");
    bench.wait_for_label("10 entries");
    // It is shown again, and found in the list.
    bench.wait_for_label("Jug 8.");
    bench.wait("its row", |window| {
        window.query_all_by_label_contains("Jug 8.").any(|node| node.accesskit_node().is_selected() == Some(true))
    });
    bench.let_go();
    bench.window.key_press(Key::ArrowDown);
    bench.wait_for_label("Jug 7.");
    bench.window.key_press(Key::Delete);
    bench.wait_for_label("9 entries");
    bench.let_go();
    bench.window.key_press_modifiers(Modifiers::COMMAND, Key::Z);
    bench.wait_for_label("10 entries");
    assert_eq!(entries(&bench).len(), 10);
}

#[test]
fn the_keyboard_reaches_every_entry_and_closes_what_it_opened() {
    let mut bench = beside_a_log(90);
    bench.let_go();
    bench.window.key_press(Key::L);
    bench.wait_for_part("Jug 89.");
    // From the search box, which has the focus, down into the list.
    bench.window.key_press(Key::ArrowDown);
    bench.window.step();
    bench.window.step();
    bench.window.key_press(Key::Enter);
    bench.wait("the newest", |window| window.query_by_label("Is it warm?").is_some());
    bench.window.key_press(Key::End);
    bench.wait_for_part("Jug 1.");
    bench.window.key_press(Key::Enter);
    bench.wait_for_label("Back to live");
    bench.wait("the oldest entry", |window| window.query_by_label("Jug 1.").is_some());
    bench.window.key_press(Key::ArrowUp);
    bench.wait("the one before it", |window| window.query_by_label("Jug 2.").is_some());
    bench.window.key_press(Key::Home);
    bench.wait("the newest", |window| window.query_by_label("Is it warm?").is_some());
    bench.let_go();
    bench.window.key_press(Key::Escape);
    bench.wait("the live picture's place", |window| window.query_by_label("Back to live").is_none());
    bench.window.key_press(Key::L);
    bench.wait("the panel to close", |window| window.query_by_label(SEARCH).is_none());
}

#[test]
fn the_timeline_goes_to_a_moment() {
    let mut bench = beside_a_log(9);
    open_log(&mut bench);
    bench.wait_for_part("Timeline of the day, 10 entries");
    let label = "Timeline of the day, 10 entries";
    bench.window.get_by_label(label).focus();
    bench.window.step();
    bench.window.step();
    bench.window.key_press(Key::ArrowRight);
    bench.wait_for_label("Back to live");
    bench.wait("the first entry", |window| window.query_by_label("Jug 1.").is_some());
    bench.click("Day before");
    bench.wait_for_part("Timeline of the day, 0 entries");
    bench.wait_for_label("Yesterday");
}

#[test]
fn an_export_asks_for_a_file_and_says_what_it_wrote() {
    let mut bench = beside_a_log(9);
    let file = bench.folder.path().join("captions");
    *bench.platform.chosen.lock().expect("no thread panicked") = Some(file.clone());
    open_log(&mut bench);
    bench.wait_for_label("10 entries");
    bench.click("Export…");
    bench.wait_for_label("Export the log");
    bench.click("CSV");
    bench.click("Choose file…");
    bench.wait_for_part("Wrote 10 entries to");
    let text = std::fs::read_to_string(file.with_extension("csv")).expect("a file");
    assert_eq!(text.lines().count(), 11);
    bench.click("Close");
    assert!(!bench.shows("Export the log"));

    // The desktop's dialog has asked about another name than this one.
    bench.click("Export…");
    bench.wait_for_label("Export the log");
    bench.window.step();
    bench.click("Choose file…");
    bench.wait_for_part("is there already");
    assert_eq!(std::fs::read_to_string(file.with_extension("csv")).expect("a file"), text);
}

#[test]
fn subtitles_are_of_one_session_whatever_was_chosen_before() {
    let mut bench = beside_a_log(9);
    let file = bench.folder.path().join("captions.srt");
    *bench.platform.chosen.lock().expect("no thread panicked") = Some(file.clone());
    open_log(&mut bench);
    bench.wait_for_label("10 entries");
    bench.click("Export…");
    bench.wait_for_label("Export the log");
    let is_chosen = |bench: &Bench, part: &str| {
        let choice = bench.window.get_by_role_and_label(Role::RadioButton, part);
        choice.accesskit_node().toggled() == Some(Toggled::True)
    };
    assert!(is_chosen(&bench, "All"));
    bench.click("SRT subtitles");
    bench.wait_for_label("The newest session");
    assert!(is_chosen(&bench, "The newest session") && !is_chosen(&bench, "All"));
    bench.click("CSV");
    bench.window.step();
    assert!(is_chosen(&bench, "All"), "as it was");
    bench.click("SRT subtitles");
    bench.click("Choose file…");
    bench.wait_for_part("Wrote 9 entries to");
    assert!(std::fs::read_to_string(file).expect("a file").contains("-->"));
}

#[test]
fn a_window_beside_a_long_log_holds_a_little_of_it_and_rests() {
    let mut bench = beside_a_log(3000);
    open_log(&mut bench);
    bench.wait_for_part("Jug 2999.");
    bench.let_go();
    bench.window.run();
    let rows = bench.window.query_all_by_role(Role::ListBoxOption).count();
    assert!((3..20).contains(&rows), "{rows}");
    let delay = bench.window.output().viewport_output[&ViewportId::ROOT].repaint_delay;
    assert!(delay > Duration::from_millis(500), "{delay:?}");
}
