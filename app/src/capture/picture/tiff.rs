//! What kind a TIFF is, for a message about one that can't be read. Knows tags, and no pixels.

use std::collections::BTreeMap;
use std::io::{self, Read, Seek, SeekFrom};

/// The most entries of a directory that are looked at. Baseline TIFF has about forty.
const MAX_ENTRIES: u64 = 512;

// Tags (TIFF 6.0, section 8; DNG 1.7, chapter 4).
const BITS_PER_SAMPLE: u16 = 258;
const COMPRESSION: u16 = 259;
const PHOTOMETRIC: u16 = 262;
const SAMPLES_PER_PIXEL: u16 = 277;
const PLANAR: u16 = 284;
const SAMPLE_FORMAT: u16 = 339;
const DNG_VERSION: u16 = 50_706;

/// What the first picture of a TIFF is, such as `a TIFF with JPEG 2000 compression (RGB colours of
/// 8 bits)`. `None` where its first directory can't be read.
pub(super) fn kind(bytes: impl Read + Seek) -> Option<String> {
    let tags = first_directory(bytes).ok()?;
    let number = |tag: u16, default: u64| tags.get(&tag).copied().unwrap_or(default);
    if tags.contains_key(&DNG_VERSION) || matches!(number(PHOTOMETRIC, 0), 32_803 | 34_892) {
        return Some("a camera's raw picture (TIFF or DNG)".to_owned());
    }
    let compression = match number(COMPRESSION, 1) {
        1 => "no compression".to_owned(),
        2 => "CCITT RLE compression".to_owned(),
        3 => "CCITT Group 3 compression".to_owned(),
        4 => "CCITT Group 4 compression".to_owned(),
        5 => "LZW compression".to_owned(),
        6 => "JPEG compression of the old kind".to_owned(),
        7 => "JPEG compression".to_owned(),
        8 | 32_946 => "deflate compression".to_owned(),
        9 | 10 | 34_661 => "JBIG compression".to_owned(),
        32_773 => "PackBits compression".to_owned(),
        32_809 => "ThunderScan compression".to_owned(),
        33_003 | 33_005 | 34_712 => "JPEG 2000 compression".to_owned(),
        34_676 | 34_677 => "SGI Log compression".to_owned(),
        34_887 => "LERC compression".to_owned(),
        34_925 => "LZMA compression".to_owned(),
        34_933 => "PNG compression".to_owned(),
        34_934 => "JPEG XR compression".to_owned(),
        50_000 => "Zstandard compression".to_owned(),
        50_001 => "WebP compression".to_owned(),
        50_002 | 52_546 => "JPEG XL compression".to_owned(),
        other => format!("compression number {other}"),
    };
    let colours = match number(PHOTOMETRIC, u64::MAX) {
        0 | 1 => "grey",
        2 => "RGB",
        3 => "palette",
        4 => "mask",
        5 => "CMYK",
        6 => "YCbCr",
        8..=10 => "Lab",
        32_844 | 32_845 => "logarithmic",
        _ => "unknown",
    };
    let bits = number(BITS_PER_SAMPLE, 1);
    let float = if number(SAMPLE_FORMAT, 1) == 3 { " in floating point" } else { "" };
    let planes = if number(PLANAR, 1) == 2 { ", in separate planes" } else { "" };
    let samples = match (colours, number(SAMPLES_PER_PIXEL, 1)) {
        ("unknown", samples) => format!(", {samples} samples a pixel"),
        _ => String::new(),
    };
    Some(format!("a TIFF with {compression} ({colours} colours of {bits} bits{float}{planes}{samples})"))
}

/// The first value of every tag in the first directory that is a short or a long integer.
fn first_directory(mut bytes: impl Read + Seek) -> io::Result<BTreeMap<u16, u64>> {
    let mut reader = Reader { is_big_endian: false };
    let order: [u8; 2] = read(&mut bytes)?;
    reader.is_big_endian = order == *b"MM";
    // BigTIFF has 43 there, and numbers of 64 bits instead of 32.
    let is_big = reader.number(&mut bytes, 2)? == 43;
    let width = if is_big { 8 } else { 4 };
    if is_big {
        reader.number(&mut bytes, 4)?;
    }
    let directory = reader.number(&mut bytes, width)?;
    bytes.seek(SeekFrom::Start(directory))?;
    let entries = reader.number(&mut bytes, if is_big { 8 } else { 2 })?.min(MAX_ENTRIES);
    let mut tags = BTreeMap::new();
    for entry in 0..entries {
        let size = 4 + 2 * width as u64;
        bytes.seek(SeekFrom::Start(directory + if is_big { 8 } else { 2 } + entry * size))?;
        let tag = reader.number(&mut bytes, 2)? as u16;
        let bytes_of_one = match reader.number(&mut bytes, 2)? {
            1 | 7 => 1,
            3 => 2,
            4 => 4,
            16 => 8,
            _ => continue,
        };
        let count = reader.number(&mut bytes, width)?;
        if count.saturating_mul(bytes_of_one as u64) > width as u64 {
            let offset = reader.number(&mut bytes, width)?;
            bytes.seek(SeekFrom::Start(offset))?;
        }
        tags.insert(tag, reader.number(&mut bytes, bytes_of_one)?);
    }
    Ok(tags)
}

/// Numbers in the file's order of bytes.
struct Reader {
    is_big_endian: bool,
}

impl Reader {
    /// A number of up to eight bytes.
    fn number(&self, bytes: &mut impl Read, width: usize) -> io::Result<u64> {
        let mut number = [0; 8];
        bytes.read_exact(&mut number[..width])?;
        if self.is_big_endian {
            number[..width].reverse();
        }
        Ok(u64::from_le_bytes(number))
    }
}

fn read<const N: usize>(bytes: &mut impl Read) -> io::Result<[u8; N]> {
    let mut read = [0; N];
    bytes.read_exact(&mut read)?;
    Ok(read)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    /// A TIFF of one directory with these tags, each a short.
    fn tiff(tags: &[(u16, u16)], order: fn(u16) -> [u8; 2]) -> Vec<u8> {
        let is_big_endian = order(1) == [0, 1];
        let long = |number: u32| if is_big_endian { number.to_be_bytes() } else { number.to_le_bytes() };
        let mut bytes = if is_big_endian { b"MM".to_vec() } else { b"II".to_vec() };
        bytes.extend(order(42));
        bytes.extend(long(8));
        bytes.extend(order(tags.len() as u16));
        for &(tag, value) in tags {
            bytes.extend([order(tag), order(3)].concat());
            bytes.extend(long(1));
            bytes.extend([order(value), [0; 2]].concat());
        }
        bytes.extend([0; 4]);
        bytes
    }

    #[test]
    fn kinds_are_named_in_both_orders_of_bytes() {
        for (tags, named) in [
            (&[(258, 8), (259, 7), (262, 6)][..], "a TIFF with JPEG compression (YCbCr colours of 8 bits)"),
            (&[(258, 4), (262, 3)], "a TIFF with no compression (palette colours of 4 bits)"),
            (
                &[(258, 16), (259, 50_000), (262, 2), (284, 2)],
                "a TIFF with Zstandard compression (RGB colours of 16 bits, in separate planes)",
            ),
            (
                &[(258, 32), (259, 5), (262, 1), (339, 3)],
                "a TIFF with LZW compression (grey colours of 32 bits in floating point)",
            ),
            (
                &[(258, 8), (259, 777), (262, 99), (277, 5)],
                "a TIFF with compression number 777 (unknown colours of 8 bits, 5 samples a pixel)",
            ),
            (&[(262, 32_803)], "a camera's raw picture (TIFF or DNG)"),
        ] {
            for order in [u16::to_le_bytes, u16::to_be_bytes] {
                assert_eq!(kind(Cursor::new(tiff(tags, order))).as_deref(), Some(named));
            }
        }
    }

    #[test]
    fn big_tiff_and_values_elsewhere_are_read() {
        // Three samples of 8 bits do not fit into the entry of a small TIFF, but into a big one's.
        let mut small = tiff(&[(258, 26), (259, 34_712), (262, 5)], u16::to_le_bytes);
        small[14] = 3;
        small[18] = small.len() as u8;
        small.extend([8, 0, 8, 0, 8, 0]);
        let named = "a TIFF with JPEG 2000 compression (CMYK colours of 8 bits)";
        assert_eq!(kind(Cursor::new(small)).as_deref(), Some(named));

        let mut big = b"II\x2B\0\x08\0\0\0\x10\0\0\0\0\0\0\0\x03\0\0\0\0\0\0\0".to_vec();
        for (tag, count, value) in [(258u16, 3u64, 0x0008_0008_0008u64), (259, 1, 34_712), (262, 1, 5)] {
            big.extend([tag.to_le_bytes(), 3u16.to_le_bytes()].concat());
            big.extend([count.to_le_bytes(), value.to_le_bytes()].concat());
        }
        assert_eq!(kind(Cursor::new(big)).as_deref(), Some(named));
    }

    #[test]
    fn what_can_not_be_read_has_no_kind() {
        let whole = tiff(&[(258, 8), (259, 7)], u16::to_le_bytes);
        for end in 0..whole.len() - 8 {
            assert_eq!(kind(Cursor::new(&whole[..end])), None, "{end}");
        }
        let mut far = whole;
        far[4..8].fill(255);
        assert_eq!(kind(Cursor::new(far)), None);
    }
}
