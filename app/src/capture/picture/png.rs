//! PNG files that browsers show and the decoder refuses: with damage in what is not the picture, or
//! without an end. Knows chunks, and no pixels.

use std::io::{self, Read};

/// The most that is read of a PNG which needs mending, in bytes.
const MAX_BYTES: u64 = 512 << 20;

/// What a PNG begins with.
const SIGNATURE: &[u8; 8] = b"\x89PNG\r\n\x1a\n";

/// The last chunk, with its checksum.
const END: &[u8; 12] = b"\0\0\0\0IEND\xAE\x42\x60\x82";

/// The same picture with nothing but what it needs: its critical chunks, transparency and
/// orientation. Chunks beside them that are damaged or make no sense are left out; the end is put
/// where it is missing. `None` when it is not a PNG. (PNG specification, 5: a chunk is a length, a
/// type, data and a checksum; a type whose first letter is small can be done without.)
pub(super) fn mended(bytes: impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = bytes.take(MAX_BYTES);
    let mut out = Vec::new();
    bytes.by_ref().take(SIGNATURE.len() as u64).read_to_end(&mut out)?;
    if out != SIGNATURE {
        return Ok(None);
    }
    loop {
        let mut head = Vec::new();
        bytes.by_ref().take(8).read_to_end(&mut head)?;
        let [a, b, c, d, kind @ ..] = head.as_slice() else { break };
        let length = u64::from(u32::from_be_bytes([*a, *b, *c, *d]));
        let known = kind.len() == 4 && kind.iter().all(u8::is_ascii_alphabetic);
        if !known || kind == b"IEND" {
            break;
        }
        let critical = kind[0].is_ascii_uppercase();
        if !critical && kind != b"tRNS" && kind != b"eXIf" {
            io::copy(&mut bytes.by_ref().take(length + 4), &mut io::sink())?;
            continue;
        }
        let begin = out.len();
        out.extend_from_slice(&head);
        bytes.by_ref().take(length).read_to_end(&mut out)?;
        let data = (out.len() - begin - 8) as u32;
        // A last chunk that was cut holds what it holds: whether that is enough shows.
        out[begin..begin + 4].copy_from_slice(&data.to_be_bytes());
        let sum = crc32fast::hash(&out[begin + 4..]).to_be_bytes();
        let mut claimed = Vec::new();
        bytes.by_ref().take(4).read_to_end(&mut claimed)?;
        match (claimed.len() < 4 || claimed == sum, critical) {
            (true, _) => out.extend_from_slice(&sum),
            (false, true) => out.extend_from_slice(&claimed),
            (false, false) => out.truncate(begin),
        }
    }
    out.extend_from_slice(END);
    Ok(Some(out))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(kind: &[u8], data: &[u8], wrong: u32) -> Vec<u8> {
        let sum = crc32fast::hash(&[kind, data].concat()) ^ wrong;
        [&(data.len() as u32).to_be_bytes()[..], kind, data, &sum.to_be_bytes()].concat()
    }

    #[test]
    fn what_the_picture_needs_stays_and_the_rest_goes() {
        let (header, data) = (chunk(b"IHDR", b"header", 0), chunk(b"IDAT", b"waves", 0));
        let whole = [SIGNATURE, &header[..], &data, END].concat();
        let of = |chunks: &[&[u8]]| mended(&chunks.concat()[..]).expect("read");
        assert_eq!(of(&[&whole]).as_ref(), Some(&whole));
        let text = chunk(b"tEXt", b"a", 1);
        assert_eq!(of(&[SIGNATURE, &header, &text, &data, END, b"junk"]).as_ref(), Some(&whole));
        assert_eq!(of(&[SIGNATURE, &header, &data]).as_ref(), Some(&whole), "without an end");
        assert_eq!(of(&[SIGNATURE, &header, &data[..data.len() - 4]]).as_ref(), Some(&whole));
        assert_eq!(of(&[SIGNATURE, &header, &data, b"\xff\xff\xff\xffjunk!"]).as_ref(), Some(&whole));
        let wrong = chunk(b"tRNS", b"x", 1);
        assert_eq!(of(&[SIGNATURE, &header, &wrong, &data, END]).as_ref(), Some(&whole));
        let bad = chunk(b"IDAT", b"waves", 1);
        assert_eq!(of(&[SIGNATURE, &header, &bad, END]), Some([SIGNATURE, &header[..], &bad, END].concat()));
        assert_eq!(of(&[b"GIF89a"]), None);
    }
}
