//! Numbers of the command line: each within bounds that make sense, and refused in a
//! sentence. Nothing is rounded or cut to fit.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::str::FromStr;
use std::thread;
use std::time::Duration;

use clap::builder::{PathBufValueParser, TypedValueParser};

/// The most threads that are asked of a small machine: more than its cores, for those who want to
/// try.
const MOST_THREADS: usize = 64;
/// The longest time that can be asked for, in seconds: a year.
const LONGEST: f64 = 365.0 * 24.0 * 3600.0;

/// Reads a whole number from `LEAST` to `MOST`.
pub fn whole<T, const LEAST: u64, const MOST: u64>(text: &str) -> Result<T, String>
where
    T: FromStr,
{
    within(text, LEAST, MOST)
}

/// Reads any number that fits 64 bits, such as a seed.
pub fn seed(text: &str) -> Result<u64, String> {
    within(text, 0, u64::MAX)
}

/// Reads a number of processor threads: on a machine of many cores twice those at most.
pub fn threads(text: &str) -> Result<NonZeroUsize, String> {
    let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    within(text, 1, MOST_THREADS.max(2 * cores) as u64)
}

fn within<T: FromStr>(text: &str, least: u64, most: u64) -> Result<T, String> {
    let text = text.trim();
    let is_within = text.parse().is_ok_and(|number: u64| (least..=most).contains(&number));
    let number = if is_within { text.parse().ok() } else { None };
    number.ok_or_else(|| format!("write a whole number from {least} to {most}"))
}

/// Reads a number of seconds, such as `2` or `0.5`.
pub fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = decimal(text, 0.0, LONGEST).ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds.ok_or_else(|| format!("write a number of seconds from 0 to {LONGEST}, such as 20 or 0.5"))
}

/// Reads a length of time in minutes, such as `10` or `0.5`: a week at most.
pub fn minutes(text: &str) -> Result<Duration, String> {
    decimal(text, 0.01, 7.0 * 24.0 * 60.0).map(|minutes| Duration::from_secs_f64(minutes * 60.0))
}

/// Reads how many times as fast as the clock something is.
pub fn factor(text: &str) -> Result<f64, String> {
    decimal(text, 0.01, 1000.0)
}

/// Reads a file's name, whatever bytes it has. An empty one, as of a variable that is not set,
/// names no file.
pub fn file() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new()
        .try_map(|path: PathBuf| if path.as_os_str().is_empty() { Err("write the name of a file") } else { Ok(path) })
}

/// Reads what logits are divided by before words are chosen by chance.
pub fn temperature(text: &str) -> Result<f64, String> {
    decimal(text, 0.0, 2.0)
}

/// Reads the probability that the words to choose from have together.
pub fn top_p(text: &str) -> Result<f64, String> {
    decimal(text, 0.001, 1.0)
}

/// Reads the size of a window, such as `1280x800`, in points.
pub fn window_size(text: &str) -> Result<[f32; 2], String> {
    let side = |side: &str| within::<u16>(side, 200, 8000).ok().map(f32::from);
    let sides = text.split_once('x').and_then(|(width, height)| Some([side(width)?, side(height)?]));
    sides.ok_or_else(|| "write width and height from 200 to 8000, such as 1280x800".to_owned())
}

/// Reads a finite number from `least` to `most`.
fn decimal(text: &str, least: f64, most: f64) -> Result<f64, String> {
    let number = text.trim().parse::<f64>().ok();
    // Comparing rules out what is not a number.
    number
        .filter(|number| (least..=most).contains(number))
        .ok_or_else(|| format!("write a number from {least} to {most}"))
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    /// What no number of the command line may be.
    const NEVER: [&str; 11] =
        ["", " ", "-1", "NaN", "inf", "-inf", "1e400", "0x10", "1,5", "soon", "99999999999999999999999999"];

    #[test]
    fn whole_numbers_are_taken_within_their_bounds_only() {
        let read = whole::<NonZeroU32, 1, 6000>;
        assert_eq!(["1", " 6000 "].map(|text| read(text).map(NonZeroU32::get)), [Ok(1), Ok(6000)]);
        for text in NEVER.into_iter().chain(["0", "6001", "2.5"]) {
            assert_eq!(read(text), Err("write a whole number from 1 to 6000".to_owned()), "{text}");
        }
        assert_eq!(seed("18446744073709551615"), Ok(u64::MAX));
        assert!(seed("18446744073709551616").is_err() && seed("-1").is_err());
    }

    #[test]
    fn a_window_has_a_width_and_a_height() {
        assert_eq!(window_size("1280x800"), Ok([1280.0, 800.0]));
        for text in NEVER.into_iter().chain(["1280", "1280x", "x800", "199x300", "1280x8001", "1x2x3"]) {
            assert!(window_size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn threads_are_not_many_more_than_there_are_cores() {
        assert_eq!(threads("64").map(NonZeroUsize::get), Ok(64));
        for text in NEVER.into_iter().chain(["0", "100000"]) {
            assert!(threads(text).is_err_and(|sentence| sentence.starts_with("write a whole number from 1 to ")));
        }
    }

    #[test]
    fn seconds_are_read_with_and_without_a_fraction() {
        assert_eq!(seconds("20"), Ok(Duration::from_secs(20)));
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        for text in NEVER.into_iter().chain(["1e300", "31536001"]) {
            assert!(seconds(text).is_err(), "{text}");
        }
    }

    #[test]
    fn decimal_numbers_are_finite_and_within_their_bounds() {
        assert_eq!(decimal("0.7", 0.0, 2.0), Ok(0.7));
        for text in NEVER.into_iter().chain(["-0.1", "2.1"]) {
            assert_eq!(decimal(text, 0.0, 2.0), Err("write a number from 0 to 2".to_owned()), "{text}");
        }
    }
}
