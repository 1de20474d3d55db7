//! Whether a picture shows anything new. Pure arithmetic on pixels: knows no model, thread or
//! event.
//!
//! A picture is sketched as a grid of cells, each the mean luma and chroma of pixels sampled evenly
//! from it. Averaging takes out sensor noise; the grid keeps the place, so that a small thing that
//! moves changes the cells that it leaves and enters. A picture is unchanged against another of the
//! same size when
//! - no cell differs by more than [`CELL_THRESHOLD`] in luma or either chroma, and
//! - the luma of all cells differs by no more than [`MEAN_THRESHOLD`] on average.
//!
//! Each picture is compared with the last *captioned* one, so that a slow change adds up until it
//! counts.

use std::time::{Duration, Instant};

use image::RgbImage;

/// Cells across a picture. At 1280x720 a cell covers 40x30 pixels.
const COLUMNS: u32 = 32;
/// Cells down a picture.
const ROWS: u32 = 24;
/// Pixels sampled along each side of a cell: 27,648 in all, whatever the picture's size.
const SAMPLES: u32 = 6;
/// The most that one cell may differ, of 255. The mean of 36 samples with a webcam's noise in the
/// dark (a standard deviation of 10) strays by 1.7, so that all 2,304 values of a still scene stay
/// well within; a thing of the size of a cell shows once it stands out by four times this at the
/// least favourable place, astride four cells.
pub const CELL_THRESHOLD: f32 = 14.0;
/// The most that luma may differ on average, of 255. Lamps flicker and exposure wanders by some 3
/// %, 4 at middle grey.
pub const MEAN_THRESHOLD: f32 = 6.0;

/// How far a view differs from none, in thresholds: as far as a cell can.
pub const NEW_VIEW: f32 = 255.0 / CELL_THRESHOLD;

/// When an unchanged view is captioned nevertheless.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GateSettings {
    /// After this long without a caption the next picture gets one, changed or not.
    pub longest_silence: Duration,
}

impl Default for GateSettings {
    /// Half a minute: long enough to let the machine rest, short enough that people see that the
    /// program lives.
    fn default() -> Self {
        Self { longest_silence: Duration::from_secs(30) }
    }
}

/// A picture reduced to what is compared.
#[derive(Clone, Debug)]
pub struct Sketch {
    size: (u32, u32),
    /// Luma and two chroma values a cell, row by row, 0 to 255 and around 0.
    cells: Vec<[f32; 3]>,
}

impl Sketch {
    /// Sketches a picture.
    #[must_use]
    pub fn of(picture: &RgbImage) -> Self {
        let (width, height) = picture.dimensions();
        let size = (width, height);
        if width == 0 || height == 0 {
            return Self { size, cells: Vec::new() };
        }
        // The middle of each of `COLUMNS * SAMPLES` equal steps, in bytes from the start of its
        // row.
        let across: Vec<usize> =
            (0..COLUMNS * SAMPLES).map(|step| 3 * middle(step, COLUMNS * SAMPLES, width)).collect();
        let pixels = picture.as_raw();
        let stride = 3 * width as usize;
        let mut sums = vec![[0_u32; 3]; (COLUMNS * ROWS) as usize];
        for step in 0..ROWS * SAMPLES {
            let row = &pixels[middle(step, ROWS * SAMPLES, height) * stride..][..stride];
            let cells = &mut sums[(step / SAMPLES * COLUMNS) as usize..][..COLUMNS as usize];
            for (sum, places) in cells.iter_mut().zip(across.chunks_exact(SAMPLES as usize)) {
                for &place in places {
                    for (channel, value) in sum.iter_mut().zip(&row[place..place + 3]) {
                        *channel += u32::from(*value);
                    }
                }
            }
        }
        Self { size, cells: sums.into_iter().map(luma_chroma).collect() }
    }

    /// Whether nothing changed between the two pictures, as the module defines it.
    #[must_use]
    pub fn is_unchanged(&self, other: &Self) -> bool {
        self.change(other) <= 1.0
    }

    /// How far the two pictures differ, in thresholds: of the cell that differs most, or of all on
    /// average, whichever is more. Another size is another view.
    #[must_use]
    pub fn change(&self, other: &Self) -> f32 {
        if self.size != other.size {
            return NEW_VIEW;
        }
        let (mut most, mut luma) = (0.0_f32, 0.0);
        for (a, b) in self.cells.iter().zip(&other.cells) {
            for (a, b) in a.iter().zip(b) {
                most = most.max((a - b).abs());
            }
            luma += (a[0] - b[0]).abs();
        }
        let mean = luma / self.cells.len().max(1) as f32;
        (most / CELL_THRESHOLD).max(mean / MEAN_THRESHOLD)
    }
}

/// The pixel in the middle of step `step` of `steps` over `length` pixels.
fn middle(step: u32, steps: u32, length: u32) -> usize {
    let middle = (2 * u64::from(step) + 1) * u64::from(length) / (2 * u64::from(steps));
    middle as usize
}

/// Mean luma and chroma of a cell from its sums of red, green and blue (ITU-R BT.601, as JPEG has
/// it).
fn luma_chroma(sums: [u32; 3]) -> [f32; 3] {
    let [r, g, b] = sums.map(|sum| sum as f32 / (SAMPLES * SAMPLES) as f32);
    let luma = 0.299 * r + 0.587 * g + 0.114 * b;
    [luma, 0.564 * (b - luma), 0.713 * (r - luma)]
}

/// Remembers the last captioned picture and says which ones to pass over.
#[derive(Debug)]
pub struct Gate {
    settings: GateSettings,
    /// What a change is multiplied by before it is compared.
    sensitivity: f32,
    last: Option<(Sketch, Instant)>,
}

impl Gate {
    /// A gate that has seen nothing: the first picture goes through.
    #[must_use]
    pub fn new(settings: GateSettings) -> Self {
        Self { settings, sensitivity: 1.0, last: None }
    }

    /// Lets smaller changes through from now on: with 2, half of what usually counts.
    pub fn set_sensitivity(&mut self, sensitivity: f32) {
        self.sensitivity = sensitivity;
    }

    /// Whether to pass over this picture: it is unchanged, and the last caption is not too old.
    #[must_use]
    pub fn passes_over(&self, picture: &Sketch, now: Instant) -> bool {
        self.last.as_ref().is_some_and(|(last, captioned_at)| {
            now.saturating_duration_since(*captioned_at) < self.settings.longest_silence
                && self.sensitivity * picture.change(last) <= 1.0
        })
    }

    /// How far this picture differs from the last captioned one, in thresholds.
    #[must_use]
    pub fn change(&self, picture: &Sketch) -> f32 {
        self.difference(picture).map_or(NEW_VIEW, |change| self.sensitivity * change)
    }

    /// The same in the usual thresholds. `None` where nothing was captioned yet.
    #[must_use]
    pub fn difference(&self, picture: &Sketch) -> Option<f32> {
        self.last.as_ref().map(|(last, _)| picture.change(last))
    }

    /// This picture was captioned at `now`: later ones are compared with it.
    pub fn captioned(&mut self, picture: Sketch, now: Instant) {
        self.last = Some((picture, now));
    }
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;
    use crate::demo::{World, caption, paint};

    /// A scene with light, dark and coloured parts.
    fn scene() -> RgbImage {
        RgbImage::from_fn(1280, 720, |x, y| {
            Rgb([(x / 6) as u8, (y / 4) as u8, if (x / 160) % 2 == 0 { 40 } else { 180 }])
        })
    }

    /// Changes every value by what `by` makes of it and a random number from -1 to 1.
    fn changed(mut picture: RgbImage, by: impl Fn(f32, f32) -> f32) -> RgbImage {
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        for value in picture.iter_mut() {
            // Xorshift: any spread will do.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let random = (state >> 40) as f32 / (1 << 23) as f32 - 1.0;
            *value = by(f32::from(*value), random).round().clamp(0.0, 255.0) as u8;
        }
        picture
    }

    /// The scene with a disc in a colour that stands out by 90.
    fn with_disc(at: (i32, i32), radius: i32) -> RgbImage {
        let mut picture = scene();
        for (x, y, pixel) in picture.enumerate_pixels_mut() {
            if (x as i32 - at.0).pow(2) + (y as i32 - at.1).pow(2) <= radius * radius {
                *pixel = Rgb(pixel.0.map(|value| if value < 128 { value + 90 } else { value - 90 }));
            }
        }
        picture
    }

    fn is_unchanged(a: &RgbImage, b: &RgbImage) -> bool {
        Sketch::of(a).is_unchanged(&Sketch::of(b))
    }

    #[test]
    fn noise_is_no_change() {
        // Evenly spread over +-17: a standard deviation of 10.
        let noisy = changed(scene(), |value, random| value + 17.0 * random);
        assert!(is_unchanged(&scene(), &noisy));
    }

    #[test]
    fn flicker_is_no_change_and_a_lamp_is_one() {
        for gain in [0.97, 1.03] {
            assert!(is_unchanged(&scene(), &changed(scene(), |value, _| value * gain)), "{gain}");
        }
        assert!(!is_unchanged(&scene(), &changed(scene(), |value, _| value * 1.12)));
    }

    #[test]
    fn a_small_thing_that_moves_or_comes_is_a_change() {
        let here = with_disc((500, 300), 24);
        assert!(!is_unchanged(&scene(), &here));
        assert!(!is_unchanged(&here, &with_disc((540, 300), 24)));
        assert!(is_unchanged(&here, &with_disc((500, 300), 24)));
    }

    #[test]
    fn a_change_of_colour_alone_is_a_change() {
        let grey = RgbImage::from_pixel(64, 48, Rgb([128, 128, 128]));
        // Of the same luma: 0.299 * 50 = 0.587 * 25.5.
        let pink = RgbImage::from_pixel(64, 48, Rgb([178, 103, 128]));
        assert!(!is_unchanged(&grey, &pink));
    }

    #[test]
    fn sizes_that_fit_no_grid_are_sketched_too() {
        for (width, height) in [(0, 0), (1, 1), (7, 3000), (31, 23)] {
            let picture = RgbImage::new(width, height);
            assert!(is_unchanged(&picture, &picture));
            assert!(!is_unchanged(&picture, &RgbImage::new(width + 1, height)));
        }
    }

    #[test]
    fn an_unchanged_view_is_passed_over_until_the_longest_silence() {
        let start = Instant::now();
        let later = |seconds| start + Duration::from_secs(seconds);
        let sketch = Sketch::of(&scene());
        let mut gate = Gate::new(GateSettings { longest_silence: Duration::from_secs(10) });
        assert!(!gate.passes_over(&sketch, start), "the first picture goes through");
        gate.captioned(sketch.clone(), start);
        assert!(gate.passes_over(&sketch, later(9)));
        assert!(!gate.passes_over(&sketch, later(10)));
        gate.captioned(sketch.clone(), later(10));
        assert!(gate.passes_over(&sketch, later(19)));
    }

    #[test]
    fn slow_changes_add_up() {
        let mut gate = Gate::new(GateSettings::default());
        let start = Instant::now();
        gate.captioned(Sketch::of(&scene()), start);
        let brighter = |steps: f32| Sketch::of(&changed(scene(), |value, _| value + 2.0 * steps));
        assert!(gate.passes_over(&brighter(1.0), start));
        assert!(gate.passes_over(&brighter(2.0), start));
        assert!(!gate.passes_over(&brighter(4.0), start));
    }

    #[test]
    fn the_demo_scene_is_passed_over_only_while_the_same_is_true_of_it() {
        let (mut passed_over, mut captioned, mut resting) = (0, 0, 0);
        for seed in 0..4 {
            let mut world = World::new(seed);
            let mut last: Option<(Sketch, String)> = None;
            // Fifteen seconds, in steps that a caption takes.
            for _ in 0..60 {
                let before = world.truth();
                world.advance(0.25);
                let (sketch, truth) = (Sketch::of(&paint(&world)), caption(&world.truth()));
                let rests = before == world.truth() && !before.is_empty();
                match &last {
                    Some((sketched, told)) if sketch.is_unchanged(sketched) => {
                        assert_eq!(*told, truth, "seed {seed}: passed over");
                        passed_over += 1;
                        resting += usize::from(rests);
                    }
                    _ => {
                        assert!(last.is_none() || !rests, "seed {seed}: nothing moved");
                        captioned += 1;
                        last = Some((sketch, truth));
                    }
                }
            }
        }
        assert!(passed_over > 60 && captioned > 20 && resting > 10, "{passed_over} {captioned} {resting}");
    }
}
