//! Pillow's resampling, to the last bit: Lanczos with three lobes, along rows first and then along
//! columns.
//!
//! Follows `src/libImaging/Resample.c` of Pillow: weights in double precision, normalised, rounded
//! to 22 bits after the point, sums in 32-bit integers, and a rounding to 8 bits after each pass.
//! Models were trained on pictures made so. Knows nothing of models.
//!
//! Both passes weigh values that lie side by side, [`SIDE`] at a time. Along columns they do; for
//! the pass along rows, strips of as many rows are turned on their sides.

#![allow(
    clippy::inline_always,
    reason = "what is called within a dispatch is compiled for the vectors that it was dispatched to"
)]

use crate::kernels::simd::Dispatch as _;
use image::RgbImage;
use rayon::prelude::*;
use rten_simd::{Isa, SimdOp};

/// Bits of a weight after the point (`PRECISION_BITS`).
const PRECISION: u32 = 32 - 8 - 2;
/// Lobes on either side of the kernel's middle.
const LOBES: f64 = 3.0;
/// Values that are weighed at once.
const SIDE: usize = 32;
const CHANNELS: usize = 3;

/// Resizes a picture that is not empty. An edge that keeps its length is left alone.
pub(crate) fn resize(picture: &RgbImage, width: u32, height: u32) -> RgbImage {
    match (picture.width() == width, picture.height() == height) {
        (true, true) => picture.clone(),
        (true, false) => along_columns(picture, height),
        (false, true) => along_rows(picture, width),
        (false, false) => along_columns(&along_rows(picture, width), height),
    }
}

fn along_rows(picture: &RgbImage, width: u32) -> RgbImage {
    let taps = Taps::new(picture.width() as usize, width as usize);
    let mut out = RgbImage::new(width, picture.height());
    let (from, to) = (picture.width() as usize * CHANNELS, width as usize * CHANNELS);
    let strips = out.par_chunks_mut(SIDE * to).zip(picture.par_chunks(SIDE * from));
    strips.for_each(|(out, rows)| Strip { rows, from, taps: &taps, out, to }.dispatch_here());
    out
}

fn along_columns(picture: &RgbImage, height: u32) -> RgbImage {
    let taps = Taps::new(picture.height() as usize, height as usize);
    let mut out = RgbImage::new(picture.width(), height);
    let stride = picture.width() as usize * CHANNELS;
    let rows = out.par_chunks_mut(stride).with_min_len(SIDE).enumerate();
    rows.for_each(|(y, out)| Row { picture, taps: &taps, y, out }.dispatch_here());
    out
}

/// What every output of a pass is the sum of.
struct Taps {
    /// The first input of each output, and how many there are.
    spans: Vec<(usize, usize)>,
    /// Weights of each output, `most` apart.
    weights: Vec<i32>,
    most: usize,
}

impl Taps {
    /// `precompute_coeffs` and `normalize_coeffs_8bpc`, whole edges only.
    fn new(from: usize, to: usize) -> Self {
        let scale = from as f64 / to as f64;
        let stretch = scale.max(1.0);
        let support = LOBES * stretch;
        let most = support.ceil() as usize * 2 + 1;
        let (mut spans, mut weights) = (Vec::with_capacity(to), vec![0; to * most]);
        for (output, weights) in weights.chunks_exact_mut(most).enumerate() {
            let centre = (output as f64 + 0.5) * scale;
            // Truncated, as C converts.
            let first = (centre - support + 0.5).max(0.0) as usize;
            let count = ((centre + support + 0.5) as usize).min(from) - first;
            let exact: Vec<f64> =
                (0..count).map(|i| lanczos(((i + first) as f64 - centre + 0.5) * (1.0 / stretch))).collect();
            let sum: f64 = exact.iter().sum();
            for (weight, exact) in weights.iter_mut().zip(&exact) {
                let exact = exact * (1.0 / sum) * f64::from(1 << PRECISION);
                *weight = (exact + 0.5f64.copysign(exact)) as i32;
            }
            spans.push((first, count));
        }
        Self { spans, weights, most }
    }

    /// The first input of an output, and the weights of it and those that follow.
    fn of(&self, output: usize) -> (usize, &[i32]) {
        let (first, count) = self.spans[output];
        (first, &self.weights[output * self.most..][..count])
    }
}

fn lanczos(x: f64) -> f64 {
    let sinc = |x: f64| {
        let x = x * std::f64::consts::PI;
        if x == 0.0 { 1.0 } else { x.sin() / x }
    };
    if (-LOBES..LOBES).contains(&x) { sinc(x) * sinc(x / LOBES) } else { 0.0 }
}

/// The weighted sums of `N` values: `inputs` gives those of each weight.
#[inline(always)]
fn weigh<'a, const N: usize>(weights: &[i32], inputs: impl Iterator<Item = &'a [u8; N]>) -> [u8; N] {
    let mut sums = [1 << (PRECISION - 1); N];
    for (weight, inputs) in weights.iter().zip(inputs) {
        for (sum, input) in sums.iter_mut().zip(inputs) {
            *sum += weight * i32::from(*input);
        }
    }
    sums.map(|sum: i32| (sum >> PRECISION).clamp(0, 255) as u8)
}

/// A pass along some rows, at most [`SIDE`].
struct Strip<'a> {
    rows: &'a [u8],
    /// Bytes of a row, before and after.
    from: usize,
    to: usize,
    taps: &'a Taps,
    out: &'a mut [u8],
}

impl SimdOp for Strip<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, _: I) {
        let Self { rows, from, to, taps, out } = self;
        // The strip on its side: a column of the rows after the other.
        let mut columns = vec![[0u8; SIDE]; from];
        for (place, row) in rows.chunks_exact(from).enumerate() {
            for (column, value) in columns.iter_mut().zip(row) {
                column[place] = *value;
            }
        }
        let mut turned = vec![[0u8; SIDE]; to];
        for (output, pixel) in turned.chunks_exact_mut(CHANNELS).enumerate() {
            let (first, weights) = taps.of(output);
            for (channel, sums) in pixel.iter_mut().enumerate() {
                *sums = weigh(weights, columns[first * CHANNELS + channel..].iter().step_by(CHANNELS));
            }
        }
        for (place, row) in out.chunks_exact_mut(to).enumerate() {
            for (value, column) in row.iter_mut().zip(&turned) {
                *value = column[place];
            }
        }
    }
}

/// A pass along columns, for one row of the result.
struct Row<'a> {
    picture: &'a RgbImage,
    taps: &'a Taps,
    y: usize,
    out: &'a mut [u8],
}

impl SimdOp for Row<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, _: I) {
        let Self { picture, taps, y, out } = self;
        let (first, weights) = taps.of(y);
        let stride = out.len();
        let rows = &picture.as_raw()[first * stride..][..weights.len() * stride];
        let (wide, rest) = out.as_chunks_mut::<SIDE>();
        let at_rest = wide.len() * SIDE;
        for (number, out) in wide.iter_mut().enumerate() {
            let vectors = rows.chunks_exact(stride).map(|row| &row.as_chunks::<SIDE>().0[number]);
            *out = weigh(weights, vectors);
        }
        for (number, out) in rest.iter_mut().enumerate() {
            let values = rows.chunks_exact(stride).map(|row| row[at_rest + number..].first_chunk().unwrap_or(&[0]));
            [*out] = weigh::<1>(weights, values);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition: one output at a time, one pass after the other.
    fn plain(picture: &RgbImage, width: u32, height: u32) -> RgbImage {
        let sum = |taps: &Taps, output: u32, channel: usize, at: &dyn Fn(u32) -> image::Rgb<u8>| {
            let (first, weights) = taps.of(output as usize);
            let products = weights.iter().zip(first..).map(|(w, i)| w * i32::from(at(i as u32).0[channel]));
            (((1 << 21) + products.sum::<i32>()) >> 22).clamp(0, 255) as u8
        };
        let taps = Taps::new(picture.width() as usize, width as usize);
        let narrowed = RgbImage::from_fn(width, picture.height(), |x, y| {
            image::Rgb(std::array::from_fn(|c| sum(&taps, x, c, &|i| *picture.get_pixel(i, y))))
        });
        let taps = Taps::new(picture.height() as usize, height as usize);
        RgbImage::from_fn(width, height, |x, y| {
            image::Rgb(std::array::from_fn(|c| sum(&taps, y, c, &|i| *narrowed.get_pixel(x, i))))
        })
    }

    #[test]
    fn vectors_make_what_single_sums_make() {
        // Edges around whole vectors and strips, larger and smaller, and single pixels.
        for (from, to) in [((70, 45), (31, 77)), ((1, 33), (5, 1)), ((64, 32), (64, 11)), ((33, 64), (96, 64))] {
            let picture = RgbImage::from_fn(from.0, from.1, |x, y| {
                let noise = (x * 7919 + y * 104_729).wrapping_mul(2_654_435_761) >> 24;
                image::Rgb([noise as u8, (x * 3) as u8, if (x ^ y) & 4 == 0 { 255 } else { 0 }])
            });
            let (width, height) = to;
            let made = resize(&picture, width, height);
            assert_eq!(made.dimensions(), to);
            if from.0 != to.0 && from.1 != to.1 {
                assert!(made == plain(&picture, width, height), "{from:?} to {to:?}");
            }
            let only_rows = resize(&picture, width, from.1);
            let only_columns = resize(&only_rows, width, height);
            assert!(made == only_columns, "{from:?} to {to:?}");
        }
    }

    #[test]
    fn a_lit_pixel_becomes_what_pillow_makes_of_it() {
        // Of Pillow 13: Image.new("L", (from, 1)) with one pixel at 255, resized to (to, 1) with
        // LANCZOS, for each pixel.
        let check = |from: u32, made: &[&[u8]]| {
            for (lit, made) in made.iter().enumerate() {
                let row = RgbImage::from_fn(from, 1, |x, _| image::Rgb([if x as usize == lit { 255 } else { 0 }; 3]));
                let row = resize(&row, made.len() as u32, 1);
                assert_eq!(row.pixels().map(|p| p.0[1]).collect::<Vec<_>>(), *made, "{from}, pixel {lit}");
            }
        };
        check(4, &[&[118, 0], &[118, 36], &[36, 118], &[0, 118]]);
        check(5, &[&[150, 0, 4], &[119, 70, 0], &[0, 149, 0], &[0, 70, 119], &[4, 0, 150]]);
        check(3, &[&[255, 171, 0, 0, 8], &[0, 110, 255, 110, 0], &[8, 0, 0, 171, 255]]);
    }
}
