//! The reader thread, asked as the window asks it.

use std::thread;

use super::*;
use crate::log::{EntryFilter, EntryKind};
use crate::testing::log::{Scratch, entry, filled};
use crate::testing::meaning::{MODEL, fake_embedder, vector};

const LONG: Duration = Duration::from_secs(30);

struct Asked {
    reader: Reader,
    log: Scratch,
}

impl Asked {
    fn new(log: Scratch) -> Self {
        let reader = Reader::start(log.store.path().to_owned(), Arc::new(|| {})).expect("a thread");
        Self { reader, log }
    }

    /// The first news that `pick` wants.
    #[track_caller]
    fn wait<T>(&self, mut pick: impl FnMut(ReaderNews) -> Option<T>) -> T {
        let deadline = Instant::now() + LONG;
        loop {
            if let Some(picked) = self.reader.news().and_then(&mut pick) {
                return picked;
            }
            assert!(Instant::now() < deadline, "waited in vain");
            thread::sleep(Duration::from_millis(1));
        }
    }

    #[track_caller]
    fn rows(&self, wanted: u64) -> u64 {
        self.wait(|news| match news {
            ReaderNews::Listed { list, rows } if list == wanted => Some(rows),
            _ => None,
        })
    }

    #[track_caller]
    fn page(&self, number: u64) -> Vec<i64> {
        assert!(self.reader.order(ReaderOrder::Page(number)));
        self.wait(|news| match news {
            ReaderNews::Page { page, entries, .. } if page == number => {
                Some(entries.iter().map(|found| found.entry.id).collect())
            }
            _ => None,
        })
    }
}

fn words(text: &str) -> Filter {
    Filter { words: Some(text.to_owned()), ..Filter::default() }
}

#[test]
fn a_list_and_its_pages_are_read() {
    let asked = Asked::new(filled());
    let list = asked.reader.list(Filter::default());
    assert_eq!(asked.rows(list), 6);
    assert_eq!(asked.page(0), [1, 2, 3, 4, 6, 5]);
    let list = asked.reader.list(words("cat"));
    assert_eq!(asked.rows(list), 3);
    assert_eq!(asked.page(0), [2, 3, 4]);
    assert_eq!(asked.page(7), [0; 0]);
}

#[test]
fn only_the_list_that_was_wanted_last_has_to_come() {
    let asked = Asked::new(filled());
    for text in ["c", "ca", "cat", "cat NOT"] {
        let _ = asked.reader.list(words(text));
    }
    let list = asked.reader.list(words("cat NOT dog"));
    assert_eq!(asked.rows(list), 2);
    assert_eq!(asked.page(0), [2, 3]);
}

#[test]
fn what_others_write_is_seen() {
    let mut asked = Asked::new(filled());
    assert!(asked.reader.order(ReaderOrder::Watch(true)));
    let list = asked.reader.list(Filter::default());
    assert_eq!(asked.rows(list), 6);
    asked.log.add(&entry(2, "2026-11-24T09:00:09.000+01:00", 9000, "A late cup"));
    while asked.rows(list) != 7 {}
    assert_eq!(asked.page(0).last(), Some(&7));
    asked.log.store.delete(7).expect("written");
    while asked.rows(list) != 6 {}
}

#[test]
fn a_log_that_is_replaced_is_read_anew() {
    let asked = Asked::new(filled());
    assert!(asked.reader.order(ReaderOrder::Watch(true)));
    let list = asked.reader.list(Filter::default());
    assert_eq!(asked.rows(list), 6);
    let path = asked.log.store.path().to_owned();
    std::fs::rename(&path, path.with_extension("old")).expect("moved");
    Store::open(&path).expect("made");
    while asked.rows(list) != 0 {}
}

#[test]
fn a_log_that_is_not_there_yet_is_waited_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("captions.db");
    let reader = Reader::start(path.clone(), Arc::new(|| {})).expect("a thread");
    let asked = Asked { reader, log: Scratch::new() };
    assert!(asked.reader.order(ReaderOrder::Watch(true)));
    let list = asked.reader.list(Filter::default());
    let missing = asked.wait(|news| match news {
        ReaderNews::Trouble(error) => Some(error),
        _ => None,
    });
    assert_eq!(missing, LogError::Missing(path.clone()));
    Store::open(&path).expect("made");
    assert_eq!(asked.rows(list), 0);
}

#[test]
fn a_file_that_is_no_log_is_said_once() {
    let log = Scratch::new();
    let path = log.folder.path().join("diary");
    std::fs::write(&path, "This is a diary, not a log at all.").expect("written");
    let reader = Reader::start(path.clone(), Arc::new(|| {})).expect("a thread");
    let asked = Asked { reader, log };
    for _ in 0..3 {
        assert!(asked.reader.order(ReaderOrder::Watch(true)));
    }
    asked.wait(|news| matches!(news, ReaderNews::Trouble(LogError::NotALog(_))).then_some(()));
    assert!(asked.reader.order(ReaderOrder::Entry(1)));
    thread::sleep(Duration::from_millis(50));
    assert!(asked.reader.news().is_none());
}

#[test]
fn an_entry_is_shown_marked_removed_and_put_back() {
    let asked = Asked::new(filled());
    let bookmarks = Filter { kinds: vec![EntryFilter::Bookmarked], ..Filter::default() };
    let list = asked.reader.list(bookmarks);
    assert_eq!(asked.rows(list), 1);
    assert!(asked.reader.order(ReaderOrder::Bookmark(2, true)));
    let (found, session) = *asked.wait(|news| match news {
        ReaderNews::Entry(2, entry) => Some(entry.expect("there")),
        _ => None,
    });
    assert!(found.entry.bookmarked && session.start.source == "Front door");
    assert_eq!(asked.rows(list), 2);

    assert!(asked.reader.order(ReaderOrder::Note(2, Some("asleep".to_owned()))));
    let list = asked.reader.list(words("asleep"));
    assert_eq!(asked.rows(list), 1);
    assert!(asked.reader.order(ReaderOrder::Delete(2)));
    asked.wait(|news| matches!(news, ReaderNews::Deleted(2)).then_some(()));
    assert_eq!(asked.rows(list), 0);
    assert!(asked.reader.order(ReaderOrder::Undo));
    asked.wait(|news| matches!(news, ReaderNews::Restored(2)).then_some(()));
    assert_eq!(asked.rows(list), 1);
    let back = asked.log.store.entry(2).expect("read").expect("there").entry;
    assert_eq!((back.note.as_deref(), back.bookmarked, back.kind), (Some("asleep"), true, EntryKind::Caption));
}

#[test]
fn a_broken_thumbnail_is_none() {
    let asked = Asked::new(filled());
    for id in [1, 2] {
        assert!(asked.reader.order(ReaderOrder::Thumbnail(id)));
        let picture = asked.wait(|news| match news {
            ReaderNews::Thumbnail(of, picture) if of == id => Some(picture),
            _ => None,
        });
        assert!(picture.is_none());
    }
}

/// A list of words has what is near in meaning, too, in the order of the list.
#[test]
fn words_find_what_they_mean() {
    let mut log = filled();
    let texts = ["A cup of tea on a table", "A black cat", "A cat & a <b>dog</b>", "Teapots, two of them"];
    let vectors: Vec<_> = [1, 2, 4, 6].into_iter().zip(texts.map(vector)).collect();
    log.store.add_meanings(MODEL, &vectors).expect("written");
    let path = log.store.path().to_owned();
    let reader = Reader::start_with(path, fake_embedder(), Arc::new(|| {})).expect("a thread");
    let mut asked = Asked { reader, log };
    for (text, found) in [
        ("kitten", &[2, 4][..]),
        ("a puppy", &[4]),
        // Words that are there, and have no vector.
        ("screen", &[5]),
        ("table", &[1]),
        ("cup", &[1, 6]),
        // Who says how to search is taken at their word.
        ("\"kitten\"", &[]),
        ("kitten OR jug", &[]),
        ("zebra", &[]),
    ] {
        let list = asked.reader.list(words(text));
        assert_eq!(asked.rows(list), found.len() as u64, "{text}");
        assert_eq!(asked.page(0), found, "{text}");
    }
    let captions =
        Filter { until_ms: Some(crate::testing::log::moment("2026-11-23T10:00:30.000+01:00").ms), ..words("kitten") };
    let list = asked.reader.list(captions);
    assert_eq!(asked.rows(list), 1);
    assert_eq!(asked.page(0), [2]);
    // What is recorded meanwhile is found when its vector is there.
    let list = asked.reader.list(words("kitten"));
    assert_eq!(asked.rows(list), 2);
    assert!(asked.reader.order(ReaderOrder::Watch(true)));
    let late = asked.log.add(&entry(2, "2026-11-24T09:01:00.000+01:00", 60_000, "Two cats"));
    asked.log.store.add_meanings(MODEL, &[(late, vector("Two cats"))]).expect("written");
    while asked.rows(list) != 3 {}
    assert_eq!(asked.page(0), [2, 4, late]);
}
