//! JPEG through libjpeg-turbo, with the settings that Pillow reads pictures with: equal to it to
//! the last bit. Knows no file.
//!
//! libjpeg warns of what is missing, makes grey of it, and goes on; it warns of harmless things,
//! too. Whether something was missing shows in further passes, which give other bytes where the
//! picture's own ran out: a picture that is whole does not read them.

use std::cell::Cell;
use std::io::{self, BufRead, Read};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr;

use image::RgbImage;
use image::metadata::Orientation;
use mozjpeg::decompress::DecompressBuilder;
use mozjpeg::{ColorSpace, DctMethod, Decompress, Marker};
use mozjpeg_sys::{c_int, jpeg_common_struct, jpeg_error_mgr};

use crate::capture::picture::error::MAX_PIXELS;

/// The most that is read of a JPEG, in bytes: a picture of [`MAX_PIXELS`] has fewer.
const MAX_BYTES: u64 = 512 << 20;

/// How often libjpeg may speak of a segment or a scan: each of thousands of scans would cost a pass
/// over the whole picture.
const MAX_SEGMENTS: u32 = 2000;

/// The marker at the end of a JPEG.
const END: &[u8] = &[0xFF, 0xD9];

/// What the other passes read where the picture's own bytes end: waves for some blocks, the same
/// behind each restart marker, and an end. One of them begins with the zero that makes waves of a
/// byte 0xFF before it, too; none of the ways in which they begin ends a block in all of the usual
/// tables.
static OTHER_ENDS: [[u8; OTHER_END]; 3] = [other_end(0x00), other_end(0x5A), other_end(0xE7)];

/// Enough waves for the ten blocks that are the most between two places where a picture is checked.
const OTHER_WAVES: usize = 1022;

/// Waves and a marker, for each of the eight restart markers and the end.
const OTHER_END: usize = 9 * (OTHER_WAVES + 2);

const fn other_end(first: u8) -> [u8; OTHER_END] {
    let mut end = [0; OTHER_END];
    let mut part = 0;
    let mut noise = 1u32;
    while part < 9 {
        let begin = part * (OTHER_WAVES + 2);
        let mut i = 0;
        while i < OTHER_WAVES {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            // No 0xFF, which would begin a marker.
            end[begin + i] = ((noise >> 24) & 0x7F) as u8;
            i += 1;
        }
        end[begin] = first;
        end[begin + OTHER_WAVES] = 0xFF;
        end[begin + OTHER_WAVES + 1] = if part == 8 { END[1] } else { 0xD0 + part as u8 };
        part += 1;
    }
    end
}

/// What begins a segment with a camera's notes, the orientation among them.
const EXIF: &[u8] = b"Exif\0\0";

/// Why a JPEG can't be read.
#[derive(Debug)]
pub(crate) enum JpegError {
    /// More pixels than [`MAX_PIXELS`], or it says so.
    TooLarge,
    /// Its bytes don't come.
    Unreadable(io::Error),
    /// A part of the picture is missing.
    Cut,
    /// libjpeg knows what it is and can't read it: why, in its words.
    Unsupported(String),
    /// It is damaged: how, in libjpeg's words.
    Damaged(String),
}

impl std::fmt::Display for JpegError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::TooLarge => f.write_str("it is too large"),
            Self::Unreadable(error) => error.fmt(f),
            Self::Cut => f.write_str("it ends too early"),
            Self::Unsupported(why) | Self::Damaged(why) => f.write_str(why),
        }
    }
}

/// Reads a JPEG, and how it is to be turned. `open` gives its bytes from the beginning; it is
/// called again where something seems to be missing.
pub(crate) fn read<R: BufRead>(open: impl Fn() -> io::Result<R>) -> Result<(RgbImage, Orientation), JpegError> {
    let begin = || open().map_err(JpegError::Unreadable);
    let ran_out = Cell::new(false);
    let first =
        pass(Fed::new(begin()?, MAX_BYTES, END, &ran_out), Some(listener())).map_err(|failure| match failure {
            Failure::Known(error) => error,
            Failure::TooMany => JpegError::Damaged("it has too many segments".to_owned()),
            _ if ran_out.get() => JpegError::Cut,
            Failure::Fatal(_) => begin().map_or_else(|error| error, explained),
        })?;
    if let Some(end) = first.doubtful {
        for other_end in &OTHER_ENDS {
            let other = pass(Fed::new(begin()?, end, other_end, &ran_out), Some(listener()));
            if !other.is_ok_and(|other| other.picture == first.picture) {
                return Err(JpegError::Cut);
            }
        }
    }
    Ok((first.picture, first.orientation))
}

/// What is wrong with a JPEG that libjpeg gave up on, by another pass with libjpeg's own messages.
fn explained(bytes: impl BufRead) -> JpegError {
    let why = match pass(Fed::new(bytes, MAX_BYTES, END, &Cell::new(false)), None) {
        Err(Failure::Fatal(why)) if !why.is_empty() => why,
        // With its own messages libjpeg mends what it gave up on before.
        _ => "its data contradict themselves".to_owned(),
    };
    // "Unsupported JPEG process", "Unsupported JPEG data precision", "Unsupported color
    // conversion".
    if why.contains("nsupported") || why.contains("not implemented") {
        JpegError::Unsupported(why)
    } else {
        JpegError::Damaged(why)
    }
}

/// What one pass over a JPEG gave.
struct Pass {
    picture: RgbImage,
    orientation: Orientation,
    /// Something may be missing; the picture's bytes end here.
    doubtful: Option<u64>,
}

/// Why a pass ended early.
enum Failure {
    Known(JpegError),
    TooMany,
    /// libjpeg gave up: with its words, if it was asked for them.
    Fatal(String),
}

/// Reads all of it once. Errors in libjpeg unwind through it, and end here.
fn pass<R: BufRead>(bytes: Fed<'_, R>, manager: Option<jpeg_error_mgr>) -> Result<Pass, Failure> {
    HEARD.set(Heard::default());
    let passed = catch_unwind(AssertUnwindSafe(|| {
        let builder = DecompressBuilder::new().with_markers(&[Marker::APP(1)]);
        let builder = match manager {
            Some(manager) => builder.with_err(manager),
            None => builder,
        };
        decompress(builder.from_reader(bytes)?)
    }));
    match passed {
        Ok(Ok(pass)) => pass.map_err(Failure::Known),
        // Such as tables without a picture; and what can't be read.
        Ok(Err(error)) => Err(Failure::Fatal(error.to_string())),
        Err(_) if HEARD.get().segments > MAX_SEGMENTS => Err(Failure::TooMany),
        Err(payload) => {
            let why = payload.downcast::<String>().map_or_else(|_| String::new(), |why| *why);
            Err(Failure::Fatal(why.trim_start_matches("libjpeg fatal error: ").to_owned()))
        }
    }
}

fn decompress<R: BufRead>(mut jpeg: Decompress<Fed<'_, R>>) -> io::Result<Result<Pass, JpegError>> {
    let (width, height) = jpeg.size();
    if width as u64 * height as u64 > MAX_PIXELS {
        return Ok(Err(JpegError::TooLarge));
    }
    let exif = jpeg.markers().find_map(|marker| Orientation::from_exif_chunk(marker.data.strip_prefix(EXIF)?));
    let orientation = exif.unwrap_or(Orientation::NoTransforms);
    jpeg.dct_method(DctMethod::IntegerSlow);
    jpeg.do_fancy_upsampling(true);
    let inks = matches!(jpeg.color_space(), ColorSpace::JCS_CMYK | ColorSpace::JCS_YCCK);
    let mut rows = jpeg.to_colorspace(if inks { ColorSpace::JCS_CMYK } else { ColorSpace::JCS_RGB })?;
    let mut picture = RgbImage::new(width as u32, height as u32);
    if inks {
        let mut row = vec![0; width * 4];
        for line in picture.chunks_exact_mut(width * 3) {
            rows.read_scanlines_into(&mut row)?;
            for (colour, ink) in line.as_chunks_mut().0.iter_mut().zip(row.as_chunks().0) {
                *colour = of_inks(*ink);
            }
        }
    } else {
        rows.read_scanlines_into(&mut picture)?;
    }
    // To read on to the end is only needed to know where that is.
    let doubtful = match HEARD.get().warnings {
        0 => None,
        _ => Some(rows.finish_into_inner()?.own()),
    };
    Ok(Ok(Pass { picture, orientation, doubtful }))
}

/// Pillow's `cmyk2rgb`: inks are stored inverted, as Photoshop does, so that `inks` are what is
/// left of white paper.
fn of_inks(inks: [u8; 4]) -> [u8; 3] {
    let light = u32::from(inks[3]);
    [inks[0], inks[1], inks[2]].map(|left| {
        let product = u32::from(255 - left) * light + 128;
        light.saturating_sub(((product >> 8) + product) >> 8) as u8
    })
}

/// The bytes that libjpeg reads: those of the picture up to a limit, and then an end, whatever the
/// picture ends with.
struct Fed<'a, R> {
    bytes: R,
    left: u64,
    /// How many were read.
    given: u64,
    tail: &'static [u8],
    ran_out: &'a Cell<bool>,
}

impl<'a, R> Fed<'a, R> {
    fn new(bytes: R, left: u64, tail: &'static [u8], ran_out: &'a Cell<bool>) -> Self {
        ran_out.set(false);
        Self { bytes, left, given: 0, tail, ran_out }
    }

    /// How many bytes the picture has of its own, once it was read: without its end marker.
    fn own(&self) -> u64 {
        if self.ran_out.get() { self.given } else { self.given.saturating_sub(END.len() as u64) }
    }
}

impl<R: BufRead> Read for Fed<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.fill_buf()?.read(buffer)?;
        self.consume(length);
        Ok(length)
    }
}

impl<R: BufRead> BufRead for Fed<'_, R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.left > 0 && !self.bytes.fill_buf()?.is_empty() {
            let bytes = self.bytes.fill_buf()?;
            return Ok(&bytes[..bytes.len().min(usize::try_from(self.left).unwrap_or(usize::MAX))]);
        }
        self.left = 0;
        self.ran_out.set(true);
        Ok(self.tail)
    }

    fn consume(&mut self, length: usize) {
        if self.ran_out.get() {
            self.tail = &self.tail[length..];
        } else {
            self.bytes.consume(length);
            self.left -= length as u64;
            self.given += length as u64;
        }
    }
}

/// What libjpeg said in a pass.
#[derive(Clone, Copy, Default)]
struct Heard {
    warnings: u32,
    segments: u32,
}

thread_local! {
    /// libjpeg hands its listener nothing of ours, and calls it in the thread that reads.
    static HEARD: Cell<Heard> = const { Cell::new(Heard { warnings: 0, segments: 0 }) };
}

/// Counts what libjpeg says, and unwinds where it gives up. Its messages' texts are lost.
fn listener() -> jpeg_error_mgr {
    jpeg_error_mgr {
        error_exit: Some(give_up),
        emit_message: Some(hear),
        output_message: None,
        format_message: None,
        reset_error_mgr: Some(forget),
        msg_code: 0,
        msg_parm: mozjpeg_sys::msg_parm_union::default(),
        trace_level: 0,
        num_warnings: 0,
        jpeg_message_table: ptr::null(),
        last_jpeg_message: 0,
        addon_message_table: ptr::null(),
        first_addon_message: 0,
        last_addon_message: 0,
    }
}

extern "C-unwind" fn give_up(_: &mut jpeg_common_struct) {
    // Past the panic hook: this is not an error of the program.
    resume_unwind(Box::new(()));
}

extern "C-unwind" fn hear(_: &mut jpeg_common_struct, level: c_int) {
    let mut heard = HEARD.get();
    match level {
        ..0 => heard.warnings += 1,
        // Segments and scans; their contents and restarts are told at higher levels.
        0 | 1 => heard.segments += 1,
        _ => return,
    }
    HEARD.set(heard);
    if heard.segments > MAX_SEGMENTS {
        resume_unwind(Box::new(()));
    }
}

extern "C-unwind" fn forget(_: &mut jpeg_common_struct) {}

#[cfg(test)]
mod tests;
