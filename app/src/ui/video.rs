//! The live picture: one texture, filled again only when a new frame came, drawn in its right
//! shape.

use std::sync::Arc;

use egui::accesskit::Role;
use egui::{ColorImage, ImageData, Rect, Sense, TextureHandle, TextureOptions, Ui, Vec2, WidgetInfo, pos2};

use crate::live::frame::Frame;
use crate::ui::pixels;

/// The picture on screen.
#[derive(Default)]
pub struct Video {
    frame: Option<Arc<Frame>>,
    texture: Option<TextureHandle>,
    /// Which frame the texture holds, and by how much it was reduced.
    uploaded: Option<(u64, usize)>,
    /// Two pictures in turn: egui still holds the last one while the next is filled.
    buffers: [Arc<ColorImage>; 2],
}

impl Video {
    /// Takes the frame that is shown from now on.
    pub fn set(&mut self, frame: Arc<Frame>) {
        self.frame = Some(frame);
    }

    /// Shows no picture any more, because another source was chosen.
    pub fn clear(&mut self) {
        self.frame = None;
        self.uploaded = None;
    }

    /// The frame on screen.
    #[must_use]
    pub fn frame(&self) -> Option<&Arc<Frame>> {
        self.frame.as_ref()
    }

    /// Draws the picture as large as `place` allows. Returns where it is.
    /// With `mirror` it is shown the other way round, for those who see themselves.
    /// Screen readers are told `name`.
    pub fn show(&mut self, ui: &mut Ui, place: Rect, mirror: bool, name: &str) -> Rect {
        let Some(frame) = self.frame.clone() else { return place };
        let rect = fit(frame.image.width(), frame.image.height(), place);
        self.upload(ui, &frame, rect.size() * ui.pixels_per_point());
        if let Some(texture) = &self.texture {
            let (left, right) = if mirror { (1.0, 0.0) } else { (0.0, 1.0) };
            let whole = Rect::from_min_max(pos2(left, 0.0), pos2(right, 1.0));
            ui.painter().image(texture.id(), rect, whole, egui::Color32::WHITE);
        }
        let response = ui.interact(rect, ui.scope_id().with("video"), Sense::hover());
        response.widget_info(|| WidgetInfo::labeled(Role::Image, true, name));
        rect
    }

    fn upload(&mut self, ui: &Ui, frame: &Frame, panel: Vec2) {
        let size = [frame.image.width() as usize, frame.image.height() as usize];
        let limit = ui.input(|input| input.max_texture_side);
        let factor = pixels::reduction(size, panel, limit);
        if size.contains(&0) || self.uploaded == Some((frame.id, factor)) {
            return;
        }
        self.buffers.swap(0, 1);
        // One that egui has not let go of yet is replaced instead of waited for.
        pixels::reduce_into(Arc::make_mut(&mut self.buffers[0]), &frame.image, factor);
        let image = ImageData::Color(Arc::clone(&self.buffers[0]));
        match &mut self.texture {
            Some(texture) => texture.set(image, TextureOptions::LINEAR),
            None => self.texture = Some(ui.ctx().load_texture("video", image, TextureOptions::LINEAR)),
        }
        self.uploaded = Some((frame.id, factor));
    }
}

/// The largest place of the shape `width` by `height` in the middle of `place`.
fn fit(width: u32, height: u32, place: Rect) -> Rect {
    let size = Vec2::new(width.max(1) as f32, height.max(1) as f32);
    let scale = (place.width() / size.x).min(place.height() / size.y).max(0.0);
    Rect::from_center_size(place.center(), size * scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_keeps_its_shape() {
        let place = Rect::from_min_size(pos2(10.0, 20.0), Vec2::new(400.0, 400.0));
        let wide = fit(1280, 720, place);
        assert_eq!(wide.size(), Vec2::new(400.0, 225.0));
        assert_eq!(wide.center(), place.center());
        assert_eq!(fit(100, 200, place).size(), Vec2::new(200.0, 400.0));
    }
}
