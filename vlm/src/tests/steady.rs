//! Captions that stay: doubted by one view, replaced when as many in a row as were asked for speak
//! against them.

use image::Rgb;

use crate::cancel::Cancel;
use crate::input::image::Tiling;
use crate::session::reply::Reply;
use crate::session::reuse::Reuse;
use crate::session::sampling::Sampling;
use crate::session::steady::Steadiness;
use crate::session::{Along, Ask, Session};
use crate::tests::fixtures;

/// Every view speaks against the caption, whatever it shows.
const NEVER: Steadiness = Steadiness { change: 0.0, loss: 0.0, views: 2 };
/// None does.
const ALWAYS: Steadiness = Steadiness { loss: f32::INFINITY, ..NEVER };

const ASK: Ask<'_> =
    Ask { prompt: "Describe this image.", max_tokens: 16, ignore_end: true, sampling: Sampling::Greedy };

/// Looks at a picture, one of whose pixels has this much more red, and captions it.
fn look(session: &mut Session, picture: &str, red: u8, steadiness: Steadiness) -> Reply {
    let mut picture = fixtures::picture(picture);
    let Rgb([first, ..]) = picture.get_pixel_mut(0, 0);
    *first = first.saturating_add(red);
    let cancel = Cancel::default();
    session.set_images(&[&picture], Tiling::One, Reuse::IfNearlyIdentical, &cancel).unwrap();
    session.caption_along(ASK, Along { questions: &[], steady: Some(steadiness) }, &cancel, &mut |_| {}).unwrap()
}

fn session() -> Session {
    Session::new(fixtures::load(&fixtures::tiny("smolvlm"))).unwrap()
}

#[test]
fn a_caption_is_doubted_before_it_is_replaced() {
    let mut session = session();
    let of_coffee = look(&mut session, "coffee", 0, NEVER);
    assert!(!of_coffee.is_kept && !of_coffee.is_doubted, "there was none before");
    let doubted = look(&mut session, "text", 0, NEVER);
    assert!(doubted.is_kept && doubted.is_doubted);
    assert_eq!(doubted.token_ids, of_coffee.token_ids);
    let replaced = look(&mut session, "text", 0, NEVER);
    assert!(!replaced.is_kept && !replaced.is_doubted);
    let plain = session.caption(ASK, &Cancel::default(), &mut |_| {}).unwrap();
    assert_eq!(replaced.token_ids, plain.token_ids, "the words are those of the view itself");
    assert_ne!(replaced.token_ids, of_coffee.token_ids);
}

#[test]
fn a_view_that_speaks_for_a_caption_ends_the_doubt() {
    let mut session = session();
    look(&mut session, "coffee", 0, NEVER);
    assert!(look(&mut session, "text", 0, NEVER).is_doubted);
    let held = look(&mut session, "text", 0, ALWAYS);
    assert!(held.is_kept && !held.is_doubted);
    assert!(look(&mut session, "text", 0, NEVER).is_doubted, "it is the first again");
}

/// What noise shows once it would show again, if the view in hand were taken for the second look.
#[test]
fn a_doubted_caption_gets_a_look_at_a_view_that_differs_by_noise() {
    let mut session = session();
    look(&mut session, "coffee", 0, NEVER);
    let again = look(&mut session, "coffee", 9, ALWAYS);
    assert!(again.timings.vision.is_zero(), "it is the view in hand");
    assert!(look(&mut session, "text", 0, NEVER).is_doubted);
    assert!(!look(&mut session, "text", 9, NEVER).timings.vision.is_zero());
}
