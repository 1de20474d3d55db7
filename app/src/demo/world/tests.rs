//! Tests of `world`.

use super::*;

#[test]
fn a_seed_lives_the_same_life() {
    let (mut a, mut b) = (World::new(3), World::new(3));
    for _ in 0..900 {
        a.advance(1.0 / 30.0);
        b.advance(1.0 / 30.0);
    }
    assert_eq!(a.truth(), b.truth());
}

#[test]
fn settled_truth_has_one_reading() {
    for seed in 0..40 {
        let mut world = World::new(seed);
        for _ in 0..40 {
            for _ in 0..20 {
                world.advance(1.0 / 30.0);
            }
            world.settle();
            let truth = world.truth();
            assert!(world.is_settled() && truth.len() <= 4);
            assert_eq!(truth.len(), world.actors.len(), "a settled object is out of view");
            for pair in truth.windows(2) {
                assert!(pair[1].x - pair[0].x >= APART, "no order from left to right: {pair:?}");
            }
            for object in &truth {
                let near = |v: f32| LINES.iter().any(|line| (v - line).abs() < FAIR - 1e-4);
                assert!(!near(object.x) && !near(object.y), "on a line: {object:?}");
            }
        }
    }
}

#[test]
fn the_world_is_sometimes_empty_sometimes_full_and_sometimes_rests_for_ten_seconds() {
    let (mut counts, mut longest) = ([0; 5], 0.0f32);
    for seed in 0..20 {
        let mut world = World::new(seed);
        for _ in 0..30 * 90 {
            world.advance(1.0 / 30.0);
            counts[world.truth().len()] += 1;
            longest = longest.max(world.rest);
        }
    }
    assert!(counts.iter().all(|count| *count > 500), "frames by number of objects: {counts:?}");
    assert!(longest >= 10.0);
}

#[test]
fn hues_go_round() {
    let channels = |hue| color_of(hue, 1.0, 0.5).map(|c| c.round() as u8);
    assert_eq!(channels(0.0), [255, 0, 0]);
    assert_eq!(channels(1.0 / 3.0), [0, 255, 0]);
    assert_eq!(channels(2.0 / 3.0), [0, 0, 255]);
}
