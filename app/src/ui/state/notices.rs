//! What went wrong and what to do, at most one line a topic.

use std::time::{Duration, Instant};

use crate::base::message::Message;

/// Shown notices, oldest first.
#[derive(Debug, Default)]
pub struct Notices {
    shown: Vec<Notice>,
    dismissed: Vec<(Topic, Message)>,
}

/// One line for the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// What it is about.
    pub topic: Topic,
    /// What happened and what to do.
    pub message: Message,
    /// When the program tries again by itself.
    pub retry_at: Option<Instant>,
}

/// What a notice is about. A newer notice takes the place of an older one of its topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// The source of pictures.
    Source,
    /// The model, or the thread that runs it.
    Model,
    /// A caption that could not be made.
    Request,
    /// A question that could not be asked.
    Question,
    /// A file or camera that could not be chosen.
    Picker,
    /// Recording.
    Log,
    /// Captions in files for other programs.
    CaptionFiles,
    /// What the user chose once and for all.
    Preferences,
    /// A picture that was saved or copied.
    Kept,
    /// What the model is told before every picture.
    Prefix,
    /// What is watched for.
    Rules,
    /// What is told to others.
    Actions,
    /// Captions read aloud.
    Voice,
}

impl Notice {
    /// How long until the program tries again, when it does.
    #[must_use]
    pub fn until_retry(&self, now: Instant) -> Option<Duration> {
        self.retry_at.map(|at| at.saturating_duration_since(now)).filter(|left| !left.is_zero())
    }
}

impl Notices {
    /// All that are shown, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Notice> {
        self.shown.iter()
    }

    /// The notice about this.
    #[must_use]
    pub fn of(&self, topic: Topic) -> Option<&Notice> {
        self.shown.iter().find(|notice| notice.topic == topic)
    }

    /// Shows a notice in place of the last one of its topic, unless the user has dismissed these
    /// very words: a camera that is tried every few seconds must not come back every few seconds.
    pub fn post(&mut self, topic: Topic, message: Message, retry_at: Option<Instant>) {
        if self.dismissed.iter().any(|(old_topic, old)| *old_topic == topic && *old == message) {
            return;
        }
        let notice = Notice { topic, message, retry_at };
        match self.shown.iter_mut().find(|old| old.topic == topic) {
            Some(old) => *old = notice,
            None => self.shown.push(notice),
        }
    }

    /// What the topic was about has passed.
    pub fn clear(&mut self, topic: Topic) {
        self.shown.retain(|notice| notice.topic != topic);
        self.dismissed.retain(|(dismissed, _)| *dismissed != topic);
    }

    /// Changes what is shown and was dismissed of these topics for what `other` has of them.
    pub fn swap(&mut self, other: &mut Self, topics: &[Topic]) {
        let (mine, theirs) = (self.take(topics), other.take(topics));
        self.put(theirs);
        other.put(mine);
    }

    fn take(&mut self, topics: &[Topic]) -> Self {
        Self {
            shown: self.shown.extract_if(.., |notice| topics.contains(&notice.topic)).collect(),
            dismissed: self.dismissed.extract_if(.., |(topic, _)| topics.contains(topic)).collect(),
        }
    }

    fn put(&mut self, mut other: Self) {
        self.shown.append(&mut other.shown);
        self.dismissed.append(&mut other.dismissed);
    }

    /// The user has read the notice.
    pub fn dismiss(&mut self, topic: Topic) {
        for notice in self.shown.extract_if(.., |notice| notice.topic == topic) {
            self.dismissed.retain(|(dismissed, _)| *dismissed != topic);
            self.dismissed.push((topic, notice.message));
        }
    }
}
