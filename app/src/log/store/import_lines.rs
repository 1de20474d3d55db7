//! The lines of a file that is imported: in UTF-8, or in UTF-16 as Windows writes it, with a byte
//! order mark or without, each no longer than is read into memory at once. Knows the form of a line
//! and no log.
//!
//! They are read twice: first to see that all of them can be taken in, then to take them in. So
//! nobody waits for a lock while a pipe is slow, and a bad line is known before the log is touched.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, BufWriter, Cursor, Read, Seek as _, SeekFrom, Write as _};

use encoding_rs::{Encoding, UTF_16BE, UTF_16LE};
use encoding_rs_io::DecodeReaderBytesBuilder;

use crate::base::text;
use crate::log::error::LogError;
use crate::log::json::ExportLine;

/// The longest line, in bytes. An entry with the largest thumbnail that there can be takes a third
/// of it.
const LONGEST: u64 = 64 << 20;
/// The most that is told of why a line is wrong.
const LONGEST_REASON: usize = 200;

/// Every line of a file, each of which is one of an export.
#[derive(Debug)]
pub struct ImportLines {
    file: File,
}

impl ImportLines {
    /// Looks at every line of a file.
    ///
    /// # Errors
    /// When a line can't be read or is something else than a line of an export.
    pub fn of_file(file: File) -> Result<Self, LogError> {
        if !file.metadata().is_ok_and(|it| it.is_file()) {
            return Self::kept(file);
        }
        let mut lines = Self { file };
        lines.each(|_, _| Ok::<_, LogError>(()))?;
        Ok(lines)
    }

    /// Looks at every line of what can't be read twice, such as a pipe, and keeps them in a
    /// temporary file.
    ///
    /// # Errors
    /// As [`ImportLines::of_file`], or when there is no room for them.
    pub fn kept(input: impl Read) -> Result<Self, LogError> {
        let no_room = |error: io::Error| {
            LogError::request(
                format!("What is imported can't be kept while it is read: {error}."),
                "Free some space in the folder for temporary files, or import a file.",
            )
        };
        let mut kept = BufWriter::new(tempfile::tempfile().map_err(no_room)?);
        each_line(input, |number, line| {
            parsed(number, line)?;
            kept.write_all(line.as_bytes()).map_err(no_room)
        })?;
        Ok(Self { file: kept.into_inner().map_err(|failed| no_room(failed.into_error()))? })
    }

    /// Gives every line to `each`, with its number from 1.
    ///
    /// # Errors
    /// When a line can't be read, or with the error of `each`.
    pub fn each<E: From<LogError>>(&mut self, mut each: impl FnMut(u64, ExportLine) -> Result<(), E>) -> Result<(), E> {
        self.file.seek(SeekFrom::Start(0)).map_err(|error| bad(1, &error.to_string()))?;
        each_line(&self.file, |number, line| each(number, parsed(number, line)?))
    }
}

fn parsed(number: u64, line: &str) -> Result<ExportLine, LogError> {
    serde_json::from_str(line).map_err(|error| bad(number, &error.to_string()))
}

/// Gives every line that is not empty to `each`, in UTF-8, with its number from 1.
fn each_line<E: From<LogError>>(input: impl Read, mut each: impl FnMut(u64, &str) -> Result<(), E>) -> Result<(), E> {
    let mut lines = BufReader::new(decoded(input).map_err(|error| bad(1, &error.to_string()))?);
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        let read = lines.by_ref().take(LONGEST + 1).read_until(b'\n', &mut line);
        if read.map_err(|error| bad(number, &error.to_string()))? == 0 {
            break;
        }
        if line.len() as u64 > LONGEST {
            return Err(bad(number, &format!("it is longer than {} MB", LONGEST >> 20)).into());
        }
        let text = std::str::from_utf8(&line).map_err(|_| bad(number, "it is not UTF-8"))?;
        if !text.trim().is_empty() {
            each(number, text)?;
        }
    }
    Ok(())
}

/// What is wrong with a line. Nothing of the file reaches a terminal as it stands there.
#[must_use]
pub fn bad(number: u64, why: &str) -> LogError {
    let why: String = text::one_line(why).chars().take(LONGEST_REASON).collect();
    LogError::request(
        format!("Line {number} does not come from an exported log ({why}). Nothing was imported."),
        "Import a file that was made by `sightline log export --format jsonl`.",
    )
}

/// The input in UTF-8, without a byte order mark.
fn decoded(mut input: impl Read) -> io::Result<impl Read> {
    let mut first = Vec::new();
    input.by_ref().take(2).read_to_end(&mut first)?;
    // A line begins with a brace; UTF-16 without a byte order mark has a zero beside it.
    let without_mark: Option<&'static Encoding> = match first.as_slice() {
        [b'{', 0] => Some(UTF_16LE),
        [0, b'{'] => Some(UTF_16BE),
        _ => None,
    };
    Ok(DecodeReaderBytesBuilder::new()
        .encoding(without_mark)
        .bom_override(true)
        .strip_bom(true)
        .utf8_passthru(true)
        .build(Cursor::new(first).chain(input)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"type":"session","id":1,"source":"Küche","model":"demo","device":"cpu","precision":"f32","prompt":"What?","began":"2026-11-24T15:00:00.000+00:00","ended_ms":null,"lost":0}"#;

    fn count(bytes: &[u8]) -> Result<usize, LogError> {
        let mut count = 0;
        ImportLines::kept(bytes)?.each(|_, _| {
            count += 1;
            Ok::<_, LogError>(())
        })?;
        Ok(count)
    }

    #[test]
    fn files_from_windows_are_read() {
        let text = format!("{LINE}\r\n\r\n{LINE}\r\n");
        let wide = |to: fn(u16) -> [u8; 2], mark: &str| -> Vec<u8> {
            format!("{mark}{text}").encode_utf16().flat_map(to).collect()
        };
        for (name, bytes) in [
            ("plain", text.as_bytes().to_vec()),
            ("mark", format!("\u{feff}{text}").into_bytes()),
            ("little", wide(u16::to_le_bytes, "\u{feff}")),
            ("big", wide(u16::to_be_bytes, "\u{feff}")),
            ("little without mark", wide(u16::to_le_bytes, "")),
            ("big without mark", wide(u16::to_be_bytes, "")),
        ] {
            assert_eq!(count(&bytes), Ok(2), "{name}");
        }
        let mut all = Vec::new();
        let mut lines = ImportLines::kept(wide(u16::to_le_bytes, "\u{feff}").as_slice()).expect("read");
        lines
            .each(|_, line| {
                all.push(serde_json::to_string(&line).expect("JSON"));
                Ok::<_, LogError>(())
            })
            .expect("read");
        assert!(all[0].contains("Küche"), "{}", all[0]);
    }

    #[test]
    fn an_endless_line_ends_at_the_limit() {
        let mut input = io::repeat(b'0');
        let said = ImportLines::kept(&mut input).expect_err("too long").to_string();
        assert!(said.starts_with("Line 1 ") && said.contains("longer than 64 MB"), "{said}");
    }

    #[test]
    fn what_a_line_says_is_told_short_and_without_control_characters() {
        let line = format!("{{\"type\":\"\\u001b[2J{}\"}}", "x".repeat(5000));
        let said = count(line.as_bytes()).expect_err("unknown").to_string();
        assert!(said.len() < 400 && !said.chars().any(char::is_control), "{said}");
    }
}
