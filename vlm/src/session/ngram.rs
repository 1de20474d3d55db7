//! Drafts from what was written before: n-gram lookup, also known as prompt lookup decoding
//! (Yang et al., "Inference with Reference", arXiv:2304.04487). Captions of one camera repeat
//! phrases. Where the last tokens of a reply were written before, what followed then is the draft
//! of what follows now. Knows token ids, and no model.

/// The most tokens that are kept: some two hundred captions. The oldest go first.
const CAPACITY: usize = 8192;
/// Between two replies. No vocabulary has so many tokens.
const END: u32 = u32::MAX;
/// How many of the last tokens must have been written before, at most and at least; more are tried
/// first. On the demo scene, 4 saved nothing over 3, and 2 at least took 6 % more passes than 1.
const LONGEST: usize = 3;
const SHORTEST: usize = 1;

/// What was written before, newest last.
#[derive(Debug, Default)]
pub(crate) struct History {
    tokens: Vec<u32>,
}

impl History {
    /// Adds a reply.
    pub fn push(&mut self, reply: &[u32]) {
        let reply = &reply[reply.len().saturating_sub(CAPACITY - 1)..];
        let excess = (self.tokens.len() + reply.len() + 1).saturating_sub(CAPACITY);
        if excess > 0 {
            let whole = self.tokens[excess - 1..].iter().position(|&id| id == END);
            self.tokens.drain(..whole.map_or(self.tokens.len(), |more| excess + more));
        }
        self.tokens.extend(reply);
        self.tokens.push(END);
    }

    /// What followed the last tokens of `written` when they were written last, `most` tokens of it.
    pub fn after(&self, written: &[u32], most: usize) -> &[u32] {
        for n in (SHORTEST..=LONGEST.min(written.len())).rev() {
            let last = &written[written.len() - n..];
            let mut end = self.tokens.len();
            while let Some(at) = self.tokens[..end].windows(n).rposition(|ids| ids == last) {
                let rest = &self.tokens[at + n..];
                let len = rest.iter().position(|&id| id == END).unwrap_or(rest.len());
                if len > 0 {
                    return &rest[..len.min(most)];
                }
                end = at + n - 1;
            }
        }
        &[]
    }
}

/// How many tokens are worth offering: a pass over a few costs little more than one over a single
/// token, as long as some of them hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DraftLength(usize);

impl Default for DraftLength {
    fn default() -> Self {
        Self(4)
    }
}

impl DraftLength {
    /// The most tokens of one draft.
    const MOST: usize = 16;
    /// The fewest.
    const FEWEST: usize = 2;

    /// How many to offer next.
    pub fn get(self) -> usize {
        self.0
    }

    /// Learns what became of a draft: one that held is followed by one twice as long, and one of
    /// which less than half held by one half as long.
    pub fn learn(&mut self, offered: usize, accepted: usize) {
        if accepted == offered {
            self.0 = (self.0 * 2).min(Self::MOST);
        } else if 2 * accepted < offered {
            self.0 = (self.0 / 2).max(Self::FEWEST);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_followed_last_time_is_offered() {
        let mut history = History::default();
        history.push(&[1, 2, 3, 4, 5]);
        history.push(&[7, 2, 3, 6]);
        assert_eq!(history.after(&[9, 2, 3], 8), [6], "the newest");
        assert_eq!(history.after(&[1, 2, 3], 8), [4, 5], "but rather the longest");
        assert_eq!(history.after(&[1, 2, 3], 1), [4]);
        assert_eq!(history.after(&[4, 5], 8), [0; 0], "nothing followed");
        assert_eq!(history.after(&[8], 8), [0; 0], "never written");
        assert_eq!(history.after(&[8, 3], 8), [6], "or the last token alone");
        assert_eq!(history.after(&[], 8), [0; 0]);
        history.push(&[4, 5]);
        assert_eq!(history.after(&[3, 6], 8), [0; 0], "no draft goes on in the next reply");
        history.push(&[4, 5, 1, 4, 5]);
        assert_eq!(history.after(&[4, 5], 8), [1, 4, 5], "where something followed");
    }

    #[test]
    fn the_oldest_go_first_and_whole() {
        let mut history = History::default();
        for reply in 0..1000u32 {
            history.push(&(0..100).map(|i| 1000 * reply + i).collect::<Vec<_>>());
            assert!(history.tokens.len() <= CAPACITY);
        }
        assert_eq!(history.tokens.len() % 101, 0);
        assert_eq!(history.after(&[999_000, 999_001], 1), [999_002]);
        assert_eq!(history.after(&[0, 1], 1), [0; 0]);
        history.push(&vec![3; 3 * CAPACITY]);
        assert_eq!(history.tokens.len(), CAPACITY);
    }

    #[test]
    fn drafts_grow_while_they_hold() {
        let mut length = DraftLength::default();
        length.learn(4, 4);
        assert_eq!(length.get(), 8);
        length.learn(8, 5);
        assert_eq!(length.get(), 8);
        length.learn(8, 1);
        assert_eq!(length.get(), 4);
        for _ in 0..9 {
            length.learn(3, 0);
        }
        assert_eq!(length.get(), DraftLength::FEWEST);
        for _ in 0..9 {
            length.learn(1, 1);
        }
        assert_eq!(length.get(), DraftLength::MOST);
    }
}
