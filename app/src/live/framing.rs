//! Which part of a picture is looked at, and how it is turned. Pure functions on pixels, applied
//! before anything else sees the picture: gate, model, log and display get what is left.

use std::fmt::Display;
use std::str::FromStr;

use image::imageops::{crop_imm, rotate90, rotate180, rotate270};
use image::{Rgb, RgbImage};
use serde::Deserialize;

use crate::base::message::Message;
use crate::capture::{Next, PlayOrder, Position, Source, SourceError};
use crate::live::settings::OpenSource;

/// What a mask leaves.
const BLACK: Rgb<u8> = Rgb([0, 0, 0]);
/// A side of a picture, in per cent.
const WHOLE: f32 = 100.0;

/// A turn of the picture, clockwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "i64")]
pub enum Rotation {
    /// As it comes.
    #[default]
    None,
    /// By 90 degrees.
    Quarter,
    /// By 180 degrees.
    Half,
    /// By 270 degrees.
    ThreeQuarters,
}

impl FromStr for Rotation {
    type Err = Message;

    fn from_str(text: &str) -> Result<Self, Message> {
        text.trim().parse().ok().and_then(Self::by).ok_or_else(|| not_a_rotation(text))
    }
}

impl TryFrom<i64> for Rotation {
    type Error = Message;

    fn try_from(degrees: i64) -> Result<Self, Message> {
        Self::by(degrees).ok_or_else(|| not_a_rotation(degrees))
    }
}

impl Rotation {
    /// A quarter further.
    fn further(self) -> Self {
        match self {
            Self::None => Self::Quarter,
            Self::Quarter => Self::Half,
            Self::Half => Self::ThreeQuarters,
            Self::ThreeQuarters => Self::None,
        }
    }

    fn by(degrees: i64) -> Option<Self> {
        match degrees {
            0 => Some(Self::None),
            90 => Some(Self::Quarter),
            180 => Some(Self::Half),
            270 => Some(Self::ThreeQuarters),
            _ => None,
        }
    }
}

fn not_a_rotation(written: impl Display) -> Message {
    Message::new(format!("A picture can't be turned by `{written}`.")).hint("Write 90, 180 or 270.")
}

/// A part of a picture, in per cent of its sides, from the left and from the top.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(try_from = "[f32; 4]")]
pub struct Region {
    x: f32,
    y: f32,
    width: f32,
    height: f32,
}

impl FromStr for Region {
    type Err = Message;

    fn from_str(text: &str) -> Result<Self, Message> {
        let numbers: Option<Vec<f32>> = text.split(',').map(|number| number.trim().parse().ok()).collect();
        let four = numbers.and_then(|numbers| <[f32; 4]>::try_from(numbers).ok());
        let four = four.ok_or_else(|| not_a_region(text, "does not name a part of a picture"))?;
        Self::of(four).ok_or_else(|| not_a_region(text, "does not lie within the picture"))
    }
}

impl TryFrom<[f32; 4]> for Region {
    type Error = Message;

    fn try_from(four: [f32; 4]) -> Result<Self, Message> {
        let written = || four.map(|number| number.to_string()).join(",");
        Self::of(four).ok_or_else(|| not_a_region(&written(), "does not lie within the picture"))
    }
}

fn not_a_region(written: &str, what: &str) -> Message {
    let hint = "Write left, top, width and height in per cent, such as 25,0,50,100 for the middle half.";
    Message::new(format!("`{written}` {what}.")).hint(hint)
}

impl Region {
    /// Left, top, width and height, where they lie within a picture.
    fn of([x, y, width, height]: [f32; 4]) -> Option<Self> {
        let is_within = |from: f32, length: f32| from >= 0.0 && length > 0.0 && from + length <= WHOLE;
        (is_within(x, width) && is_within(y, height)).then_some(Self { x, y, width, height })
    }

    /// The same part of the picture turned clockwise by a quarter.
    fn turned(self) -> Self {
        let Self { x, y, width, height } = self;
        Self { x: (WHOLE - y - height).max(0.0), y: x, width: height, height: width }
    }

    /// The pixels of a picture of this size that the part touches: left, top, width, height. At
    /// least one pixel of a picture that has any.
    fn pixels(self, (width, height): (u32, u32)) -> (u32, u32, u32, u32) {
        let along = |from: f32, length: f32, pixels: u32| {
            let first = ((from / WHOLE * pixels as f32).floor() as u32).min(pixels.saturating_sub(1));
            let end = (((from + length) / WHOLE * pixels as f32).ceil() as u32).clamp(first, pixels);
            (first, (end - first).max(1).min(pixels))
        };
        let ((x, across), (y, down)) = (along(self.x, self.width, width), along(self.y, self.height, height));
        (x, y, across, down)
    }
}

/// What is done to every picture of a source: turned, then masked, then cut.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Framing {
    /// How it is turned. Parts are counted in the turned picture.
    pub rotation: Rotation,
    /// The part that is left.
    pub region: Option<Region>,
    /// Parts that are blacked out.
    pub masks: Vec<Region>,
}

impl Framing {
    /// A quarter further clockwise. Parts stay where they are in what is seen: what is blacked out
    /// stays so.
    #[must_use]
    pub fn turned(&self) -> Self {
        Self {
            rotation: self.rotation.further(),
            region: self.region.map(Region::turned),
            masks: self.masks.iter().map(|mask| mask.turned()).collect(),
        }
    }

    /// The picture that is looked at.
    #[must_use]
    pub fn apply(&self, picture: RgbImage) -> RgbImage {
        let mut picture = match self.rotation {
            Rotation::None => picture,
            Rotation::Quarter => rotate90(&picture),
            Rotation::Half => rotate180(&picture),
            Rotation::ThreeQuarters => rotate270(&picture),
        };
        for mask in &self.masks {
            let (x, y, width, height) = mask.pixels(picture.dimensions());
            for row in y..y + height {
                for column in x..x + width {
                    picture.put_pixel(column, row, BLACK);
                }
            }
        }
        match self.region {
            Some(region) => {
                let (x, y, width, height) = region.pixels(picture.dimensions());
                crop_imm(&picture, x, y, width, height).to_image()
            }
            None => picture,
        }
    }
}

/// What opens a source of which every picture is framed.
#[must_use]
pub fn framed(mut open: OpenSource, framing: Framing) -> OpenSource {
    if framing == Framing::default() {
        return open;
    }
    Box::new(move || Ok(Box::new(Framed { source: open()?, framing: framing.clone() })))
}

struct Framed {
    source: Box<dyn Source>,
    framing: Framing,
}

impl Source for Framed {
    fn name(&self) -> String {
        self.source.name()
    }

    fn format(&self) -> Option<String> {
        self.source.format()
    }

    fn waits(&self) -> bool {
        self.source.waits()
    }

    fn rest(&mut self) {
        self.source.rest();
    }

    fn position(&self) -> Option<Position> {
        self.source.position()
    }

    fn obey(&mut self, order: PlayOrder) -> Result<bool, SourceError> {
        self.source.obey(order)
    }

    fn is_live(&self) -> bool {
        self.source.is_live()
    }

    fn next(&mut self) -> Result<Next, SourceError> {
        Ok(match self.source.next()? {
            Next::Picture(picture) => Next::Picture(self.framing.apply(picture)),
            other => other,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(text: &str) -> Region {
        text.parse().expect(text)
    }

    /// Each pixel tells where it is.
    fn picture(width: u32, height: u32) -> RgbImage {
        RgbImage::from_fn(width, height, |x, y| Rgb([x as u8 + 1, y as u8 + 1, 9]))
    }

    #[test]
    fn a_part_is_cut_out_and_the_rest_is_gone() {
        let framing = Framing { region: Some(region("50, 25, 25, 50")), ..Framing::default() };
        let cut = framing.apply(picture(8, 4));
        assert_eq!(cut.dimensions(), (2, 2));
        assert_eq!((cut.get_pixel(0, 0).0, cut.get_pixel(1, 1).0), ([5, 2, 9], [6, 3, 9]));
        // However small, something is left.
        let tiny = Framing { region: Some(region("99.9,99.9,0.1,0.1")), ..Framing::default() };
        assert_eq!(tiny.apply(picture(3, 3)).get_pixel(0, 0).0, [3, 3, 9]);
        let whole = Framing { region: Some(region("0,0,100,100")), ..Framing::default() };
        assert_eq!(whole.apply(picture(7, 5)), picture(7, 5));
    }

    #[test]
    fn nothing_of_a_masked_pixel_is_left() {
        let framing = Framing { masks: vec![region("0,0,30,100"), region("90,90,10,10")], ..Framing::default() };
        let masked = framing.apply(picture(10, 10));
        for (x, y, pixel) in masked.enumerate_pixels() {
            let expected = if x < 3 || (x, y) == (9, 9) { [0; 3] } else { [x as u8 + 1, y as u8 + 1, 9] };
            assert_eq!(pixel.0, expected, "{x}, {y}");
        }
        // A pixel that is touched in part is masked, too.
        let framing = Framing { masks: vec![region("0,0,31,1")], ..Framing::default() };
        let masked = framing.apply(picture(10, 10));
        assert_eq!((masked.get_pixel(3, 0).0, masked.get_pixel(4, 0).0), ([0; 3], [5, 1, 9]));
    }

    #[test]
    fn parts_are_counted_in_the_turned_picture() {
        let turned = |rotation| Framing { rotation, ..Framing::default() }.apply(picture(4, 2));
        let corner = |rotation| turned(rotation).get_pixel(0, 0).0;
        assert_eq!(turned(Rotation::Quarter).dimensions(), (2, 4));
        assert_eq!(corner(Rotation::None), [1, 1, 9]);
        assert_eq!(corner(Rotation::Quarter), [1, 2, 9], "the lower left one");
        assert_eq!(corner(Rotation::Half), [4, 2, 9]);
        assert_eq!(corner(Rotation::ThreeQuarters), [4, 1, 9], "the upper right one");
        let framing =
            Framing { rotation: Rotation::Half, region: Some(region("0,0,25,50")), masks: vec![region("25,0,75,100")] };
        assert_eq!(framing.apply(picture(4, 2)).into_raw(), [4, 2, 9]);
    }

    #[test]
    fn turning_further_keeps_parts_where_they_are_in_what_is_seen() {
        let mut framing =
            Framing { region: Some(region("25,0,50,75")), masks: vec![region("50,25,25,50")], ..Framing::default() };
        let mut seen = framing.apply(picture(8, 8));
        for _ in 0..4 {
            framing = framing.turned();
            seen = rotate90(&seen);
            assert_eq!(framing.apply(picture(8, 8)), seen, "{framing:?}");
        }
        assert_eq!(framing.rotation, Rotation::None);
    }

    #[test]
    fn what_names_no_part_is_refused() {
        for text in
            ["", "1,2,3", "1,2,3,4,5", "a,0,1,1", "0,0,x,50,50", "0,0,0,50", "-1,0,50,50", "60,0,50,50", "0,0,nan,1"]
        {
            assert!(text.parse::<Region>().is_err(), "{text}");
        }
        assert!("45".parse::<Rotation>().is_err() && "270".parse() == Ok(Rotation::ThreeQuarters));
    }

    #[test]
    fn every_picture_of_a_source_is_framed() {
        use crate::testing::pipeline::SourceScript;
        let script = SourceScript::live();
        script.show(7);
        let framing = Framing { region: Some(region("0,0,50,50")), ..Framing::default() };
        let mut source = framed(script.open(), framing)().expect("opened");
        let Next::Picture(picture) = source.next().expect("a picture") else { panic!("no picture") };
        assert_eq!(picture.dimensions(), (32, 24));
        assert!(source.is_live() && source.name() == "Fake camera");
    }
}
