//! From a camera's buffer to RGB pixels, whatever is in the buffer.

use std::panic::{AssertUnwindSafe, catch_unwind};

use image::RgbImage;
use nokhwa::FormatDecoder;
use nokhwa::pixel_format::RgbFormat;
use nokhwa::utils::{FrameFormat, Resolution};

use crate::capture::camera::device::{Format, Pixels, RawFrame};

/// Decodes a frame. The error says what is broken, for the log.
pub(super) fn decode(frame: &RawFrame) -> Result<RgbImage, String> {
    let Format { width, height, pixels, .. } = frame.format;
    let bytes = cut(frame)?;
    // The JPEG decoder panics at damaged data, silently; the program goes on to the next frame.
    let decoded = catch_unwind(AssertUnwindSafe(|| {
        // The decoder compares the picture's own size with this buffer's before it takes any memory.
        let mut rgb = vec![0; width as usize * height as usize * 3];
        let resolution = Resolution::new(width, height);
        RgbFormat::write_output_buffer(pixels.into(), resolution, bytes, &mut rgb).map(|()| rgb)
    }));
    match decoded {
        Ok(Ok(rgb)) => RgbImage::from_raw(width, height, rgb).ok_or_else(|| "wrong size".to_owned()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("the decoder gave up".to_owned()),
    }
}

/// The part of the buffer that is the frame: the buffer is as long as the longest frame, and its rest is left from others.
fn cut(frame: &RawFrame) -> Result<&[u8], String> {
    let Format { width, height, pixels, .. } = frame.format;
    let area = width as usize * height as usize;
    let length = match pixels {
        Pixels::Mjpeg => jpeg_length(&frame.bytes).ok_or("a JPEG without an end")?,
        Pixels::Yuyv => area * 2,
        Pixels::Nv12 => area * 3 / 2,
        Pixels::Rgb | Pixels::Bgr => area * 3,
        Pixels::Grey => area,
    };
    frame.bytes.get(..length).ok_or_else(|| format!("{} bytes of {length}", frame.bytes.len()))
}

/// The length of the JPEG at the start of a buffer, up to and with its end marker. Follows the segments, since a
/// thumbnail within one has an end marker of its own. (ITU-T T.81, annex B.)
fn jpeg_length(bytes: &[u8]) -> Option<usize> {
    const START: u8 = 0xD8;
    const END: u8 = 0xD9;
    const SCAN: u8 = 0xDA;
    if !bytes.starts_with(&[0xFF, START]) {
        return None;
    }
    let mut at = 2;
    let mut in_scan = false;
    loop {
        if in_scan {
            at += bytes.get(at..)?.iter().position(|&byte| byte == 0xFF)?;
        } else if *bytes.get(at)? != 0xFF {
            return None;
        }
        let marker = *bytes.get(at + 1)?;
        match marker {
            END => return Some(at + 2),
            // Filling before a marker.
            0xFF => at += 1,
            // In coded data: an escaped byte, or a restart.
            0x00 | 0xD0..=0xD7 if in_scan => at += 2,
            _ => {
                let length = bytes.get(at + 2..at + 4)?;
                at += 2 + usize::from(u16::from_be_bytes([length[0], length[1]]));
                in_scan = marker == SCAN;
            }
        }
    }
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
    fn a_jpeg_is_cut_at_its_own_end() {
        let whole = jpeg(64, 48);
        assert_eq!(jpeg_length(&whole), Some(whole.len()));
        let with_rest = [whole.as_slice(), &whole[whole.len() / 2..]].concat();
        assert_eq!(jpeg_length(&with_rest), Some(whole.len()), "an end marker in the rest is not ours");
        // A thumbnail in a comment segment, with an end marker of its own.
        let inner = [&[0xFF, 0xFE, 0, 6, 0xFF, 0xD9, 0xFF, 0xD9], &whole[2..]].concat();
        let with_thumbnail = [&whole[..2], &inner].concat();
        assert_eq!(jpeg_length(&with_thumbnail), Some(with_thumbnail.len()));
        let decoded = decode(&raw(64, 48, Pixels::Mjpeg, with_rest)).expect("decoded");
        assert_eq!(decoded.dimensions(), (64, 48));
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
    }

    #[test]
    fn no_damage_gets_past_the_decoder() {
        let whole = jpeg(64, 48);
        let mut panics = 0;
        for at in 2..whole.len() - 2 {
            for value in [0x00, 0x7F, 0xFF] {
                let mut bytes = whole.clone();
                bytes[at] = value;
                if let Err(error) = decode(&raw(64, 48, Pixels::Mjpeg, bytes)) {
                    panics += u32::from(error == "the decoder gave up");
                }
            }
        }
        assert!(panics > 0, "the decoder is known to panic at some of these");
    }
}
