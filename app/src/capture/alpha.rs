//! Pictures with transparency, as they look on a white page.

use image::{RgbImage, Rgba, RgbaImage};

/// What a page or a viewer with a white background would show. Transparency that is complete everywhere
/// hides nothing where there is something to see: programs write such pictures by leaving the channel at
/// zero. With `meaningless`, it hides nothing even in a picture of one colour.
pub(crate) fn over_white(rgba: &RgbaImage, meaningless: bool) -> RgbImage {
    let colour = |pixel: &Rgba<u8>| [pixel.0[0], pixel.0[1], pixel.0[2]];
    let first = rgba.pixels().next().map(colour);
    let opaque = rgba.pixels().all(|pixel| pixel.0[3] == 0)
        && (meaningless || rgba.pixels().any(|pixel| Some(colour(pixel)) != first));
    let mut picture = RgbImage::new(rgba.width(), rgba.height());
    for (pixel, from) in picture.pixels_mut().zip(rgba.pixels()) {
        let alpha = if opaque { 255 } else { u16::from(from.0[3]) };
        pixel.0 = colour(from).map(|channel| ((u16::from(channel) * alpha + 255 * (255 - alpha) + 127) / 255) as u8);
    }
    picture
}
