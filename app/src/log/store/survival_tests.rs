//! Tests that break things: processes that are killed, programs that write at once, files that are
//! damaged, and clocks that are set back.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use std::{env, fs, thread};

use rusqlite::Connection;

use crate::engine::EngineCard;
use crate::live::Event;
use crate::log::store::schema;
use crate::log::threads::events::EventRecorder;
use crate::log::{EntryFilter, Filter, Keep, Log, LogError, Recorder, SessionStart, Store};
use crate::testing::log;
use crate::testing::log::{Scratch, captioned, card, entry, fill_as_version_one, filled, frame};

/// Where the killed process writes; set in the child only.
const CHILD_LOG: &str = "SIGHTLINE_TEST_CHILD_LOG";
/// How often to kill; 5 unless set.
const KILLS: &str = "SIGHTLINE_TEST_KILLS";

fn events() -> EventRecorder {
    let mut events = EventRecorder::new("camera".to_owned(), EngineCard::default(), "What?".to_owned());
    events.observe(&Event::ModelReady(card("256m")));
    events
}

fn recorder(path: &Path) -> Recorder {
    let path = path.to_owned();
    let open = move || Store::open(&path).map(|store| Box::new(store) as Box<dyn Log>);
    Recorder::start(Box::new(open), Keep::default(), Arc::new(|| {})).expect("started")
}

/// Not a test by itself: records for ever, and prints the number of each caption once it is on
/// disk.
#[test]
fn records_until_it_is_killed() {
    let Some(path) = env::var_os(CHILD_LOG) else { return };
    let recorder = recorder(Path::new(&path));
    let mut events = events();
    for number in 1.. {
        recorder.record(events.observe(&captioned(number, &format!("Caption {number}"))).expect("a caption"));
        while recorder.status().recorded < number {
            thread::yield_now();
        }
        writeln!(std::io::stdout(), "written {number}").expect("the parent reads");
    }
}

#[test]
fn a_kill_loses_at_most_the_caption_in_flight() {
    let kills = env::var(KILLS).ok().and_then(|kills| kills.parse().ok()).unwrap_or(5);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("captions.db");
    let mut total = 0;
    for kill in 0..kills {
        let mut child = Command::new(env::current_exe().expect("this test"))
            .args(["--exact", "log::store::survival_tests::records_until_it_is_killed", "--nocapture"])
            .env(CHILD_LOG, &path)
            .stdout(Stdio::piped())
            .spawn()
            .expect("started");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let mut promised = 0;
        let mut read = |line: String| {
            if let Some(number) = line.strip_prefix("written ") {
                promised = number.parse().expect("a number");
            }
        };
        // Once it writes, at a moment that nobody chose.
        for line in lines.by_ref() {
            let line = line.expect("read");
            let is_writing = line.starts_with("written");
            read(line);
            if is_writing {
                break;
            }
        }
        let nanos = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time").subsec_nanos();
        thread::sleep(Duration::from_micros(u64::from(nanos) / 7 % 60_000));
        child.kill().expect("killed");
        child.wait().expect("ended");
        // A line may be cut off, too; what stands in the pipe was promised.
        lines.map_while(Result::ok).for_each(&mut read);

        let store = Store::open(&path).expect("opened after a kill");
        let here = store.search(&Filter::default(), None, usize::MAX).expect("read").len() as u64 - total;
        assert!((promised..=promised + 1).contains(&here), "kill {kill}: {promised} promised, {here} there");
        assert_eq!(store.check(), Ok(Vec::new()), "kill {kill}");
        total += here;
        let sessions = store.sessions(&Filter::default()).expect("read");
        assert!(sessions.last().is_some_and(|session| session.ended_ms.is_none()), "cut off, not ended");
    }
    assert!(total >= kills);
}

#[test]
fn two_programs_record_into_one_log_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("captions.db");
    let threads: Vec<_> = (0..2)
        .map(|program| {
            let path = path.clone();
            thread::spawn(move || {
                // Both make the file, if need be.
                let mut store = Store::open(&path).expect("opened");
                let session = store.begin(&SessionStart::default()).expect("begun");
                for number in 0..100 {
                    let text = format!("Program {program}, caption {number}");
                    let entry = entry(session, "2026-11-24T09:00:02.000+01:00", number, &text);
                    store.add(&entry, None, None, 0).expect("added");
                }
                session
            })
        })
        .collect();
    let sessions: Vec<_> = threads.into_iter().map(|thread| thread.join().expect("recorded")).collect();
    assert_ne!(sessions[0], sessions[1]);
    let store = Store::open_existing(&path).expect("opened");
    for session in sessions {
        let filter = Filter { session: Some(session), ..Filter::default() };
        assert_eq!(store.search(&filter, None, 1000).expect("read").len(), 100);
    }
    assert_eq!(store.check(), Ok(Vec::new()));
}

#[test]
fn a_clock_that_is_set_back_changes_no_order_and_no_duration() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("captions.db");
    let recorder = recorder(&path);
    let mut events = events();
    let start = Instant::now();
    for (id, after, time) in [
        (1, 1, "2026-10-25T02:59:59+02:00[Europe/Berlin]"),
        (2, 3, "2026-10-25T02:00:01+01:00[Europe/Berlin]"),
        (3, 6, "2020-01-01T00:00:00+01:00[Europe/Berlin]"),
    ] {
        let frame = frame(id, start, Duration::from_secs(after), time);
        recorder.record(events.observe(&log::caption(frame, &format!("Caption {id}"))).expect("a caption"));
    }
    let status = recorder.finish();
    assert_eq!((status.recorded, status.lost, status.trouble), (3, 0, None));
    let store = Store::open_existing(&path).expect("opened");
    let mut seen = Vec::new();
    store
        .each(&Filter::default(), |found| {
            seen.push((found.entry.frame, found.entry.since_ms / 1000, found.entry.duration_ms));
            Ok::<_, LogError>(())
        })
        .expect("read");
    assert_eq!(seen.iter().map(|(frame, ..)| *frame).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(seen.iter().map(|(.., duration)| *duration).collect::<Vec<_>>(), [2000, 3000, 0]);
    assert!(seen.is_sorted_by_key(|(_, since, _)| *since));
}

#[test]
fn a_damaged_log_is_told_and_left_as_it_is() {
    let log = filled();
    let path = log.folder.path().join("damaged.db");
    log.store.back_up(&path).expect("copied");
    let mut bytes = fs::read(&path).expect("read");
    let middle = bytes.len() / 2;
    bytes[4096..middle].fill(0xa5);
    fs::write(&path, &bytes).expect("written");
    match Store::open(&path) {
        Err(error) => assert!(matches!(error, LogError::Damaged(..)), "{error:?}"),
        Ok(mut store) => {
            let session = store.begin(&SessionStart::default());
            assert!(matches!(session, Err(LogError::Damaged(..))), "{session:?}");
        }
    }
}

#[test]
fn another_kind_of_file_is_no_log() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = folder.path().join("diary.txt");
    fs::write(&text, "Dear diary, ".repeat(1000)).expect("written");
    assert!(matches!(Store::open(&text), Err(LogError::NotALog(_))));
    let other = folder.path().join("bills.db");
    Connection::open(&other).and_then(|c| c.execute_batch("CREATE TABLE bills (amount)")).expect("made");
    assert!(matches!(Store::open(&other), Err(LogError::NotALog(_))));
    assert!(matches!(Store::open_existing(&folder.path().join("none.db")), Err(LogError::Missing(_))));
}

#[test]
fn a_log_of_a_newer_program_is_refused_and_left_as_it_is() {
    let log = Scratch::new();
    let path = log.store.path().to_owned();
    log.store.connection().pragma_update(None, "user_version", 99).expect("set");
    drop(log.store);
    assert!(matches!(Store::open(&path), Err(LogError::Newer { version: 99, .. })));
}

#[test]
fn a_log_of_an_older_program_is_taken_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("captions.db");
    let mut first = Connection::open(&path).expect("made");
    fill_as_version_one(&mut first);
    drop(first);
    let bookmarked = Filter { kinds: vec![EntryFilter::Bookmarked], ..Filter::default() };
    let store = Store::open_existing(&path).expect("opened");
    assert_eq!(store.search(&bookmarked, None, 9).expect("read")[0].entry.text, "A cup of tea");
    assert_eq!(store.check(), Ok(Vec::new()));
    let version: i64 = store.connection().pragma_query_value(None, "user_version", |row| row.get(0)).expect("read");
    assert_eq!(version, schema::STEPS.len() as i64);
}

/// A log that the version before search in every script wrote.
const VERSION_TWO: &[u8] = include_bytes!("../../../fixtures/log-version-2.db");

#[test]
fn a_log_of_the_second_version_is_searched_in_every_script() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("captions.db");
    fs::write(&path, VERSION_TWO).expect("written");
    let mut store = Store::open_existing(&path).expect("opened");
    let found = |store: &Store, words: &str| -> Vec<i64> {
        let filter = Filter { words: Some(words.to_owned()), source: Some("KUCHE".to_owned()), ..Filter::default() };
        store.search(&filter, None, 9).expect("read").iter().map(|found| found.entry.id).collect()
    };
    for (words, entry) in [("tea", 1), ("CAFÉ", 2), ("黒い猫", 3), ("黑", 3), ("โซฟา", 4)] {
        assert_eq!(found(&store, words), [entry], "{words}");
    }
    assert_eq!(store.check(), Ok(Vec::new()));
    assert!(store.thumbnail(1).expect("read").is_some());
    assert!(store.delete(3).expect("written"));
    assert!(found(&store, "黑").is_empty());
    assert_eq!(store.check(), Ok(Vec::new()));
}

#[cfg(unix)]
#[test]
fn a_log_that_is_deleted_moved_or_replaced_is_recorded_anew() {
    type Away = fn(&Path);
    let other: Away = |path| {
        fs::remove_file(path).expect("removed");
        Store::open(path).expect("made");
    };
    let moved: Away = |path| fs::rename(path, path.with_extension("old")).expect("moved");
    let deleted: Away = |path| {
        for ending in ["", "-wal", "-shm"] {
            fs::remove_file(format!("{}{ending}", path.display())).expect("removed");
        }
    };
    let ahead: Away = |path| fs::remove_file(format!("{}-wal", path.display())).expect("removed");
    let written_over: Away = |path| {
        let other = path.with_extension("other");
        Store::open(&other).expect("made");
        fs::copy(other, path).expect("copied");
    };
    let emptied: Away = |path| fs::write(path, "").expect("written");
    let folder_moved: Away = |path| {
        let folder = path.parent().expect("a folder");
        fs::rename(folder, folder.with_extension("old")).expect("moved");
    };
    for (name, away) in [
        ("replaced", other),
        ("moved", moved),
        ("deleted", deleted),
        ("its log ahead deleted", ahead),
        ("its folder moved", folder_moved),
        ("written over", written_over),
        ("emptied", emptied),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("logs/captions.db");
        let recorder = recorder(&path);
        let mut events = events();
        recorder.record(events.observe(&captioned(1, "Before")).expect("a caption"));
        while recorder.status().recorded < 1 {
            thread::yield_now();
        }
        away(&path);
        let deadline = Instant::now() + Duration::from_secs(30);
        while recorder.status().renewed == 0 || recorder.status().recorded == 0 {
            assert!(Instant::now() < deadline, "{name}: {:?}", recorder.status());
            thread::sleep(Duration::from_millis(5));
        }
        recorder.record(events.observe(&captioned(2, "After")).expect("a caption"));
        let status = recorder.finish();
        assert_eq!((status.recorded, status.lost, status.trouble), (2, 0, None), "{name}");
        let store = Store::open_existing(&path).expect(name);
        let texts: Vec<_> = store.search(&Filter::default(), None, 9).expect("read");
        assert!(texts.iter().any(|found| found.entry.text == "After"), "{name}");
        assert!(texts.iter().any(|found| found.entry.text == "Before"), "{name}: what holds is there, too");
        assert_eq!(store.check(), Ok(Vec::new()), "{name}");
        if let Some(old) =
            [path.with_extension("old"), folder.path().join("logs.old/captions.db")].iter().find(|old| old.exists())
        {
            let old = Store::open_existing(old).expect(name);
            assert_eq!(old.search(&Filter::default(), None, 9).expect("read").len(), 1, "{name}: nothing was lost");
        }
    }
}

#[test]
fn a_check_neither_waits_for_a_lock_nor_takes_one() {
    let log = filled();
    let other = Connection::open(log.store.path()).expect("opened");
    other.execute_batch("BEGIN IMMEDIATE").expect("locked");
    log.store.connection().busy_timeout(Duration::ZERO).expect("set");
    assert_eq!(log.store.check(), Ok(Vec::new()));
    other.execute_batch("ROLLBACK").expect("unlocked");
}

#[test]
fn a_folder_that_cannot_be_written_has_its_sentence() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    fs::write(&file, "").expect("written");
    let refused = Store::open(&file.join("captions.db"));
    assert!(matches!(&refused, Err(LogError::Unreachable(..))), "{refused:?}");
    #[cfg(target_os = "linux")]
    {
        // Nobody may make files there, whoever it is.
        let refused = Store::open(Path::new("/proc/captions.db"));
        assert!(matches!(&refused, Err(LogError::ReadOnly(_) | LogError::Unreachable(..))), "{refused:?}");
    }
}

#[test]
fn a_log_that_is_only_read_can_be_read() {
    let log = filled();
    // No file of Windows has a question mark in its name.
    let name = if cfg!(windows) { "with 100% ünusual # name.db" } else { "with 100% ünusual #?name.db" };
    let copy = log.folder.path().join(name);
    log.store.back_up(&copy).expect("copied");
    let mut permissions = fs::metadata(&copy).expect("there").permissions();
    permissions.set_readonly(true);
    fs::set_permissions(&copy, permissions).expect("set");
    let store = Store::open_existing(&copy).expect("opened");
    assert_eq!(store.search(&Filter::default(), None, 10).expect("read").len(), 6);
}

#[test]
fn a_full_disk_is_an_error_that_changes_nothing() {
    let mut log = filled();
    let pages: i64 = log.store.connection().pragma_query_value(None, "page_count", |row| row.get(0)).expect("counted");
    // SQLite then fails as it does on a disk without space.
    log.store.connection().pragma_update(None, "max_page_count", pages).expect("set");
    let large = vec![7; 200_000];
    let full = entry(1, "2026-11-24T09:00:02.000+01:00", 0, "A cup");
    assert!(matches!(log.store.add(&full, Some(&large), None, 0), Err(LogError::Full(_))));
    assert_eq!(log.store.search(&Filter::default(), None, 10).expect("read").len(), 6);
    log.store.connection().pragma_update(None, "max_page_count", 1_000_000).expect("set");
    log.store.add(&full, Some(&large), None, 3).expect("there is room again");
    assert_eq!(log.store.session(1).expect("read").expect("there").lost, 3);
}

#[test]
fn a_locked_log_is_an_error_after_a_while() {
    let mut log = filled();
    let other = Connection::open(log.store.path()).expect("opened");
    other.execute_batch("BEGIN IMMEDIATE").expect("locked");
    log.store.connection().busy_timeout(Duration::from_millis(20)).expect("set");
    assert!(matches!(log.store.begin(&SessionStart::default()), Err(LogError::Locked(_))));
    assert_eq!(log.store.search(&Filter::default(), None, 10).expect("readers do not wait").len(), 6);
    other.execute_batch("ROLLBACK").expect("unlocked");
    log.store.begin(&SessionStart::default()).expect("free");
}

#[test]
fn pruning_takes_the_old_and_spares_what_is_bookmarked() {
    let mut log = filled();
    let now = crate::log::Moment::now();
    let today = log.add(&crate::log::Entry { at: now, ..entry(2, "2026-11-24T09:00:02.000+01:00", 0, "Just now") });
    let month = Some(Duration::from_hours(30 * 24));
    // The fixture is of 2026; as old as that, whatever day it is.
    log.store.change(|c| c.execute("UPDATE entry SET at_ms = 0 WHERE id <> ?1", [today])).expect("aged");
    let spare = Keep { at_most_old: month, bookmarked: true, ..Keep::default() };
    assert_eq!(log.store.keep_to(&spare).expect("pruned").entries, 5);
    let left = |log: &Scratch| -> Vec<i64> {
        log.store.search(&Filter::default(), None, 10).expect("read").iter().map(|found| found.entry.id).collect()
    };
    assert_eq!(left(&log), [today, 4]);
    assert_eq!(log.store.keep_to(&Keep { bookmarked: false, ..spare }).expect("pruned").entries, 1);
    assert_eq!(left(&log), [today]);
    assert_eq!(log.store.keep_to(&Keep::default()).expect("nothing to do"), crate::log::PruneCount::default());
    assert_eq!(log.store.check(), Ok(Vec::new()));
}

#[test]
fn a_limit_takes_thumbnails_before_words_and_gives_the_space_back() {
    let mut log = Scratch::new();
    let session = log.session("camera", "256m", "2026-11-24T09:00:00.000+01:00");
    for number in 0..1000 {
        let id = log.add(&entry(session, "2026-11-24T09:00:02.000+01:00", number, "A cup of tea"));
        log.picture(id, &[7; 10_000]);
    }
    log.store.set_bookmark(1, true).expect("marked");
    let removed = |log: &mut Scratch, bytes: u64| {
        log.store
            .keep_to(&Keep { at_most_bytes: Some(bytes), bookmarked: true, ..Keep::default() })
            .expect("kept small")
    };
    let before = fs::metadata(log.store.path()).expect("there").len();
    let some = removed(&mut log, 6_000_000);
    assert!(some.entries == 0 && (400..1000).contains(&some.thumbnails), "{some:?}");
    assert!(log.store.bytes_in_use().expect("counted") <= 6_000_000);
    assert!(fs::metadata(log.store.path()).expect("there").len() < before / 2 + 2_000_000);
    let all = removed(&mut log, 10_000);
    assert_eq!((all.entries, some.thumbnails + all.thumbnails), (999, 999), "the bookmark stays with its picture");
    assert!(log.store.thumbnail(1).expect("read").is_some());
}

#[test]
fn a_backup_is_whole_and_replaces_nothing() {
    let log = filled();
    let copy = log.folder.path().join("copy.db");
    log.store.back_up(&copy).expect("copied");
    let restored = Store::open_existing(&copy).expect("opened");
    assert_eq!(restored.search(&Filter::default(), None, 10).expect("read").len(), 6);
    assert_eq!(restored.check(), Ok(Vec::new()));
    assert!(matches!(log.store.back_up(&copy), Err(LogError::Request(_))));
}

#[test]
fn a_check_finds_an_index_that_lies() {
    let log = filled();
    assert_eq!(log.store.check(), Ok(Vec::new()));
    log.store
        .connection()
        .execute_batch("DROP TRIGGER entry_reworded; UPDATE entry SET text = 'changed behind its back' WHERE id = 1")
        .expect("broken");
    assert!(!log.store.check().expect("checked").is_empty());
}
