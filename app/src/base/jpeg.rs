//! A picture as a JPEG, made smaller where it is too wide. Knows no frame and no file.

use image::codecs::jpeg::JpegEncoder;
use image::{RgbImage, imageops};

/// The picture in JPEG of this quality (1 to 100), at most `widest` pixels across; a narrower one
/// keeps its size. None for a picture without pixels, or one so tall that JPEG can't hold it.
#[must_use]
pub fn encode(picture: &RgbImage, widest: u32, quality: u8) -> Option<Vec<u8>> {
    let (width, height) = picture.dimensions();
    let mut jpeg = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(&mut jpeg, quality);
    let encoded = if width > widest {
        let height = (u64::from(height) * u64::from(widest)).div_ceil(u64::from(width));
        // Averages all pixels that a small one covers, and is quick at that.
        encoder.encode_image(&imageops::thumbnail(picture, widest, u32::try_from(height).ok()?.max(1)))
    } else {
        encoder.encode_image(picture)
    };
    encoded.ok().filter(|()| width > 0 && height > 0)?;
    Some(jpeg)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size_of_jpeg(width: u32, height: u32) -> Option<(u32, u32)> {
        let jpeg = encode(&RgbImage::from_pixel(width, height, image::Rgb([200, 30, 30])), 320, 75)?;
        let read = image::load_from_memory_with_format(&jpeg, image::ImageFormat::Jpeg).expect("a JPEG").into_rgb8();
        let [r, g, b] = read.get_pixel(0, 0).0;
        assert!(r > 180 && g < 60 && b < 60, "{r} {g} {b}");
        Some(read.dimensions())
    }

    #[test]
    fn it_is_as_wide_as_it_should_be_and_keeps_its_shape() {
        assert_eq!(size_of_jpeg(1280, 720), Some((320, 180)));
        assert_eq!(size_of_jpeg(720, 1280), Some((320, 569)));
        assert_eq!(size_of_jpeg(64, 48), Some((64, 48)));
        assert_eq!(size_of_jpeg(5000, 1), Some((320, 1)));
        assert_eq!(size_of_jpeg(0, 0), None);
    }
}
