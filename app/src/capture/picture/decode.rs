//! Picture files to upright RGB pixels, whatever their size, depth or transparency claims. Knows no source.

use std::fmt;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Cursor, ErrorKind, Seek};
use std::path::{Path, PathBuf};

use image::error::{ImageError, LimitErrorKind};
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits, RgbImage};

/// The largest picture that is read, in pixels: more than any camera's, and few enough to decode in a second or two.
pub const MAX_PIXELS: u64 = 100_000_000;

/// The longest side that is read, in pixels: what JPEG can hold.
const MAX_SIDE: u32 = 65_535;

/// The most memory that a decoder may take: [`MAX_PIXELS`] of the widest pixel there is (four channels of 16 bits), and
/// something to work with.
const MAX_BYTES: u64 = MAX_PIXELS * 8 + (64 << 20);

/// What is wrong with a file that was cut.
const TOO_SHORT: &str = "it ends too early";

/// Why a picture can't be read. Displays as a sentence for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PictureError {
    /// There is no such file.
    Missing(PathBuf),
    /// The system does not let us read it.
    Unreadable(PathBuf, String),
    /// It is something else.
    NotAPicture(PathBuf),
    /// It has more pixels than [`MAX_PIXELS`], or says so.
    TooLarge(PathBuf),
    /// It is damaged.
    Broken(PathBuf, String),
}

impl fmt::Display for PictureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(path) => write!(f, "There is no file {}. Check the path.", path.display()),
            Self::Unreadable(path, why) => {
                write!(f, "{} can't be read ({why}). Check its permissions.", path.display())
            }
            Self::NotAPicture(path) => write!(
                f,
                "{} is not a picture that can be read. Use a PNG, JPEG, WebP, GIF, TIFF or BMP file.",
                path.display()
            ),
            Self::TooLarge(path) => write!(
                f,
                "{} is larger than {} megapixels, or says so. Make it smaller first.",
                path.display(),
                MAX_PIXELS / 1_000_000
            ),
            Self::Broken(path, why) => {
                write!(f, "{} is damaged ({why}). Use another copy of the picture.", path.display())
            }
        }
    }
}

impl std::error::Error for PictureError {}

/// Reads a picture file: upright by its EXIF orientation, transparency over white, 16 bits and grey brought to RGB of 8
/// bits. Of an animation, the first picture.
///
/// # Errors
/// When it is missing, unreadable, no picture, larger than [`MAX_PIXELS`], or damaged.
pub fn read_picture(path: &Path) -> Result<RgbImage, PictureError> {
    let reader = open(path)?;
    if reader.format() == Some(ImageFormat::Jpeg) {
        let content = fs::read(path).map_err(|error| PictureError::Unreadable(path.to_owned(), error.to_string()))?;
        return picture_in_memory(path, &content);
    }
    decode(path, reader)
}

/// Whether a JPEG's picture has its end: a walk along its markers (ITU T.81, B.1.1), past what segments hold, such as a small
/// picture with an end of its own.
fn is_whole_jpeg(content: &[u8]) -> bool {
    let mut rest = content.get(2..).unwrap_or_default();
    loop {
        rest = match rest {
            [0xff, 0xd9, ..] => return true,
            // A byte of the picture's waves, a marker without a segment, and what fills space before a marker.
            [0xff, 0x00 | 0x01 | 0xd0..=0xd7, rest @ ..] => rest,
            [0xff, 0xff, ..] => &rest[1..],
            [0xff, _, high, low, ..] => {
                let length = usize::from(u16::from_be_bytes([*high, *low]));
                rest.get(2 + length..).unwrap_or_default()
            }
            [0xff, ..] | [] => return false,
            waves => &waves[waves.iter().position(|byte| *byte == 0xff).unwrap_or(waves.len())..],
        }
    }
}

/// Reads a picture that is in memory, as [`read_picture`] reads a file. `name` is what messages call it.
///
/// # Errors
/// When it is no picture, larger than [`MAX_PIXELS`], or damaged.
pub fn picture_in_memory(name: &Path, content: &[u8]) -> Result<RgbImage, PictureError> {
    let reader = limited(ImageReader::new(Cursor::new(content)))
        .with_guessed_format()
        .map_err(|error| PictureError::Unreadable(name.to_owned(), error.to_string()))?;
    let is_jpeg = reader.format() == Some(ImageFormat::Jpeg);
    let picture = decode(name, reader)?;
    if is_jpeg && !is_whole_jpeg(content) {
        // Decoders make grey of what is missing.
        return Err(PictureError::Broken(name.to_owned(), TOO_SHORT.to_owned()));
    }
    Ok(picture)
}

fn decode<R: BufRead + Seek>(path: &Path, reader: ImageReader<R>) -> Result<RgbImage, PictureError> {
    let mut decoder = reader.into_decoder().map_err(|error| of_decoder(path, error))?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > MAX_PIXELS || decoder.total_bytes() > MAX_BYTES {
        return Err(PictureError::TooLarge(path.to_owned()));
    }
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut image = DynamicImage::from_decoder(decoder).map_err(|error| of_decoder(path, error))?;
    image.apply_orientation(orientation);
    if image.color().has_alpha() { Ok(over_white(&image)) } else { Ok(image.into_rgb8()) }
}

fn open(path: &Path) -> Result<ImageReader<BufReader<File>>, PictureError> {
    let of_system = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound => PictureError::Missing(path.to_owned()),
        _ => PictureError::Unreadable(path.to_owned(), error.to_string()),
    };
    // Asked before opening: opening a pipe would wait for somebody to write to it.
    if !path.metadata().map_err(of_system)?.is_file() {
        return Err(PictureError::NotAPicture(path.to_owned()));
    }
    // By content alone: a name may lie.
    let file = BufReader::new(File::open(path).map_err(of_system)?);
    limited(ImageReader::new(file)).with_guessed_format().map_err(of_system)
}

fn limited<R: BufRead + Seek>(mut reader: ImageReader<R>) -> ImageReader<R> {
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_BYTES);
    reader.limits(limits);
    reader
}

fn of_decoder(path: &Path, error: ImageError) -> PictureError {
    let path = path.to_owned();
    match error {
        ImageError::Unsupported(_) => PictureError::NotAPicture(path),
        ImageError::Limits(error) => match error.kind() {
            LimitErrorKind::DimensionError | LimitErrorKind::InsufficientMemory => PictureError::TooLarge(path),
            _ => PictureError::Broken(path, error.to_string()),
        },
        ImageError::IoError(error) if error.kind() == ErrorKind::UnexpectedEof => {
            PictureError::Broken(path, TOO_SHORT.to_owned())
        }
        error => PictureError::Broken(path, error.to_string()),
    }
}

/// What a page or a viewer with a white background would show.
fn over_white(image: &DynamicImage) -> RgbImage {
    let rgba = image.to_rgba8();
    let pixels = rgba.pixels().flat_map(|pixel| {
        let [r, g, b, alpha] = pixel.0.map(u16::from);
        [r, g, b].map(|channel| ((channel * alpha + 255 * (255 - alpha) + 127) / 255) as u8)
    });
    let pixels = pixels.collect();
    RgbImage::from_raw(rgba.width(), rgba.height(), pixels).unwrap_or_default()
}

#[cfg(test)]
mod tests {
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
        // A TIFF header and one entry: orientation (0x0112), a short, 6 = turn by 90 degrees clockwise.
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
        fs::write(&text, "this is no picture").expect("written");
        assert_eq!(read_picture(&text), Err(PictureError::NotAPicture(text.clone())));
        assert_eq!(read_picture(dir.path()), Err(PictureError::NotAPicture(dir.path().to_owned())));

        let empty = dir.path().join("empty.png");
        fs::write(&empty, "").expect("written");
        assert_eq!(read_picture(&empty), Err(PictureError::NotAPicture(empty.clone())));

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
    fn a_jpeg_is_whole_only_with_its_own_end() {
        let dir = folder();
        let path = dir.path().join("a.jpg");
        RgbImage::from_fn(200, 100, |x, y| Rgb([x as u8, y as u8, (x * y) as u8])).save(&path).expect("written");
        let whole = fs::read(&path).expect("read");
        assert!(is_whole_jpeg(&whole));
        assert!(is_whole_jpeg(&[&whole[..], b"what cameras append"].concat()));
        // A small picture, with its end, in a segment of the large one, which is cut.
        let small = [&whole[..2], &[0xff, 0xe1, 0, 6, 0xff, 0xd8, 0xff, 0xd9], &whole[2..]].concat();
        assert!(is_whole_jpeg(&small));
        for length in 0..whole.len() - 1 {
            assert!(!is_whole_jpeg(&whole[..length]), "{length} of {} bytes", whole.len());
        }
        assert!(!is_whole_jpeg(&small[..small.len() - 2]));
        fs::write(&path, &whole[..whole.len() / 2]).expect("written");
        assert_eq!(read_picture(&path), Err(PictureError::Broken(path.clone(), TOO_SHORT.to_owned())));
    }

    /// How far a decoded value may be off Pillow's: both round what a JPEG's waves come to.
    const ROUNDING: u8 = 3;

    #[test]
    fn inks_become_the_colours_that_pillow_makes_of_them() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/cmyk");
        for name in ["cmyk", "ycck", "plain"] {
            let got = read_picture(&folder.join(format!("{name}.jpg"))).expect(name);
            let want = read_picture(&folder.join(format!("{name}.png"))).expect(name);
            assert_eq!(got.dimensions(), want.dimensions());
            for (x, y, pixel) in got.enumerate_pixels() {
                let wanted = want.get_pixel(x, y);
                let off = pixel.0.iter().zip(wanted.0).map(|(got, want)| got.abs_diff(want)).max();
                assert!(off <= Some(ROUNDING), "{name} at {x},{y}: {pixel:?} for {wanted:?}");
            }
        }
    }
}
