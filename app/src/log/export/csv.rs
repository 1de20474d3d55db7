//! A table for spreadsheets, as RFC 4180 has it: commas, lines that end with CR LF, quotation marks
//! where they are needed.
//!
//! A spreadsheet takes a cell that begins with `=`, `+`, `-` or `@` for a formula and runs it. Such
//! texts get an apostrophe before them, which spreadsheets show as text. What begins a cell depends
//! on the reader: where another character separates cells (a semicolon in most of Europe, a tab, a
//! bar), the commas and quotation marks of this file mean nothing to it. So an apostrophe stands
//! before every formula that comes after any of these, or after a line break.

use std::borrow::Cow;
use std::io::{self, Write};

use crate::log::data::entry::FoundEntry;
use crate::log::export::format::FormatWriter;

const HEAD: &str = "id,session,kind,time,duration_ms,text,question,note,bookmarked,repeats,source,model,frame,since_ms,age_ms,\
    preprocess_ms,vision_ms,prefill_ms,decode_ms,prompt_tokens,tokens,stop,draft_offered,draft_accepted,dropped,skipped,\
    mean_log_prob\r\n";

/// Writes CSV.
pub struct Csv<'a, W> {
    out: &'a mut W,
}

impl<'a, W: Write> Csv<'a, W> {
    pub fn new(out: &'a mut W) -> Self {
        Self { out }
    }
}

impl<W: Write> FormatWriter for Csv<'_, W> {
    fn begin(&mut self) -> io::Result<()> {
        self.out.write_all(HEAD.as_bytes())
    }

    fn entry(&mut self, found: FoundEntry, _thumbnail: Option<&[u8]>) -> io::Result<()> {
        let FoundEntry { entry, source, model } = &found;
        let metrics = &entry.metrics;
        let [preprocess, vision, prefill, decode] =
            [metrics.preprocess_us, metrics.vision_us, metrics.prefill_us, metrics.decode_us]
                .map(|us| us as f64 / 1000.0);
        write!(
            self.out,
            "{},{},{},{},{},",
            entry.id,
            entry.session,
            entry.kind,
            entry.at.rfc3339(),
            entry.duration_ms
        )?;
        for text in [entry.text.as_str(), entry.question.as_deref().unwrap_or(""), entry.note.as_deref().unwrap_or("")]
        {
            write!(self.out, "{},", cell(text))?;
        }
        write!(self.out, "{},{},{},{},", entry.bookmarked, entry.repeats, cell(source), cell(model))?;
        write!(self.out, "{},{},{},", entry.frame, entry.since_ms, or_empty(metrics.age_ms))?;
        write!(self.out, "{preprocess},{vision},{prefill},{decode},{},{},", metrics.prompt_tokens, metrics.tokens)?;
        write!(self.out, "{},{},{},", cell(&metrics.stop), metrics.draft_offered, metrics.draft_accepted)?;
        write!(
            self.out,
            "{},{},{}\r\n",
            or_empty(metrics.dropped),
            or_empty(metrics.skipped),
            or_empty(metrics.mean_log_prob)
        )
    }
}

fn or_empty(number: Option<impl ToString>) -> String {
    number.map_or_else(String::new, |number| number.to_string())
}

/// What a spreadsheet takes for the beginning of a formula, in the wide forms of East Asia, too.
const FORMULA: [char; 8] = ['=', '+', '-', '@', '＝', '＋', '－', '＠'];
/// What ends a cell or a line for some reader, whether in quotation marks or not.
const SEPARATORS: [char; 5] = [';', '\t', '|', '\r', '\n'];

/// A text as a cell.
fn cell(text: &str) -> Cow<'_, str> {
    let harmless = without_formulas(text);
    if harmless.len() > text.len() || text.contains([',', '"', ';', '\t', '|', '\r', '\n']) {
        return Cow::Owned(format!("\"{}\"", harmless.replace('"', "\"\"")));
    }
    Cow::Borrowed(text)
}

/// The text with an apostrophe before all that begins a formula in a cell of any reader. Some
/// readers skip white space and quotation marks before it.
fn without_formulas(text: &str) -> String {
    let mut harmless = String::with_capacity(text.len());
    let mut rest = text;
    loop {
        let begins = rest.trim_start_matches(|c: char| c == '"' || c.is_whitespace() && !SEPARATORS.contains(&c));
        if begins.starts_with(FORMULA) {
            harmless.push('\'');
        }
        let Some(end) = rest.find(SEPARATORS) else { break };
        harmless.push_str(&rest[..=end]);
        rest = &rest[end + 1..];
    }
    harmless + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_where_they_must_be_and_formulas_are_text() {
        for (text, written) in [
            ("A cup", "A cup"),
            ("A cup, \"hot\"", "\"A cup, \"\"hot\"\"\""),
            ("two\nlines", "\"two\nlines\""),
            ("=1+1", "\"'=1+1\""),
            ("+1", "\"'+1\""),
            ("-1", "\"'-1\""),
            ("@SUM(A1)", "\"'@SUM(A1)\""),
            ("\t=1", "\"\t'=1\""),
            ("one=two", "one=two"),
            ("A sign;=SUM(A1)", "\"A sign;'=SUM(A1)\""),
            ("a|@b\t-1;+2", "\"a|'@b\t'-1;'+2\""),
            ("two\n=1+1\r\n-2", "\"two\n'=1+1\r\n'-2\""),
            ("a; \"=1\"", "\"a;' \"\"=1\"\"\""),
            ("＝1", "\"'＝1\""),
        ] {
            assert_eq!(cell(text), written);
        }
    }

    #[test]
    fn no_reader_finds_a_formula_whatever_separates_its_cells() {
        let texts =
            ["x;=1", "x|+1", "x\t@1", "x\n-1", "=1", ";;=1", "\"=1\"", "x;\"=1\"", "x; =1", "x,y;=1|=2\t=3\r\n=4"];
        let row: Vec<_> = texts.iter().map(|text| cell(text)).collect();
        let row = row.join(",");
        for separator in [';', '|', '\t'] {
            for line in row.split(['\r', '\n']) {
                for cell in line.split(separator) {
                    let begins = cell.trim_start_matches(['"', ' ']);
                    assert!(!begins.starts_with(FORMULA), "{separator:?}: {cell}");
                }
            }
        }
    }
}
