//! The demo scene as a source of pictures: live, 30 a second.

use std::time::{Duration, Instant};

use crate::capture::{Next, Source, SourceError};
use crate::demo::draw::paint;
use crate::demo::world::{Object, World};

/// Time between two pictures.
const PERIOD: Duration = Duration::from_nanos(1_000_000_000 / 30);
/// The longest that [`Source::next`] waits.
const PATIENCE: Duration = Duration::from_millis(100);
/// Time lost beyond this (the machine slept, nobody asked) is not made up for.
const LAG: Duration = Duration::from_millis(500);

/// A seeded world that lives in real time while somebody takes its pictures.
#[derive(Debug)]
pub struct SceneSource {
    world: World,
    due: Option<Instant>,
}

impl SceneSource {
    /// The scene of this seed, from its beginning.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { world: World::new(seed), due: None }
    }

    /// What the last picture truly shows, from left to right. For checks; the engine never sees it.
    #[must_use]
    pub fn truth(&self) -> Vec<Object> {
        self.world.truth()
    }

    /// Whether nothing was on its way in the last picture, so that its truth has one reading.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.world.is_settled()
    }
}

impl Source for SceneSource {
    fn name(&self) -> String {
        "Demo scene".to_owned()
    }

    fn is_live(&self) -> bool {
        true
    }

    fn waits(&self) -> bool {
        true
    }

    fn next(&mut self) -> Result<Next, SourceError> {
        let now = Instant::now();
        let due = *self.due.get_or_insert(now);
        let wait = due.saturating_duration_since(now);
        if wait > PATIENCE {
            std::thread::sleep(PATIENCE);
            return Ok(Next::Nothing);
        }
        std::thread::sleep(wait);
        // The world keeps pace with the clock: a slow machine sees fewer pictures of it, not a
        // slower world.
        let late = now.saturating_duration_since(due).min(LAG);
        let steps = 1 + (late.as_nanos() / PERIOD.as_nanos()) as u32;
        for _ in 0..steps {
            self.world.advance(PERIOD.as_secs_f32());
        }
        self.due = Some(if late == LAG { now + PERIOD } else { due + PERIOD * steps });
        Ok(Next::Picture(paint(&self.world)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_come_and_move() {
        let mut source = SceneSource::new(1);
        let mut pictures = Vec::new();
        while pictures.len() < 3 {
            if let Next::Picture(picture) = source.next().expect("the scene never fails") {
                pictures.push(picture);
            }
        }
        assert_eq!(pictures[0].dimensions(), (1280, 720));
        assert_ne!(pictures[0], pictures[2]);
    }
}
