//! Paints a world: soft gradient and light, shaded shapes, soft shadows. Knows nothing of truth or
//! words.
//!
//! The demo model is trained on pictures drawn the same way (`house` in
//! ui-assets/demo-model/train/render.py): a change of look here wants one there.

use std::f32::consts::TAU;

use image::RgbImage;
use tiny_skia::{
    FillRule, GradientStop, LinearGradient, Paint, Path, PathBuilder, PixmapMut, Point, SpreadMode, Transform,
};

use crate::demo::world::{Backdrop, Shape, Sprite, World};

/// Width of the scene's pictures in pixels.
pub const WIDTH: u32 = 1280;
/// Height of the scene's pictures in pixels.
pub const HEIGHT: u32 = 720;
/// Layers of a soft shadow; more cost time and look no softer.
const LAYERS: u8 = 6;
/// How dark the middle of a shadow is, 0 to 1.
const SHADOW: f32 = 0.3;
/// Where a shadow falls, in radii of its object.
const FALL: (f32, f32) = (0.05, 0.13);
/// How much lighter the top of a shape is than its middle, and how much darker its bottom.
const SHADE: f32 = 0.09;

/// Paints the world as it is now, at [`WIDTH`] by [`HEIGHT`] pixels.
#[must_use]
pub fn paint(world: &World) -> RgbImage {
    paint_all(&world.backdrop(), &world.sprites().collect::<Vec<_>>())
}

/// Paints some things before a background.
pub(super) fn paint_all(backdrop: &Backdrop, sprites: &[Sprite]) -> RgbImage {
    let mut pixels = background(backdrop);
    if let Some(mut canvas) = PixmapMut::from_bytes(&mut pixels, WIDTH, HEIGHT) {
        for sprite in sprites {
            shadow(&mut canvas, sprite);
        }
        for sprite in sprites {
            body(&mut canvas, sprite);
        }
    }
    let mut image = RgbImage::new(WIDTH, HEIGHT);
    for (to, from) in image.chunks_exact_mut(3).zip(pixels.chunks_exact(4)) {
        to.copy_from_slice(&from[..3]);
    }
    image
}

/// The background as opaque RGBA. It is smooth, so it is computed at every eighth pixel and filled
/// in between.
fn background(backdrop: &Backdrop) -> Vec<u8> {
    const STEP: u32 = 8;
    let (columns, rows) = (WIDTH / STEP + 1, HEIGHT / STEP + 1);
    let (sin, cos) = backdrop.angle.sin_cos();
    let ratio = WIDTH as f32 / HEIGHT as f32;
    let mut knots = Vec::with_capacity((columns * rows) as usize);
    for row in 0..rows {
        for column in 0..columns {
            let (x, y) = ((column * STEP) as f32 / WIDTH as f32, (row * STEP) as f32 / HEIGHT as f32);
            let along = ((x - 0.5) * cos + (y - 0.5) * sin + 0.5).clamp(0.0, 1.0);
            let far = ((x - backdrop.light.0) * ratio).hypot(y - backdrop.light.1) / backdrop.reach;
            // A smooth fall to nothing: a plain cone would show a ring at its rim.
            let near = (1.0 - far * far).max(0.0);
            let light = backdrop.strength * near * near;
            knots.push([0, 1, 2].map(|k| {
                let base = backdrop.from[k] + (backdrop.to[k] - backdrop.from[k]) * along;
                base + (255.0 - base) * light
            }));
        }
    }
    let mut pixels = vec![255; (WIDTH * HEIGHT * 4) as usize];
    for (y, line) in (0..HEIGHT).zip(pixels.chunks_exact_mut(WIDTH as usize * 4)) {
        let down = (y % STEP) as f32 / STEP as f32;
        let above = &knots[(y / STEP * columns) as usize..][..columns as usize];
        let below = &knots[((y / STEP + 1) * columns) as usize..][..columns as usize];
        let mix = |column: usize, k: usize| above[column][k] + (below[column][k] - above[column][k]) * down;
        for (column, cell) in line.chunks_exact_mut(STEP as usize * 4).enumerate() {
            for k in 0..3 {
                let (start, end) = (mix(column, k), mix(column + 1, k));
                for (n, pixel) in cell.chunks_exact_mut(4).enumerate() {
                    pixel[k] = (start + (end - start) * n as f32 / STEP as f32 + 0.5) as u8;
                }
            }
        }
    }
    pixels
}

fn shadow(canvas: &mut PixmapMut, sprite: &Sprite) {
    // Layers laid over one another darken to SHADOW where all of them lie.
    let share = 1.0 - (1.0 - SHADOW).powf(1.0 / f32::from(LAYERS));
    let mut paint = Paint { anti_alias: true, ..Paint::default() };
    paint.set_color_rgba8(0, 0, 0, (share * 255.0) as u8);
    for layer in 0..LAYERS {
        let grow = 1.12 - 0.24 * f32::from(layer) / f32::from(LAYERS - 1);
        if let Some(path) = outline(sprite, grow, FALL) {
            canvas.fill_path(&path, &paint, FillRule::Winding, Transform::identity(), None);
        }
    }
}

fn body(canvas: &mut PixmapMut, sprite: &Sprite) {
    let Some(path) = outline(sprite, 1.0, (0.0, 0.0)) else { return };
    let tint = |gain: f32| {
        let [r, g, b] = sprite.rgb.map(|c| (c * gain).round().clamp(0.0, 255.0) as u8);
        tiny_skia::Color::from_rgba8(r, g, b, 255)
    };
    let (y, r) = (sprite.object.y * HEIGHT as f32, sprite.radius * HEIGHT as f32);
    let shader = LinearGradient::new(
        Point::from_xy(0.0, y - r),
        Point::from_xy(0.0, y + r),
        vec![GradientStop::new(0.0, tint(1.0 + SHADE)), GradientStop::new(1.0, tint(1.0 - SHADE))],
        SpreadMode::Pad,
        Transform::identity(),
    );
    if let Some(shader) = shader {
        let paint = Paint { shader, anti_alias: true, ..Paint::default() };
        canvas.fill_path(&path, &paint, FillRule::Winding, Transform::identity(), None);
    }
}

/// The outline of a sprite in pixels, grown by a factor and moved by `(x, y)` radii. `None` if it
/// has no extent.
fn outline(sprite: &Sprite, grow: f32, by: (f32, f32)) -> Option<Path> {
    let unit = sprite.radius * HEIGHT as f32;
    let (cx, cy) = (sprite.object.x * WIDTH as f32 + by.0 * unit, sprite.object.y * HEIGHT as f32 + by.1 * unit);
    let r = unit * grow;
    if sprite.object.shape == Shape::Circle {
        return PathBuilder::from_circle(cx, cy, r);
    }
    let (sin, cos) = sprite.turn.sin_cos();
    let mut path = PathBuilder::new();
    for (n, (x, y)) in corners(sprite.object.shape).into_iter().enumerate() {
        let (x, y) = (cx + r * (x * cos - y * sin), cy + r * (x * sin + y * cos));
        if n == 0 { path.move_to(x, y) } else { path.line_to(x, y) }
    }
    path.close();
    path.finish()
}

/// The corners of a shape of radius 1 about the origin, y downwards. A circle has none.
fn corners(shape: Shape) -> Vec<(f32, f32)> {
    match shape {
        Shape::Circle => Vec::new(),
        Shape::Square => vec![(-0.84, -0.84), (0.84, -0.84), (0.84, 0.84), (-0.84, 0.84)],
        Shape::Triangle => {
            let corner = |k: f32| ((TAU * k / 3.0).sin() * 1.08, 0.12 - 1.08 * (TAU * k / 3.0).cos());
            vec![corner(0.0), corner(1.0), corner(2.0)]
        }
        Shape::Star => (0u8..10)
            .map(|k| {
                let (sin, cos) = (TAU * f32::from(k) / 10.0).sin_cos();
                let r = if k % 2 == 0 { 1.1 } else { 0.46 };
                (r * sin, -r * cos)
            })
            .collect(),
        Shape::Cross => {
            const W: f32 = 0.33;
            let arm = [(-W, -1.0), (W, -1.0), (W, -W)];
            // An arm and the notch after it, and the same three more times, a quarter turn on.
            let mut last = arm;
            let mut all = arm.to_vec();
            for _ in 0..3 {
                last = last.map(|(x, y)| (-y, x));
                all.extend(last);
            }
            all
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_painted_in_their_colour_at_their_place() {
        for seed in 0..12 {
            let world = World::new(seed);
            let image = paint(&world);
            for object in world.truth() {
                let (x, y) = ((object.x * WIDTH as f32) as u32, (object.y * HEIGHT as f32) as u32);
                let pixel = image.get_pixel(x.min(WIDTH - 1), y.min(HEIGHT - 1)).0;
                let off: f32 = object.color.rgb().iter().zip(pixel).map(|(a, b)| (a - f32::from(b)).abs()).sum();
                assert!(off < 40.0, "seed {seed}: {object:?} is painted {pixel:?}");
            }
        }
    }

    #[test]
    fn every_shape_but_the_circle_has_its_corners() {
        let counts = Shape::ALL.iter().map(|shape| corners(*shape).len()).collect::<Vec<_>>();
        assert_eq!(counts, [0, 4, 3, 10, 12]);
    }
}
