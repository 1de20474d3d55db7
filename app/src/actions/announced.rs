//! What there may be something to tell of, known before anything happened.

/// The sources and rules of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Announced {
    /// What people call the sources.
    pub sources: Vec<String>,
    /// Each rule with each source that it looks at.
    pub rules: Vec<RuleName>,
}

/// A rule of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleName {
    /// What people call it.
    pub name: String,
    /// The source that it looks at.
    pub source: String,
}
