//! Tests of whole exports. What others' parsers make of them is tested in `tests/log_exports.rs`.

use std::io::{self, Write};

use crate::log::Filter;
use crate::log::export::*;
use crate::testing::log::{Scratch, filled};

fn export(log: &Scratch, format: Format, filter: Filter) -> Result<String, ExportError> {
    let mut out = Vec::new();
    Export { format, filter, thumbnails: false, byte_order_mark: false }.write(&log.store, &mut out)?;
    Ok(String::from_utf8(out).expect("UTF-8"))
}

fn of_session(session: i64) -> Filter {
    Filter { session: Some(session), ..Filter::default() }
}

#[test]
fn jsonl_has_sessions_before_their_entries() {
    let text = export(&filled(), Format::Jsonl, Filter::default()).expect("exported");
    let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let order: Vec<_> =
        lines.iter().map(|line| (line["type"].as_str().expect("a type"), line["id"].as_i64())).collect();
    let entry = |id| ("entry", Some(id));
    assert_eq!(
        order,
        [("session", Some(1)), entry(1), entry(2), entry(3), entry(4), ("session", Some(2)), entry(5), entry(6)]
    );
    assert_eq!(lines[1]["time"], "2026-11-23T10:00:01.000+01:00");
    assert_eq!(lines[1]["ms"]["preprocess"], 1.5);
    assert_eq!(lines[3]["question"], "What colour is the cat?");
    assert_eq!(lines[4]["note"], "Minka is back");
    assert!(lines[1].get("thumbnail").is_none());
}

#[test]
fn csv_is_a_table_with_harmless_cells() {
    let text = export(&filled(), Format::Csv, Filter::default()).expect("exported");
    let lines: Vec<_> = text.split("\r\n").collect();
    assert_eq!(lines.len(), 8, "a head, six entries and nothing after the last end of line");
    let columns = lines[0].split(',').count();
    assert_eq!(lines[1].split(',').count(), columns);
    assert!(lines[5].contains(",\"'=SUM(A1) on a screen\","), "{}", lines[5]);
    assert!(lines[6].contains("\"Teapots, two of them\nand a café\""), "{}", lines[6]);
}

#[test]
fn subtitles_run_from_the_sessions_start_without_overlap() {
    let log = filled();
    let srt = export(&log, Format::Srt, of_session(1)).expect("exported");
    assert_eq!(
        srt,
        "1\n00:00:01,000 --> 00:00:02,500\nA cup of tea on a table\n\n2\n00:00:05,000 --> 00:01:05,000\nA black cat\n\n\
         3\n00:01:06,000 --> 00:01:07,500\nA cat & a ‹b›dog‹/b›\n\n"
    );
    // The wall clock was set back between these two.
    let vtt = export(&log, Format::Vtt, of_session(2)).expect("exported");
    assert_eq!(
        vtt,
        "WEBVTT\n\n00:00:02.000 --> 00:00:03.500\n=SUM(A1) on a screen\n\n00:00:04.000 --> 00:00:05.500\n\
         Teapots, two of them and a café\n\n"
    );
}

#[test]
fn subtitles_of_several_sessions_are_refused() {
    let refused = export(&filled(), Format::Srt, Filter::default());
    assert!(refused.is_err_and(|error| error.message().to_string().ends_with("--session: 1, 2.")));
}

#[test]
fn pages_hold_no_markup_of_captions() {
    let html = export(&filled(), Format::Html, Filter::default()).expect("exported");
    assert!(html.contains("A cat &amp; a &lt;b&gt;dog&lt;/b&gt;") && !html.contains("<b>"));
    assert!(html.contains("data:image/jpeg;base64,/9gBAgM="));
    assert_eq!(html.matches("<article").count(), 6);
    let md = export(&filled(), Format::Md, Filter::default()).expect("exported");
    assert!(md.contains("- **10:01:06** ★ A cat \\& a \\<b\\>dog\\</b\\> (note: Minka is back)"), "{md}");
    assert!(md.contains("*What colour is the cat?* Black, \"very\" black"), "{md}");
}

#[test]
fn an_export_can_be_of_a_part() {
    let filter = Filter { words: Some("tea".to_owned()), ..Filter::default() };
    let text = export(&filled(), Format::Jsonl, filter).expect("exported");
    assert_eq!(text.lines().count(), 2);
}

#[test]
fn a_full_disk_ends_it_with_a_sentence() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let export = Export { format: Format::Csv, filter: Filter::default(), thumbnails: false, byte_order_mark: false };
    let failed = export.write(&filled().store, &mut Full);
    assert!(failed.is_err_and(|error| error.to_string().starts_with("The export can't be written")));
}
