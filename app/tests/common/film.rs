//! Pictures of the demo scene in a folder, which play one after the other.

use std::fs;
use std::path::Path;

use sightline::demo::{Shape, World, paint};

/// Writes pictures with a star in them or without, in this order.
pub fn film(folder: &Path, stars: &[bool]) {
    fs::create_dir(folder).unwrap();
    let mut seed = 4000;
    for (number, wanted) in stars.iter().enumerate() {
        let picture = loop {
            seed += 1;
            let mut world = World::new(seed);
            world.settle();
            let truth = world.truth();
            if !truth.is_empty() && truth.iter().any(|object| object.shape == Shape::Star) == *wanted {
                break paint(&world);
            }
        };
        picture.save(folder.join(format!("{number}.png"))).unwrap();
    }
}
