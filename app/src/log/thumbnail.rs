//! A small JPEG of a frame, to know it again by. Knows no log.

use image::RgbImage;

use crate::base::jpeg;

/// Pixels across. A narrower picture keeps its size.
pub const WIDTH: u32 = 320;
/// JPEG quality, of 100: some 12 KB a picture of 320x180.
const QUALITY: u8 = 75;

/// The thumbnail of a picture. None for a picture without pixels, or one so tall that JPEG can't
/// hold it.
#[must_use]
pub fn of(picture: &RgbImage) -> Option<Vec<u8>> {
    jpeg::encode(picture, WIDTH, QUALITY)
}
