//! The conversation's own law: what is remembered, undone or asked once changes the work, never the
//! words.

use std::sync::Arc;

use image::RgbImage;

use crate::cancel::Cancel;
use crate::error::Error;
use crate::input::format::Role;
use crate::input::image::{Grid, Tiling};
use crate::input::prompt::{Part, Turn};
use crate::network::Model;
use crate::session::conversation::{Conversation, Say};
use crate::session::reply::{Reply, Stop};
use crate::session::reuse::Reuse;
use crate::session::sampling::{Sampler, Sampling};
use crate::session::{Ask, Session};
use crate::tests::fixtures;

fn model() -> Arc<Model> {
    fixtures::load(&fixtures::tiny("smolvlm"))
}

fn new(model: &Arc<Model>) -> Conversation {
    Conversation::new(model.clone(), Tiling::One).unwrap()
}

fn text(words: &str) -> Part {
    Part::Text(words.into())
}

fn picture(name: &str) -> Part {
    Part::Picture(fixtures::picture(name))
}

/// A picture before the words, with another between them.
fn first_turn() -> Vec<Part> {
    vec![picture("coffee"), text("What is in"), picture("text"), text(" this image?")]
}

/// Words before a picture.
fn second_turn() -> Vec<Part> {
    vec![text("And in this one,"), picture("coffee")]
}

fn third_turn() -> Vec<Part> {
    vec![text("Why?")]
}

fn turn(parts: &[Part]) -> Say<'_> {
    Say { parts, max_tokens: 14, ignore_end: true, sampling: Sampling::Greedy }
}

fn say(conversation: &mut Conversation, parts: &[Part]) -> Reply {
    conversation.say(turn(parts), &Cancel::default(), &mut |_| {}).unwrap()
}

/// The tokens that a fresh evaluation of a prompt chooses, every one of them from the whole text in
/// one pass.
fn in_one_pass(model: &Model, prompt_ids: &[u32], pictures: &[RgbImage], tiling: Tiling, n: usize) -> Vec<u32> {
    let features = model
        .encode(
            &model.tiles(pictures.iter(), tiling, &model.grids(pictures.iter(), tiling)).unwrap(),
            &Cancel::default(),
        )
        .unwrap();
    let mut ids = prompt_ids.to_vec();
    for _ in 0..n {
        let mut cache = model.new_cache().unwrap();
        let logits = model.forward(&ids, features.as_ref(), &mut cache, 1, &Cancel::default()).unwrap();
        ids.push(Sampler::new(Sampling::Greedy).choose(&logits.get(0).unwrap()).unwrap().id);
    }
    ids.split_off(prompt_ids.len())
}

fn pictures(turns: &[&[Part]]) -> Vec<RgbImage> {
    turns.iter().copied().flatten().filter_map(Part::picture).cloned().collect()
}

#[test]
fn the_layout_is_that_of_the_chat_template() {
    let model = model();
    let mut conversation = new(&model);
    let first = say(&mut conversation, &first_turn());
    let second = say(&mut conversation, &second_turn());
    let third = say(&mut conversation, &third_turn());

    let tokens = |text: &str| model.prompter.encode(text).unwrap();
    let image = format!("<fake_token_around_image><global-img>{}<fake_token_around_image>", "<image>".repeat(4));
    let head = format!("<|im_start|>User:{image}What is in{image} this image?<end_of_utterance>\nAssistant:");
    assert_eq!(first.prompt_ids, tokens(&head));
    // A model of random weights writes tokens that no text is cut into, so its replies stand as
    // they were written.
    let mut want = [tokens(&head), first.token_ids].concat();
    want.extend(tokens(&format!("<end_of_utterance>\nUser: And in this one,{image}<end_of_utterance>\nAssistant:")));
    assert_eq!(second.prompt_ids, want);
    want.extend(second.token_ids);
    want.extend(tokens("<end_of_utterance>\nUser: Why?<end_of_utterance>\nAssistant:"));
    assert_eq!(third.prompt_ids, want);
}

#[test]
fn the_pieces_of_a_conversation_tokenise_as_its_whole_text_does() {
    let model = model();
    let p = &model.prompter;
    let tokens = |text: &str| p.encode(text).unwrap();
    let grids = [Grid::default(); 2];
    let pieces = [
        p.user_turn(&first_turn(), &grids, true).unwrap(),
        tokens(" A cup of coffee."),
        p.user_turn(&second_turn(), &grids, false).unwrap(),
        tokens(" Coffee, too"),
        p.user_turn(&third_turn(), &[], false).unwrap(),
    ];
    let image = format!("<fake_token_around_image><global-img>{}<fake_token_around_image>", "<image>".repeat(4));
    let whole = format!(
        "<|im_start|>User:{image}What is in{image} this image?<end_of_utterance>\nAssistant: A cup of coffee.\
         <end_of_utterance>\nUser: And in this one,{image}<end_of_utterance>\nAssistant: Coffee, too\
         <end_of_utterance>\nUser: Why?<end_of_utterance>\nAssistant:"
    );
    assert_eq!(pieces.concat(), tokens(&whole));
}

#[test]
fn a_follow_up_equals_the_whole_conversation_in_one_pass() {
    let model = model();
    for tiling in [Tiling::One, Tiling::Split] {
        let mut conversation = Conversation::new(model.clone(), tiling).unwrap();
        let turns = [first_turn(), second_turn(), third_turn()];
        for n in 0..turns.len() {
            let got = say(&mut conversation, &turns[n]);
            let seen = turns[..=n].iter().map(Vec::as_slice).collect::<Vec<_>>();
            assert_eq!(got.token_ids, in_one_pass(&model, &got.prompt_ids, &pictures(&seen), tiling, 14), "turn {n}");
        }
    }
}

#[test]
fn a_follow_up_evaluates_its_own_tokens_only() {
    let mut conversation = new(&model());
    say(&mut conversation, &first_turn());
    // All but the last token of the reply, which nothing followed yet.
    assert_eq!(conversation.cache.len() + 1, conversation.tokens());
    let second = say(&mut conversation, &third_turn());
    assert!(second.timings.vision.is_zero(), "no picture is encoded again");
    assert_eq!(conversation.cache.len() + 1, conversation.tokens());
    assert_eq!(conversation.tokens(), second.prompt_ids.len() + 14);
}

#[test]
fn an_undone_turn_leaves_nothing_behind() {
    let model = model();
    let mut conversation = new(&model);
    say(&mut conversation, &first_turn());
    let want = say(&mut conversation, &third_turn());
    assert!(conversation.undo());
    let other = say(&mut conversation, &second_turn());
    assert_ne!(other.token_ids, want.token_ids, "the turn must matter, or this test shows nothing");
    assert!(conversation.undo());
    assert_eq!(conversation.exchanges(), 1);
    let again = say(&mut conversation, &third_turn());
    assert_eq!((&again.prompt_ids, &again.token_ids), (&want.prompt_ids, &want.token_ids));
    assert_eq!(again.token_ids, in_one_pass(&model, &again.prompt_ids, &pictures(&[&first_turn()]), Tiling::One, 14));

    assert!(conversation.undo() && conversation.undo() && !conversation.undo());
    assert_eq!((conversation.exchanges(), conversation.tokens()), (0, 0));
    assert_eq!(say(&mut conversation, &third_turn()).token_ids, say(&mut new(&model), &third_turn()).token_ids);
}

#[test]
fn a_turn_asked_once_leaves_nothing_behind() {
    let model = model();
    let (mut plain, mut conversation) = (new(&model), new(&model));
    for parts in [first_turn(), third_turn()] {
        let want = say(&mut plain, &parts);
        conversation.once(turn(&second_turn()), &Cancel::default(), &mut |_| {}).unwrap();
        let got = say(&mut conversation, &parts);
        assert_eq!((got.prompt_ids, got.token_ids), (want.prompt_ids, want.token_ids));
    }
    let once = conversation.once(turn(&second_turn()), &Cancel::default(), &mut |_| {}).unwrap();
    let seen = pictures(&[&first_turn(), &second_turn()]);
    assert_eq!(once.token_ids, in_one_pass(&model, &once.prompt_ids, &seen, Tiling::One, 14));
    assert_eq!(conversation.exchanges(), 2);
}

#[test]
fn a_reset_conversation_is_a_new_one() {
    let model = model();
    let mut conversation = new(&model);
    say(&mut conversation, &first_turn());
    conversation.reset();
    let got = say(&mut conversation, &second_turn());
    let want = say(&mut new(&model), &second_turn());
    assert_eq!((got.prompt_ids, got.token_ids), (want.prompt_ids, want.token_ids));
}

#[test]
fn a_stopped_reply_is_remembered_as_far_as_it_came() {
    let model = model();
    let mut conversation = new(&model);
    let (cancel, mut pieces) = (Cancel::default(), 0);
    let stopped = conversation.say(turn(&first_turn()), &cancel, &mut |_| {
        pieces += 1;
        if pieces == 3 {
            cancel.cancel();
        }
    });
    let stopped = stopped.unwrap();
    assert_eq!((stopped.stop, conversation.exchanges()), (Stop::Cancelled, 1));
    assert!(!stopped.token_ids.is_empty() && stopped.token_ids.len() < 14);
    let next = say(&mut conversation, &third_turn());
    let so_far = [&stopped.prompt_ids[..], &stopped.token_ids].concat();
    assert!(next.prompt_ids.starts_with(&so_far));
    assert_eq!(next.token_ids, in_one_pass(&model, &next.prompt_ids, &pictures(&[&first_turn()]), Tiling::One, 14));
}

#[test]
fn a_turn_that_is_cancelled_before_its_first_token_was_never_said() {
    let model = model();
    let mut conversation = new(&model);
    say(&mut conversation, &first_turn());
    let raised = Cancel::default();
    raised.cancel();
    for parts in [second_turn(), third_turn()] {
        let e = conversation.say(turn(&parts), &raised, &mut |_| {}).unwrap_err();
        assert!(matches!(e, Error::Cancelled), "{e}");
    }
    assert_eq!(conversation.exchanges(), 1);
    let next = say(&mut conversation, &third_turn());
    assert_eq!(next.token_ids, in_one_pass(&model, &next.prompt_ids, &pictures(&[&first_turn()]), Tiling::One, 14));
}

#[test]
fn a_reply_that_goes_round_in_a_circle_is_remembered_with_one_round() {
    let model = model();
    // The weights are random, so only some prompts make a reply that goes round in a circle.
    let (mut conversation, reply) = (0..100)
        .find_map(|n| {
            let mut conversation = new(&model);
            let parts = [text(&format!("Describe number {n}."))];
            let free = Say { parts: &parts, max_tokens: 200, ignore_end: false, sampling: Sampling::Greedy };
            let reply = conversation.say(free, &Cancel::default(), &mut |_| {}).unwrap();
            (reply.stop == Stop::Repetition).then_some((conversation, reply))
        })
        .expect("a prompt whose reply goes round in a circle");
    assert_eq!(conversation.tokens(), reply.prompt_ids.len() + reply.token_ids.len());
    let next = say(&mut conversation, &third_turn());
    assert_eq!(next.token_ids, in_one_pass(&model, &next.prompt_ids, &[], Tiling::One, 14));
}

#[test]
fn too_long_and_empty_turns_are_refused_before_any_work() {
    let model = model();
    let mut conversation = new(&model);
    say(&mut conversation, &first_turn());
    let before = conversation.tokens();
    let long = [picture("coffee"), text(&"word ".repeat(model.context()))];
    for once in [false, true] {
        let (said, cancel) = (turn(&long), Cancel::default());
        let refused = if once {
            conversation.once(said, &cancel, &mut |_| {})
        } else {
            conversation.say(said, &cancel, &mut |_| {})
        };
        let e = refused.unwrap_err();
        let Error::TooLong { tokens, context } = e else { panic!("{e}") };
        assert!(tokens > before + context && e.to_string().contains(&format!("{} more than", tokens - context)), "{e}");
    }
    for blank in [&[][..], &[text(" \n")], &[picture("coffee")], &[picture("coffee"), text("")]] {
        let e = conversation.say(turn(blank), &Cancel::default(), &mut |_| {}).unwrap_err();
        assert!(matches!(e, Error::EmptyPrompt), "{e}");
    }
    assert_eq!((conversation.tokens(), conversation.exchanges()), (before, 1));
    assert_eq!(conversation.cache.len() + 1, before);
    let next = say(&mut conversation, &third_turn());
    assert_eq!(next.token_ids, in_one_pass(&model, &next.prompt_ids, &pictures(&[&first_turn()]), Tiling::One, 14));
}

#[test]
fn a_prefix_stands_before_everything_and_is_evaluated_once() {
    let model = model();
    let mut conversation = new(&model);
    let turns = [
        Turn { role: Role::System, parts: vec![text("Be brief.")] },
        Turn { role: Role::User, parts: vec![picture("text"), text("What is it?")] },
        Turn { role: Role::Assistant, parts: vec![text("My door.")] },
    ];
    conversation.set_prefix(&turns, &Cancel::default()).unwrap();
    let image = format!("<fake_token_around_image><global-img>{}<fake_token_around_image>", "<image>".repeat(4));
    let prefix = format!(
        "<|im_start|>System: Be brief.<end_of_utterance>\nUser:{image}What is it?<end_of_utterance>\nAssistant: My door."
    );
    let tokens = |text: &str| model.prompter.encode(text).unwrap();
    assert_eq!(conversation.tokens(), tokens(&prefix).len());

    let first = say(&mut conversation, &first_turn());
    let asked =
        format!("{prefix}<end_of_utterance>\nUser:{image}What is in{image} this image?<end_of_utterance>\nAssistant:");
    assert_eq!(first.prompt_ids, tokens(&asked));
    let seen = [vec![fixtures::picture("text")], pictures(&[&first_turn()])].concat();
    assert_eq!(first.token_ids, in_one_pass(&model, &first.prompt_ids, &seen, Tiling::One, first.token_ids.len()));
    assert_ne!(first.token_ids, say(&mut new(&model), &first_turn()).token_ids, "or this test shows nothing");

    // What is forgotten is what was said since.
    conversation.reset();
    assert_eq!(say(&mut conversation, &first_turn()).token_ids, first.token_ids);
    let raised = Cancel::default();
    raised.cancel();
    assert!(matches!(conversation.set_prefix(&turns, &raised), Err(Error::Cancelled)));
    assert_eq!((conversation.tokens(), conversation.exchanges()), (0, 0));
}

/// A session that looks at a picture behind a prefix, and has described it or not.
fn looking(model: &Arc<Model>, described: bool) -> Session {
    let mut session = Session::new(model.clone()).unwrap();
    let standing = Turn { role: Role::System, parts: vec![text("Answer briefly.")] };
    session.set_prefix(&[standing], &Cancel::default()).unwrap();
    let coffee = fixtures::picture("coffee");
    session.set_images(&[&coffee], Tiling::One, Reuse::IfIdentical, &Cancel::default()).unwrap();
    if described {
        let ask = Ask { prompt: "Describe.", max_tokens: 9, ignore_end: true, sampling: Sampling::Greedy };
        session.caption(ask, &Cancel::default(), &mut |_| {}).unwrap();
    }
    session
}

#[test]
fn a_conversation_about_a_view_evaluates_it_once_and_equals_one_that_was_told_everything() {
    let model = model();
    let parts = |words: &str| vec![text(words)];
    let mut whole = new(&model);
    let standing = Turn { role: Role::System, parts: vec![text("Answer briefly.")] };
    whole.set_prefix(&[standing], &Cancel::default()).unwrap();
    let want = [say(&mut whole, &[picture("coffee"), text("What is it?")]), say(&mut whole, &second_turn())];
    for described in [false, true] {
        let mut session = looking(&model, described);
        let mut talk = session.conversation(Tiling::One).unwrap();
        let first = say(&mut talk, &parts("What is it?"));
        assert_eq!((&first.prompt_ids, &first.token_ids), (&want[0].prompt_ids, &want[0].token_ids));
        assert_eq!(first.timings.vision.is_zero(), described, "it was encoded for the description, or not yet told");
        let second = say(&mut talk, &second_turn());
        assert_eq!((&second.prompt_ids, &second.token_ids), (&want[1].prompt_ids, &want[1].token_ids));
        assert!(talk.undo() && talk.undo() && !talk.undo());
        assert_eq!(say(&mut talk, &parts("What is it?")).token_ids, first.token_ids, "the picture stays");
        // What was said there leaves no trace in the session.
        let ask = Ask { prompt: "What is it?", max_tokens: 14, ignore_end: true, sampling: Sampling::Greedy };
        assert_eq!(session.ask(ask, &Cancel::default(), &mut |_| {}).unwrap().token_ids, first.token_ids);
    }
    assert!(matches!(Session::new(model).unwrap().conversation(Tiling::One), Err(Error::NoView)));
}

#[test]
fn a_turn_that_was_cancelled_right_behind_the_view_can_be_said_again() {
    let model = model();
    let mut talk = looking(&model, false).conversation(Tiling::One).unwrap();
    let raised = Cancel::default();
    raised.cancel();
    let parts = [text("What is it?")];
    assert!(matches!(talk.say(turn(&parts), &raised, &mut |_| {}), Err(Error::Cancelled)));
    let want = say(&mut looking(&model, true).conversation(Tiling::One).unwrap(), &parts);
    assert_eq!(say(&mut talk, &parts).token_ids, want.token_ids);
}
