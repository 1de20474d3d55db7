//! A rule as people write it, in a `[[rule]]` of a TOML file. Plain data: knows no engine and no
//! state.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::SignedDuration;
use jiff::civil::Time;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::rules::statement::Statement;

/// The most views that a rule looks back on: their pictures are held meanwhile.
const MOST_VIEWS: usize = 32;
/// The longest hold-off, in seconds: a week.
const LONGEST_HOLD: i64 = 7 * 24 * 3600;
/// The longest name, in characters.
const LONGEST_NAME: usize = 64;

/// What to watch for, and when it counts.
///
/// ```toml
/// [[rule]]
/// name = "parcel"
/// says = "there is a parcel on the mat"
/// threshold = 0.8
/// of = [3, 5]
/// hold = "10m"
/// quiet = ["22:00-07:00"]
/// do = ["desktop", "home"]
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleSpec {
    /// What people call it; its sentence, where they give it no name.
    #[serde(default, deserialize_with = "name", skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// The sentence.
    pub says: Statement,
    /// Whether it is watched for.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub on: bool,
    /// A view counts from this probability on, between 0 and 1.
    #[serde(default = "half", deserialize_with = "threshold")]
    pub threshold: f32,
    /// It holds while this many of the last so many new views count.
    #[serde(default)]
    pub of: Of,
    /// After an event is over, the next begins no sooner than this.
    #[serde(
        default,
        deserialize_with = "hold",
        serialize_with = "friendly",
        skip_serializing_if = "Duration::is_zero"
    )]
    pub hold: Duration,
    /// Times of day in which its events are recorded, and nobody is told.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quiet: Vec<Quiet>,
    /// The names of actions that its events set off.
    #[serde(default, rename = "do", skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<String>,
}

impl RuleSpec {
    /// A rule of a sentence alone, with everything else as it is where nobody says anything.
    #[must_use]
    pub fn new(says: Statement) -> Self {
        let (of, hold) = (Of::default(), Duration::ZERO);
        Self { name: None, says, on: true, threshold: half(), of, hold, quiet: Vec::new(), actions: Vec::new() }
    }

    /// The same with another threshold.
    #[must_use]
    pub fn with_threshold(mut self, threshold: f32) -> Self {
        self.threshold = threshold;
        self
    }

    /// The same, watched for or not.
    #[must_use]
    pub fn switched(mut self, on: bool) -> Self {
        self.on = on;
        self
    }

    /// The same under a name.
    ///
    /// # Errors
    /// With a sentence, when it can't be one.
    pub fn named(self, name: &str) -> Result<Self, String> {
        Ok(Self { name: Some(checked_name(name)?), ..self })
    }

    /// What people call it.
    #[must_use]
    pub fn name(&self) -> &str {
        self.name.as_deref().unwrap_or_else(|| self.says.text())
    }

    /// Whether nobody is to be told at this time of day.
    #[must_use]
    pub fn is_quiet(&self, at: Time) -> bool {
        self.quiet.iter().any(|quiet| quiet.contains(at))
    }
}

impl AsRef<Self> for RuleSpec {
    fn as_ref(&self) -> &Self {
        self
    }
}

/// How many of how many views.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "(usize, usize)", into = "(usize, usize)")]
pub struct Of {
    /// How many must count.
    pub least: usize,
    /// Of how many of the last.
    pub views: usize,
}

impl Default for Of {
    /// Two of three: one view that was misread neither begins an event nor ends one.
    fn default() -> Self {
        Self { least: 2, views: 3 }
    }
}

impl TryFrom<(usize, usize)> for Of {
    type Error = String;

    fn try_from((least, views): (usize, usize)) -> Result<Self, String> {
        if (1..=views).contains(&least) && views <= MOST_VIEWS {
            return Ok(Self { least, views });
        }
        Err(format!("write two numbers such as [2, 3]: so many of the last so many views, {MOST_VIEWS} at most"))
    }
}

impl From<Of> for (usize, usize) {
    fn from(of: Of) -> Self {
        (of.least, of.views)
    }
}

/// A part of the day, such as `22:00-07:00`: from a minute to the one before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quiet {
    from: Time,
    to: Time,
}

impl Quiet {
    /// Whether a time of day lies within. One that ends before it begins goes over midnight.
    #[must_use]
    pub fn contains(&self, at: Time) -> bool {
        if self.from < self.to { (self.from..self.to).contains(&at) } else { at >= self.from || at < self.to }
    }
}

impl FromStr for Quiet {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let time = |text: &str| Time::strptime("%H:%M", text.trim()).ok();
        let ends = text.split_once('-').and_then(|(from, to)| Some((time(from)?, time(to)?)));
        match ends {
            Some((from, to)) if from != to => Ok(Self { from, to }),
            _ => Err("write two times of day such as \"22:00-07:00\"".to_owned()),
        }
    }
}

impl fmt::Display for Quiet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.from.strftime("%H:%M"), self.to.strftime("%H:%M"))
    }
}

impl Serialize for Quiet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Quiet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl Serialize for Statement {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.text())
    }
}

impl<'de> Deserialize<'de> for Statement {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// Reads a length of time such as `10m` or `90s`.
///
/// # Errors
/// With a sentence, when it is none, negative, or longer than a week.
pub fn hold_of(text: &str) -> Result<Duration, String> {
    let read = text.trim().parse::<SignedDuration>().ok();
    read.filter(|span| (0..=LONGEST_HOLD).contains(&span.as_secs()) && !span.is_negative())
        .and_then(|span| Duration::try_from(span).ok())
        .ok_or_else(|| "write a length of time such as \"90s\" or \"10m\", a week at most".to_owned())
}

/// Reads a probability that a view can reach and fail to reach.
///
/// # Errors
/// With a sentence, when it is none.
pub fn checked_threshold(threshold: f32) -> Result<f32, String> {
    let is_between = (0.001..=0.999).contains(&threshold);
    if is_between { Ok(threshold) } else { Err("write a probability from 0.001 to 0.999".to_owned()) }
}

fn checked_name(name: &str) -> Result<String, String> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > LONGEST_NAME || name.chars().any(char::is_control) {
        return Err(format!("write a name of one line, {LONGEST_NAME} characters at most"));
    }
    Ok(name.to_owned())
}

fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_yes(on: &bool) -> bool {
    *on
}

fn half() -> f32 {
    0.5
}

fn name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    checked_name(&String::deserialize(deserializer)?).map(Some).map_err(D::Error::custom)
}

fn threshold<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f32, D::Error> {
    checked_threshold(f32::deserialize(deserializer)?).map_err(D::Error::custom)
}

fn hold<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    hold_of(&String::deserialize(deserializer)?).map_err(D::Error::custom)
}

fn friendly<S: Serializer>(hold: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    let hold = SignedDuration::try_from(*hold).map_err(serde::ser::Error::custom)?;
    serializer.collect_str(&format_args!("{hold:#}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<RuleSpec, toml::de::Error> {
        toml::from_str(text)
    }

    #[test]
    fn a_whole_rule_is_read_and_written_again() {
        let text = "name = \"parcel\"\nsays = \"there is a parcel on the mat\"\nthreshold = 0.8\nof = [3, 5]\n\
                    hold = \"10m\"\nquiet = [\"22:00-07:00\"]\ndo = [\"desktop\", \"home\"]\n";
        let rule = read(text).expect("a rule");
        assert_eq!((rule.name(), rule.of, rule.hold), ("parcel", Of { least: 3, views: 5 }, Duration::from_mins(10)));
        assert_eq!(rule.actions, ["desktop", "home"]);
        assert_eq!(read(&toml::to_string(&rule).expect("written")).expect("a rule"), rule);
    }

    #[test]
    fn a_sentence_is_enough() {
        let rule = read("says = \"there is a cup\"").expect("a rule");
        assert_eq!(rule, RuleSpec::new("there is a cup".parse().expect("a sentence")));
        assert_eq!(rule.name(), "there is a cup");
    }

    #[test]
    fn what_can_not_be_meant_is_refused_at_its_key() {
        let says = "says = \"there is a cup\"\n";
        for (line, said) in [
            ("of = [4, 3]", "write two numbers"),
            ("of = [0, 3]", "write two numbers"),
            ("threshold = 1.5", "write a probability"),
            ("threshold = nan", "write a probability"),
            ("hold = \"soon\"", "write a length of time"),
            ("hold = \"-5s\"", "write a length of time"),
            ("quiet = [\"25:00-07:00\"]", "write two times of day"),
            ("name = \"\"", "write a name"),
            ("treshold = 0.8", "unknown field `treshold`"),
        ] {
            let error = read(&format!("{says}{line}")).expect_err(line).to_string();
            assert!(error.contains(said) && error.contains("line 2"), "{line}: {error}");
        }
        assert!(
            read("says = \"is there a cup?\"").expect_err("asks").to_string().contains("in the place of a question")
        );
    }

    #[test]
    fn quiet_hours_go_over_midnight() {
        let at = |hour, minute| Time::constant(hour, minute, 0, 0);
        let night: Quiet = "22:00-07:00".parse().expect("a night");
        assert_eq!(
            [at(21, 59), at(22, 0), at(6, 59), at(7, 0)].map(|at| night.contains(at)),
            [false, true, true, false]
        );
        let noon: Quiet = "12:00-13:30".parse().expect("noon");
        assert_eq!([at(12, 0), at(13, 30)].map(|at| noon.contains(at)), [true, false]);
        assert_eq!(night.to_string(), "22:00-07:00");
    }
}
