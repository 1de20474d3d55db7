//! Sizes and lengths of time as people write them, on the command line and in files: `500MB`,
//! `30d`. What is wrong is said as the end of a sentence that begins with what was read.

use std::time::Duration;

use jiff::{Span, ZonedDateTime};
use serde::Deserialize;

/// The largest size that can be asked for, in bytes: a thousand terabytes.
const LARGEST: f64 = 1e15;

/// A number of bytes in a file that people write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Size(pub u64);

impl TryFrom<String> for Size {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        size(&text).map(Self)
    }
}

/// A length of time in a file that people write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Length(pub Duration);

impl TryFrom<String> for Length {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        length_of_time(&text).map(Self)
    }
}

/// Reads a number of bytes, such as `500MB`.
pub fn size(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let split = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let factor = match unit.trim().to_ascii_lowercase().as_str() {
        "b" => 1e0,
        "kb" | "k" => 1e3,
        "mb" | "m" => 1e6,
        "gb" | "g" => 1e9,
        "tb" | "t" => 1e12,
        _ => 0.0,
    };
    let bytes = number.parse::<f64>().map(|number| number * factor);
    match bytes {
        Ok(bytes) if (1.0..=LARGEST).contains(&bytes) => Ok(bytes as u64),
        _ => Err("write a size from 1B to 1000TB, such as 500MB or 2GB".to_owned()),
    }
}

/// A length of time, such as `30d`, `2 weeks` or `36h`. Months and years are those before today.
pub fn length_of_time(text: &str) -> Result<Duration, String> {
    length_before(text, &ZonedDateTime::now())
}

fn length_before(text: &str, now: &ZonedDateTime) -> Result<Duration, String> {
    let unknown = || "write a length of time such as 30d, 36h or \"2 weeks\"".to_owned();
    let span: Span = text.trim().parse().map_err(|_| unknown())?;
    let back = if span.is_negative() { span } else { span.negate() };
    let then = now.checked_add(back).map_err(|_| unknown())?;
    let ms = now.timestamp().as_millisecond() - then.timestamp().as_millisecond();
    u64::try_from(ms).map(Duration::from_millis).map_err(|_| unknown())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_their_unit() {
        assert_eq!(size("500MB"), Ok(500_000_000));
        assert_eq!(size("1.5 gb"), Ok(1_500_000_000));
        assert_eq!(size("2TB"), Ok(2_000_000_000_000));
        for text in [
            "", " ", "-1", "inf", "1e400", "soon", "500", "MB", "-1MB", "0GB", "0.1B", "1TBx", "1e3MB", "1001TB",
            "NaNMB",
        ] {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn lengths_of_time_are_read_with_their_unit() {
        let now = "2026-11-24T16:00:00+01:00[Europe/Berlin]".parse().expect("a time");
        assert_eq!(length_before("30d", &now).expect("an age").as_secs() / 3600, 30 * 24);
        assert_eq!(length_before("36h", &now), Ok(Duration::from_hours(36)));
        for text in ["", "old", "12"] {
            assert!(length_before(text, &now).is_err(), "{text}");
        }
    }
}
