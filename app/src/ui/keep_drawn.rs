//! Draws a caption into a picture that is kept, with the window's own letters. Knows no file.

use egui::epaint::{ClippedShape, Mesh, Primitive, Shape};
use egui::text::{LayoutJob, TextFormat};
use egui::{Align, Color32, ColorImage, Context, Rect, Vec2, pos2, vec2};
use image::{Rgb, RgbImage};

use crate::ui::theme;

/// The height of the letters, as a part of the picture's, and the least one in pixels.
const SIZE: f32 = 0.045;
const LEAST: f32 = 12.0;
/// The part of the picture's width that the words take at most, and their lines.
const WIDTH: f32 = 0.9;
const LINES: usize = 4;
/// The distance of lines, and from the plate's edge to the words, in the height of a letter.
const LINE: f32 = 1.3;
const PADDING: Vec2 = vec2(0.8, 0.45);

/// Draws these words over the lower edge of the picture, on a plate as dark as `background` says,
/// in per cent.
pub fn draw(ctx: &Context, picture: &mut RgbImage, words: &str, background: u8) {
    if words.is_empty() || picture.width() == 0 || picture.height() == 0 {
        return;
    }
    // The atlas has letters as they are on screen: a point of the layout is so many pixels.
    let scale = ctx.pixels_per_point();
    let (width, height) = (picture.width() as f32 / scale, picture.height() as f32 / scale);
    let size = (height * SIZE).max(LEAST / scale);
    let format = TextFormat {
        font_id: theme::strong(size),
        color: theme::SUBTITLE,
        line_height: Some(size * LINE),
        ..TextFormat::default()
    };
    let mut job = LayoutJob { halign: Align::Center, ..LayoutJob::default() };
    (job.wrap.max_width, job.wrap.max_rows) = (width * WIDTH, LINES);
    job.append(words, 0.0, format);
    let galley = ctx.fonts_mut(|fonts| fonts.layout_job(job));
    let taken = galley.size() + 2.0 * PADDING * size;
    let plate = Rect::from_min_size(pos2((width - taken.x) / 2.0, height - taken.y - 0.6 * size), taken);
    darken(picture, plate * scale, theme::plate(background));
    let shape = Shape::galley(pos2(plate.center().x, plate.top() + PADDING.y * size), galley, theme::SUBTITLE);
    let clip_rect = Rect::from_min_size(pos2(0.0, 0.0), vec2(width, height));
    let drawn = ctx.tessellate(vec![ClippedShape::new(clip_rect, shape)], scale);
    #[expect(clippy::redundant_closure_for_method_calls, reason = "the method itself is not general enough")]
    let atlas = ctx.fonts(|fonts| fonts.image());
    for primitive in drawn {
        if let Primitive::Mesh(mesh) = primitive.primitive {
            letters(picture, &mesh, &atlas, scale);
        }
    }
}

/// Lays a colour over a part of the picture.
fn darken(picture: &mut RgbImage, place: Rect, colour: Color32) {
    for y in place.top().max(0.0) as u32..(place.bottom().max(0.0) as u32).min(picture.height()) {
        for x in place.left().max(0.0) as u32..(place.right().max(0.0) as u32).min(picture.width()) {
            blend(picture, x, y, colour.to_array());
        }
    }
}

/// Copies letters from the atlas: each is a rectangle of four corners, a texel a pixel.
fn letters(picture: &mut RgbImage, mesh: &Mesh, atlas: &ColorImage, scale: f32) {
    let [atlas_width, atlas_height] = atlas.size;
    for corners in mesh.vertices.chunks_exact(4) {
        let (mut to, mut from) = (Rect::NOTHING, Rect::NOTHING);
        for corner in corners {
            to.extend_with(corner.pos * scale);
            from.extend_with(pos2(corner.uv.x * atlas_width as f32, corner.uv.y * atlas_height as f32));
        }
        let tint = corners[0].color;
        let (left, top) = (to.left().round() as i64, to.top().round() as i64);
        let (from_left, from_top) = (from.left().round() as usize, from.top().round() as usize);
        for down in 0..from.height().round() as usize {
            for across in 0..from.width().round() as usize {
                let (Ok(x), Ok(y)) = (u32::try_from(left + across as i64), u32::try_from(top + down as i64)) else {
                    continue;
                };
                let texel = (from_top + down) * atlas_width + from_left + across;
                if let Some(texel) = atlas.pixels.get(texel).filter(|_| x < picture.width() && y < picture.height()) {
                    let of = |part: u8, tint: u8| (u16::from(part) * u16::from(tint) / 255) as u8;
                    let [r, g, b, a] = texel.to_array();
                    let [tint_r, tint_g, tint_b, tint_a] = tint.to_array();
                    blend(picture, x, y, [of(r, tint_r), of(g, tint_g), of(b, tint_b), of(a, tint_a)]);
                }
            }
        }
    }
}

/// Lays a colour, into which its alpha is multiplied, over a pixel.
fn blend(picture: &mut RgbImage, x: u32, y: u32, colour: [u8; 4]) {
    let Rgb(below) = picture.get_pixel_mut(x, y);
    for (part, over) in below.iter_mut().zip(colour) {
        let under = u16::from(*part) * u16::from(255 - colour[3]) / 255;
        *part = under.saturating_add(u16::from(over)).min(255) as u8;
    }
}

#[cfg(test)]
mod tests {
    use egui::RawInput;

    use super::*;

    #[test]
    fn the_words_stand_on_a_plate_in_the_lower_part_and_nothing_else_changes() {
        let ctx = Context::default();
        theme::install(&ctx);
        let mut picture = RgbImage::from_pixel(640, 360, Rgb([120, 130, 140]));
        let _ = ctx.run_ui(RawInput::default(), |ui| draw(ui.ctx(), &mut picture, "A cat on a mat.", 80));
        let rows = |from: u32, to: u32| {
            let picture = &picture;
            (from..to).flat_map(move |y| (0..640).map(move |x| picture.get_pixel(x, y).0))
        };
        assert!(rows(0, 290).all(|pixel| pixel == [120, 130, 140]));
        let white = rows(290, 360).filter(|pixel| pixel[0] > 230).count();
        let dark = rows(290, 360).filter(|pixel| pixel[0] < 60).count();
        assert!(white > 100 && dark > 1000, "{white} {dark}");
        assert_eq!(picture.get_pixel(2, 340).0, [120, 130, 140], "the plate is as wide as the words");
        let mut tiny = RgbImage::new(3, 2);
        let _ = ctx.run_ui(RawInput::default(), |ui| draw(ui.ctx(), &mut tiny, "A cat.", 80));
    }
}
