//! What cameras do to a picture of something that has not changed: noise, lamps that flicker, a
//! shaking hand, light that comes and goes, a curtain that sways. Knows nothing of what is shown.

use std::f32::consts::TAU;

use image::{Rgb, RgbImage};
use serde::Serialize;

use crate::demo::random::Random;

/// Values of noise that are made once and shifted for each picture.
const NOISE: usize = 1 << 16;
/// Pixels along the side of a blotch, which is what compression makes of noise in the dark.
const BLOTCH: u32 = 40;

/// What a camera does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Trouble {
    /// Noise of the sensor, and the blotches that compression makes of it.
    Noise,
    /// Lamps: brightness and colour beat with the shutter.
    Flicker,
    /// The camera is held by hand.
    Shake,
    /// Clouds: light comes and goes in half a minute.
    Light,
    /// A curtain at the left edge sways, and its shadow with it.
    Sway,
    /// All of it, each at half its strength.
    All,
}

impl Trouble {
    /// Every one of them.
    pub const ALL: [Self; 6] = [Self::Noise, Self::Flicker, Self::Shake, Self::Light, Self::Sway, Self::All];

    /// How strong each part is: noise, flicker, shake, light and sway, from 0 to 1.
    fn strengths(self) -> [f32; 5] {
        match self {
            Self::Noise => [1.0, 0.0, 0.0, 0.0, 0.0],
            Self::Flicker => [0.2, 1.0, 0.0, 0.0, 0.0],
            Self::Shake => [0.2, 0.0, 1.0, 0.0, 0.0],
            Self::Light => [0.2, 0.0, 0.0, 1.0, 0.0],
            Self::Sway => [0.2, 0.0, 0.0, 0.0, 1.0],
            Self::All => [0.5; 5],
        }
    }
}

/// A camera.
#[derive(Clone, Debug)]
pub struct Camera {
    strengths: [f32; 5],
    random: Random,
    /// Of a standard deviation of 1.
    noise: Vec<f32>,
    phase: f32,
}

impl Camera {
    /// A camera that does this. The same seed does the same.
    #[must_use]
    pub fn new(trouble: Trouble, seed: u64) -> Self {
        let mut random = Random::new(seed ^ 0xCA_3E_7A);
        let noise = (0..NOISE).map(|_| deviation(&mut random)).collect();
        Self { strengths: trouble.strengths(), phase: random.between(0.0, TAU), random, noise }
    }

    /// The picture that it takes, `seconds` after its first.
    #[must_use]
    pub fn take(&mut self, picture: &RgbImage, seconds: f32) -> RgbImage {
        let [noise, flicker, shake, light, sway] = self.strengths;
        let (width, height) = picture.dimensions();
        let (fine, coarse) = (15.0 * noise, 9.0 * noise);
        let lamp = 0.14 * flicker * (2.3 * TAU * seconds + self.phase).sin();
        let cloud = 0.3 * light * (TAU * seconds / 25.0 + self.phase).sin();
        // Lamps are warm, clouds cold.
        let gain = [1.25, 1.0, 0.7].map(|warm| (1.0 + warm * lamp) * (1.0 + (1.6 - 0.6 * warm) * cloud));
        let mut by = || (16.0 * shake * (2.0 * self.random.unit() - 1.0)).round() as i32;
        let shift = (by(), by());
        let columns = width / BLOTCH + 1;
        let blotches: Vec<[f32; 3]> = (0..columns * (height / BLOTCH + 1))
            .map(|_| [0; 3].map(|_| coarse * deviation(&mut self.random)))
            .collect();
        let start = self.random.below(NOISE);
        let swing = (TAU * seconds / 3.1 + self.phase).sin();
        let edge: Vec<f32> = (0..height)
            .map(|y| {
                let down = y as f32 / height as f32;
                sway * width as f32 * (0.06 + 0.03 * down * swing + 0.006 * (9.0 * down + 2.0 * swing).sin())
            })
            .collect();
        let mut at = start;
        RgbImage::from_fn(width, height, |x, y| {
            let from = |v: u32, by: i32, most: u32| v.saturating_add_signed(by).min(most - 1);
            let seen = picture.get_pixel(from(x, shift.0, width), from(y, shift.1, height)).0;
            let blotch = blotches[(y / BLOTCH * columns + x / BLOTCH) as usize];
            let beyond = x as f32 - edge[y as usize];
            // The curtain itself, and a soft shadow a tenth of the picture wide.
            let cover = if sway == 0.0 {
                1.0
            } else if beyond < 0.0 {
                0.55
            } else {
                1.0 - 0.25 * (1.0 - 10.0 * beyond / width as f32).max(0.0)
            };
            at = (at + 3) % (NOISE - 3);
            Rgb(std::array::from_fn(|k| {
                let value = f32::from(seen[k]) * gain[k] * cover + fine * self.noise[at + k] + blotch[k];
                value.round().clamp(0.0, 255.0) as u8
            }))
        })
    }
}

/// A number about 0 with a standard deviation of 1: two even spreads have together a variance of a
/// sixth of their width's square.
fn deviation(random: &mut Random) -> f32 {
    (random.unit() + random.unit() - 1.0) * 6.0_f32.sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_trouble_changes_a_picture_and_leaves_it_recognisable() {
        let picture = RgbImage::from_fn(320, 180, |x, y| Rgb([(x / 2) as u8, (y + 40) as u8, 120]));
        for trouble in Trouble::ALL {
            let (mut camera, mut same) = (Camera::new(trouble, 5), Camera::new(trouble, 5));
            let taken = camera.take(&picture, 1.0);
            assert_eq!(taken, same.take(&picture, 1.0), "{trouble:?}");
            assert_ne!(taken, camera.take(&picture, 1.25), "{trouble:?}");
            let off: f32 = taken.iter().zip(picture.iter()).map(|(a, b)| f32::from(a.abs_diff(*b))).sum();
            let mean = off / taken.len() as f32;
            assert!((1.0..40.0).contains(&mean), "{trouble:?}: {mean}");
        }
    }
}
