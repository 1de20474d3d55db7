//! Times and numbers in plain words.

use std::time::Duration;

use jiff::ZonedDateTime;
use jiff::civil::Date;

use crate::log::Moment;

/// From so many seconds on, ages are told in steps of as many.
const STEP: u64 = 10;
const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;

/// An age, such as `2 s ago`.
#[must_use]
pub fn age(age: Duration) -> String {
    match age.as_secs() {
        0 => "just now".to_owned(),
        secs if secs < STEP => format!("{secs} s ago"),
        secs if secs < MINUTE => format!("{} s ago", secs / STEP * STEP),
        secs if secs < HOUR => format!("{} min ago", secs / MINUTE),
        secs => format!("{} h ago", secs / HOUR),
    }
}

/// A place in a film, such as `1:05` or `1:02:05`.
#[must_use]
pub fn playing_time(at: Duration) -> String {
    let seconds = at.as_secs();
    let (hours, minutes, seconds) = (seconds / HOUR, seconds / MINUTE % 60, seconds % MINUTE);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

/// How long until [`age`] reads differently.
#[must_use]
pub fn until_older(age: Duration) -> Duration {
    let unit = match age.as_secs() {
        secs if secs < STEP => 1,
        secs if secs < MINUTE => STEP,
        secs if secs < HOUR => MINUTE,
        _ => HOUR,
    };
    Duration::from_secs((age.as_secs() / unit + 1) * unit).saturating_sub(age)
}

/// What is left of a wait, such as `3 s`, rounded up so that it ends at 1.
#[must_use]
pub fn countdown(left: Duration) -> String {
    format!("{} s", left.as_millis().div_ceil(1000))
}

/// How long until [`countdown`] reads differently.
#[must_use]
pub fn until_shorter(left: Duration) -> Duration {
    let below = Duration::from_secs((left.as_millis().div_ceil(1000) as u64).saturating_sub(1));
    (left.saturating_sub(below)).max(Duration::from_millis(1))
}

/// The length of a stage, in whole milliseconds, or in seconds from ten seconds on.
#[must_use]
pub fn stage(time: Duration) -> String {
    if time < Duration::from_secs(10) {
        format!("{} ms", time.as_millis())
    } else {
        format!("{:.1} s", time.as_secs_f32())
    }
}

/// A time of the day, such as `12:03:04`.
#[must_use]
pub fn clock(at: &ZonedDateTime) -> String {
    at.strftime("%H:%M:%S").to_string()
}

/// A day, such as `Today` or `Mon 23 Nov 2026`.
#[must_use]
pub fn day(date: Date, today: Date) -> String {
    if date == today {
        "Today".to_owned()
    } else if today.yesterday().is_ok_and(|yesterday| yesterday == date) {
        "Yesterday".to_owned()
    } else {
        date.strftime("%a %-d %b %Y").to_string()
    }
}

/// A moment as the clock of its place said it, to the millisecond, with how far that place is from
/// UTC.
#[must_use]
pub fn moment(at: Moment) -> String {
    let written = at.rfc3339();
    let offset = written.get(written.len().saturating_sub(6)..).unwrap_or_default();
    format!("{} (UTC{offset})", at.civil().strftime("%a %-d %b %Y, %H:%M:%S%.3f"))
}

/// A name, of which the end says more than the beginning, as far as it fits: whole, its end behind
/// an ellipsis, or nothing where only a few letters would be left.
#[must_use]
pub fn fitting(name: &str, width: impl Fn(&str) -> f32, room: f32) -> String {
    const LEAST: usize = 4;
    if width(name) <= room {
        return name.to_owned();
    }
    let letters: Vec<char> = name.chars().collect();
    let end = |left_out: usize| format!("…{}", letters[left_out..].iter().collect::<String>());
    let most = letters.len().saturating_sub(LEAST);
    (1..=most).map(end).find(|short| width(short) <= room).unwrap_or_default()
}

/// The last part of a path or hub id, which people know it by.
#[must_use]
pub fn last_part(name: &str) -> &str {
    name.trim_end_matches(['/', '\\']).rsplit(['/', '\\']).next().filter(|part| !part.is_empty()).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_read_in_the_unit_that_fits() {
        let words = |secs| age(Duration::from_secs(secs));
        assert_eq!(words(0), "just now");
        assert_eq!(words(2), "2 s ago");
        assert_eq!(words(61), "1 min ago");
        assert_eq!(words(7300), "2 h ago");
    }

    #[test]
    fn an_age_is_drawn_again_exactly_when_its_words_change() {
        for millis in [0, 1, 999, 1000, 2500, 59_999, 60_000, 61_000, 3_599_000, 3_600_000, 9_000_123] {
            let now = Duration::from_millis(millis);
            let next = now + until_older(now);
            assert_ne!(age(next), age(now), "{millis} ms");
            assert_eq!(age(next.saturating_sub(Duration::from_millis(1))), age(now), "{millis} ms");
        }
    }

    #[test]
    fn a_countdown_ends_at_one_and_is_drawn_again_when_it_changes() {
        assert_eq!(countdown(Duration::from_millis(2001)), "3 s");
        assert_eq!(countdown(Duration::from_millis(1)), "1 s");
        let left = Duration::from_millis(2001);
        assert_eq!(countdown(left.saturating_sub(until_shorter(left))), "2 s");
    }

    #[test]
    fn days_and_moments_are_written_for_people() {
        let today = jiff::civil::date(2026, 11, 24);
        let days = [0, 1, 2].map(|back| day(today - jiff::Span::new().days(back), today));
        assert_eq!(days, ["Today", "Yesterday", "Sun 22 Nov 2026"]);
        let at = Moment::parse("2026-11-24T16:05:07.250+01:00").expect("a moment");
        assert_eq!(moment(at), "Tue 24 Nov 2026, 16:05:07.250 (UTC+01:00)");
    }

    #[test]
    fn a_name_keeps_as_much_of_its_end_as_fits() {
        let of = |room: f32| fitting("Integrated camera", |text| text.chars().count() as f32, room);
        assert_eq!([of(17.0), of(9.0), of(5.0), of(4.0)], ["Integrated camera", "…d camera", "…mera", ""]);
    }

    #[test]
    fn a_path_is_known_by_its_last_part() {
        for (name, part) in [("256m", "256m"), ("/models/mine/", "mine"), ("Owner/Model-2B", "Model-2B"), ("/", "/")] {
            assert_eq!(last_part(name), part);
        }
    }
}
