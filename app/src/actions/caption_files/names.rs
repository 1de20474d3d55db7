//! What views are called before their captions: nothing while there is one alone.

use std::collections::BTreeMap;

/// The names of the views that are there.
#[derive(Clone, Debug, Default)]
pub struct Names(BTreeMap<usize, String>);

impl Names {
    /// Those of the first views, in the order of the pipeline's.
    pub fn of(names: &[String]) -> Self {
        Self(names.iter().cloned().enumerate().collect())
    }

    /// A view is there, and called this.
    pub fn set(&mut self, view: usize, name: &str) {
        self.0.insert(view, name.to_owned());
    }

    /// A view is not there any more.
    pub fn remove(&mut self, view: usize) {
        self.0.remove(&view);
    }

    /// What tells the captions of a view apart from those of others.
    pub fn before(&self, view: usize) -> Option<&str> {
        self.0.get(&view).filter(|_| self.0.len() > 1).map(String::as_str)
    }
}
