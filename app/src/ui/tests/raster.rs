//! Draws the window's triangles on the processor, so that tests see what people see on a machine
//! without a display, a graphics card or a driver, and see the same everywhere.

use std::collections::HashMap;
use std::sync::Arc;

use egui::epaint::{Mesh, Primitive, Vertex};
use egui::{ClippedPrimitive, ColorImage, Context, FullOutput, ImageData, Pos2, Rect, TextureId, TexturesDelta};
use egui_kittest::TestRenderer;
use image::{Rgba, RgbaImage};

/// Parts of a pixel in which corners are counted, as graphics cards do: then every pixel belongs to
/// one of two neighbours.
const PARTS: i64 = 256;

/// A colour as it is calculated with, 0 to 255 each, alpha multiplied in.
type Colour = [f32; 4];

/// The renderer.
#[derive(Default)]
pub struct Raster {
    textures: HashMap<TextureId, Arc<ColorImage>>,
}

impl TestRenderer for Raster {
    fn handle_delta(&mut self, delta: &mut TexturesDelta) {
        for (id, changes) in delta.set.drain() {
            for change in changes {
                let ImageData::Color(image) = change.image;
                match (change.pos, self.textures.get_mut(&id)) {
                    (Some([left, top]), Some(texture)) => paste(Arc::make_mut(texture), &image, left, top),
                    _ => drop(self.textures.insert(id, image)),
                }
            }
        }
        for id in delta.free.drain() {
            self.textures.remove(&id);
        }
    }

    fn render(&mut self, ctx: &Context, output: &FullOutput) -> Result<RgbaImage, String> {
        let scale = ctx.pixels_per_point();
        let size = ctx.content_rect().size() * scale;
        let mut canvas = RgbaImage::new(size.x.round() as u32, size.y.round() as u32);
        for ClippedPrimitive { clip_rect, primitive } in ctx.tessellate(output.shapes.clone(), scale) {
            let Primitive::Mesh(mesh) = primitive else {
                return Err("The window draws with the graphics card itself, which is not to be had here.".to_owned());
            };
            let texture = self.textures.get(&mesh.texture_id).ok_or("A picture is drawn that was taken away.")?;
            draw(&mut canvas, &mesh, texture, clip_rect * scale, scale);
        }
        Ok(canvas)
    }
}

fn paste(texture: &mut ColorImage, part: &ColorImage, left: usize, top: usize) {
    let [width, _] = texture.size;
    for (row, line) in part.pixels.chunks_exact(part.size[0].max(1)).enumerate() {
        let start = (top + row) * width + left;
        texture.pixels[start..start + line.len()].copy_from_slice(line);
    }
}

fn draw(canvas: &mut RgbaImage, mesh: &Mesh, texture: &ColorImage, clip: Rect, scale: f32) {
    let within = |edge: f32, most: u32| (edge.round().max(0.0) as u32).min(most);
    let columns = within(clip.min.x, canvas.width())..within(clip.max.x, canvas.width());
    let rows = within(clip.min.y, canvas.height())..within(clip.max.y, canvas.height());
    for corners in mesh.indices.chunks_exact(3) {
        let corners = [0, 1, 2].map(|i| mesh.vertices[corners[i] as usize]);
        let Some(triangle) = Triangle::new(corners, scale) else { continue };
        let [left, top, right, bottom] = triangle.bounds();
        for y in rows.start.max(top)..rows.end.min(bottom) {
            for x in columns.start.max(left)..columns.end.min(right) {
                if let Some(shares) = triangle.shares(x, y) {
                    let colour = triangle.colour(shares, texture);
                    blend(canvas.get_pixel_mut(x, y), colour);
                }
            }
        }
    }
}

/// A triangle whose corners go round clockwise.
struct Triangle {
    corners: [Vertex; 3],
    /// In parts of a pixel.
    at: [[i64; 2]; 3],
    area: i64,
}

impl Triangle {
    /// None when it covers nothing.
    fn new(corners: [Vertex; 3], scale: f32) -> Option<Self> {
        let at = |vertex: &Vertex| [vertex.pos.x, vertex.pos.y].map(|x| (x * scale * PARTS as f32).round() as i64);
        let [a, b, c] = &corners;
        let (corners, at) = match beside(at(a), at(b), at(c)) {
            0 => return None,
            area if area > 0 => (corners, [at(a), at(b), at(c)]),
            _ => ([*a, *c, *b], [at(a), at(c), at(b)]),
        };
        Some(Self { corners, at, area: beside(at[0], at[1], at[2]) })
    }

    /// Left, top, right and bottom, the last two exclusive.
    fn bounds(&self) -> [u32; 4] {
        let ends = |axis: usize| {
            let along = self.at.map(|corner| corner[axis]);
            let (least, most) = along.iter().fold((i64::MAX, i64::MIN), |(a, b), x| (a.min(*x), b.max(*x)));
            [least.div_euclid(PARTS), most.div_euclid(PARTS) + 1].map(|x| x.max(0) as u32)
        };
        let ([left, right], [top, bottom]) = (ends(0), ends(1));
        [left, top, right, bottom]
    }

    /// How much of each corner there is in the middle of a pixel. None outside. What lies on an
    /// edge belongs to the triangle at the right of it or below.
    fn shares(&self, x: u32, y: u32) -> Option<[f32; 3]> {
        let middle = [x, y].map(|x| i64::from(x) * PARTS + PARTS / 2);
        let mut shares = [0.0; 3];
        for (i, share) in shares.iter_mut().enumerate() {
            let (from, to) = (self.at[(i + 1) % 3], self.at[(i + 2) % 3]);
            let is_ours = to[1] < from[1] || (to[1] == from[1] && to[0] > from[0]);
            let inside = beside(from, to, middle);
            if inside < 0 || (inside == 0 && !is_ours) {
                return None;
            }
            *share = inside as f32 / self.area as f32;
        }
        Some(shares)
    }

    fn colour(&self, shares: [f32; 3], texture: &ColorImage) -> Colour {
        let mixed = |of: &dyn Fn(&Vertex) -> f32| -> f32 {
            self.corners.iter().zip(shares).map(|(corner, share)| of(corner) * share).sum()
        };
        let texel = sample(texture, Pos2::new(mixed(&|corner| corner.uv.x), mixed(&|corner| corner.uv.y)));
        std::array::from_fn(|i| mixed(&|corner| f32::from(corner.color[i])) * texel[i] / 255.0)
    }
}

/// Twice the area of the triangle of these: positive when the third is at the right of the way from
/// the first to the second.
fn beside(from: [i64; 2], to: [i64; 2], at: [i64; 2]) -> i64 {
    (to[0] - from[0]) * (at[1] - from[1]) - (to[1] - from[1]) * (at[0] - from[0])
}

/// The colour of a texture between its four nearest pixels; at its edge, that of the edge.
fn sample(texture: &ColorImage, at: Pos2) -> Colour {
    let [width, height] = texture.size;
    let along = |at: f32, length: usize| {
        let at = (at * length as f32 - 0.5).clamp(0.0, (length - 1) as f32);
        let first = at.floor();
        (first as usize, (first as usize + 1).min(length - 1), at - first)
    };
    let ((left, right, over), (top, bottom, down)) = (along(at.x, width), along(at.y, height));
    let of = |x: usize, y: usize| texture.pixels[y * width + x].to_array().map(f32::from);
    let mix = |a: Colour, b: Colour, share: f32| std::array::from_fn(|i| a[i] + (b[i] - a[i]) * share);
    mix(mix(of(left, top), of(right, top), over), mix(of(left, bottom), of(right, bottom), over), down)
}

fn blend(pixel: &mut Rgba<u8>, colour: Colour) {
    let through = 1.0 - colour[3] / 255.0;
    for (channel, added) in pixel.0.iter_mut().zip(colour) {
        *channel = (added + f32::from(*channel) * through).round().clamp(0.0, 255.0) as u8;
    }
}

#[cfg(test)]
mod tests {
    use egui::{Color32, pos2};

    use super::*;

    fn square(left: f32, top: f32, right: f32, bottom: f32, colour: Color32) -> Mesh {
        let mut mesh = Mesh::default();
        mesh.add_colored_rect(Rect::from_min_max(pos2(left, top), pos2(right, bottom)), colour);
        mesh
    }

    fn drawn(mesh: &Mesh) -> RgbaImage {
        let mut canvas = RgbaImage::from_pixel(8, 8, Rgba([0, 0, 0, 255]));
        let white = ColorImage::filled([1, 1], Color32::WHITE);
        draw(&mut canvas, mesh, &white, Rect::from_min_max(Pos2::ZERO, pos2(8.0, 7.0)), 1.0);
        canvas
    }

    #[test]
    fn a_glass_square_covers_its_pixels_once_and_stays_within_the_clip() {
        let canvas = drawn(&square(1.0, 2.0, 6.0, 9.0, Color32::from_rgba_premultiplied(100, 0, 0, 100)));
        for (x, y, pixel) in canvas.enumerate_pixels() {
            let inside = (1..6).contains(&x) && (2..7).contains(&y);
            assert_eq!(pixel.0, [if inside { 100 } else { 0 }, 0, 0, 255], "{x} {y}");
        }
    }

    #[test]
    fn a_texture_is_smooth_between_its_pixels() {
        let texture = ColorImage::new([2, 1], vec![Color32::BLACK, Color32::WHITE]);
        let at = |x: f32| sample(&texture, pos2(x, 0.5))[0].round() as u8;
        assert_eq!([0.0, 0.25, 0.4, 0.75, 1.0].map(at), [0, 0, 77, 255, 255]);
    }
}
