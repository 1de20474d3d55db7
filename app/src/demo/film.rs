//! Films of known truth: things that stay in their places, and now and then one true change.
//!
//! In the scene ([`World`]) the truth has one reading. Here some things can be told in two ways
//! that are both true: one lies on the line between two places, is neither small nor large, has a
//! colour between two, or stands straight above another. Which of the two a model says is then
//! decided by what a camera adds, as it is with much of what real cameras see. So a film knows all
//! readings of what is in view. A change is one after which none of them is true any more.

use std::collections::BTreeSet;
use std::f32::consts::TAU;

use image::RgbImage;

use crate::demo::draw;
use crate::demo::random::Random;
use crate::demo::words::caption;
use crate::demo::world::{Color, DRIFT, FAIR, LINES, MOST, Object, RATIO, Shape, Size, Sprite, TRAVEL, World};

/// Seconds from the end of a change to the beginning of the next.
const REST: (f32, f32) = (6.0, 10.0);
/// How often a thing has a size, a colour or a place that can be told in two ways.
const UNCLEAR: f32 = 0.35;
/// Colours between which there is another that may be called either.
const NEIGHBOURS: [[Color; 2]; 3] =
    [[Color::Red, Color::Orange], [Color::Orange, Color::Yellow], [Color::Blue, Color::Purple]];
/// Trials to find room for a thing, or a change after which something else is true.
const TRIALS: usize = 60;
/// The part at the left that stays free of things: a curtain may hang there.
const CURTAIN: f32 = 0.1;

/// How a thing looks, in numbers that can lie between two of its looks.
#[derive(Clone, Copy, Debug)]
struct Look {
    /// Its centre, in shares of width and height.
    x: f32,
    y: f32,
    /// Half its extent, a share of the height.
    radius: f32,
    rgb: [f32; 3],
}

/// A thing, and what it may be called.
#[derive(Clone, Debug)]
struct Thing {
    shape: Shape,
    /// The same twice where there is one name for it.
    colors: [Color; 2],
    sizes: [Size; 2],
    look: Look,
    /// Radians.
    turn: f32,
    phase: f32,
}

/// What is on its way: the thing with this number, from another look to the one that it has.
#[derive(Clone, Copy, Debug)]
struct Change {
    thing: usize,
    from: Look,
    began: f32,
    /// It is gone when it has come to its place.
    leaves: bool,
}

/// See the module. The same seed gives the same film.
#[derive(Clone, Debug)]
pub struct Film {
    random: Random,
    /// How often a thing can be told in two ways.
    unclear: f32,
    /// Its background.
    ground: World,
    things: Vec<Thing>,
    change: Option<Change>,
    time: f32,
    next_change: f32,
}

impl Film {
    /// A film with its first things in place.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self::begun(seed, UNCLEAR)
    }

    /// The same where each thing can be told in one way alone, but for its order among others.
    #[must_use]
    pub fn plain(seed: u64) -> Self {
        Self::begun(seed, 0.0)
    }

    fn begun(seed: u64, unclear: f32) -> Self {
        let mut random = Random::new(seed ^ 0xF1_14);
        let ground = World::new(random.bits());
        let next_change = random.between(REST.0, REST.1);
        let mut film = Self { random, unclear, ground, things: Vec::new(), change: None, time: 0.0, next_change };
        for _ in 0..=film.random.below(3) {
            let thing = film.another(&film.things.clone());
            film.things.extend(thing);
        }
        film
    }

    /// Lets time pass, in seconds; a frame's at a time.
    pub fn advance(&mut self, seconds: f32) {
        self.time += seconds;
        match self.change {
            Some(change) if self.time >= change.began + TRAVEL => {
                if change.leaves {
                    self.things.remove(change.thing);
                }
                self.change = None;
                self.next_change = self.time + self.random.between(REST.0, REST.1);
            }
            None if self.time >= self.next_change => self.begin(),
            _ => {}
        }
    }

    /// Whether everything is in its place, so that [`Film::readings`] are true.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.change.is_none()
    }

    /// All captions that are true while nothing is on its way.
    #[must_use]
    pub fn readings(&self) -> BTreeSet<String> {
        readings(&self.things)
    }

    /// What is in view while nothing is on its way, from left to right; of two names the first.
    #[must_use]
    pub fn truth(&self) -> Vec<Object> {
        let object = |thing: &Thing| {
            let Look { x, y, .. } = thing.look;
            Object { shape: thing.shape, color: thing.colors[0], size: thing.sizes[0], x, y }
        };
        let mut objects: Vec<Object> = self.things.iter().map(object).collect();
        objects.sort_by(|a, b| a.x.total_cmp(&b.x));
        objects
    }

    /// The picture of this instant, [`draw::WIDTH`] by [`draw::HEIGHT`] pixels.
    #[must_use]
    pub fn paint(&self) -> RgbImage {
        let sprites = self.things.iter().enumerate().map(|(number, thing)| {
            let mut look = thing.look;
            if let Some(change) = self.change.filter(|change| change.thing == number) {
                let done = ((self.time - change.began) / TRAVEL).clamp(0.0, 1.0);
                look = change.from.towards(look, done * done * (3.0 - 2.0 * done));
            }
            let sway = 0.55 * self.time + thing.phase;
            let (x, y) = (look.x + DRIFT * sway.sin(), look.y + DRIFT * (0.83 * sway).cos());
            let turn = thing.turn + 0.07 * (0.4 * self.time + thing.phase).sin();
            let object = Object { shape: thing.shape, color: thing.colors[0], size: thing.sizes[0], x, y };
            Sprite { object, radius: look.radius, turn, rgb: look.rgb }
        });
        draw::paint_all(&self.ground.backdrop(), &sprites.collect::<Vec<_>>())
    }

    /// Begins a change after which something else is true, if one is found.
    fn begin(&mut self) {
        let before = self.readings();
        for _ in 0..TRIALS {
            let mut things = self.things.clone();
            let Some(change) = self.some_change(&mut things) else { continue };
            let mut after = things.clone();
            if change.leaves {
                after.remove(change.thing);
            }
            if readings(&after).is_disjoint(&before) {
                (self.things, self.change) = (things, Some(change));
                return;
            }
        }
        self.next_change = self.time + REST.0;
    }

    /// One thing comes, leaves, changes its colour or goes to another place.
    fn some_change(&mut self, things: &mut Vec<Thing>) -> Option<Change> {
        let kind = self.random.below(4);
        if kind == 0 {
            if things.len() >= MOST {
                return None;
            }
            let thing = self.another(things)?;
            let from = thing.look.outside();
            things.push(thing);
            return Some(Change { thing: things.len() - 1, from, began: self.time, leaves: false });
        }
        if things.is_empty() {
            return None;
        }
        let thing = self.random.below(things.len());
        let from = things[thing].look;
        match kind {
            1 => things[thing].look = from.outside(),
            2 => {
                let (colors, rgb) = self.some_color()?;
                (things[thing].colors, things[thing].look.rgb) = (colors, rgb);
            }
            _ => {
                let others: Vec<Thing> =
                    things.iter().enumerate().filter(|(other, _)| *other != thing).map(|(_, t)| t.clone()).collect();
                (things[thing].look.x, things[thing].look.y) = self.some_place(from.radius, &others)?;
            }
        }
        Some(Change { thing, from, began: self.time, leaves: kind == 1 })
    }

    /// One more thing, where there is room for it.
    fn another(&mut self, others: &[Thing]) -> Option<Thing> {
        let (sizes, radius) = if self.random.chance(self.unclear) {
            ([Size::Small, Size::Large], self.random.between(0.128, 0.142))
        } else if self.random.chance(0.6) {
            ([Size::Small; 2], self.random.between(0.09, 0.102))
        } else {
            ([Size::Large; 2], self.random.between(0.172, 0.19))
        };
        let (colors, rgb) = self.some_color()?;
        let (x, y) = self.some_place(radius, others)?;
        let (turn, phase) = (self.random.between(-0.12, 0.12), self.random.between(0.0, TAU));
        let look = Look { x, y, radius, rgb };
        Some(Thing { shape: self.random.pick(Shape::ALL), colors, sizes, look, turn, phase })
    }

    /// A colour that stands out, and what it may be called.
    fn some_color(&mut self) -> Option<([Color; 2], [f32; 3])> {
        for _ in 0..TRIALS {
            let is_unclear = self.random.chance(self.unclear);
            let colors = if is_unclear { self.random.pick(&NEIGHBOURS) } else { [self.random.pick(Color::ALL); 2] };
            if colors.iter().all(|color| self.ground.stands_out(*color)) {
                let [from, to] = colors.map(Color::rgb);
                return Some((colors, between(from, to, self.random.between(0.4, 0.6))));
            }
        }
        None
    }

    /// A place with room for a thing of this radius.
    fn some_place(&mut self, radius: f32, others: &[Thing]) -> Option<(f32, f32)> {
        let inset = 1.1 * radius + DRIFT;
        for _ in 0..TRIALS {
            let mut x = self.random.between(CURTAIN + inset / RATIO, 1.0 - inset / RATIO);
            let y = self.random.between(inset, 1.0 - inset);
            if self.random.chance(self.unclear) {
                x = self.random.pick(&LINES) + self.random.between(-0.5, 0.5) * FAIR;
            }
            let on_a_line = |v: f32| LINES.iter().any(|line| (v - line).abs() < FAIR + DRIFT);
            if self.unclear == 0.0 && (on_a_line(x) || on_a_line(y)) {
                continue;
            }
            let has_room = others.iter().all(|other| {
                let (dx, dy) = ((x - other.look.x) * RATIO, y - other.look.y);
                dx.hypot(dy) > 1.15 * (radius + other.look.radius) + 2.0 * DRIFT * RATIO
            });
            if has_room {
                return Some((x, y));
            }
        }
        None
    }
}

impl Look {
    /// The same out of sight, straight over the nearest edge.
    fn outside(self) -> Self {
        let (over_x, over_y) = (1.3 * self.radius / RATIO, 1.3 * self.radius);
        let ways = [
            (self.x, (-over_x, self.y)),
            (1.0 - self.x, (1.0 + over_x, self.y)),
            (self.y / RATIO, (self.x, -over_y)),
            ((1.0 - self.y) / RATIO, (self.x, 1.0 + over_y)),
        ];
        let (x, y) = ways.into_iter().min_by(|a, b| a.0.total_cmp(&b.0)).map_or((self.x, -over_y), |(_, to)| to);
        Self { x, y, ..self }
    }

    /// The look so far on the way to another; `done` is from 0 to 1.
    fn towards(self, to: Self, done: f32) -> Self {
        let mix = |from: f32, to: f32| from + (to - from) * done;
        Self {
            x: mix(self.x, to.x),
            y: mix(self.y, to.y),
            radius: mix(self.radius, to.radius),
            rgb: between(self.rgb, to.rgb, done),
        }
    }
}

fn between(from: [f32; 3], to: [f32; 3], share: f32) -> [f32; 3] {
    std::array::from_fn(|k| from[k] + (to[k] - from[k]) * share)
}

/// All true captions of some things.
fn readings(things: &[Thing]) -> BTreeSet<String> {
    let mut all: Vec<Vec<Object>> = vec![Vec::new()];
    for thing in things {
        let ways = thing.ways(things.len() == 1);
        all = all.iter().flat_map(|objects| ways.iter().map(|way| [&objects[..], &[*way]].concat())).collect();
    }
    let told = |mut objects: Vec<Object>| {
        objects.sort_by(|a, b| a.x.total_cmp(&b.x));
        caption(&objects)
    };
    all.into_iter().map(told).collect()
}

impl Thing {
    /// The things of the grammar that it may be. How high it is is only told of a lone one.
    fn ways(&self, is_alone: bool) -> Vec<Object> {
        let either = |v: f32| [v - FAIR, v + FAIR];
        let ys = if is_alone { either(self.look.y) } else { [self.look.y; 2] };
        let mut ways = Vec::new();
        for color in self.colors {
            for size in self.sizes {
                for x in either(self.look.x) {
                    for y in ys {
                        let object = Object { shape: self.shape, color, size, x, y };
                        if !ways.contains(&object) {
                            ways.push(object);
                        }
                    }
                }
            }
        }
        ways
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_each_change_no_reading_from_before_is_true() {
        let (mut changes, mut unclear) = (0, 0);
        for seed in 0..12 {
            let mut film = Film::new(seed);
            let mut settled: Option<BTreeSet<String>> = None;
            for _ in 0..240 {
                film.advance(0.25);
                if film.is_settled() {
                    let now = film.readings();
                    unclear += usize::from(now.len() > 1);
                    if let Some(before) = settled.replace(now.clone()).filter(|before| *before != now) {
                        assert!(before.is_disjoint(&now), "seed {seed}: {before:?} and {now:?}");
                        changes += 1;
                    }
                }
            }
        }
        assert!(changes > 50 && unclear > 500, "{changes} changes, {unclear} views with several readings");
    }

    #[test]
    fn things_are_painted_where_they_are() {
        let (film, same) = (Film::new(3), Film::new(3));
        let picture = film.paint();
        assert_eq!(picture, same.paint());
        for Thing { look, .. } in &film.things {
            let (x, y) = ((look.x * draw::WIDTH as f32) as u32, (look.y * draw::HEIGHT as f32) as u32);
            let pixel = picture.get_pixel(x, y).0;
            let off: f32 = look.rgb.iter().zip(pixel).map(|(a, b)| (a - f32::from(b)).abs()).sum();
            assert!(off < 60.0, "{look:?} is painted {pixel:?}");
        }
    }
}
