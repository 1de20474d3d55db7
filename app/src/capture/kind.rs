//! What a file is, by its first bytes. Knows names of formats, and decodes none.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// How many of its first bytes tell what a file is.
pub(crate) const HEAD: u64 = 512;

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileKind {
    /// A picture that can be read.
    Picture,
    /// A picture that can't be read, such as `a HEIF picture`.
    OtherPicture(&'static str),
    /// A video, which ffmpeg may play.
    Video,
    /// Something else: for pictures. Whether ffmpeg plays it, ffmpeg knows.
    Unknown,
}

/// What a file is.
///
/// # Errors
/// When it can't be read.
pub(crate) fn of_file(path: &Path) -> io::Result<FileKind> {
    let mut head = Vec::new();
    File::open(path)?.take(HEAD).read_to_end(&mut head)?;
    Ok(of_bytes(&head))
}

/// What begins with these bytes.
pub(crate) fn of_bytes(head: &[u8]) -> FileKind {
    let is = |at: usize, magic: &[u8]| head.get(at..).is_some_and(|rest| rest.starts_with(magic));
    if is(4, b"ftyp") {
        return of_brands(head);
    }
    let others: [(&[u8], &str); 19] = [
        (b"\0\0\0\x0CJXL ", "a JPEG XL picture"),
        (b"\xFF\x0A", "a JPEG XL picture"),
        (b"\0\0\0\x0CjP  ", "a JPEG 2000 picture"),
        (b"\xFF\x4F\xFF\x51", "a JPEG 2000 picture"),
        (b"\xFF\xD8\xFF\xF7", "a JPEG-LS picture"),
        (b"8BPS", "a Photoshop picture"),
        (b"\0\0\x01\0", "an icon"),
        (b"\x76\x2F\x31\x01", "an OpenEXR picture"),
        (b"#?RADIANCE", "a Radiance HDR picture"),
        (b"qoif", "a QOI picture"),
        (b"gimp xcf", "a GIMP picture"),
        (b"farbfeld", "a farbfeld picture"),
        (b"DDS ", "a DDS picture"),
        (b"icns", "an icon"),
        (b"%!PS", "a PostScript file"),
        (b"%PDF-", "a PDF file"),
        (b"II\xBC\x01", "a JPEG XR picture"),
        (b"FUJIFILMCCD-RAW", "a camera's raw picture"),
        (b"IIRO", "a camera's raw picture"),
    ];
    if let Some((_, name)) = others.iter().find(|(magic, _)| is(0, magic)) {
        return FileKind::OtherPicture(name);
    }
    // Matroska and WebM, AVI, Ogg, Flash, Windows Media, MPEG program and transport streams.
    let video = is(0, b"\x1A\x45\xDF\xA3")
        || (is(0, b"RIFF") && is(8, b"AVI "))
        || is(0, b"OggS")
        || is(0, b"FLV\x01")
        || is(0, b"\x30\x26\xB2\x75\x8E\x66\xCF\x11")
        || is(0, b"\0\0\x01\xBA")
        || (0..3).all(|packet| is(packet * 188, b"\x47"));
    if video {
        return FileKind::Video;
    }
    match image::guess_format(head) {
        Ok(format) if format.reading_enabled() => FileKind::Picture,
        _ => without_magic(head).map_or(FileKind::Unknown, FileKind::OtherPicture),
    }
}

/// What is told by more than a few first bytes.
fn without_magic(head: &[u8]) -> Option<&'static str> {
    let text = String::from_utf8_lossy(head);
    let begin = text.trim_start_matches('\u{feff}').trim_start();
    let begins = |tag: &str| begin.get(..tag.len()).is_some_and(|it| it.eq_ignore_ascii_case(tag));
    // A drawing begins as text, after what XML begins with.
    if begins("<svg") || (begins("<?xml") && begin.contains("<svg")) {
        return Some("a drawing (SVG)");
    }
    if begins("<!doctype html") || begins("<html") {
        return Some("a web page");
    }
    match head {
        [b'P', b'1'..=b'7' | b'F' | b'f', b' ' | b'\t' | b'\r' | b'\n', ..] => Some("a PNM picture"),
        // Cursors have a number of pictures, and Targa files nothing but zeros there, or a map of
        // colours. (Truevision TGA, 2.0: field 2 to 5.)
        [0, 0, 2, 0, 1..=255, 0, ..] => Some("a cursor"),
        [_, 0, 2 | 3 | 10 | 11, 0, 0, 0, 0, 0, rest @ ..] if is_targa(rest, &[8, 15, 16, 24, 32]) => {
            Some("a Targa picture")
        }
        [_, 1, 1 | 9, _, _, _, _, 15 | 16 | 24 | 32, rest @ ..] if is_targa(rest, &[8]) => Some("a Targa picture"),
        _ => None,
    }
}

/// Whether a Targa file goes on so behind its map of colours: place, width, height, bits a pixel.
fn is_targa(rest: &[u8], depths: &[u8]) -> bool {
    let Some(&[_, _, _, _, w0, w1, h0, h1, depth]) = rest.first_chunk() else { return false };
    (w0 | w1) > 0 && (h0 | h1) > 0 && depths.contains(&depth)
}

/// MP4 and its relatives say what they are by brands: the first is what it is, the others are what
/// it can be read as. (ISO/IEC 14496-12, 4.3; HEIF: ISO/IEC 23008-12, 10; AVIF: 6.)
fn of_brands(head: &[u8]) -> FileKind {
    let length = head.first_chunk().map_or(0, |length| u32::from_be_bytes(*length)) as usize;
    let brands = head.get(8..length.min(head.len())).unwrap_or_default().as_chunks::<4>().0;
    let Some((first, rest)) = brands.split_first() else { return FileKind::Video };
    let picture = |brand: &[u8; 4]| match brand {
        b"avif" | b"avis" | b"avio" | b"MA1A" | b"MA1B" => Some("an AVIF picture"),
        b"mif1" | b"mif2" | b"mif3" | b"msf1" | b"miaf" | b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"hevx"
        | b"hevm" | b"hevs" | b"heif" | b"vvic" | b"vvis" | b"evbi" | b"jpeg" | b"jpgs" | b"1pic" | b"avci"
        | b"avcs" | b"MiHB" | b"MiHA" | b"MiHE" | b"MiAB" | b"MiPr" => Some("a HEIF picture"),
        b"crx " => Some("a camera's raw picture"),
        b"jp2 " | b"jpx " | b"jpm " | b"jph " => Some("a JPEG 2000 picture"),
        b"jxl " => Some("a JPEG XL picture"),
        _ => None,
    };
    let general = |brand: &[u8; 4]| matches!(brand, b"mif1" | b"msf1" | b"miaf" | b"mif2");
    // Of the general brands, those behind them say which kind it is.
    let named = if general(first) {
        rest.iter().skip(1).filter(|brand| !general(brand)).find_map(picture).or_else(|| picture(first))
    } else {
        picture(first)
    };
    // The second is a version. A brand that is not known here may still be read as a picture.
    let film = |brand: &[u8; 4]| {
        brand.starts_with(b"iso") || brand.starts_with(b"mp4") || matches!(brand, b"qt  " | b"avc1" | b"3gp4")
    };
    let others = rest.get(1..).unwrap_or_default();
    let named = named.or_else(|| {
        let pictures_only = !film(first) && !others.iter().any(film);
        others.iter().find_map(picture).filter(|_| pictures_only)
    });
    named.map_or(FileKind::Video, FileKind::OtherPicture)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The head of a file with these brands.
    fn brands(brands: &str) -> FileKind {
        let length = 16 + brands.len() - 4;
        let (first, rest) = brands.split_at(4);
        let head = [&(length as u32).to_be_bytes()[..], b"ftyp", first.as_bytes(), &[0; 4], rest.as_bytes()];
        of_bytes(&[&head.concat()[..], b"\0\0\0\x08mdat"].concat())
    }

    #[test]
    fn pictures_in_the_files_of_videos_are_told_by_their_brands() {
        let (heif, avif) = (FileKind::OtherPicture("a HEIF picture"), FileKind::OtherPicture("an AVIF picture"));
        for first in ["heic", "heix", "hevc", "hevx", "mif1", "msf1", "miaf"] {
            assert_eq!(brands(&format!("{first}mif1heicmiaf")), heif, "{first}");
            assert_eq!(brands(first), heif, "{first} alone");
        }
        for text in ["avifmif1miaf", "avismsf1miaf", "mif1avifmiaf", "mif1mif1avif"] {
            assert_eq!(brands(text), avif, "{text}");
        }
        assert_eq!(brands("crx isom"), FileKind::OtherPicture("a camera's raw picture"));
        assert_eq!(brands("XXXXmif1heic"), heif);
        for text in ["isom", "mp42mp41isom", "qt  ", "isommif1heic", "3gp5isom", "dash"] {
            assert_eq!(brands(text), FileKind::Video, "{text}");
        }
    }

    #[test]
    fn content_tells_what_a_file_is() {
        assert_eq!(of_bytes(b"\x89PNG\r\n\x1a\n"), FileKind::Picture);
        assert_eq!(of_bytes(b"\xFF\xD8\xFF\xE0"), FileKind::Picture);
        assert_eq!(of_bytes(b"RIFF\0\0\0\0AVI LIST"), FileKind::Video);
        assert_eq!(of_bytes(b"8BPS\0\x01"), FileKind::OtherPicture("a Photoshop picture"));
        assert_eq!(of_bytes(b"<?xml version=\"1.0\"?>\n<svg>"), FileKind::OtherPicture("a drawing (SVG)"));
        assert_eq!(of_bytes(b"<!DOCTYPE html>\n<html>"), FileKind::OtherPicture("a web page"));
        assert_eq!(of_bytes(b"P6\n160 120\n255\n"), FileKind::OtherPicture("a PNM picture"));
        let cursor = b"\0\0\x02\0\x01\0\x20\x20\0\0\x01\0\x01\0";
        assert_eq!(of_bytes(cursor), FileKind::OtherPicture("a cursor"));
        let targa = b"\0\0\x02\0\0\0\0\0\0\0\0\0\xA0\0\x78\0\x18\0";
        assert_eq!(of_bytes(targa), FileKind::OtherPicture("a Targa picture"));
        let mapped = b"\x0A\x01\x09\0\0\0\x01\x18\0\0\0\0\xA0\0\x78\0\x08\0";
        assert_eq!(of_bytes(mapped), FileKind::OtherPicture("a Targa picture"));
        for unknown in [&b"hello"[..], b"", b"\0\0\0\x01\x67", b"P65", b"\0\0\x02\0\0\0\0\0\0\0\0\0\0\0\0\0"] {
            assert_eq!(of_bytes(unknown), FileKind::Unknown);
        }
    }
}
