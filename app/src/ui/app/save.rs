//! The picture on screen and its caption: saved, and put into the clipboard.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use egui::{ColorImage, Context};

use crate::base::message::Message;
use crate::base::text;
use crate::ui::app::App;
use crate::ui::keep::KeptPicture;
use crate::ui::keep_drawn;
use crate::ui::platform::Wanted;
use crate::ui::state::Topic;

impl App {
    /// Takes hold of the picture on screen, and asks where it is to be saved.
    pub(super) fn save_picture(&mut self, ctx: &Context) {
        let Some(frame) = self.video.frame() else { return };
        let mut image = frame.image.clone();
        let words = self.state.caption.words();
        if self.preferences.draw_captions {
            let words = format!("{}{}", words.hedge(), words.firm);
            keep_drawn::draw(ctx, &mut image, &words, self.preferences.captions.background);
        }
        self.to_save = Some(KeptPicture {
            image: Arc::new(image),
            time: frame.time.clone(),
            caption: words.firm.to_owned(),
            source: self.state.source.name.clone().unwrap_or_default(),
            model: self.state.model.name(),
            instruction: self.told.instruction.clone(),
        });
        self.jobs.choose(Wanted::Picture);
    }

    /// Whether there is a picture of the last half minute.
    #[cfg(test)]
    pub(in crate::ui) fn has_clip(&self) -> bool {
        self.clip.clip().is_some()
    }

    /// Takes hold of the last half minute, and asks where it is to be saved.
    pub(super) fn save_clip(&mut self) {
        self.clip_to_save = self.clip.clip().filter(|_| self.preferences.clips);
        if self.clip_to_save.is_some() {
            return self.jobs.choose(Wanted::Clip);
        }
        let message = Message::new("There is nothing to make a clip of.");
        let hint = if self.preferences.clips {
            "Wait for some pictures, and try again."
        } else {
            "Switch on \"The last 30 seconds\" in the settings, and try again in a while."
        };
        self.state.notices.post(Topic::Kept, message.hint(hint), None);
    }

    /// Saves the half minute that was taken hold of there.
    pub(super) fn save_clip_to(&mut self, path: PathBuf) {
        if let Some(clip) = self.clip_to_save.take() {
            self.jobs.save_clip(path, clip);
        }
    }

    /// Saves what was taken hold of there.
    pub(super) fn save_to(&mut self, path: &Path) {
        if let Some(picture) = self.to_save.take() {
            self.jobs.save_picture(path.to_owned(), picture);
        }
    }

    /// Says what became of it.
    pub(super) fn saved(&mut self, saved: Result<PathBuf, Message>) {
        let message = saved.map(|path| Message::new(format!("Saved as {}.", text::path(&path))));
        self.state.notices.clear(Topic::Kept);
        self.state.notices.post(Topic::Kept, message.unwrap_or_else(|message| message), None);
    }

    pub(super) fn copy_caption(&self, ctx: &Context) {
        let words = self.state.caption.words().firm;
        if !words.is_empty() {
            ctx.copy_text(words.to_owned());
        }
    }

    pub(super) fn copy_picture(&self, ctx: &Context) {
        if let Some(frame) = self.video.frame() {
            let (width, height) = frame.image.dimensions();
            ctx.copy_image(ColorImage::from_rgb([width as usize, height as usize], frame.image.as_raw()));
        }
    }
}
