//! Picture files to upright RGB pixels, whatever their size, depth or transparency claims. Knows no
//! source.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, ErrorKind, Read, Seek};
use std::path::Path;

use image::error::{ImageError, LimitErrorKind};
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits, RgbImage};

use crate::capture::alpha::{Nothing, over_white};
use crate::capture::kind::{self, FileKind};
use crate::capture::picture::error::{MAX_PIXELS, PictureError};
use crate::capture::picture::jpeg::{self, JpegError};
use crate::capture::picture::png;
use crate::capture::picture::tiff;

/// The longest side that is read, in pixels: what JPEG can hold.
const MAX_SIDE: u32 = 65_535;

/// The most memory that a decoder may take: [`MAX_PIXELS`] of the widest pixel there is (four
/// channels of 16 bits), and something to work with.
const MAX_BYTES: u64 = MAX_PIXELS * 8 + (64 << 20);

/// What is wrong with a file that was cut.
const TOO_SHORT: &str = "it ends too early";

/// Reads a picture file: upright by its EXIF orientation, transparency over white, 16 bits and grey
/// brought to RGB of 8 bits. Of an animation, the first picture.
///
/// # Errors
/// When it is missing, unreadable, not a picture or one of another kind, larger than
/// [`MAX_PIXELS`], or damaged.
pub fn read_picture(path: &Path) -> Result<RgbImage, PictureError> {
    // Asked before opening: opening a pipe would wait for somebody to write to it.
    if !path.metadata().map_err(|error| of_system(path, &error))?.is_file() {
        return Err(PictureError::NotAPicture(path.to_owned()));
    }
    read(path, || File::open(path).map(BufReader::new))
}

/// Reads a picture that is in memory, as [`read_picture`] reads a file. `name` is what messages
/// call it.
///
/// # Errors
/// When it is not a picture or one of another kind, larger than [`MAX_PIXELS`], or damaged.
pub fn picture_in_memory(name: &Path, content: &[u8]) -> Result<RgbImage, PictureError> {
    read(name, || Ok(Cursor::new(content)))
}

/// Reads a picture of which `open` gives the bytes, from their beginning each time.
fn read<R: BufRead + Seek>(name: &Path, open: impl Fn() -> io::Result<R>) -> Result<RgbImage, PictureError> {
    let begin = || open().map_err(|error| of_system(name, &error));
    // By content alone: a name may lie.
    let reader = limited(ImageReader::new(begin()?)).with_guessed_format();
    let reader = reader.map_err(|error| of_system(name, &error))?;
    match reader.format().filter(ImageFormat::reading_enabled) {
        Some(ImageFormat::Jpeg) => {
            let (picture, orientation) = jpeg::read(&open).map_err(|error| of_jpeg(name, error))?;
            let mut picture = DynamicImage::from(picture);
            picture.apply_orientation(orientation);
            Ok(picture.into_rgb8())
        }
        Some(ImageFormat::Png) => decode(name, reader).or_else(|error| {
            let mended = png::mended(begin()?).map_err(|error| of_system(name, &error))?;
            let Some(mended) = mended.filter(|_| matches!(error, PictureError::Broken(..))) else { return Err(error) };
            decode(name, limited(ImageReader::with_format(Cursor::new(mended), ImageFormat::Png)))
        }),
        Some(ImageFormat::Tiff) => decode(name, reader).or_else(|error| match error {
            PictureError::Unsupported(..) => {
                let kind = tiff::kind(begin()?);
                Err(kind.map_or(error, |kind| PictureError::Unsupported(name.to_owned(), kind)))
            }
            error => Err(error),
        }),
        Some(_) => decode(name, reader),
        None => {
            let mut head = Vec::new();
            begin()?.take(kind::HEAD).read_to_end(&mut head).map_err(|error| of_system(name, &error))?;
            Err(match kind::of_bytes(&head) {
                _ if head.is_empty() => PictureError::Empty(name.to_owned()),
                FileKind::OtherPicture(kind) => PictureError::Unsupported(name.to_owned(), kind.to_owned()),
                _ => PictureError::NotAPicture(name.to_owned()),
            })
        }
    }
}

fn decode<R: BufRead + Seek>(path: &Path, reader: ImageReader<R>) -> Result<RgbImage, PictureError> {
    let format = reader.format();
    let mut decoder = reader.into_decoder().map_err(|error| of_decoder(path, format, error))?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > MAX_PIXELS || decoder.total_bytes() > MAX_BYTES {
        return Err(PictureError::TooLarge(path.to_owned()));
    }
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut image = DynamicImage::from_decoder(decoder).map_err(|error| of_decoder(path, format, error))?;
    image.apply_orientation(orientation);
    if !image.color().has_alpha() {
        return Ok(image.into_rgb8());
    }
    let nothing = if format == Some(ImageFormat::Bmp) { Nothing::NoChannel } else { Nothing::Forgotten };
    Ok(over_white(&image.into_rgba8(), nothing))
}

fn limited<R: BufRead + Seek>(mut reader: ImageReader<R>) -> ImageReader<R> {
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_BYTES);
    reader.limits(limits);
    reader
}

fn of_system(path: &Path, error: &io::Error) -> PictureError {
    match error.kind() {
        ErrorKind::NotFound => PictureError::Missing(path.to_owned()),
        _ => PictureError::Unreadable(path.to_owned(), error.to_string()),
    }
}

fn of_jpeg(path: &Path, error: JpegError) -> PictureError {
    let path = path.to_owned();
    match error {
        JpegError::TooLarge => PictureError::TooLarge(path),
        JpegError::Unreadable(error) => of_system(&path, &error),
        JpegError::Cut => PictureError::Broken(path, TOO_SHORT.to_owned()),
        JpegError::Unsupported(why) => PictureError::Unsupported(path, format!("a JPEG of a rare kind ({why})")),
        JpegError::Damaged(why) => PictureError::Broken(path, why),
    }
}

fn of_decoder(path: &Path, format: Option<ImageFormat>, error: ImageError) -> PictureError {
    let path = path.to_owned();
    match error {
        ImageError::Unsupported(error) => {
            let name = format.and_then(|format| format.extensions_str().first()).map_or("picture", |name| name);
            let (name, why) = (name.to_uppercase(), error.to_string());
            PictureError::Unsupported(path, format!("a {name} of a rare kind ({})", why.trim_end_matches('.')))
        }
        ImageError::Limits(error) => match error.kind() {
            LimitErrorKind::DimensionError | LimitErrorKind::InsufficientMemory => PictureError::TooLarge(path),
            _ => PictureError::Broken(path, error.to_string()),
        },
        ImageError::IoError(error) if error.kind() == ErrorKind::UnexpectedEof => {
            PictureError::Broken(path, TOO_SHORT.to_owned())
        }
        error => PictureError::Broken(path, in_few_words(&error.to_string())),
    }
}

/// What a decoder says of a damaged file, without the insides that it prints.
fn in_few_words(said: &str) -> String {
    let ends = ["InsufficientInput", "nexpected end of file", "nexpected End of File", "nexpected EOF"];
    if ends.iter().any(|end| said.contains(end)) {
        return TOO_SHORT.to_owned();
    }
    if said.contains("CRC error") {
        return "a checksum does not match".to_owned();
    }
    let said =
        said.strip_prefix("Format error decoding ").and_then(|rest| rest.split_once(": ")).map_or(said, |it| it.1);
    said.trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use image::codecs::jpeg::JpegEncoder;
    use image::{ExtendedColorType, ImageBuffer, ImageEncoder, Luma, Rgb, Rgba};
    use tempfile::TempDir;

    use super::*;

    fn folder() -> TempDir {
        tempfile::tempdir().expect("a folder for the test")
    }

    #[test]
    fn transparency_goes_over_white() {
        let dir = folder();
        let path = dir.path().join("a.png");
        let mut image = ImageBuffer::from_pixel(2, 1, Rgba([255u8, 0, 0, 255]));
        image.put_pixel(1, 0, Rgba([0, 0, 0, 51]));
        image.save(&path).expect("written");
        let read = read_picture(&path).expect("read");
        assert_eq!(read.get_pixel(0, 0), &Rgb([255, 0, 0]));
        assert_eq!(read.get_pixel(1, 0), &Rgb([204, 204, 204]));
    }

    #[test]
    fn sixteen_bits_and_grey_become_rgb() {
        let dir = folder();
        let path = dir.path().join("grey.png");
        ImageBuffer::from_pixel(3, 2, Luma([0x8000u16])).save(&path).expect("written");
        let read = read_picture(&path).expect("read");
        assert_eq!(read.dimensions(), (3, 2));
        assert_eq!(read.get_pixel(2, 1), &Rgb([128, 128, 128]));
    }

    #[test]
    fn what_is_wrong_is_said_in_few_words() {
        let name = Path::new("a.png");
        let mut png = Cursor::new(Vec::new());
        let noise = RgbImage::from_fn(40, 30, |x, y| Rgb([(x * 37 + y * 91) as u8, (x * y) as u8, (x ^ y) as u8]));
        noise.write_to(&mut png, ImageFormat::Png).expect("written");
        let png = png.into_inner();
        let said = |content: &[u8]| picture_in_memory(name, content).expect_err("refused").message().what().to_owned();
        assert_eq!(said(&png[..png.len() / 2]), "a.png is damaged (it ends too early).");
        let mut wrong = png.clone();
        // The checksum of the pixels stands before the last chunk, which has 12 bytes.
        let checksum = wrong.len() - 13;
        wrong[checksum] ^= 1;
        assert_eq!(said(&wrong), "a.png is damaged (a checksum does not match).");
        assert_eq!(said(b""), "a.png is empty.");
        assert_eq!(said(b"<!doctype html><html></html>"), "a.png is a web page, which can't be read.");
    }

    #[test]
    fn a_wrong_extension_does_not_matter() {
        let dir = folder();
        let (png, jpg) = (dir.path().join("x.png"), dir.path().join("x.jpg"));
        RgbImage::from_pixel(4, 4, Rgb([1, 2, 3])).save(&png).expect("written");
        fs::rename(&png, &jpg).expect("renamed");
        assert_eq!(read_picture(&jpg).expect("read").get_pixel(0, 0), &Rgb([1, 2, 3]));
    }

    #[test]
    fn exif_turns_the_picture_upright() {
        let dir = folder();
        let path = dir.path().join("turned.jpg");
        let mut image = RgbImage::from_pixel(32, 16, Rgb([0, 0, 0]));
        for y in 0..16 {
            for x in 0..16 {
                image.put_pixel(x, y, Rgb([255, 255, 255]));
            }
        }
        let mut file = File::create(&path).expect("created");
        let mut encoder = JpegEncoder::new_with_quality(&mut file, 95);
        // A TIFF header and one entry: orientation (0x0112), a short, 6 = turn by 90 degrees
        // clockwise.
        let exif = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0".to_vec();
        encoder.set_exif_metadata(exif).expect("EXIF taken");
        encoder.write_image(image.as_raw(), 32, 16, ExtendedColorType::Rgb8).expect("written");
        let read = read_picture(&path).expect("read");
        assert_eq!(read.dimensions(), (16, 32));
        assert!(read.get_pixel(8, 4).0[0] > 200, "the left half is now the top");
        assert!(read.get_pixel(8, 28).0[0] < 50);
    }

    /// The head of a PNG that claims this size.
    fn png_claiming(width: u32, height: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        image::codecs::png::PngEncoder::new(&mut bytes)
            .write_image(&[0; 3], 1, 1, ExtendedColorType::Rgb8)
            .expect("encoded");
        bytes[16..20].copy_from_slice(&width.to_be_bytes());
        bytes[20..24].copy_from_slice(&height.to_be_bytes());
        let crc = crc32(&bytes[12..29]);
        bytes[29..33].copy_from_slice(&crc.to_be_bytes());
        bytes
    }

    fn crc32(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(u32::MAX, |crc, &byte| {
            (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ (0xEDB8_8320 * (crc & 1)))
        })
    }

    #[test]
    fn absurd_sizes_are_refused_before_any_memory_is_taken() {
        let dir = folder();
        let path = dir.path().join("bomb.png");
        for (width, height) in [(10_001, 10_001), (65_536, 1), (2_000_000_000, 2_000_000_000)] {
            fs::write(&path, png_claiming(width, height)).expect("written");
            let error = read_picture(&path).expect_err("too large");
            assert_eq!(error, PictureError::TooLarge(path.clone()), "{width}x{height}");
            assert!(error.to_string().contains("100 megapixels"), "{error}");
        }
    }

    #[test]
    fn each_bad_file_has_its_sentence() {
        let dir = folder();
        let missing = dir.path().join("none.png");
        assert_eq!(read_picture(&missing), Err(PictureError::Missing(missing.clone())));

        let text = dir.path().join("text.png");
        fs::write(&text, "just text").expect("written");
        assert_eq!(read_picture(&text), Err(PictureError::NotAPicture(text.clone())));
        assert_eq!(read_picture(dir.path()), Err(PictureError::NotAPicture(dir.path().to_owned())));

        let empty = dir.path().join("empty.png");
        fs::write(&empty, "").expect("written");
        assert_eq!(read_picture(&empty), Err(PictureError::Empty(empty.clone())));

        for name in ["cut.png", "cut.jpg", "cut.bmp", "cut.webp", "cut.gif", "cut.tiff"] {
            let cut = dir.path().join(name);
            let mut state = 1u32;
            let noise = RgbImage::from_fn(64, 64, |_, _| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                Rgb([(state >> 24) as u8, (state >> 16) as u8, (state >> 8) as u8])
            });
            noise.save(&cut).expect("written");
            let whole = fs::read(&cut).expect("read");
            fs::write(&cut, &whole[..40]).expect("written");
            let error = read_picture(&cut).expect_err(name);
            assert!(matches!(error, PictureError::Broken(..)), "{name}: {error:?}");
            assert!(error.to_string().contains("damaged"), "{error}");
        }
    }

    #[test]
    fn an_alpha_channel_that_is_zero_all_over_hides_nothing() {
        let dir = folder();
        let image = ImageBuffer::from_fn(2, 1, |x, _| Rgba([x as u8 * 200, 10, 20, 0]));
        for name in ["a.png", "a.bmp", "a.tiff", "a.webp"] {
            let path = dir.path().join(name);
            image.save(&path).expect("written");
            let read = read_picture(&path).expect(name);
            assert_eq!((read.get_pixel(0, 0).0, read.get_pixel(1, 0).0), ([0, 10, 20], [200, 10, 20]), "{name}");
        }
        let nothing = ImageBuffer::from_pixel(2, 1, Rgba([0u8; 4]));
        for (name, colour) in [("b.png", 255), ("b.bmp", 0)] {
            let path = dir.path().join(name);
            nothing.save(&path).expect("written");
            assert_eq!(read_picture(&path).expect(name).get_pixel(1, 0).0, [colour; 3], "{name}");
        }
    }

    #[test]
    fn a_png_is_read_whatever_is_wrong_beside_its_picture() {
        let dir = folder();
        let path = dir.path().join("a.png");
        let image = RgbImage::from_fn(40, 30, |x, y| Rgb([x as u8 * 6, y as u8 * 8, 7]));
        image.save(&path).expect("written");
        let whole = fs::read(&path).expect("read");
        let (head, rest) = whole.split_at(33);
        let text = [&[0, 0, 0, 3][..], b"tEXta\0b", &[9; 4]].concat();
        let gamma = [&[0, 0, 0, 4][..], b"gAMA", &[0, 0, 177, 143, 0, 0, 0, 0]].concat();
        for (what, bytes) in [
            ("text", [head, &text[..], rest].concat()),
            ("gamma", [head, &gamma[..], rest].concat()),
            ("tail", [&whole[..], b"junk"].concat()),
            ("no end", whole[..whole.len() - 12].to_vec()),
            ("half an end", whole[..whole.len() - 5].to_vec()),
        ] {
            assert_eq!(picture_in_memory(&path, &bytes), Ok(image.clone()), "{what}");
        }
        let cut = picture_in_memory(&path, &whole[..whole.len() / 2]);
        assert!(matches!(cut, Err(PictureError::Broken(..))), "{cut:?}");
    }

    #[test]
    fn pictures_of_other_kinds_are_named() {
        let name = Path::new("a.jpg");
        for (bytes, kind) in [
            (&b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic"[..], "a HEIF picture"),
            (b"\0\0\0\x18ftypavif\0\0\0\0mif1miaf", "an AVIF picture"),
            (b"8BPS\0\x01", "a Photoshop picture"),
        ] {
            let error = PictureError::Unsupported(name.to_owned(), kind.to_owned());
            assert_eq!(picture_in_memory(name, bytes), Err(error));
        }
    }
}
