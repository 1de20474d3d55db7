//! The picture on screen and its caption: saved, and put into the clipboard.

use std::path::Path;
use std::sync::Arc;

use egui::{ColorImage, Context};

use crate::base::message::Message;
use crate::base::text;
use crate::ui::app::App;
use crate::ui::keep::KeptPicture;
use crate::ui::platform::Wanted;
use crate::ui::state::Topic;

impl App {
    /// Takes hold of the picture on screen, and asks where it is to be saved.
    pub(super) fn save_picture(&mut self) {
        let Some(frame) = self.video.frame() else { return };
        self.to_save = Some(KeptPicture {
            frame: Arc::clone(frame),
            caption: self.state.caption.words().firm.to_owned(),
            source: self.state.source.name.clone().unwrap_or_default(),
            model: self.state.model.name(),
            instruction: self.told.instruction.clone(),
        });
        self.jobs.choose(Wanted::Picture);
    }

    /// Saves what was taken hold of there.
    pub(super) fn save_to(&mut self, path: &Path) {
        if let Some(picture) = self.to_save.take() {
            self.jobs.save_picture(path.to_owned(), picture);
        }
    }

    /// Says what became of it.
    pub(super) fn saved(&mut self, saved: Result<std::path::PathBuf, Message>) {
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
