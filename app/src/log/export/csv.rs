//! A table for spreadsheets, as RFC 4180 has it: commas, lines that end with CR LF, quotation marks where they are needed.
//!
//! A spreadsheet takes a cell that begins with `=`, `+`, `-` or `@` for a formula and runs it. Such texts get an apostrophe
//! before them, which spreadsheets show as text; so do those that begin with a tab or a line break, which some skip.

use std::borrow::Cow;
use std::io::{self, Write};

use crate::log::data::entry::Found;
use crate::log::export::Writer;

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

impl<W: Write> Writer for Csv<'_, W> {
    fn begin(&mut self) -> io::Result<()> {
        self.out.write_all(HEAD.as_bytes())
    }

    fn entry(&mut self, found: Found, _thumbnail: Option<&[u8]>) -> io::Result<()> {
        let Found { entry, source, model } = &found;
        let figures = &entry.figures;
        let [preprocess, vision, prefill, decode] =
            [figures.preprocess_us, figures.vision_us, figures.prefill_us, figures.decode_us]
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
        write!(self.out, "{},{},{},", entry.frame, entry.since_ms, or_empty(figures.age_ms))?;
        write!(self.out, "{preprocess},{vision},{prefill},{decode},{},{},", figures.prompt_tokens, figures.tokens)?;
        write!(self.out, "{},{},{},", cell(&figures.stop), figures.draft_offered, figures.draft_accepted)?;
        write!(
            self.out,
            "{},{},{}\r\n",
            or_empty(figures.dropped),
            or_empty(figures.skipped),
            or_empty(figures.mean_log_prob)
        )
    }
}

fn or_empty(number: Option<impl ToString>) -> String {
    number.map_or_else(String::new, |number| number.to_string())
}

/// A text as a cell.
fn cell(text: &str) -> Cow<'_, str> {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']);
    if is_formula || text.contains([',', '"', '\r', '\n']) {
        let apostrophe = if is_formula { "'" } else { "" };
        return Cow::Owned(format!("\"{apostrophe}{}\"", text.replace('"', "\"\"")));
    }
    Cow::Borrowed(text)
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
            ("\t=1", "\"'\t=1\""),
        ] {
            assert_eq!(cell(text), written);
        }
    }
}
