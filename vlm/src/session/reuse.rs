//! Whether pictures show the view in hand again, so that nothing of it needs to be evaluated. Pure
//! arithmetic on pixels.
//!
//! A camera's noise differs from pixel to pixel, and its mean over a block of them is next to
//! nothing; whatever else there is to see moves a block's mean. So pictures are the same but for
//! noise when, in the size that the model sees,
//! - no block of 8 x 8 pixels, a quarter of a patch, differs by more than [`BLOCK_MOST`] on average
//!   in any channel, and
//! - no value differs by more than [`VALUE_MOST`].
//!
//! They are compared with the pictures that were evaluated, not with the last ones, so that a slow
//! change adds up until it counts.

use image::RgbImage;

/// Pixels along a block's side.
const BLOCK: usize = 8;
/// The most that a block's mean may differ, of 255. Noise of a standard deviation of 4 in the
/// model's size, some 7 in a frame of 1280 x 720, makes the mean of 64 differences stray by 0.7: of
/// 12,288 means the furthest by 2.9.
const BLOCK_MOST: i32 = 3;
/// The most that one value may differ: the same noise makes the furthest of 786,432 differences 28.
const VALUE_MOST: i32 = 32;

/// When the view in hand is used again in the place of new pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reuse {
    /// When they have the very same pixels, in the size that the model sees: a paused video, a
    /// screen, a still.
    IfIdentical,
    /// Also when they differ by no more than a camera's noise.
    IfNearlyIdentical,
}

impl Reuse {
    /// Whether `now` counts as `before`.
    pub(crate) fn holds(self, before: &[RgbImage], now: &[RgbImage]) -> bool {
        match self {
            Self::IfIdentical => before == now,
            Self::IfNearlyIdentical => {
                before.len() == now.len() && before.iter().zip(now).all(|(before, now)| is_noise(before, now))
            }
        }
    }
}

fn is_noise(before: &RgbImage, now: &RgbImage) -> bool {
    if before.dimensions() != now.dimensions() {
        return false;
    }
    let stride = 3 * before.width() as usize;
    let bands = before.as_raw().chunks(BLOCK * stride).zip(now.as_raw().chunks(BLOCK * stride));
    let mut sums = vec![[0i32; 3]; stride.div_ceil(3 * BLOCK)];
    for (before, now) in bands {
        sums.fill([0; 3]);
        let mut most = 0;
        for (before, now) in before.chunks(stride).zip(now.chunks(stride)) {
            let blocks = before.chunks(3 * BLOCK).zip(now.chunks(3 * BLOCK));
            for (sum, (before, now)) in sums.iter_mut().zip(blocks) {
                for (before, now) in before.as_chunks::<3>().0.iter().zip(now.as_chunks::<3>().0) {
                    for channel in 0..3 {
                        let difference = i32::from(now[channel]) - i32::from(before[channel]);
                        sum[channel] += difference;
                        most = most.max(difference.abs());
                    }
                }
            }
        }
        let rows = (before.len() / stride) as i32;
        let moved = |(block, sum): (usize, &[i32; 3])| {
            let columns = BLOCK.min(stride / 3 - block * BLOCK) as i32;
            sum.iter().any(|sum| sum.abs() > BLOCK_MOST * rows * columns)
        };
        if most > VALUE_MOST || sums.iter().enumerate().any(moved) {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;
    use crate::tests::fixtures;

    /// How much a place gets brighter or darker.
    type Change = fn(u32, u32) -> i32;

    /// The picture with noise of this standard deviation: sums of four even spreads.
    fn noisy(picture: &RgbImage, deviation: f32, seed: u64) -> RgbImage {
        let mut state = seed;
        let mut even = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1 << 23) as f32 - 1.0
        };
        let mut picture = picture.clone();
        for value in picture.iter_mut() {
            let sum: f32 = (0..4).map(|_| even()).sum();
            // Four even spreads from -1 to 1 have a variance of 4/3.
            let noise = sum * deviation / (4.0f32 / 3.0).sqrt();
            *value = (f32::from(*value) + noise).round().clamp(0.0, 255.0) as u8;
        }
        picture
    }

    fn tile() -> RgbImage {
        image::imageops::thumbnail(&fixtures::picture("coffee"), 512, 512)
    }

    fn same(before: &RgbImage, now: &RgbImage) -> bool {
        Reuse::IfNearlyIdentical.holds(std::slice::from_ref(before), std::slice::from_ref(now))
    }

    #[test]
    fn a_cameras_noise_is_the_same_view() {
        for seed in 1..=5 {
            let (before, now) = (noisy(&tile(), 3.0, seed), noisy(&tile(), 3.0, seed + 100));
            assert!(same(&before, &now), "{seed}");
            assert!(!Reuse::IfIdentical.holds(&[before], &[now]));
        }
        assert!(Reuse::IfIdentical.holds(&[tile()], &[tile()]));
    }

    #[test]
    fn whatever_there_is_to_see_is_another_view() {
        let tile = noisy(&tile(), 3.0, 1);
        // A dot; a faint patch as small as a block, wherever it lies; a thin line; all a little
        // brighter.
        let changes: [(&str, Change); 5] = [
            ("a dot", |x, y| if (x, y) == (200, 300) { 60 } else { 0 }),
            ("a patch", |x, y| if (200..216).contains(&x) && (300..316).contains(&y) { 6 } else { 0 }),
            ("a patch astride", |x, y| if (204..220).contains(&x) && (308..324).contains(&y) { 8 } else { 0 }),
            ("a line", |x, y| if x == 77 && (100..140).contains(&y) { 30 } else { 0 }),
            ("light", |_, _| 5),
        ];
        for (what, change) in changes {
            let mut now = noisy(&tile, 1.0, 9);
            for (x, y, pixel) in now.enumerate_pixels_mut() {
                *pixel = Rgb(pixel.0.map(|value| {
                    let toward_the_middle = if value < 128 { 1 } else { -1 };
                    (i32::from(value) + toward_the_middle * change(x, y)) as u8
                }));
            }
            assert!(!same(&tile, &now), "{what}");
        }
    }

    #[test]
    fn a_shift_by_a_pixel_is_another_view() {
        let tile = tile();
        let shifted = RgbImage::from_fn(512, 512, |x, y| *tile.get_pixel((x + 1).min(511), y));
        assert!(!same(&tile, &shifted));
    }

    #[test]
    fn other_sizes_and_numbers_are_other_views() {
        let small = RgbImage::new(13, 11);
        assert!(same(&small, &small.clone()) && !same(&small, &RgbImage::new(11, 13)));
        assert!(!Reuse::IfNearlyIdentical.holds(std::slice::from_ref(&small), &[small.clone(), small.clone()]));
        // Whole blocks are not needed: a corner of five pixels by three counts for itself.
        let mut corner = small.clone();
        (8..13).for_each(|x| (8..11).for_each(|y| corner.put_pixel(x, y, Rgb([0, 4, 0]))));
        assert!(!same(&small, &corner));
    }
}
