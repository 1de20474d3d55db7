//! Arguments that several `log` commands have in common, and what they become.

use clap::Args;

use crate::cli::times;
use crate::log::{EntryFilter, Filter};

/// Which entries.
#[derive(Args, Clone, Debug, Default)]
pub struct FilterArgs {
    /// Captured since then: "2 hours ago", 2026-11-24 or 2026-11-24T15:30:00Z
    #[arg(long, value_name = "TIME", value_parser = times::moment)]
    pub since: Option<i64>,

    /// Captured before then
    #[arg(long, value_name = "TIME", value_parser = times::moment)]
    pub until: Option<i64>,

    /// Captured on this day: 2026-11-24, today or yesterday
    #[arg(long, value_name = "DATE", value_parser = times::day, conflicts_with_all = ["since", "until"])]
    pub on: Option<(i64, i64)>,

    /// Of sources with this in their name
    #[arg(long, value_name = "NAME")]
    pub source: Option<String>,

    /// Of models with this in their name
    #[arg(long, value_name = "NAME")]
    pub model: Option<String>,

    /// caption, answer, bookmark or note; may be given several times
    #[arg(long = "kind", value_name = "KIND")]
    pub kinds: Vec<EntryFilter>,

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
            kinds: self.kinds.clone(),
            session: self.session,
            words,
            near: Vec::new(),
        }
    }
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
