//! Arguments that several `log` commands have in common, and what they become.

use std::path::PathBuf;

use clap::Args;
use jiff::ZonedDateTime;

use crate::log;
use crate::log::{Filter, LogError, Sort};

/// Which entries.
#[derive(Args, Clone, Debug, Default)]
pub struct FilterArgs {
    /// Captured since then: "2 hours ago", 2026-11-24 or 2026-11-24T15:30:00Z
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub since: Option<i64>,

    /// Captured before then
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub until: Option<i64>,

    /// Captured on this day: 2026-11-24, today or yesterday
    #[arg(long, value_name = "DATE", value_parser = day, conflicts_with_all = ["since", "until"])]
    pub on: Option<(i64, i64)>,

    /// Of sources with this in their name
    #[arg(long, value_name = "NAME")]
    pub source: Option<String>,

    /// Of models with this in their name
    #[arg(long, value_name = "NAME")]
    pub model: Option<String>,

    /// caption, answer, bookmark or note; may be given several times
    #[arg(long = "kind", value_name = "KIND")]
    pub kinds: Vec<Sort>,

    /// Of this session
    #[arg(long, value_name = "ID")]
    pub session: Option<i64>,
}

impl FilterArgs {
    /// The same for the log, with words to search for.
    pub fn filter(&self, words: Option<String>) -> Filter {
        Filter {
            since_ms: self.since.or(self.on.map(|(from, _)| from)),
            until_ms: self.until.or(self.on.map(|(_, to)| to)),
            source: self.source.clone(),
            model: self.model.clone(),
            sorts: self.kinds.clone(),
            session: self.session,
            words,
        }
    }
}

fn moment(text: &str) -> Result<i64, String> {
    log::moment(text, &ZonedDateTime::now())
}

fn day(text: &str) -> Result<(i64, i64), String> {
    log::day(text, &ZonedDateTime::now())
}

/// The file that is named, or the user's own log.
///
/// # Errors
/// When none is named and the system knows no folder for it.
pub fn log_path(named: Option<&PathBuf>) -> Result<PathBuf, LogError> {
    named.cloned().or_else(log::default_path).ok_or_else(|| {
        LogError::Request("The system knows no folder for your data. Name a file with --log FILE.".to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_from_its_first_moment_to_the_next_days() {
        let args = FilterArgs { on: Some((10, 20)), ..FilterArgs::default() };
        let filter = args.filter(None);
        assert_eq!((filter.since_ms, filter.until_ms), (Some(10), Some(20)));
    }
}
