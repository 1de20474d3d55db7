//! Tests of `jpeg`.

use std::path::Path;

use image::Rgb;
use image::codecs::jpeg::JpegEncoder;

use super::*;

fn decoded(content: &[u8]) -> Result<RgbImage, JpegError> {
    read(|| Ok(content)).map(|(picture, _)| picture)
}

fn fixture(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/jpeg");
    std::fs::read(folder.join(name)).expect(name)
}

/// What Pillow reads.
fn wanted(name: &str) -> RgbImage {
    image::load_from_memory(&fixture(&format!("{name}.png"))).expect(name).into_rgb8()
}

#[test]
fn pictures_are_to_the_last_bit_what_pillow_makes_of_them() {
    for name in ["444", "422", "420", "440", "411", "progressive", "restarts", "grey", "rgb", "cmyk", "ycck", "plain"] {
        let got = decoded(&fixture(&format!("{name}.jpg"))).expect(name);
        assert!(got == wanted(name), "{name}");
    }
    assert!(decoded(&fixture("mjpeg.jpg")).expect("read") == wanted("420"), "without Huffman tables");
}

#[test]
fn a_picture_without_its_end_is_whole_and_one_without_its_last_block_is_not() {
    for name in ["444", "420", "progressive", "restarts", "grey", "cmyk"] {
        let whole = fixture(&format!("{name}.jpg"));
        let picture = decoded(&whole).expect(name);
        let waves = &whole[..whole.len() - 2];
        for tail in [&b""[..], b"\xff", b"\0\0\0", b"\xff\xd9\xff\xd8\xff junk"] {
            assert!(decoded(&[waves, tail].concat()).expect(name) == picture, "{name} with {tail:?}");
        }
        // Near the end, what is cut may be padding, or what no pixel shows; then it is the same
        // picture.
        for length in (waves.len() * 3 / 4..waves.len()).chain([waves.len() / 2, 100, 2, 1]) {
            for end in [&b""[..], END] {
                match decoded(&[&whole[..length], end].concat()) {
                    Ok(read) => assert!(
                        read == picture && length + 24 > waves.len(),
                        "{name}: {length} of {} bytes",
                        whole.len()
                    ),
                    Err(error) => assert!(!matches!(error, JpegError::Unreadable(_)), "{error:?}"),
                }
            }
        }
    }
}

#[test]
fn a_small_picture_inside_is_not_the_picture() {
    let whole = fixture("444.jpg");
    let notes = [&whole[..2], &[0xff, 0xe1, 0, 6, 0xff, 0xd8, 0xff, 0xd9], &whole[2..]].concat();
    assert!(decoded(&notes).expect("read") == wanted("444"));
    assert!(matches!(decoded(&notes[..notes.len() / 2]), Err(JpegError::Cut)));
}

/// Bytes that say how many of them were read.
struct Counted<'a>(&'a [u8], &'a Cell<usize>);

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.0.read(buffer)?;
        self.1.set(self.1.get() + length);
        Ok(length)
    }
}

#[test]
fn what_is_behind_a_picture_is_not_read() {
    let (whole, read_bytes) = (fixture("420.jpg"), Cell::new(0));
    let long = [&whole[..], &vec![0; 10 << 20]].concat();
    assert!(read(|| Ok(io::BufReader::new(Counted(&long, &read_bytes)))).is_ok());
    assert!(read_bytes.get() < whole.len() + (64 << 10), "{} bytes were read", read_bytes.get());
}

#[test]
fn damage_is_an_error_or_a_picture_of_the_same_size() {
    let mut whole = Vec::new();
    let picture = RgbImage::from_fn(48, 40, |x, y| Rgb([(x * 9) as u8, (y * 7) as u8, (x * y) as u8]));
    JpegEncoder::new_with_quality(&mut whole, 90).encode_image(&picture).expect("encoded");
    let mut refused = 0;
    for at in 2..whole.len() - 2 {
        for value in [0x00, 0x7F, 0xFF] {
            let mut bytes = whole.clone();
            bytes[at] = value;
            match decoded(&bytes) {
                Ok(read) => assert!(read.width() > 0 && read.height() > 0),
                Err(error) => {
                    refused += 1;
                    assert!(!matches!(error, JpegError::Unreadable(_)), "{error:?}");
                }
            }
        }
    }
    assert!(refused > 0, "some of these can't be read");
}

#[test]
fn size_and_scans_are_bounded() {
    let mut large = fixture("444.jpg");
    let frame = large.windows(2).position(|two| two == [0xff, 0xc0]).expect("a frame header");
    large[frame + 5..frame + 9].copy_from_slice(&[0x40; 4]);
    assert!(matches!(decoded(&large), Err(JpegError::TooLarge)));
    let progressive = fixture("progressive.jpg");
    let scan = progressive.windows(2).rposition(|two| two == [0xff, 0xda]).expect("a scan");
    let (head, last) = progressive[..progressive.len() - 2].split_at(scan);
    let many = [head, &last.repeat(2000), END].concat();
    assert!(matches!(decoded(&many), Err(JpegError::Damaged(why)) if why.contains("segments")));
    let precise = [&large[..frame + 4], &[12], &large[frame + 5..]].concat();
    assert!(matches!(decoded(&precise), Err(JpegError::Unsupported(why)) if why.contains("12")));
}
