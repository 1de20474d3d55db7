//! From a camera's buffer to RGB pixels, whatever is in the buffer.

use image::RgbImage;
use nokhwa::FormatDecoder;
use nokhwa::pixel_format::RgbFormat;
use nokhwa::utils::{FrameFormat, Resolution};

use crate::capture::camera::device::{Format, Pixels, RawFrame};
use crate::capture::picture::jpeg;

/// Decodes a frame. The error says what is broken, for the log.
pub(super) fn decode(frame: &RawFrame) -> Result<RgbImage, String> {
    let Format { width, height, pixels, .. } = frame.format;
    if pixels == Pixels::Mjpeg {
        // The buffer is as long as the longest frame; what is behind this one is not read.
        let (image, _) = jpeg::read(|| Ok(frame.bytes.as_slice())).map_err(|error| error.to_string())?;
        return if image.dimensions() == (width, height) { Ok(image) } else { Err("wrong size".to_owned()) };
    }
    if width == 0 || height == 0 {
        return Err("no pixels".to_owned());
    }
    let bytes = cut(frame)?;
    let mut rgb = vec![0; width as usize * height as usize * 3];
    let resolution = Resolution::new(width, height);
    let decoded = RgbFormat::write_output_buffer(pixels.into(), resolution, bytes, &mut rgb);
    decoded.map_err(|error| error.to_string())?;
    RgbImage::from_raw(width, height, rgb).ok_or_else(|| "wrong size".to_owned())
}

/// The part of a buffer that is the frame: the buffer is as long as the longest frame, and its rest
/// is left from others.
fn cut(frame: &RawFrame) -> Result<&[u8], String> {
    let Format { width, height, pixels, .. } = frame.format;
    let area = width as usize * height as usize;
    let length = match pixels {
        Pixels::Mjpeg => frame.bytes.len(),
        Pixels::Yuyv => area * 2,
        Pixels::Nv12 => area * 3 / 2,
        Pixels::Rgb | Pixels::Bgr => area * 3,
        Pixels::Grey => area,
    };
    frame.bytes.get(..length).ok_or_else(|| format!("{} bytes of {length}", frame.bytes.len()))
}

impl From<Pixels> for FrameFormat {
    fn from(pixels: Pixels) -> Self {
        match pixels {
            Pixels::Mjpeg => Self::MJPEG,
            Pixels::Yuyv => Self::YUYV,
            Pixels::Nv12 => Self::NV12,
            Pixels::Rgb => Self::RAWRGB,
            Pixels::Bgr => Self::RAWBGR,
            Pixels::Grey => Self::GRAY,
        }
    }
}

impl From<FrameFormat> for Pixels {
    fn from(format: FrameFormat) -> Self {
        match format {
            FrameFormat::MJPEG => Self::Mjpeg,
            FrameFormat::YUYV => Self::Yuyv,
            FrameFormat::NV12 => Self::Nv12,
            FrameFormat::RAWRGB => Self::Rgb,
            FrameFormat::RAWBGR => Self::Bgr,
            FrameFormat::GRAY => Self::Grey,
        }
    }
}

#[cfg(test)]
mod tests {
    use image::Rgb;
    use image::codecs::jpeg::JpegEncoder;

    use super::*;

    fn raw(width: u32, height: u32, pixels: Pixels, bytes: Vec<u8>) -> RawFrame {
        RawFrame { format: Format { width, height, fps: 30, pixels }, bytes }
    }

    /// A JPEG with some texture.
    fn jpeg(width: u32, height: u32) -> Vec<u8> {
        let image = RgbImage::from_fn(width, height, |x, y| Rgb([(x * 9) as u8, (y * 7) as u8, (x * y) as u8]));
        let mut bytes = Vec::new();
        JpegEncoder::new_with_quality(&mut bytes, 90).encode_image(&image).expect("encoded");
        bytes
    }

    fn near(image: &RgbImage, wanted: [u8; 3]) {
        for pixel in image.pixels() {
            for (is, want) in pixel.0.iter().zip(wanted) {
                assert!(is.abs_diff(want) <= 3, "{:?} is not {wanted:?}", pixel.0);
            }
        }
    }

    #[test]
    fn raw_formats_are_cut_to_their_frame() {
        // Full red in BT.601: Y 81, U 90, V 240. Behind each frame, the rest of a longer one.
        let rest = [99; 13];
        let yuyv = [[81, 90, 81, 240].repeat(8).as_slice(), &rest].concat();
        near(&decode(&raw(4, 4, Pixels::Yuyv, yuyv)).expect("decoded"), [255, 0, 0]);
        let nv12 = [vec![81; 16].as_slice(), &[90, 240].repeat(4), &rest].concat();
        near(&decode(&raw(4, 4, Pixels::Nv12, nv12)).expect("decoded"), [255, 0, 0]);
        let rgb = [[9, 8, 7].repeat(16).as_slice(), &rest].concat();
        near(&decode(&raw(4, 4, Pixels::Rgb, rgb.clone())).expect("decoded"), [9, 8, 7]);
        near(&decode(&raw(4, 4, Pixels::Bgr, rgb)).expect("decoded"), [7, 8, 9]);
        let grey = [vec![50; 16].as_slice(), &rest].concat();
        near(&decode(&raw(4, 4, Pixels::Grey, grey)).expect("decoded"), [50, 50, 50]);
    }

    #[test]
    fn what_is_behind_a_jpeg_is_left() {
        let whole = jpeg(64, 48);
        let alone = decode(&raw(64, 48, Pixels::Mjpeg, whole.clone())).expect("decoded");
        let with_rest = [whole.as_slice(), &whole[whole.len() / 2..]].concat();
        assert!(decode(&raw(64, 48, Pixels::Mjpeg, with_rest)).expect("decoded") == alone);
    }

    #[test]
    fn broken_frames_are_errors() {
        let whole = jpeg(64, 48);
        for broken in [&whole[..whole.len() / 2], &whole[..1], &[], &[0; 5000], &whole[1..]] {
            assert!(decode(&raw(64, 48, Pixels::Mjpeg, broken.to_vec())).is_err());
        }
        let error = decode(&raw(4, 4, Pixels::Yuyv, vec![0; 31])).expect_err("too short");
        assert_eq!(error, "31 bytes of 32");
        assert!(decode(&raw(32, 48, Pixels::Mjpeg, whole)).is_err(), "another size than agreed");
        for (width, height) in [(0, 4), (4, 0)] {
            assert!(decode(&raw(width, height, Pixels::Yuyv, vec![0; 64])).is_err(), "the library panics");
        }
    }
}
