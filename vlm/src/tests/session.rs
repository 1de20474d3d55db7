//! The session's own law: marks, drafts and questions change the work, never the words.

use std::sync::Arc;

use image::RgbImage;

use crate::cancel::Cancel;
use crate::error::Error;
use crate::input::format::Role;
use crate::input::image::{Grid, Tiling};
use crate::input::prompt::{Part, Turn};
use crate::network::features::Features;
use crate::network::precision::Precision;
use crate::network::{LoadOptions, Model};
use crate::session::branches::Scored;
use crate::session::reply::{Reply, Stop};
use crate::session::reuse::Reuse;
use crate::session::sampling::Sampling;
use crate::session::{Ask, Session};
use crate::tests::fixtures;

const DESCRIBE: Ask<'_> =
    Ask { prompt: "Describe this image.", max_tokens: 24, ignore_end: true, sampling: Sampling::Greedy };
const QUESTION: Ask<'_> =
    Ask { prompt: "What is the text about?", max_tokens: 17, ignore_end: true, sampling: Sampling::Greedy };

fn model() -> Arc<Model> {
    fixtures::load(&fixtures::tiny("smolvlm"))
}

fn looking_at(model: &Arc<Model>, picture: &RgbImage) -> Session {
    let mut session = Session::new(model.clone()).unwrap();
    look(&mut session, picture);
    session
}

fn look(session: &mut Session, picture: &RgbImage) {
    session.set_images(&[picture], Tiling::One, Reuse::IfIdentical, &Cancel::default()).unwrap();
}

fn caption(session: &mut Session) -> Reply {
    session.caption(DESCRIBE, &Cancel::default(), &mut |_| {}).unwrap()
}

fn ask(session: &mut Session) -> Reply {
    session.ask(QUESTION, &Cancel::default(), &mut |_| {}).unwrap()
}

fn door_prefix() -> Vec<Turn> {
    vec![
        Turn { role: Role::System, parts: vec![Part::Text("Answer briefly.".into())] },
        Turn {
            role: Role::User,
            parts: vec![Part::Picture(fixtures::picture("text")), Part::Text("This is my closed door.".into())],
        },
        Turn { role: Role::Assistant, parts: vec![Part::Text("I see.".into())] },
    ]
}

#[test]
fn caption_ask_caption_equals_three_fresh_sessions() {
    let (model, picture) = (model(), fixtures::picture("coffee"));
    let mut one = looking_at(&model, &picture);
    let got = [caption(&mut one), ask(&mut one), caption(&mut one)].map(|r| r.token_ids);
    let fresh = || looking_at(&model, &picture);
    let want = [caption(&mut fresh()), ask(&mut fresh()), caption(&mut fresh())].map(|r| r.token_ids);
    assert_eq!(got, want);
    assert_ne!(got[0], got[1], "the question must matter, or this test shows nothing");
}

#[test]
fn a_view_leaves_nothing_behind_for_the_next() {
    let (model, coffee, text) = (model(), fixtures::picture("coffee"), fixtures::picture("text"));
    let mut one = looking_at(&model, &text);
    let other = caption(&mut one).token_ids;
    ask(&mut one);
    look(&mut one, &coffee);
    let got = caption(&mut one).token_ids;
    assert_eq!(got, caption(&mut looking_at(&model, &coffee)).token_ids);
    assert_ne!(got, other, "the picture must matter, or this test shows nothing");
}

#[test]
fn drafts_from_earlier_captions_save_passes_and_change_no_word() {
    let model = model();
    let mut with = Session::new(model.clone()).unwrap();
    let mut without = Session::new(model).unwrap();
    without.look_up_drafts(false);
    let mut passes = (0, 0);
    for name in ["coffee", "text", "dim", "coffee", "text"] {
        let [a, b] = [&mut with, &mut without].map(|session| {
            look(session, &fixtures::picture(name));
            [caption(session), ask(session)]
        });
        assert_eq!(a.each_ref().map(|r| &r.token_ids), b.each_ref().map(|r| &r.token_ids), "{name}");
        // A pass writes those tokens of its draft that held, and one more if the reply goes on.
        for reply in a.iter().chain(&b) {
            let most = reply.draft.passes + reply.draft.accepted;
            assert!((most - 1..=most).contains(&reply.token_ids.len()), "{name}: {:?}", reply.draft);
        }
        passes.0 += a[0].draft.passes;
        passes.1 += b[0].draft.passes;
    }
    assert!(passes.0 < passes.1, "{passes:?}");
}

#[test]
fn a_view_that_differs_by_noise_stays_until_the_differences_add_up() {
    let (model, coffee) = (model(), fixtures::picture("coffee"));
    let brighter = |by: u8| {
        let mut picture = coffee.clone();
        picture.iter_mut().for_each(|value| *value = value.saturating_add(by));
        picture
    };
    let mut session = looking_at(&model, &coffee);
    let first = caption(&mut session);
    let mut next = |picture: &RgbImage| {
        session.set_images(&[picture], Tiling::One, Reuse::IfNearlyIdentical, &Cancel::default()).unwrap();
        caption(&mut session)
    };
    for by in 1..=2 {
        let again = next(&brighter(by));
        assert!(again.timings.vision.is_zero() && !again.timings.preprocess.is_zero(), "{by}");
        assert_eq!((&again.token_ids, again.draft.accepted), (&first.token_ids, first.token_ids.len()));
    }
    // Each step was noise; all of them together are not.
    let last = next(&brighter(4));
    assert!(!last.timings.vision.is_zero());
    assert_eq!(last.token_ids, caption(&mut looking_at(&model, &brighter(4))).token_ids);
}

#[test]
fn the_very_same_pixels_are_not_evaluated_again_and_say_the_same() {
    let (model, coffee) = (model(), fixtures::picture("coffee"));
    let mut session = looking_at(&model, &coffee);
    // Before the text model has seen the view, and afterwards.
    look(&mut session, &coffee);
    let first = caption(&mut session);
    look(&mut session, &coffee);
    let again = caption(&mut session);
    assert!(!first.timings.vision.is_zero() && again.timings.vision.is_zero());
    assert_eq!((&again.token_ids, &again.prompt_ids), (&first.token_ids, &first.prompt_ids));
    assert_eq!(again.draft.accepted, again.token_ids.len());
    // The same pixels shown in another way are another view, and so are other pixels in between.
    session.set_images(&[&coffee], Tiling::Split, Reuse::IfIdentical, &Cancel::default()).unwrap();
    assert!(caption(&mut session).prompt_ids.len() > first.prompt_ids.len());
    look(&mut session, &fixtures::picture("text"));
    look(&mut session, &coffee);
    let last = caption(&mut session);
    assert!(!last.timings.vision.is_zero());
    assert_eq!(last.token_ids, first.token_ids);
    // A prefix stands before the view, so another one makes it another view.
    session.set_prefix(&[], &Cancel::default()).unwrap();
    look(&mut session, &coffee);
    assert!(!caption(&mut session).timings.vision.is_zero());
}

#[test]
fn a_prefix_and_a_view_equal_the_whole_prompt_at_once() {
    let (model, picture) = (model(), fixtures::picture("coffee"));
    let mut session = Session::new(model.clone()).unwrap();
    session.set_prefix(&door_prefix(), &Cancel::default()).unwrap();
    for _ in 0..2 {
        look(&mut session, &picture);
        let got = caption(&mut session);

        let pictures = [fixtures::picture("text"), picture.clone()];
        let features = model
            .encode(
                &model.tiles(pictures.iter(), Tiling::One, &vec![Grid::default(); pictures.len()]).unwrap(),
                &Cancel::default(),
            )
            .unwrap();
        let mut ids = got.prompt_ids.clone();
        for token in &got.token_ids {
            let mut cache = model.new_cache().unwrap();
            let whole = model.forward(&ids, features.as_ref(), &mut cache, 1, &Cancel::default()).unwrap();
            let best =
                crate::session::sampling::Sampler::new(Sampling::Greedy).choose(&whole.get(0).unwrap()).unwrap().id;
            assert_eq!(best, *token);
            ids.push(best);
        }
    }
}

/// The mean log-softmax of a reply's tokens, each from the whole text before it in candle's own
/// operations.
fn mean_log_prob(model: &Model, reply: &Reply, picture: &RgbImage) -> f64 {
    let features = model
        .encode(&model.tiles(std::iter::once(picture), Tiling::One, &[Grid::default()]).unwrap(), &Cancel::default())
        .unwrap();
    let mut ids = reply.prompt_ids.clone();
    let mut sum = 0.0;
    for token in &reply.token_ids {
        let mut cache = model.new_cache().unwrap();
        let logits = model.forward(&ids, features.as_ref(), &mut cache, 1, &Cancel::default()).unwrap();
        let told = candle_nn::ops::log_softmax(&logits, 1).unwrap().to_vec2::<f32>().unwrap();
        sum += f64::from(told[0][*token as usize]);
        ids.push(*token);
    }
    sum / reply.token_ids.len() as f64
}

#[test]
fn a_reply_knows_how_likely_it_was_with_and_without_a_draft() {
    let (model, picture) = (model(), fixtures::picture("coffee"));
    let mut session = looking_at(&model, &picture);
    let first = caption(&mut session);
    let drafted = caption(&mut session);
    assert_eq!(
        drafted.draft.accepted,
        drafted.token_ids.len(),
        "the draft must ride along, or this test shows nothing"
    );
    let want = mean_log_prob(&model, &first, &picture);
    for reply in [first, drafted] {
        let got = f64::from(reply.mean_log_prob.unwrap());
        assert!((got - want).abs() < 1e-3 * want.abs(), "{got} for {want}");
        assert!(got < 0.0);
    }
    let none = session.caption(Ask { max_tokens: 0, ..DESCRIBE }, &Cancel::default(), &mut |_| {}).unwrap();
    assert_eq!((none.token_ids.len(), none.mean_log_prob), (0, None));
}

#[test]
fn a_prefix_changes_what_is_said_and_an_empty_one_takes_it_back() {
    let (model, picture) = (model(), fixtures::picture("coffee"));
    let plain = caption(&mut looking_at(&model, &picture)).token_ids;
    let mut session = Session::new(model).unwrap();
    session.set_prefix(&door_prefix(), &Cancel::default()).unwrap();
    assert!(matches!(session.caption(DESCRIBE, &Cancel::default(), &mut |_| {}), Err(Error::NoView)));
    look(&mut session, &picture);
    assert_ne!(caption(&mut session).token_ids, plain);
    session.set_prefix(&[], &Cancel::default()).unwrap();
    look(&mut session, &picture);
    assert_eq!(caption(&mut session).token_ids, plain);
}

#[test]
fn a_draft_never_changes_a_token() {
    let model = model();
    let pictures = [fixtures::picture("coffee"), fixtures::picture("text")];
    let mut live = Session::new(model.clone()).unwrap();
    // The last caption alone: what is looked up has a test of its own.
    live.look_up_drafts(false);
    // The same view again, then another, then back: drafts that hold wholly, in part and not at
    // all.
    for (turn, which) in [0, 0, 1, 1, 0].into_iter().enumerate() {
        look(&mut live, &pictures[which]);
        let got = caption(&mut live);
        let want = caption(&mut looking_at(&model, &pictures[which]));
        assert_eq!((&got.token_ids, &got.text), (&want.token_ids, &want.text), "turn {turn}");
        let same = turn > 0 && [0, 0, 1, 1, 0][turn - 1] == which;
        assert_eq!(got.draft.offered, if turn == 0 { 0 } else { 24 });
        assert_eq!(got.draft.accepted == 24, same, "turn {turn}: {:?}", got.draft);
        assert_eq!(want.draft.offered, 0);
    }
}

#[test]
fn a_draft_for_another_instruction_or_a_shorter_reply_changes_nothing() {
    let (model, picture) = (model(), fixtures::picture("coffee"));
    let mut live = looking_at(&model, &picture);
    caption(&mut live);
    let short = Ask { max_tokens: 5, ..QUESTION };
    let got = live.caption(short, &Cancel::default(), &mut |_| {}).unwrap();
    let want = looking_at(&model, &picture).caption(short, &Cancel::default(), &mut |_| {}).unwrap();
    assert_eq!((got.token_ids, got.stop), (want.token_ids, Stop::Length));
}

#[test]
fn a_draft_that_ends_where_the_caption_ends_is_accepted_whole() {
    let mut session = looking_at(&model(), &fixtures::picture("coffee"));
    // The weights are random, so only some prompts make a reply that ends by itself.
    let ended = (0..100).find_map(|n| {
        let prompt = format!("Describe number {n}.");
        let ask = Ask { prompt: &prompt, max_tokens: 60, ignore_end: false, sampling: Sampling::Greedy };
        let first = session.caption(ask, &Cancel::default(), &mut |_| {}).unwrap();
        let second = session.caption(ask, &Cancel::default(), &mut |_| {}).unwrap();
        assert_eq!((&first.token_ids, first.stop), (&second.token_ids, second.stop));
        (first.stop == Stop::End && !first.token_ids.is_empty()).then_some((first, second))
    });
    let (first, second) = ended.expect("a prompt whose reply ends by itself");
    assert_eq!(second.draft.offered, first.token_ids.len() + 1, "the end is part of the draft");
    assert_eq!(second.draft.accepted, second.draft.offered);
}

#[test]
fn a_question_on_the_view_in_hand_encodes_no_picture() {
    let mut session = looking_at(&model(), &fixtures::picture("coffee"));
    let first = caption(&mut session);
    assert!(!first.timings.vision.is_zero());
    let second = ask(&mut session);
    assert!(second.timings.vision.is_zero() && second.timings.preprocess.is_zero());
    assert_eq!(&second.prompt_ids[..8], &first.prompt_ids[..8]);
}

#[test]
fn the_text_streams_in_pieces_that_make_up_the_reply() {
    let mut session = looking_at(&model(), &fixtures::picture("text"));
    let mut pieces = Vec::new();
    let reply = session.caption(DESCRIBE, &Cancel::default(), &mut |p| pieces.push(p.to_owned())).unwrap();
    assert!(pieces.len() > 5, "{pieces:?}");
    let streamed = pieces.concat();
    assert!(reply.text.starts_with(streamed.trim_end()), "{streamed:?} is not how {:?} begins", reply.text);
}

#[test]
fn cancelling_stops_within_one_token_and_leaves_the_session_whole() {
    let (model, picture) = (model(), fixtures::picture("coffee"));
    let want = caption(&mut looking_at(&model, &picture));
    let mut session = looking_at(&model, &picture);
    let cancel = Cancel::default();
    let mut pieces = 0;
    let stopped = session.caption(DESCRIBE, &cancel, &mut |_| {
        pieces += 1;
        if pieces == 3 {
            cancel.cancel();
        }
    });
    let stopped = stopped.unwrap();
    assert_eq!((stopped.stop, pieces), (Stop::Cancelled, 3));
    assert!(want.token_ids.starts_with(&stopped.token_ids) && stopped.token_ids.len() < want.token_ids.len());
    assert_eq!(caption(&mut session).token_ids, want.token_ids);
}

#[test]
fn cancelling_before_the_first_pass_keeps_the_view_and_during_vision_drops_it() {
    let (model, picture) = (model(), fixtures::picture("coffee"));
    let want = caption(&mut looking_at(&model, &picture)).token_ids;
    let raised = Cancel::default();
    raised.cancel();
    let mut session = looking_at(&model, &picture);
    let stopped = session.caption(DESCRIBE, &raised, &mut |_| {}).unwrap();
    assert_eq!((stopped.stop, stopped.token_ids.len()), (Stop::Cancelled, 0));
    assert_eq!(caption(&mut session).token_ids, want);
    assert!(matches!(session.set_images(&[&picture], Tiling::One, Reuse::IfIdentical, &raised), Err(Error::Cancelled)));
    assert!(matches!(session.ask(QUESTION, &Cancel::default(), &mut |_| {}), Err(Error::NoView)));
    look(&mut session, &picture);
    assert_eq!(caption(&mut session).token_ids, want);
}

#[test]
fn a_cancelled_prefix_leaves_an_empty_one() {
    let (model, picture) = (model(), fixtures::picture("coffee"));
    let raised = Cancel::default();
    raised.cancel();
    let mut session = Session::new(model.clone()).unwrap();
    assert!(matches!(session.set_prefix(&door_prefix(), &raised), Err(Error::Cancelled)));
    look(&mut session, &picture);
    assert_eq!(caption(&mut session).token_ids, caption(&mut looking_at(&model, &picture)).token_ids);
}

#[test]
fn a_prompt_longer_than_the_context_is_refused_before_any_work() {
    let model = model();
    let mut session = looking_at(&model, &fixtures::picture("coffee"));
    let long = "word ".repeat(model.context());
    let e = session.ask(Ask { prompt: &long, ..QUESTION }, &Cancel::default(), &mut |_| {}).unwrap_err();
    let Error::TooLong { tokens, context } = e else { panic!("{e}") };
    assert!(tokens > context && e.to_string().contains(&format!("{} more than", tokens - context)), "{e}");
    assert_eq!(ask(&mut session).token_ids.len(), 17, "the session goes on");
    let turns = [Turn { role: Role::System, parts: vec![Part::Text(long)] }];
    assert!(matches!(session.set_prefix(&turns, &Cancel::default()), Err(Error::TooLong { .. })));
    look(&mut session, &fixtures::picture("coffee"));
    assert_eq!(ask(&mut session).token_ids.len(), 17, "the session goes on");
}

#[test]
fn a_reply_ends_where_the_context_ends() {
    let model = model();
    let mut session = looking_at(&model, &fixtures::picture("coffee"));
    let used = ask(&mut session).prompt_ids.len();
    let words = |n: usize| "a ".repeat(n);
    // One letter and its space are one or two tokens: find a prompt that leaves little room.
    let n = (1..200).map(|k| model.context() - used - k).find(|n| {
        let prompt = words(n / 2);
        session
            .ask(
                Ask { prompt: &prompt, max_tokens: 1, ignore_end: true, sampling: Sampling::Greedy },
                &Cancel::default(),
                &mut |_| {},
            )
            .is_ok()
    });
    let prompt = words(n.unwrap() / 2);
    let reply = session
        .ask(
            Ask { prompt: &prompt, max_tokens: 1_000_000, ignore_end: true, sampling: Sampling::Greedy },
            &Cancel::default(),
            &mut |_| {},
        )
        .unwrap();
    assert_eq!(reply.prompt_ids.len() + reply.token_ids.len(), model.context());
    assert_eq!(reply.stop, Stop::Length);
}

#[test]
fn a_view_whose_features_were_kept_is_told_of_as_it_was() {
    for precision in [Precision::F32, Precision::Int8] {
        let options = LoadOptions { precision, ..LoadOptions::default() };
        let model = Arc::new(Model::load(&fixtures::tiny("smolvlm"), options).unwrap());
        let (mut seen, mut kept, cancel) =
            (Session::new(Arc::clone(&model)).unwrap(), Session::new(Arc::clone(&model)).unwrap(), Cancel::default());
        assert!(seen.features().unwrap().is_none());
        seen.set_images(&[&fixtures::picture("coffee")], Tiling::One, Reuse::IfIdentical, &cancel).unwrap();
        let features = seen.features().unwrap().unwrap();
        assert!(Arc::ptr_eq(&features, &seen.features().unwrap().unwrap()), "made once");
        kept.set_features(&features).unwrap();
        let asked = [Scored { question: "Is there a cup?", choices: &["Yes", "No"] }];
        let [want, got] = [&mut seen, &mut kept].map(|session| session.score(&asked, &cancel).unwrap());
        for (want, got) in want[0].log_probs.iter().zip(&got[0].log_probs) {
            assert!((want - got).abs() < 0.02, "{want} {got}");
        }
        // The view is whole: it is in the cache now, and a new one replaces it.
        let ask = Ask { prompt: "What?", max_tokens: 4, ignore_end: true, sampling: Sampling::Greedy };
        assert_eq!(kept.ask(ask, &cancel, &mut |_| {}).unwrap().token_ids.len(), 4);
        kept.set_images(&[&fixtures::picture("coffee")], Tiling::One, Reuse::IfIdentical, &cancel).unwrap();
        assert_eq!(kept.features().unwrap().unwrap(), features);
        let other = Arc::new(Features { width: 3, scales: vec![1.0], bytes: vec![0; 3] });
        assert!(matches!(kept.set_features(&other), Err(Error::Picture { .. })));
        assert!(matches!(kept.ask(ask, &cancel, &mut |_| {}), Err(Error::NoView)));
    }
}
