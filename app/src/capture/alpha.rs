//! Pictures with transparency, as they look on a white page.

use image::{RgbImage, Rgba, RgbaImage};

/// What transparency that is complete everywhere means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nothing {
    /// That nothing is to be seen, as between two scenes of a video.
    Empty,
    /// That a program left the channel at zero, where there is something behind it: more than one
    /// colour.
    Forgotten,
    /// The same, whatever is behind it: a BMP has no other transparency.
    NoChannel,
}

/// What a page or a viewer with a white background would show.
pub(crate) fn over_white(rgba: &RgbaImage, nothing: Nothing) -> RgbImage {
    let colour = |pixel: &Rgba<u8>| [pixel.0[0], pixel.0[1], pixel.0[2]];
    let first = rgba.pixels().next().map(colour);
    let opaque = match nothing {
        Nothing::Empty => false,
        Nothing::Forgotten => {
            rgba.pixels().all(|pixel| pixel.0[3] == 0) && rgba.pixels().any(|pixel| Some(colour(pixel)) != first)
        }
        Nothing::NoChannel => rgba.pixels().all(|pixel| pixel.0[3] == 0),
    };
    let mut picture = RgbImage::new(rgba.width(), rgba.height());
    for (pixel, from) in picture.pixels_mut().zip(rgba.pixels()) {
        let alpha = if opaque { 255 } else { u16::from(from.0[3]) };
        pixel.0 = colour(from).map(|channel| ((u16::from(channel) * alpha + 255 * (255 - alpha) + 127) / 255) as u8);
    }
    picture
}
