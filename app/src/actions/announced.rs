//! What there may be something to tell of, known before anything happened.

/// The sources and rules of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Announced {
    /// What people call the sources.
    pub sources: Vec<String>,
    /// Each rule with each source that it looks at.
    pub rules: Vec<RuleName>,
}

impl Announced {
    /// These sources, each with the names of the rules that `rules` has for its place.
    #[must_use]
    pub fn of<'a, I: Iterator<Item = &'a str>>(sources: &[String], rules: impl Fn(usize) -> I) -> Self {
        let rule = |source: &String, name: &str| RuleName { name: name.to_owned(), source: source.clone() };
        let each = sources.iter().enumerate();
        let rules = each.flat_map(|(place, source)| rules(place).map(move |name| rule(source, name))).collect();
        Self { sources: sources.to_vec(), rules }
    }
}

/// A rule of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleName {
    /// What people call it.
    pub name: String,
    /// The source that it looks at.
    pub source: String,
}
