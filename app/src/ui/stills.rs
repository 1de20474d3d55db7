//! A still of each camera, as the menu of sources shows it. Takes none: it is given them.

use std::collections::HashMap;

use egui::load::SizedTexture;
use egui::{ColorImage, Context, Image, TextureHandle, TextureOptions, vec2};
use vlm::Cancel;

use crate::capture::SourceSpec;
use crate::ui::platform::FoundCamera;

/// The height of a still in the menu, in points; its width follows.
const HEIGHT: f32 = 36.0;
/// Its largest width, in points.
const WIDTH: f32 = 64.0;

/// The stills that there are.
#[derive(Default)]
pub struct Stills {
    taken: HashMap<String, Still>,
    cancel: Cancel,
}

enum Still {
    Pixels(ColorImage),
    Texture(TextureHandle),
}

impl Stills {
    /// Stills are taken from now on, until this is raised.
    pub fn begin(&mut self) -> Cancel {
        self.cancel = Cancel::default();
        self.cancel.clone()
    }

    /// Forgets those of cameras that are gone.
    pub fn keep(&mut self, found: &[FoundCamera]) {
        let is_there = |written: &String| found.iter().any(|camera| camera.choice.value.to_string() == *written);
        self.taken.retain(|written, _| is_there(written));
    }

    /// No more are needed.
    pub fn stop(&self) {
        self.cancel.cancel();
    }

    /// A still was taken, or could not be.
    pub fn take(&mut self, source: &SourceSpec, still: Option<ColorImage>) {
        match still {
            Some(still) => self.taken.insert(source.to_string(), Still::Pixels(still)),
            None => self.taken.remove(&source.to_string()),
        };
    }

    /// Makes textures of what came since.
    pub fn upload(&mut self, ctx: &Context) {
        for still in self.taken.values_mut() {
            if let Still::Pixels(pixels) = still {
                *still = Still::Texture(ctx.load_texture("still", std::mem::take(pixels), TextureOptions::LINEAR));
            }
        }
    }

    /// Whether there is one of a source.
    #[cfg(test)]
    pub fn has(&self, source: &SourceSpec) -> bool {
        self.taken.contains_key(&source.to_string())
    }

    /// The still of a source, to be drawn.
    pub fn of(&self, source: &SourceSpec) -> Option<Image<'static>> {
        let Some(Still::Texture(texture)) = self.taken.get(&source.to_string()) else { return None };
        let size = texture.size_vec2();
        let scale = (HEIGHT / size.y.max(1.0)).min(WIDTH / size.x.max(1.0));
        let image = Image::from_texture(SizedTexture::from_handle(texture));
        Some(image.fit_to_exact_size(vec2(size.x * scale, size.y * scale)))
    }
}
