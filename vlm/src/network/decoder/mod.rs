//! A decoder: rows of embeddings in, logits out, keys and values kept in the cache it is given.
//!
//! The trait and what a pass is made of. Each architecture and number format implements it in a
//! file of its own; [`Model::load`](crate::Model::load) chooses one. Knows no pictures, prompts or
//! turns.

pub(crate) mod int8;
mod llama;
pub(crate) mod tensors;
#[cfg(test)]
mod tests;

use std::ops::Range;

use candle_core::Tensor;

use crate::cancel::Cancel;
use crate::error::Result;
use crate::network::kv_cache::KvCache;

/// A text model with its embeddings and its head.
pub(crate) trait Decoder: Send + Sync {
    /// Tokens that it can attend to.
    fn context(&self) -> usize;

    /// Bytes of the matrices that are read for every pass, the head included.
    fn bytes(&self) -> usize;

    /// An empty cache of this model's shape.
    ///
    /// # Errors
    /// [`Error::Backend`](crate::Error::Backend) when memory runs out.
    fn new_cache(&self) -> Result<KvCache>;

    /// The embeddings of `ids`, `[ids, width]`.
    ///
    /// # Errors
    /// [`Error::Backend`](crate::Error::Backend), or [`Error::Read`](crate::Error::Read) when the
    /// checkpoint's file is gone.
    fn embed(&self, ids: &[u32]) -> Result<Tensor>;

    /// Evaluates `x` (`[tokens, width]`), the tokens of `pass`, behind those in `cache`. Returns
    /// the logits of the tokens that are wanted, in order: `[wanted, vocabulary]` in f32.
    /// Afterwards the cache holds [`Pass::kept`] tokens more.
    ///
    /// # Errors
    /// [`Error::Cancelled`](crate::Error::Cancelled) between layers once `cancel` is raised; the
    /// cache's length is then what it was. [`Error::Backend`](crate::Error::Backend).
    fn forward(&self, x: &Tensor, pass: &Pass<'_>, cache: &mut KvCache, cancel: &Cancel) -> Result<Tensor>;
}

/// Tokens of a pass that follow one another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Segment {
    /// How many they are.
    pub len: usize,
    /// The segment that they follow: its number, lower than their own. Without one, they follow
    /// what the cache holds.
    pub after: Option<usize>,
    /// Of how many of the last of them logits are wanted.
    pub wanted: usize,
}

/// The tokens that one pass evaluates: a tree of segments, as in tree attention for speculative
/// decoding. A token sees what the cache holds, the segments that its own follows, and its own
/// segment up to itself; it stands at the position that it would have without the other branches.
#[derive(Clone, Copy)]
pub(crate) struct Pass<'a> {
    /// In the order of their tokens.
    pub segments: &'a [Segment],
    /// For each token whether it stands for a picture.
    pub pictures: &'a [bool],
}

/// A segment's place in a pass.
pub(crate) struct Branch {
    /// Its rows among all tokens.
    pub(super) rows: Range<usize>,
    /// Tokens between what the cache holds and its first.
    pub(super) offset: usize,
    /// Rows of the segments above that are to be put in place again, and their offsets: another
    /// branch was there since.
    pub(super) above: Vec<(Range<usize>, usize)>,
    /// How many of the last rows are wanted.
    wanted: usize,
}

impl Branch {
    /// The rows that are needed after attention: all of them, but for those that are wanted in the
    /// last layer.
    pub(crate) fn needed(&self, is_last: bool) -> Range<usize> {
        let needed = if is_last { self.wanted } else { self.rows.len() };
        self.rows.end - needed..self.rows.end
    }
}

impl Pass<'_> {
    /// The tokens that stay in the cache: the last segment's, and those that it follows. Nothing
    /// takes their place any more.
    pub(crate) fn kept(&self) -> usize {
        let path = std::iter::successors(self.segments.last(), |segment| Some(&self.segments[segment.after?]));
        path.map(|segment| segment.len).sum()
    }

    /// Tokens of the longest branch, from the first that the cache does not hold to its last.
    pub(crate) fn depth(&self) -> usize {
        let mut depths: Vec<usize> = Vec::with_capacity(self.segments.len());
        for segment in self.segments {
            depths.push(segment.len + segment.after.map_or(0, |above| depths[above]));
        }
        depths.into_iter().max().unwrap_or_default()
    }

    /// Where the segments lie. Branches are evaluated one after the other in the same place of the
    /// cache, behind what they have in common, so that each sees its own keys and values alone.
    pub(crate) fn branches(&self) -> Vec<Branch> {
        let mut branches: Vec<Branch> = Vec::with_capacity(self.segments.len());
        // The segments that lie in the cache when one is evaluated, from the first on.
        let mut placed: Vec<usize> = Vec::new();
        let mut row = 0;
        for (number, segment) in self.segments.iter().enumerate() {
            let mut path: Vec<usize> =
                std::iter::successors(segment.after, |above| self.segments[*above].after).collect();
            path.reverse();
            let common = path.iter().zip(&placed).take_while(|(a, b)| a == b).count();
            let place = |above: &usize| (branches[*above].rows.clone(), branches[*above].offset);
            let above = path[common..].iter().map(place).collect();
            let offset = path.iter().map(|above| self.segments[*above].len).sum();
            branches.push(Branch { rows: row..row + segment.len, offset, above, wanted: segment.wanted });
            row += segment.len;
            path.push(number);
            placed = path;
        }
        branches
    }
}
