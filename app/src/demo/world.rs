//! What is in the scene and where it is at each instant. Knows no pixels and no words.
//!
//! Up to four objects glide in over an edge, drift about their places for a while and leave again;
//! now and then the whole world rests. Places are chosen so that whenever nothing is on its way
//! ([`World::is_settled`]) the truth has one reading: no object hides another, lies across the line
//! between two places, or stands straight above its neighbour.

use std::f32::consts::TAU;

use serde::Serialize;

use crate::demo::random::Random;

/// Width over height of the picture. Lengths called `radius` are shares of the height.
pub(super) const RATIO: f32 = 16.0 / 9.0;
/// The lines between left, centre and right, and between top, centre and bottom.
pub(super) const LINES: [f32; 2] = [0.37, 0.63];
/// How far from a line, and how far in `x` from each other, objects stay for their place and order
/// to be plain.
pub(super) const FAIR: f32 = 0.03;
const APART: f32 = 0.06;
/// How far objects drift from their places, as a share of width and of height.
pub(super) const DRIFT: f32 = 0.012;
/// Seconds that an object takes to glide in or out.
pub(super) const TRAVEL: f32 = 1.3;
/// The most objects at a time.
pub(super) const MOST: usize = 4;
/// Sum of the differences of the three channels (0 to 255) that sets an object off against its
/// background.
const CONTRAST: f32 = 120.0;

macro_rules! named {
    ($(#[$doc:meta])* $name:ident { $($(#[$each:meta])* $variant:ident = $word:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
        #[serde(rename_all = "lowercase")]
        pub enum $name { $($(#[$each])* $variant),* }

        impl $name {
            /// Every one of them.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The word for it.
            #[must_use]
            pub fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }
        }
    };
}

named!(
    /// What an object is.
    Shape {
        /// A disc.
        Circle = "circle",
        /// Four equal sides.
        Square = "square",
        /// Three equal sides, standing on one of them.
        Triangle = "triangle",
        /// Five points.
        Star = "star",
        /// Two bars of equal length.
        Cross = "cross",
    }
);

named!(
    /// The colour of an object.
    Color {
        /// `#DA2A2C`
        Red = "red",
        /// `#F68A1C`
        Orange = "orange",
        /// `#FAD62C`
        Yellow = "yellow",
        /// `#26A042`
        Green = "green",
        /// `#2256D6`
        Blue = "blue",
        /// `#8434AC`
        Purple = "purple",
        /// `#F6F6F6`
        White = "white",
        /// `#121214`
        Black = "black",
    }
);

named!(
    /// The size of an object: nothing lies between the two.
    Size {
        /// About a tenth of the picture's height in radius.
        Small = "small",
        /// Near twice that.
        Large = "large",
    }
);

impl Color {
    /// Red, green and blue, 0 to 255.
    #[must_use]
    pub fn rgb(self) -> [f32; 3] {
        match self {
            Self::Red => [218.0, 42.0, 44.0],
            Self::Orange => [246.0, 138.0, 28.0],
            Self::Yellow => [250.0, 214.0, 44.0],
            Self::Green => [38.0, 160.0, 66.0],
            Self::Blue => [34.0, 86.0, 214.0],
            Self::Purple => [132.0, 52.0, 172.0],
            Self::White => [246.0, 246.0, 246.0],
            Self::Black => [18.0, 18.0, 20.0],
        }
    }
}

/// One object of the truth.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Object {
    /// What it is.
    pub shape: Shape,
    /// Its colour.
    pub color: Color,
    /// Its size.
    pub size: Size,
    /// Its centre, as a share of the width from the left.
    pub x: f32,
    /// Its centre, as a share of the height from the top.
    pub y: f32,
}

/// An object on the stage, as the painter needs it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sprite {
    pub object: Object,
    /// Half its extent, a share of the height.
    pub radius: f32,
    /// Radians, clockwise.
    pub turn: f32,
    /// Its colour, channels of 0 to 255.
    pub rgb: [f32; 3],
}

/// The background at an instant: two colours of a gradient and a soft light. Channels are 0 to 255.
#[derive(Clone, Copy, Debug)]
pub(super) struct Backdrop {
    pub from: [f32; 3],
    pub to: [f32; 3],
    /// Direction of the gradient in radians.
    pub angle: f32,
    /// Centre of the light, in shares of width and height.
    pub light: (f32, f32),
    /// Its radius, a share of the height, and its strength, 0 to 1.
    pub reach: f32,
    pub strength: f32,
}

#[derive(Clone, Debug)]
struct Actor {
    object: Object,
    radius: f32,
    turn: f32,
    /// Where it comes from and goes to, out of sight.
    outside: (f32, f32),
    /// When it sets out, and when it leaves, in seconds of the world.
    arrives: f32,
    leaves: f32,
    phase: f32,
}

impl Actor {
    fn is_staying(&self, time: f32) -> bool {
        time >= self.arrives + TRAVEL && time < self.leaves
    }

    fn place(&self, time: f32) -> (f32, f32) {
        let sway = 0.55 * time + self.phase;
        let home = (self.object.x + DRIFT * sway.sin(), self.object.y + DRIFT * (0.83 * sway).cos());
        let gone = if time < self.leaves {
            1.0 - ((time - self.arrives) / TRAVEL).clamp(0.0, 1.0)
        } else {
            ((time - self.leaves) / TRAVEL).clamp(0.0, 1.0)
        };
        let eased = gone * gone * (3.0 - 2.0 * gone);
        (home.0 + (self.outside.0 - home.0) * eased, home.1 + (self.outside.1 - home.1) * eased)
    }
}

/// The world: the same seed lives the same life.
#[derive(Clone, Debug)]
pub struct World {
    random: Random,
    time: f32,
    /// Seconds of rest still to come, in which nothing at all moves.
    rest: f32,
    actors: Vec<Actor>,
    wanted: usize,
    changes_at: f32,
    next_arrival: f32,
    hue: f32,
    saturation: f32,
    lightness: f32,
}

impl World {
    /// A world with its first objects already in place.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut random = Random::new(seed ^ 0x5EED_0F5C_E4E5);
        let lightness = if random.chance(0.6) { random.between(0.6, 0.7) } else { random.between(0.24, 0.34) };
        let mut world = Self {
            time: 0.0,
            rest: 0.0,
            actors: Vec::new(),
            wanted: 0,
            changes_at: random.between(5.0, 11.0),
            next_arrival: 0.0,
            hue: random.unit(),
            saturation: random.between(0.12, 0.3),
            lightness,
            random,
        };
        world.wanted = world.how_many();
        for _ in 0..world.wanted {
            world.invite(-TRAVEL);
        }
        world
    }

    /// Lets time pass, in seconds. Steps of a frame or less look smooth.
    pub fn advance(&mut self, seconds: f32) {
        if self.rest > 0.0 {
            self.rest -= seconds;
            return;
        }
        self.time += seconds;
        let time = self.time;
        self.actors.retain(|actor| time < actor.leaves + TRAVEL);
        if time >= self.changes_at {
            self.changes_at = time + self.random.between(5.0, 11.0);
            if self.is_settled() && self.random.chance(0.35) {
                self.rest = self.random.between(10.0, 14.0);
                return;
            }
            self.wanted = self.how_many();
        }
        let here = self.actors.iter().filter(|actor| time < actor.leaves).count();
        if here > self.wanted {
            if let Some(actor) = self.actors.iter_mut().find(|actor| actor.is_staying(time)) {
                actor.leaves = time;
            }
        } else if here < self.wanted && self.actors.len() < MOST && time >= self.next_arrival {
            self.next_arrival = time + self.random.between(0.3, 0.9);
            self.invite(time);
        }
    }

    /// Lets time pass until nothing is on its way, for 60 seconds of the world at most.
    pub fn settle(&mut self) {
        for _ in 0..60 * 30 {
            if self.is_settled() {
                return;
            }
            self.advance(1.0 / 30.0);
        }
    }

    /// Whether every object is in its place, so that the truth has one reading.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.actors.iter().all(|actor| actor.is_staying(self.time))
    }

    /// What is in view, from left to right. Objects on their way count once their centre is well
    /// inside the picture.
    #[must_use]
    pub fn truth(&self) -> Vec<Object> {
        let inside = |sprite: &Sprite| {
            let Object { x, y, .. } = sprite.object;
            let margin = 0.45 * sprite.radius;
            (margin / RATIO..=1.0 - margin / RATIO).contains(&x) && (margin..=1.0 - margin).contains(&y)
        };
        let mut objects: Vec<_> = self.sprites().filter(inside).map(|sprite| sprite.object).collect();
        objects.sort_by(|a, b| a.x.total_cmp(&b.x));
        objects
    }

    pub(super) fn sprites(&self) -> impl Iterator<Item = Sprite> + '_ {
        self.actors.iter().map(|actor| {
            let (x, y) = actor.place(self.time);
            let turn = actor.turn + 0.07 * (0.4 * self.time + actor.phase).sin();
            let object = Object { x, y, ..actor.object };
            Sprite { object, radius: actor.radius, turn, rgb: object.color.rgb() }
        })
    }

    pub(super) fn backdrop(&self) -> Backdrop {
        let (time, hue) = (self.time, self.hue_at(self.time));
        let lightness = self.lightness + 0.04 * (0.11 * time).sin();
        Backdrop {
            from: color_of(hue, self.saturation, lightness + 0.05),
            to: color_of(hue + 0.07, self.saturation, lightness - 0.05),
            angle: 0.9 + 0.5 * (0.05 * time).sin(),
            light: (0.5 + 0.4 * (0.07 * time + self.hue).sin(), 0.3 + 0.25 * (0.05 * time).cos()),
            reach: 0.8,
            strength: 0.16,
        }
    }

    fn hue_at(&self, time: f32) -> f32 {
        self.hue + 0.004 * time
    }

    fn how_many(&mut self) -> usize {
        self.random.pick(&[0, 1, 1, 1, 1, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 4, 4, 4, 4])
    }

    /// Brings in one more object, where there is room for one.
    fn invite(&mut self, arrives: f32) {
        for _ in 0..60 {
            let size = self.random.pick(Size::ALL);
            let radius = match size {
                Size::Small => self.random.between(0.09, 0.102),
                Size::Large => self.random.between(0.172, 0.19),
            };
            let inset = 1.1 * radius + DRIFT;
            let x = self.random.between(inset / RATIO, 1.0 - inset / RATIO);
            let y = self.random.between(inset, 1.0 - inset);
            let (color, shape) = (self.random.pick(Color::ALL), self.random.pick(Shape::ALL));
            if !self.has_room(x, y, radius) || !self.stands_out(color) {
                continue;
            }
            let outside = self.way_out(x, y, radius);
            self.actors.push(Actor {
                object: Object { shape, color, size, x, y },
                radius,
                turn: self.random.between(-0.12, 0.12),
                outside,
                arrives,
                leaves: arrives + TRAVEL + self.random.between(8.0, 22.0),
                phase: self.random.between(0.0, TAU),
            });
            return;
        }
    }

    fn has_room(&self, x: f32, y: f32, radius: f32) -> bool {
        let on_a_line = [x, y].iter().any(|v| LINES.iter().any(|line| (v - line).abs() < FAIR + DRIFT));
        !on_a_line
            && self.actors.iter().all(|other| {
                let (dx, dy) = ((x - other.object.x).abs(), (y - other.object.y).abs());
                (dx * RATIO).hypot(dy) > 1.15 * (radius + other.radius) + 2.0 * DRIFT * RATIO
                    && dx > APART + 2.0 * DRIFT
                    && dx.max(dy) > 0.19 + 2.0 * DRIFT
            })
    }

    /// Whether this colour stays apart from the background for as long as an object stays.
    pub(super) fn stands_out(&self, color: Color) -> bool {
        (0..6).all(|step| {
            let hue = self.hue_at(self.time + 5.0 * step as f32);
            [-0.05, 0.09].iter().all(|light| {
                let ground = color_of(hue + 0.035, self.saturation, self.lightness + light);
                ground.iter().zip(color.rgb()).map(|(a, b)| (a - b).abs()).sum::<f32>() > CONTRAST
            })
        })
    }

    /// A point out of sight, straight over the edge that has the clearest way.
    fn way_out(&mut self, x: f32, y: f32, radius: f32) -> (f32, f32) {
        let (over_x, over_y) = (1.3 * radius / RATIO, 1.3 * radius);
        let mut ways = [(-over_x, y), (1.0 + over_x, y), (x, -over_y), (x, 1.0 + over_y)];
        let first = self.random.below(ways.len());
        ways.rotate_left(first);
        let blocked = |way: &(f32, f32)| {
            let sideways = (way.1 - y).abs() < over_y;
            self.actors
                .iter()
                .filter(|other| {
                    let (a, b) = (other.object.x, other.object.y);
                    let between = (a - x) * (way.0 - x) * RATIO * RATIO + (b - y) * (way.1 - y) > 0.0;
                    let aside = if sideways { (b - y).abs() } else { (a - x).abs() * RATIO };
                    between && aside < 1.1 * (radius + other.radius)
                })
                .count()
        };
        ways.into_iter().min_by_key(blocked).unwrap_or((-over_x, y))
    }
}

/// A colour from hue (turns), saturation and lightness (0 to 1), in channels of 0 to 255.
fn color_of(hue: f32, saturation: f32, lightness: f32) -> [f32; 3] {
    let chroma = saturation * lightness.min(1.0 - lightness);
    [0.0, 8.0, 4.0].map(|offset| {
        let k = (offset + 12.0 * hue).rem_euclid(12.0);
        255.0 * (lightness - chroma * (k - 3.0).min(9.0 - k).clamp(-1.0, 1.0))
    })
}

#[cfg(test)]
mod tests;
