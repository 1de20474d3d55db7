//! The thread's side: takes changes, writes both files, and tells when that fails and when it works
//! again. Knows no event.

use std::io;

use crossbeam_channel::{Receiver, Sender};

use crate::actions::caption_files::line::CaptionFile;
use crate::actions::caption_files::news::{CaptionFileNews, unwritten};
use crate::actions::caption_files::subtitles::LiveSubtitles;
use crate::base::message::Message;

/// What became of a view's caption. Times are milliseconds since the beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// There is another one, of a picture that was seen then.
    Caption { view: usize, seen_ms: i64, text: String },
    /// It still holds.
    Lasts { view: usize, at_ms: i64 },
    /// It holds no more, and there is no other one.
    Over { view: usize, at_ms: i64 },
    /// The view is called this.
    Named { view: usize, name: String },
    /// The view is not there any more.
    Gone { view: usize },
}

/// See the module.
pub struct Writer {
    caption_file: Option<CaptionFile>,
    subtitles: Option<LiveSubtitles>,
    news: Sender<CaptionFileNews>,
    trouble: Option<Message>,
}

impl Writer {
    pub fn new(
        caption_file: Option<CaptionFile>,
        subtitles: Option<LiveSubtitles>,
        news: Sender<CaptionFileNews>,
    ) -> Self {
        Self { caption_file, subtitles, news, trouble: None }
    }

    /// Works until no more changes can come.
    pub fn run(mut self, changes: &Receiver<Change>) {
        while let Ok(first) = changes.recv() {
            // What came together is written together: of the text file the newest is wanted alone.
            let all: Vec<_> = std::iter::once(first).chain(changes.try_iter()).collect();
            let done = self.write(&all);
            self.tell(done.err());
        }
        let last = self.caption_file.as_mut().map_or(Ok(()), CaptionFile::end);
        if let Err(error) = last {
            tracing::warn!(%error, "the caption file could not be emptied");
        }
    }

    fn write(&mut self, changes: &[Change]) -> Result<(), Message> {
        if let Some(file) = &mut self.caption_file {
            for change in changes {
                match change {
                    Change::Caption { view, text, .. } => file.set(*view, text),
                    Change::Over { view, .. } => file.set(*view, ""),
                    Change::Named { view, name } => file.name(*view, name),
                    Change::Gone { view } => file.remove(*view),
                    Change::Lasts { .. } => {}
                }
            }
            file.write().map_err(|error| unwritten(file.path(), &error))?;
        }
        if let Some(subtitles) = &mut self.subtitles {
            let mut write = |change: &Change| -> io::Result<()> {
                match change {
                    Change::Caption { view, seen_ms, text } => subtitles.caption(*view, *seen_ms, text)?,
                    Change::Lasts { view, at_ms } => subtitles.lasts(*view, *at_ms)?,
                    Change::Over { view, at_ms } => subtitles.over(*view, *at_ms)?,
                    Change::Named { view, name } => subtitles.name(*view, name),
                    Change::Gone { view } => subtitles.remove(*view),
                }
                Ok(())
            };
            let done = changes.iter().try_for_each(&mut write);
            done.map_err(|error| unwritten(subtitles.path(), &error))?;
        }
        Ok(())
    }

    /// Tells what is new: nothing is said twice.
    fn tell(&mut self, trouble: Option<Message>) {
        if trouble == self.trouble {
            return;
        }
        let news = trouble.clone().map_or(CaptionFileNews::Well, CaptionFileNews::Trouble);
        // With no room for it, the next one says it.
        if self.news.try_send(news).is_ok() {
            self.trouble = trouble;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use crossbeam_channel::bounded;

    use super::*;

    #[test]
    fn trouble_is_told_once_and_when_it_is_over() {
        let folder = tempfile::tempdir().expect("a folder");
        let within = folder.path().join("within");
        fs::create_dir(&within).expect("made");
        let file = CaptionFile::begin(&within.join("caption.txt"), &[]).expect("begun");
        let (sender, news) = bounded(4);
        let mut writer = Writer::new(Some(file), None, sender);
        let caption = |text: &str| [Change::Caption { view: 0, seen_ms: 0, text: text.to_owned() }];
        fs::remove_dir_all(&within).expect("removed");
        for text in ["A cup.", "A jug."] {
            let done = writer.write(&caption(text));
            writer.tell(done.err());
        }
        fs::create_dir(&within).expect("made");
        let done = writer.write(&caption("A jug."));
        writer.tell(done.err());
        let told: Vec<_> = news.try_iter().collect();
        let [CaptionFileNews::Trouble(message), CaptionFileNews::Well] = &told[..] else { panic!("{told:?}") };
        assert!(message.what().contains("can't be written"), "{message}");
        assert_eq!(fs::read_to_string(within.join("caption.txt")).expect("there"), "A jug.\n");
    }
}
