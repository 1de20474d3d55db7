//! Which entries are meant: by time, source, model, kind and words. Knows the tables, and nothing
//! of what becomes of them.

use rusqlite::types::Value;

use crate::log::data::entry::EntryKind;

/// What kind of entry people ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryFilter {
    /// Captions, answers, events or near misses.
    Of(EntryKind),
    /// What the user marked.
    Bookmarked,
    /// What the user wrote something beside.
    Noted,
}

impl std::str::FromStr for EntryFilter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "bookmark" => Ok(Self::Bookmarked),
            "note" => Ok(Self::Noted),
            kind => kind
                .parse()
                .map(Self::Of)
                .map_err(|_: String| "write caption, answer, event, near-miss, bookmark or note".to_owned()),
        }
    }
}

/// Which entries. Everything that is given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Captured at this moment or later: milliseconds since 1970, UTC.
    pub since_ms: Option<i64>,
    /// Captured before this moment.
    pub until_ms: Option<i64>,
    /// Of a source with this in its name; case and accents do not count.
    pub source: Option<String>,
    /// Of a model with this in its name; case and accents do not count.
    pub model: Option<String>,
    /// Of one of these kinds; of any when empty.
    pub kinds: Vec<EntryFilter>,
    /// Of this session.
    pub session: Option<i64>,
    /// With these words, as [`Store::search`](crate::log::Store::search) reads them.
    pub words: Option<String>,
    /// Or, where words are given, one of these entries, which are near to them in meaning. In
    /// ascending order, and few.
    pub near: Vec<i64>,
}

/// A condition in SQL, with what stands for its question marks.
#[derive(Debug, Default)]
pub struct Condition {
    /// Begins with `1`.
    pub sql: String,
    /// In the order of the question marks.
    pub values: Vec<Value>,
}

impl Condition {
    /// Adds what must hold besides.
    pub fn and(&mut self, sql: &str, values: impl IntoIterator<Item = Value>) {
        self.sql.push_str(" AND ");
        self.sql.push_str(sql);
        self.values.extend(values);
    }
}

impl Filter {
    /// All but the words, as a condition on the table `e` and on `session`.
    #[must_use]
    pub fn condition(&self) -> Condition {
        let mut condition = Condition { sql: "1".to_owned(), values: Vec::new() };
        if let Some(since) = self.since_ms {
            condition.and("e.at_ms >= ?", [since.into()]);
        }
        if let Some(until) = self.until_ms {
            condition.and("e.at_ms < ?", [until.into()]);
        }
        for (column, name) in [("source", &self.source), ("model", &self.model)] {
            if let Some(name) = name {
                // Asked once of the few sessions. The plus sign keeps the order of the list from
                // being given up for it.
                let sessions = format!("SELECT id FROM session WHERE instr(folded({column}), folded(?)) > 0");
                condition.and(&format!("+e.session IN ({sessions})"), [name.clone().into()]);
            }
        }
        if let Some(session) = self.session {
            condition.and("e.session = ?", [session.into()]);
        }
        if !self.kinds.is_empty() {
            let kinds: Vec<_> = self.kinds.iter().map(|sort| of_sort(*sort)).collect();
            condition.and(&format!("({})", kinds.join(" OR ")), []);
        }
        condition
    }
}

fn of_sort(sort: EntryFilter) -> String {
    match sort {
        EntryFilter::Of(kind) => format!("e.kind = {}", kind.number()),
        EntryFilter::Bookmarked => "e.bookmarked".to_owned(),
        EntryFilter::Noted => "e.note IS NOT NULL".to_owned(),
    }
}
