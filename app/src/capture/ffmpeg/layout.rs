//! How ffmpeg hands over a video's pixels, and how they become RGB of 8 bits for a screen. Pure.

use std::sync::OnceLock;

use image::{RgbImage, RgbaImage};

use crate::capture::alpha::{Nothing, over_white};

/// How pixels come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// Red, green, blue.
    Rgb,
    /// The same with transparency.
    Rgba,
    /// Red, green, blue of 16 bits in BT.2020, brighter than a screen's white.
    Hdr(Transfer),
}

/// How an HDR video's numbers stand for light.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transfer {
    /// Perceptual quantizer (SMPTE ST 2084): films, many phones.
    Pq,
    /// Hybrid log-gamma (ARIB STD-B67): television, iPhones.
    Hlg,
}

impl Layout {
    /// ffmpeg's name of it.
    pub(super) fn pix_fmt(self) -> &'static str {
        match self {
            Self::Rgb => "rgb24",
            Self::Rgba => "rgba",
            Self::Hdr(_) => "rgb48le",
        }
    }

    /// The size of a picture, in bytes.
    pub(super) fn length(self, (width, height): (u32, u32)) -> usize {
        let pixel = match self {
            Self::Rgb => 3,
            Self::Rgba => 4,
            Self::Hdr(_) => 6,
        };
        width as usize * height as usize * pixel
    }

    /// A picture of bytes that ffmpeg wrote; none if they are fewer than its size takes.
    pub(super) fn picture(self, (width, height): (u32, u32), bytes: Vec<u8>) -> Option<RgbImage> {
        match self {
            Self::Rgb => RgbImage::from_raw(width, height, bytes),
            Self::Rgba => RgbaImage::from_raw(width, height, bytes).map(|rgba| over_white(&rgba, Nothing::Empty)),
            Self::Hdr(transfer) => {
                let tables = transfer.tables();
                let mut picture = RgbImage::new(width, height);
                for (pixel, six) in picture.pixels_mut().zip(bytes.as_chunks::<6>().0) {
                    let of = |at: usize| u16::from_le_bytes([six[at], six[at + 1]]);
                    pixel.0 = tables.map([of(0), of(2), of(4)], transfer);
                }
                Some(picture)
            }
        }
    }
}

/// The light of white paper, in nits: ITU-R BT.2408, 2.1. It becomes nearly a screen's white.
const WHITE: f32 = 203.0;

/// The brightest light that is told from brighter ones, in nits: what most films are graded to.
const PEAK: f32 = 1000.0;

/// Up to this part of a screen's white, light stays what it is; what is brighter is compressed.
const KNEE: f32 = 0.6;

/// Steps of the table that turns a screen's light into its 8 bits.
const STEPS: usize = 4095;

/// Linear BT.2020 to linear BT.709: ITU-R BT.2407, 2.2.
const TO_709: [[f32; 3]; 3] = [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]];

/// What would cost a power a pixel, worked out once.
struct Tables {
    /// Light of each number: in parts of [`WHITE`] for PQ, of the scene for HLG.
    light: Vec<f32>,
    /// A screen's 8 bits for each step of its light (IEC 61966-2-1).
    screen: Vec<u8>,
}

impl Transfer {
    fn tables(self) -> &'static Tables {
        static PQ: OnceLock<Tables> = OnceLock::new();
        static HLG: OnceLock<Tables> = OnceLock::new();
        match self {
            Self::Pq => PQ.get_or_init(|| Tables::new(pq_light)),
            Self::Hlg => HLG.get_or_init(|| Tables::new(hlg_light)),
        }
    }
}

impl Tables {
    fn new(light: fn(f32) -> f32) -> Self {
        let screen = |step: usize| {
            let light = step as f32 / STEPS as f32;
            let value = if light <= 0.003_130_8 { 12.92 * light } else { 1.055 * light.powf(1.0 / 2.4) - 0.055 };
            (value * 255.0).round() as u8
        };
        Self {
            light: (0..=u16::MAX).map(|value| light(f32::from(value) / f32::from(u16::MAX))).collect(),
            screen: (0..=STEPS).map(screen).collect(),
        }
    }

    fn map(&self, pixel: [u16; 3], transfer: Transfer) -> [u8; 3] {
        let mut light = pixel.map(|value| self.light[usize::from(value)]);
        if transfer == Transfer::Hlg {
            // The system's gamma of a screen of 1000 nits (ITU-R BT.2100, table 5), by the scene's
            // luminance.
            let luminance = 0.2627 * light[0] + 0.6780 * light[1] + 0.0593 * light[2];
            let scale = luminance.max(1e-6).powf(0.2) * PEAK / WHITE;
            light = light.map(|channel| channel * scale);
        }
        let colour = TO_709.map(|row| (row[0] * light[0] + row[1] * light[1] + row[2] * light[2]).max(0.0));
        // By the brightest channel, so that colours stay what they are.
        let brightest = colour[0].max(colour[1]).max(colour[2]);
        let scale = if brightest > KNEE { compressed(brightest) / brightest } else { 1.0 };
        colour.map(|channel| self.screen[((channel * scale).min(1.0) * STEPS as f32).round() as usize])
    }
}

/// Light beyond the knee: a Möbius curve that begins with slope one and reaches a screen's white at
/// the peak, as ffmpeg's `tonemap=mobius` has it.
fn compressed(light: f32) -> f32 {
    let peak = PEAK / WHITE;
    let a = -KNEE * KNEE * (peak - 1.0) / (KNEE * KNEE - 2.0 * KNEE + peak);
    let b = (KNEE * KNEE - 2.0 * KNEE * peak + peak) / (peak - 1.0);
    (b + KNEE).powi(2) / (b - a) * (light + a) / (light + b)
}

/// SMPTE ST 2084's number to light, in parts of [`WHITE`].
fn pq_light(value: f32) -> f32 {
    let (m1, m2) = (2610.0 / 16384.0, 2523.0 / 32.0);
    let (c1, c2, c3) = (3424.0 / 4096.0, 2413.0 / 128.0, 2392.0 / 128.0);
    let power = value.powf(1.0 / m2);
    10_000.0 / WHITE * ((power - c1).max(0.0) / (c2 - c3 * power)).powf(1.0 / m1)
}

/// ARIB STD-B67's number to the scene's light, of which one is the most.
fn hlg_light(value: f32) -> f32 {
    let (a, b, c) = (0.178_832_77_f32, 0.284_668_92_f32, 0.559_910_7_f32);
    if value <= 0.5 { value * value / 3.0 } else { (((value - c) / a).exp() + b) / 12.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Grey of this part of the signal.
    fn grey(transfer: Transfer, signal: f64) -> u8 {
        let value = ((signal * 65535.0).round() as u16).to_le_bytes();
        let picture = Layout::Hdr(transfer).picture((1, 1), value.repeat(3)).expect("a pixel");
        let [r, g, b] = picture.get_pixel(0, 0).0;
        assert!(r.abs_diff(g) <= 1 && g.abs_diff(b) <= 1, "{r} {g} {b}");
        g
    }

    #[test]
    fn white_paper_is_white_and_the_brightest_light_is_whiter() {
        // 203 nits are 58 % of PQ's signal and 75 % of HLG's; 1000 are 75 % and 100 % (ITU-R
        // BT.2408, table 1).
        for (transfer, paper, peak) in [(Transfer::Pq, 0.581, 0.752), (Transfer::Hlg, 0.75, 1.0)] {
            assert!((225..=240).contains(&grey(transfer, paper)), "{transfer:?}: {}", grey(transfer, paper));
            assert!(grey(transfer, peak) >= 254);
            assert_eq!(grey(transfer, 0.0), 0);
            let ramp: Vec<_> = (0..=20).map(|step| grey(transfer, f64::from(step) / 20.0)).collect();
            assert!(ramp.is_sorted(), "{ramp:?}");
        }
        assert_eq!(grey(Transfer::Pq, 1.0), 255, "10,000 nits");
    }

    #[test]
    fn middle_grey_stays_middle_grey() {
        // 18 % of white paper's light, 36.5 nits: 41 % of PQ's signal; a screen's number for 18 %
        // is 118.
        assert!((114..=122).contains(&grey(Transfer::Pq, 0.411)), "{}", grey(Transfer::Pq, 0.411));
    }

    #[test]
    fn transparency_goes_over_white() {
        let bytes = vec![200, 0, 0, 255, 0, 0, 0, 51];
        let picture = Layout::Rgba.picture((2, 1), bytes).expect("a picture");
        assert_eq!(picture.into_raw(), [200, 0, 0, 204, 204, 204]);
        assert!(Layout::Rgb.picture((2, 2), vec![0; 11]).is_none());
    }
}
