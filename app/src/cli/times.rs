//! Times as people write them after an option: `2 hours ago`, `2026-11-24`, RFC 3339. Knows the
//! local time zone, and no option.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ZonedDateTime};

/// Milliseconds since 1970 in UTC of a moment, seen from now.
pub fn moment(text: &str) -> Result<i64, String> {
    moment_at(text, &ZonedDateTime::now())
}

/// The first millisecond of a day and that of the next, seen from now.
pub fn day(text: &str) -> Result<(i64, i64), String> {
    day_at(text, &ZonedDateTime::now())
}

fn moment_at(text: &str, now: &ZonedDateTime) -> Result<i64, String> {
    let text = text.trim();
    let unknown =
        || "write a time such as \"2 hours ago\", 2026-11-24, \"2026-11-24 15:30\" or 2026-11-24T15:30:00Z".to_owned();
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at.as_millisecond());
    }
    if let Some(date) = named_day(text, now).or_else(|| text.parse::<Date>().ok().filter(|_| !text.contains(':'))) {
        return Ok(start_of(date, now).ok_or_else(unknown)?.timestamp().as_millisecond());
    }
    if let Ok(at) = text.parse::<DateTime>() {
        let at = at.to_zoned_datetime(now.time_zone().clone()).map_err(|_| unknown())?;
        return Ok(at.timestamp().as_millisecond());
    }
    // "2 hours ago" is a negative span; "2 hours" is meant the same, as nothing is recorded in the
    // future.
    let span: Span = text.parse().map_err(|_| unknown())?;
    let back = if span.is_negative() { span } else { span.negate() };
    now.checked_add(back).map(|at| at.timestamp().as_millisecond()).map_err(|_| unknown())
}

fn day_at(text: &str, now: &ZonedDateTime) -> Result<(i64, i64), String> {
    let text = text.trim();
    let date = named_day(text, now).or_else(|| text.parse().ok());
    let ends = date.and_then(|date: Date| Some((start_of(date, now)?, start_of(date.tomorrow().ok()?, now)?)));
    let (from, to) = ends.ok_or("write a day such as 2026-11-24, today or yesterday")?;
    Ok((from.timestamp().as_millisecond(), to.timestamp().as_millisecond()))
}

fn named_day(text: &str, now: &ZonedDateTime) -> Option<Date> {
    match text.to_ascii_lowercase().as_str() {
        "today" => Some(now.date()),
        "yesterday" => now.date().yesterday().ok(),
        _ => None,
    }
}

fn start_of(date: Date, now: &ZonedDateTime) -> Option<ZonedDateTime> {
    let zone: TimeZone = now.time_zone().clone();
    date.to_zoned_datetime(zone).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::Moment;

    fn now() -> ZonedDateTime {
        "2026-11-24T16:00:00+01:00[Europe/Berlin]".parse().expect("a time")
    }

    fn at(text: &str) -> i64 {
        Moment::parse(text).expect("a moment").ms
    }

    #[test]
    fn times_are_read_as_people_write_them() {
        for (written, meant) in [
            ("2 hours ago", "2026-11-24T14:00:00.000+01:00"),
            ("2h", "2026-11-24T14:00:00.000+01:00"),
            ("1 day 30 minutes ago", "2026-11-23T15:30:00.000+01:00"),
            ("2026-11-24", "2026-11-24T00:00:00.000+01:00"),
            ("yesterday", "2026-11-23T00:00:00.000+01:00"),
            ("2026-11-24 15:30", "2026-11-24T15:30:00.000+01:00"),
            ("2026-11-24T15:30:00Z", "2026-11-24T15:30:00.000+00:00"),
            ("2026-07-01", "2026-07-01T00:00:00.000+02:00"),
        ] {
            assert_eq!(moment_at(written, &now()), Ok(at(meant)), "{written}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused_in_a_sentence() {
        for text in ["", "soon", "2026-13-01", "99999999 years ago", "12"] {
            assert!(moment_at(text, &now()).is_err_and(|message| message.contains("2 hours ago")), "{text}");
        }
        assert!(day_at("noon", &now()).is_err());
    }

    #[test]
    fn a_day_has_the_hours_that_it_has_here() {
        let (from, to) = day_at("2026-11-24", &now()).expect("a day");
        assert_eq!((from, to - from), (at("2026-11-24T00:00:00.000+01:00"), 24 * 3_600_000));
        // The clocks went back that night.
        let (from, to) = day_at("2026-10-25", &now()).expect("a day");
        assert_eq!(to - from, 25 * 3_600_000);
    }
}
