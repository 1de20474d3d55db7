//! Tests of finding entries.

use super::*;
use crate::log::{Kind, Sort};
use crate::testing::log::{Scratch, filled, moment};

fn ids(found: &[Found]) -> Vec<i64> {
    found.iter().map(|found| found.entry.id).collect()
}

fn with_words(log: &Scratch, words: &str) -> Vec<i64> {
    let filter = Filter { words: Some(words.to_owned()), ..Filter::default() };
    ids(&log.store.search(&filter, None, 100).expect(words))
}

fn listed(log: &Scratch, filter: &Filter) -> Vec<i64> {
    ids(&log.store.search(filter, None, 100).expect("listed"))
}

#[test]
fn words_phrases_beginnings_and_exclusions_are_found() {
    let log = filled();
    assert_eq!(with_words(&log, "cat"), [4, 3, 2], "in questions too");
    assert_eq!(with_words(&log, "black cat"), [3, 2]);
    assert_eq!(with_words(&log, "\"cup of tea\""), [1]);
    assert_eq!(with_words(&log, "\"tea of cup\""), [0; 0]);
    assert_eq!(with_words(&log, "tea*"), [6, 1]);
    assert_eq!(with_words(&log, "cat NOT dog"), [3, 2]);
    assert_eq!(with_words(&log, "minka OR CAFE"), [6, 4], "notes, and letters without their marks");
}

#[test]
fn bad_syntax_is_taken_as_words() {
    let log = filled();
    for (bad, found) in [
        ("\"black", vec![3, 2]),
        ("NOT cat", vec![]),
        ("cat)", vec![4, 3, 2]),
        ("cup-of-tea", vec![1]),
        ("bill:cat", vec![]),
        ("* cat", vec![4, 3, 2]),
        ("cat; DROP TABLE entry", vec![]),
        ("=SUM(A1)", vec![5]),
    ] {
        assert_eq!(with_words(&log, bad), found, "{bad}");
    }
    let none = Filter { words: Some(" \"* ".to_owned()), ..Filter::default() };
    assert!(matches!(log.store.search(&none, None, 1), Err(LogError::Request(_))));
}

#[test]
fn the_list_is_filtered_by_time_source_model_kind_and_session() {
    let log = filled();
    let at = |text: &str| Some(moment(text).ms);
    let all = Filter::default();
    assert_eq!(listed(&log, &all), [5, 6, 4, 3, 2, 1], "by time, the latest first");
    assert_eq!(listed(&log, &Filter { since_ms: at("2026-11-23T10:00:06.000+01:00"), ..all.clone() }), [5, 6, 4, 3]);
    assert_eq!(listed(&log, &Filter { until_ms: at("2026-11-23T10:00:06.000+01:00"), ..all.clone() }), [2, 1]);
    assert_eq!(listed(&log, &Filter { source: Some("FRONT".to_owned()), ..all.clone() }), [4, 3, 2, 1]);
    assert_eq!(listed(&log, &Filter { model: Some("500".to_owned()), ..all.clone() }), [5, 6]);
    assert_eq!(listed(&log, &Filter { session: Some(2), ..all.clone() }), [5, 6]);
    assert_eq!(listed(&log, &Filter { sorts: vec![Sort::Of(Kind::Answer)], ..all.clone() }), [3]);
    assert_eq!(listed(&log, &Filter { sorts: vec![Sort::Bookmarked], ..all.clone() }), [4]);
    assert_eq!(listed(&log, &Filter { sorts: vec![Sort::Noted, Sort::Of(Kind::Answer)], ..all.clone() }), [4, 3]);
    let both = Filter { words: Some("cat".to_owned()), sorts: vec![Sort::Of(Kind::Caption)], ..all };
    assert_eq!(listed(&log, &both), [4, 2]);
}

#[test]
fn pages_follow_each_other_without_gap_or_overlap() {
    let log = filled();
    for words in [None, Some("a OR black".to_owned())] {
        let filter = Filter { words, ..Filter::default() };
        let whole = listed(&log, &filter);
        assert!(whole.len() >= 4);
        let (mut pages, mut before) = (Vec::new(), None);
        loop {
            let page = log.store.search(&filter, before, 2).expect("a page");
            let Some(last) = page.last() else { break };
            before = Some(Place::from(last));
            pages.extend(ids(&page));
        }
        assert_eq!(pages, whole);
    }
}

#[test]
fn each_gives_all_in_the_order_of_recording() {
    let log = filled();
    let mut seen = Vec::new();
    let all = |found: Found| {
        seen.push((found.entry.id, found.source));
        Ok::<_, LogError>(())
    };
    log.store.each(&Filter::default(), all).expect("read");
    assert_eq!(seen.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);
    assert_eq!((seen[0].1.as_str(), seen[5].1.as_str()), ("Front door", "film.mp4"));
    let stopped = log.store.each(&Filter::default(), |_| Err(LogError::Request("enough".to_owned())));
    assert_eq!(stopped, Err(LogError::Request("enough".to_owned())));
}

#[test]
fn sessions_are_those_of_what_is_found() {
    let mut log = filled();
    log.session("Garden", "256m", "2026-11-24T12:00:00.000+01:00");
    let sessions = |filter: &Filter| -> Vec<i64> {
        log.store.sessions(filter).expect("read").iter().map(|session| session.id).collect()
    };
    assert_eq!(sessions(&Filter::default()), [1, 2, 3]);
    assert_eq!(sessions(&Filter { words: Some("tea*".to_owned()), ..Filter::default() }), [1, 2]);
    assert_eq!(sessions(&Filter { source: Some("film".to_owned()), ..Filter::default() }), [2]);
}

#[test]
fn what_is_rare_is_found_without_looking_at_every_entry() {
    let log = filled();
    for (sort, index) in [
        (Sort::Bookmarked, "entry_bookmarked"),
        (Sort::Noted, "entry_noted"),
        (Sort::Of(Kind::Answer), "entry_answers"),
    ] {
        let filter = Filter { sorts: vec![sort], ..Filter::default() };
        for (columns, from) in [(PLACE, None), (rows::ENTRY, Some(Place { at_ms: 1, id: 1 }))] {
            let (sql, values) = log.store.listing(&filter, columns, from).expect("SQL");
            let mut plan = log.store.connection().prepare(&format!("EXPLAIN QUERY PLAN {sql}")).expect("SQL");
            let steps: Vec<String> = plan
                .query_map(params_from_iter(values), |row| row.get(3))
                .expect("read")
                .map(|s| s.expect("read"))
                .collect();
            assert!(steps[0].contains(index) && !steps.iter().any(|step| step.contains("TEMP")), "{steps:?}");
        }
    }
}
