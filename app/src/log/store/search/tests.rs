//! Tests of finding entries.

use super::*;
use crate::log::{EntryFilter, EntryKind};
use crate::testing::log::{Scratch, entry, filled, moment};

fn ids(found: &[FoundEntry]) -> Vec<i64> {
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

/// A log of entries with these texts, numbered from 1.
fn with_texts(texts: &[&str]) -> Scratch {
    let mut log = Scratch::new();
    let session = log.session("Küche", "256m", "2026-11-24T10:00:00.000+00:00");
    for text in texts {
        log.add(&entry(session, "2026-11-24T10:00:01.000+00:00", 1000, text));
    }
    log
}

#[test]
fn words_inside_scripts_without_spaces_are_found() {
    let log = with_texts(&[
        "黒い猫がソファで寝ている。",
        "这是一只黑色的猫",
        "แมวดำนั่งบนโซฟา",
        "고양이가 소파에서 잔다",
        "iPhoneを持つ人と𠮷野家",
        "A cat on a sofa",
        "ខ្មៅ ឆ្មា",
    ]);
    for (words, found) in [
        ("猫", vec![2, 1]),
        ("黒い猫", vec![1]),
        ("い猫が", vec![1]),
        ("黑色", vec![2]),
        ("色猫", vec![]),
        ("猫黒", vec![]),
        ("แมวดำ", vec![3]),
        ("โซฟา", vec![3]),
        ("โซฟ*", vec![3]),
        ("고양이", vec![4]),
        ("소파", vec![4]),
        ("iphone", vec![5]),
        ("iPhoneを", vec![5]),
        ("持つ人", vec![5]),
        ("𠮷", vec![5]),
        ("ソファ OR cat", vec![6, 1]),
        ("猫 NOT 黒い", vec![2]),
        ("\"猫がソファ\"", vec![1]),
        ("ｿﾌｧ", vec![1]),
        ("ឆ្មា", vec![7]),
    ] {
        assert_eq!(with_words(&log, words), found, "{words}");
    }
    assert_eq!(log.store.check(), Ok(Vec::new()));
}

#[test]
fn case_and_accents_are_alike_in_words_and_filters() {
    let log = with_texts(&["Straße mit Café", "STRASSE", "ΓΆΤΟΣ", "Ёлка", "बिल्ली और बाल"]);
    for (words, found) in [
        ("strasse", vec![2, 1]),
        ("STRAßE", vec![2, 1]),
        ("CAFE", vec![1]),
        ("cafe\u{301}", vec![1]),
        ("γατος", vec![3]),
        ("ёЛКА", vec![4]),
        ("елка", vec![4]),
        ("बिल्ली", vec![5]),
        ("बल", vec![]),
    ] {
        assert_eq!(with_words(&log, words), found, "{words}");
    }
    for source in ["küche", "KÜCHE", "kuche", "KU\u{308}CHE"] {
        assert_eq!(listed(&log, &Filter { source: Some(source.to_owned()), ..Filter::default() }).len(), 5, "{source}");
    }
    assert!(listed(&log, &Filter { source: Some("garden".to_owned()), ..Filter::default() }).is_empty());
}

#[test]
fn only_what_the_guide_names_is_syntax() {
    let mut log = with_texts(&["A man doesn't walk; he is walking an e-scooter.", "Walker. note: and near (here)"]);
    for (words, found) in [
        ("scoot*", vec![1]),
        ("doesn't scoot*", vec![1]),
        ("e-scoot*", vec![1]),
        ("doesn't NOT cat", vec![1]),
        ("doesn't OR walker", vec![2, 1]),
        ("note:and", vec![2]),
        ("note : and", vec![2]),
        ("(here)", vec![2]),
        ("(here", vec![2]),
        ("^walker", vec![2]),
        ("and near", vec![2]),
        ("AND", vec![2]),
        ("NEAR(here note)", vec![2]),
        ("{text}:walker", vec![]),
        ("walker + note", vec![2]),
        ("\"doesn't walk\"", vec![1]),
        ("\"doesn't wal\"*", vec![1]),
        ("walk\"", vec![1]),
        ("\"\"\"", vec![]),
    ] {
        let filter = Filter { words: Some(words.to_owned()), ..Filter::default() };
        match log.store.search(&filter, None, 100) {
            Ok(entries) => assert_eq!(ids(&entries), found, "{words}"),
            Err(error) => assert!(matches!(error, LogError::Request(_)) && found.is_empty(), "{words}: {error}"),
        }
    }
    log.store.set_note(1, Some("Größe: 黒い")).expect("written");
    assert_eq!((with_words(&log, "grosse"), with_words(&log, "黒")), (vec![1], vec![1]));
    log.store.set_note(1, None).expect("written");
    assert_eq!((with_words(&log, "grosse"), with_words(&log, "scooter")), (vec![], vec![1]));
    let taken = log.store.take(1).expect("written").expect("there");
    assert_eq!(with_words(&log, "scooter"), [0; 0]);
    log.store.put_back(&taken).expect("written");
    assert_eq!(with_words(&log, "scooter"), [1]);
    assert_eq!(log.store.check(), Ok(Vec::new()));
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
    assert_eq!(listed(&log, &Filter { kinds: vec![EntryFilter::Of(EntryKind::Answer)], ..all.clone() }), [3]);
    assert_eq!(listed(&log, &Filter { kinds: vec![EntryFilter::Bookmarked], ..all.clone() }), [4]);
    assert_eq!(
        listed(&log, &Filter { kinds: vec![EntryFilter::Noted, EntryFilter::Of(EntryKind::Answer)], ..all.clone() }),
        [4, 3]
    );
    let both = Filter { words: Some("cat".to_owned()), kinds: vec![EntryFilter::Of(EntryKind::Caption)], ..all };
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
            before = Some(RowKey::from(last));
            pages.extend(ids(&page));
        }
        assert_eq!(pages, whole);
    }
}

#[test]
fn each_gives_all_in_the_order_of_recording() {
    let log = filled();
    let mut seen = Vec::new();
    let all = |found: FoundEntry| {
        seen.push((found.entry.id, found.source));
        Ok::<_, LogError>(())
    };
    log.store.each(&Filter::default(), all).expect("read");
    assert_eq!(seen.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);
    assert_eq!((seen[0].1.as_str(), seen[5].1.as_str()), ("Front door", "film.mp4"));
    let stopped = log.store.each(&Filter::default(), |_| Err(LogError::Interrupted));
    assert_eq!(stopped, Err(LogError::Interrupted));
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
        (EntryFilter::Bookmarked, "entry_bookmarked"),
        (EntryFilter::Noted, "entry_noted"),
        (EntryFilter::Of(EntryKind::Answer), "entry_answers"),
        (EntryFilter::Of(EntryKind::Event), "entry_events"),
        (EntryFilter::Of(EntryKind::NearMiss), "entry_near_misses"),
    ] {
        let filter = Filter { kinds: vec![sort], ..Filter::default() };
        for (columns, from) in [(ROW_KEY, None), (rows::ENTRY, Some(RowKey { at_ms: 1, id: 1 }))] {
            let (sql, values) = listing(&filter, columns, from).expect("SQL");
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
