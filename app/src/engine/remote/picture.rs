//! A picture as a server is sent it: no larger than a model looks at, in a format that every server
//! reads, inside an address of the scheme `data:`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::imageops::{FilterType, resize};
use image::{ImageEncoder as _, RgbImage};

use crate::engine::remote::error::RemoteError;
use crate::engine::remote::options::PictureFormat;

/// The longest edge that is sent. Servers cut a picture into tiles of 384 or 512 pixels and look at
/// four by four of them at most; what is larger costs time on the way and shows nothing more.
const LONGEST_EDGE: u32 = 1536;
/// Quality of JPEG. Below 90 its blocks show in small print.
const QUALITY: u8 = 92;

/// The picture as an address.
///
/// # Errors
/// [`RemoteError::Picture`] when it can't be encoded.
pub fn address(picture: &RgbImage, format: PictureFormat) -> Result<String, RemoteError> {
    let smaller = scaled(picture);
    let picture = smaller.as_ref().unwrap_or(picture);
    let (width, height) = picture.dimensions();
    let mut bytes = Vec::new();
    let colour = image::ExtendedColorType::Rgb8;
    let (kind, done) = match format {
        PictureFormat::Jpeg => {
            let encoder = JpegEncoder::new_with_quality(&mut bytes, QUALITY);
            ("jpeg", encoder.write_image(picture.as_raw(), width, height, colour))
        }
        PictureFormat::Png => ("png", PngEncoder::new(&mut bytes).write_image(picture.as_raw(), width, height, colour)),
    };
    done.map_err(|error| RemoteError::Picture(error.to_string()))?;
    Ok(format!("data:image/{kind};base64,{}", STANDARD.encode(bytes)))
}

/// The picture in the size that is sent, where that is smaller than its own.
fn scaled(picture: &RgbImage) -> Option<RgbImage> {
    let (width, height) = picture.dimensions();
    let longest = width.max(height);
    let scale = |edge: u32| ((u64::from(edge) * u64::from(LONGEST_EDGE)).div_ceil(u64::from(longest)) as u32).max(1);
    (longest > LONGEST_EDGE).then(|| resize(picture, scale(width), scale(height), FilterType::Triangle))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(address: &str) -> RgbImage {
        let bytes = STANDARD.decode(address.split_once("base64,").expect("data").1).expect("base64");
        image::load_from_memory(&bytes).expect("a picture").into_rgb8()
    }

    #[test]
    fn pictures_arrive_in_either_format() {
        let picture =
            RgbImage::from_fn(
                40,
                30,
                |x, _| if x < 20 { image::Rgb([200, 30, 30]) } else { image::Rgb([20, 30, 220]) },
            );
        let png = address(&picture, PictureFormat::Png).expect("a PNG");
        assert!(png.starts_with("data:image/png;base64,") && read(&png) == picture);
        let jpeg = address(&picture, PictureFormat::Jpeg).expect("a JPEG");
        let got = read(&jpeg);
        assert!(jpeg.starts_with("data:image/jpeg;base64,") && got.dimensions() == (40, 30));
        assert!(got.get_pixel(2, 2).0[0] > 180 && got.get_pixel(37, 27).0[2] > 200);
    }

    #[test]
    fn large_pictures_are_made_smaller_and_keep_their_shape() {
        let wide = read(&address(&RgbImage::new(3840, 2160), PictureFormat::Png).expect("a PNG"));
        assert_eq!(wide.dimensions(), (1536, 864));
        let thin = read(&address(&RgbImage::new(20_000, 1), PictureFormat::Png).expect("a PNG"));
        assert_eq!(thin.dimensions(), (1536, 1));
    }
}
