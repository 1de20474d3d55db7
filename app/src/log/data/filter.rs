//! Which entries are meant: by time, source, model, kind and words. Knows the tables, and nothing of what becomes of them.

use rusqlite::types::Value;

use crate::log::data::entry::Kind;

/// What sort of entry people ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// Captions or answers.
    Of(Kind),
    /// What the user marked.
    Bookmarked,
    /// What the user wrote something beside.
    Noted,
}

impl std::str::FromStr for Sort {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "bookmark" => Ok(Self::Bookmarked),
            "note" => Ok(Self::Noted),
            kind => kind
                .parse()
                .map(Self::Of)
                .map_err(|_: String| format!("`{kind}` is no kind of entry. Write caption, answer, bookmark or note.")),
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
    /// Of a source with this in its name; case does not count.
    pub source: Option<String>,
    /// Of a model with this in its name; case does not count.
    pub model: Option<String>,
    /// Of one of these sorts; of any when empty.
    pub sorts: Vec<Sort>,
    /// Of this session.
    pub session: Option<i64>,
    /// With these words, as [`Store::search`](crate::log::Store::search) reads them.
    pub words: Option<String>,
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
    /// All but the words, as a condition on the tables `e` and `s`.
    #[must_use]
    pub fn condition(&self) -> Condition {
        let mut condition = Condition { sql: "1".to_owned(), values: Vec::new() };
        if let Some(since) = self.since_ms {
            condition.and("e.at_ms >= ?", [since.into()]);
        }
        if let Some(until) = self.until_ms {
            condition.and("e.at_ms < ?", [until.into()]);
        }
        for (column, name) in [("s.source", &self.source), ("s.model", &self.model)] {
            if let Some(name) = name {
                condition.and(&format!("instr(lower({column}), lower(?)) > 0"), [name.clone().into()]);
            }
        }
        if let Some(session) = self.session {
            condition.and("e.session = ?", [session.into()]);
        }
        if !self.sorts.is_empty() {
            let sorts: Vec<_> = self.sorts.iter().map(|sort| of_sort(*sort)).collect();
            condition.and(&format!("({})", sorts.join(" OR ")), []);
        }
        condition
    }
}

fn of_sort(sort: Sort) -> String {
    match sort {
        Sort::Of(kind) => format!("e.kind = {}", kind.number()),
        Sort::Bookmarked => "e.bookmarked".to_owned(),
        Sort::Noted => "e.note IS NOT NULL".to_owned(),
    }
}
