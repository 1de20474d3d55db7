//! Pictures as the window draws them: made opaque, and made smaller where the screen has fewer
//! pixels than the camera.

use egui::{Color32, ColorImage, Vec2};
use image::RgbImage;

/// Sides of the picture that is drawn for one of `size` when `panel` pixels of the screen are free
/// for it: the same, or divided by a whole number, never less than the screen can show, and never
/// over `limit`, the largest texture.
#[must_use]
pub fn reduction(size: [usize; 2], panel: Vec2, limit: usize) -> usize {
    let [width, height] = size.map(|side| side.max(1));
    let shown = (panel.x / width as f32).min(panel.y / height as f32).max(f32::MIN_POSITIVE);
    let by_screen = ((1.0 / shown).floor() as usize).clamp(1, width.max(height));
    let by_limit = width.max(height).div_ceil(limit.max(1));
    by_screen.max(by_limit)
}

/// Writes `picture` into `out`, each side divided by `factor`, in the memory that `out` already has
/// where it fits.
///
/// A pixel is the mean of four that it covers, not of all: the time is bounded by what is drawn and
/// not by the camera.
pub fn reduce_into(out: &mut ColorImage, picture: &RgbImage, factor: usize) {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let factor = factor.max(1);
    let size = [(width / factor).max(1).min(width), (height / factor).max(1).min(height)];
    out.size = size;
    out.source_size = Vec2::new(width as f32, height as f32);
    out.pixels.clear();
    let raw = picture.as_raw();
    if factor == 1 {
        out.pixels.extend(raw.chunks_exact(3).map(|rgb| Color32::from_rgb(rgb[0], rgb[1], rgb[2])));
        return;
    }
    let (near, far) = (factor / 4, factor - 1 - factor / 4);
    let row = |y: usize| &raw[y.min(height - 1) * width * 3..][..width * 3];
    for y in 0..size[1] {
        let (upper, lower) = (row(y * factor + near), row(y * factor + far));
        out.pixels.extend((0..size[0]).map(|x| {
            let left = (x * factor + near).min(width - 1) * 3;
            let right = (x * factor + far).min(width - 1) * 3;
            let mean = |channel: usize| {
                let sum =
                    [upper[left + channel], upper[right + channel], lower[left + channel], lower[right + channel]];
                ((sum.into_iter().map(u16::from).sum::<u16>() + 2) / 4) as u8
            };
            Color32::from_rgb(mean(0), mean(1), mean(2))
        }));
    }
}

/// The picture made small enough to be at most twice as large as `size` allows.
#[must_use]
pub fn thumbnail(picture: &RgbImage, size: [usize; 2]) -> ColorImage {
    let mut out = ColorImage::default();
    let [width, height] = size;
    let sides = [picture.width() as usize, picture.height() as usize];
    let factor = reduction(sides, Vec2::new(width as f32, height as f32), width.max(height) * 2);
    reduce_into(&mut out, picture, factor);
    out
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;

    #[test]
    fn a_picture_is_reduced_only_where_it_is_much_larger_than_its_place() {
        let panel = Vec2::new(960.0, 540.0);
        assert_eq!(reduction([640, 480], panel, 8192), 1);
        assert_eq!(reduction([1280, 720], panel, 8192), 1);
        assert_eq!(reduction([1920, 1080], panel, 8192), 2);
        assert_eq!(reduction([3840, 2160], panel, 8192), 4);
    }

    #[test]
    fn no_texture_is_larger_than_the_graphics_card_takes() {
        let factor = reduction([40_000, 10], Vec2::new(40_000.0, 1000.0), 8192);
        assert!(40_000 / factor <= 8192);
        assert_eq!(reduction([0, 0], Vec2::ZERO, 8192), 1);
    }

    #[test]
    fn pixels_keep_their_colours_and_places() {
        let picture = RgbImage::from_fn(8, 4, |x, _| if x < 4 { Rgb([200, 10, 30]) } else { Rgb([0, 90, 255]) });
        for factor in [1, 2, 4] {
            let mut out = ColorImage::default();
            reduce_into(&mut out, &picture, factor);
            assert_eq!(out.size, [8 / factor, 4 / factor]);
            assert_eq!(out.pixels.len(), out.size[0] * out.size[1]);
            assert_eq!(out.pixels[0], Color32::from_rgb(200, 10, 30));
            assert_eq!(out.pixels[out.pixels.len() - 1], Color32::from_rgb(0, 90, 255));
        }
    }

    #[test]
    fn a_reduced_pixel_is_a_mean() {
        let picture = RgbImage::from_fn(2, 2, |x, y| if x == y { Rgb([0; 3]) } else { Rgb([100; 3]) });
        let mut out = ColorImage::default();
        reduce_into(&mut out, &picture, 2);
        assert_eq!(out.pixels, [Color32::from_gray(50)]);
    }

    #[test]
    fn the_memory_of_the_last_picture_is_used_again() {
        let picture = RgbImage::new(64, 48);
        let mut out = ColorImage::default();
        reduce_into(&mut out, &picture, 1);
        let before = out.pixels.as_ptr();
        reduce_into(&mut out, &picture, 1);
        assert_eq!(out.pixels.as_ptr(), before);
    }

    #[test]
    fn a_thumbnail_of_any_shape_is_small() {
        for (width, height) in [(1, 1), (1280, 720), (1, 5000), (5000, 1), (4000, 3000)] {
            let small = thumbnail(&RgbImage::new(width, height), [192, 144]);
            assert!(small.size[0] <= 384 && small.size[1] <= 384, "{:?}", small.size);
            assert_eq!(small.pixels.len(), small.size[0] * small.size[1]);
        }
    }
}
