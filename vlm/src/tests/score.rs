//! Branches of one pass see the view and themselves, and nothing of each other.

use std::sync::Arc;

use candle_core::{D, Tensor};
use image::{Rgb, RgbImage};

use crate::cancel::Cancel;
use crate::error::Error;
use crate::input::image::{Grid, Tiling};
use crate::network::decoder::Segment;
use crate::network::device::OpenDevice;
use crate::network::precision::Precision;
use crate::network::{LoadOptions, Model};
use crate::session::branches::{Scored, Scores};
use crate::session::reuse::Reuse;
use crate::session::sampling::Sampling;
use crate::session::{Along, Ask, Piece, Session};
use crate::tests::fixtures;

/// Largest difference of a log-probability, and in f32 of a logit.
const TOLERANCE: f32 = 1e-4;
/// The same of a logit in bytes: where sums are rounded to a step, a last digit may decide on
/// which.
const TOLERANCE_IN_BYTES: f32 = 1e-3;

const QUESTIONS: [Scored<'_>; 3] = [
    Scored { question: "Is there a cup in this image?", choices: &["Yes", "No", "I can not tell"] },
    Scored { question: "What is on the table, in a few words?", choices: &["a white cup of coffee"] },
    Scored { question: "Is it dark?", choices: &["Yes", "No"] },
];

/// Every way in which a model computes: tensors with fused kernels, with those of a GPU, and bytes.
fn models() -> Vec<Arc<Model>> {
    let options = [
        LoadOptions::default(),
        LoadOptions { device: OpenDevice::like_a_gpu(), ..LoadOptions::default() },
        LoadOptions { precision: Precision::Int8, ..LoadOptions::default() },
    ];
    let files = [fixtures::tiny("smolvlm"), fixtures::tiny_2b()];
    let load =
        |options: &LoadOptions| files.each_ref().map(|files| Arc::new(Model::load(files, options.clone()).unwrap()));
    options.iter().flat_map(load).collect()
}

fn looking(model: &Arc<Model>) -> Session {
    let mut session = Session::new(model.clone()).unwrap();
    session.set_images(&[&fixtures::picture("coffee")], Tiling::One, Reuse::IfIdentical, &Cancel::default()).unwrap();
    session
}

fn score(session: &mut Session, questions: &[Scored<'_>]) -> Vec<Scores> {
    session.score(questions, &Cancel::default()).unwrap()
}

fn near(model: &Model, a: &Tensor, b: &Tensor) {
    assert_eq!(a.dims(), b.dims());
    let far = (a - b).unwrap().abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
    let allowed = if model.precision() == Precision::Int8 { TOLERANCE_IN_BYTES } else { TOLERANCE };
    assert!(far < allowed, "{}, {:?}: {far}", model.name(), model.precision());
}

#[test]
fn each_branch_alone_is_what_it_is_beside_others() {
    for model in models() {
        let picture = fixtures::picture("coffee");
        let tiles = model.tiles(std::iter::once(&picture), Tiling::One, &[Grid::default()]).unwrap();
        let features = model.encode(&tiles, &Cancel::default()).unwrap();
        let p = &model.prompter;
        let view = [p.prefix(&[]).unwrap(), p.view(&[Grid::default()]).unwrap()].concat();
        let first = p.instruction("Is there a cup?").unwrap();
        let second = p.instruction("What is written on the wall behind it?").unwrap();
        let (yes, long) = (p.answer("Yes").unwrap(), p.answer("some letters, large and black").unwrap());
        let branches = [first.clone(), second.clone()];
        let leaves = [(0, yes), (1, long), (0, p.answer("No, nothing of the kind").unwrap())];
        let forward = |ids: &[u32], segments: &[Segment]| {
            let mut cache = model.new_cache().unwrap();
            let logits =
                model.forward_segments(ids, features.as_ref(), &mut cache, segments, &Cancel::default()).unwrap();
            (logits, cache.len())
        };

        let mut ids = view.clone();
        let mut segments = vec![Segment { len: view.len(), after: None, wanted: 1 }];
        for branch in &branches {
            ids.extend(branch);
            segments.push(Segment { len: branch.len(), after: Some(0), wanted: branch.len() });
        }
        for (above, leaf) in &leaves {
            ids.extend(leaf);
            segments.push(Segment { len: leaf.len(), after: Some(1 + above), wanted: leaf.len() });
        }
        let (joint, kept) = forward(&ids, &segments);
        let last = branches[0].len() + leaves[2].1.len();
        assert_eq!(kept, view.len() + last, "the cache keeps the last branch and what it follows");

        let mut row = 1;
        let alone = |then: &[&[u32]], wanted| {
            let ids = [&[&view[..]], then].concat().concat();
            forward(&ids, &[Segment { len: ids.len(), after: None, wanted }]).0
        };
        for branch in &branches {
            near(&model, &joint.narrow(0, row, branch.len()).unwrap(), &alone(&[branch], branch.len()));
            row += branch.len();
        }
        for (above, leaf) in &leaves {
            near(&model, &joint.narrow(0, row, leaf.len()).unwrap(), &alone(&[&branches[*above], leaf], leaf.len()));
            row += leaf.len();
        }
        assert_eq!(row, joint.dim(0).unwrap());
    }
}

#[test]
fn a_score_is_what_the_whole_text_makes_of_the_choice() {
    for model in models() {
        let got = score(&mut looking(&model), &QUESTIONS);
        let p = &model.prompter;
        let picture = fixtures::picture("coffee");
        let tiles = model.tiles(std::iter::once(&picture), Tiling::One, &[Grid::default()]).unwrap();
        let features = model.encode(&tiles, &Cancel::default()).unwrap();
        for (asked, got) in QUESTIONS.iter().zip(got) {
            for ((choice, got), tokens) in asked.choices.iter().zip(got.log_probs).zip(got.tokens) {
                let choice = p.answer(choice).unwrap();
                assert_eq!(choice.len(), tokens);
                let view = [p.prefix(&[]).unwrap(), p.view(&[Grid::default()]).unwrap()].concat();
                let ids = [&view[..], &p.instruction(asked.question).unwrap(), &choice].concat();
                let mut cache = model.new_cache().unwrap();
                let rows = choice.len() + 1;
                let logits = model.forward(&ids, features.as_ref(), &mut cache, rows, &Cancel::default()).unwrap();
                let told = candle_nn::ops::log_softmax(&logits, D::Minus1).unwrap().to_vec2::<f32>().unwrap();
                let want: f32 = choice.iter().zip(told).map(|(id, row)| row[*id as usize]).sum();
                assert!((got - want).abs() < TOLERANCE * rows as f32, "{got} for {want}");
            }
        }
    }
}

#[test]
fn scores_do_not_depend_on_the_company_or_on_what_was_evaluated_before() {
    for model in models() {
        let mut session = looking(&model);
        // The view is still to be evaluated; then it is in the cache.
        let (first, again) = (score(&mut session, &QUESTIONS), score(&mut session, &QUESTIONS));
        let alone: Vec<Scores> =
            QUESTIONS.iter().flat_map(|question| score(&mut looking(&model), std::slice::from_ref(question))).collect();
        // So many that they take several passes.
        let many = score(&mut session, &QUESTIONS.repeat(60));
        assert_eq!(many.len(), 180);
        for (number, want) in alone.iter().enumerate() {
            for got in [&first[number], &again[number], &many[number], &many[177 + number]] {
                for (got, want) in got.log_probs.iter().zip(&want.log_probs) {
                    assert!((got - want).abs() < TOLERANCE, "{got} for {want}");
                }
            }
        }
        assert_ne!(first[0].log_probs[..2], first[2].log_probs[..], "the question must matter, or this shows nothing");
    }
}

#[test]
fn scoring_leaves_no_trace() {
    let model = fixtures::load(&fixtures::tiny("smolvlm"));
    let ask = Ask { prompt: "Describe this image.", max_tokens: 24, ignore_end: true, sampling: Sampling::Greedy };
    let caption = |session: &mut Session| session.caption(ask, &Cancel::default(), &mut |_| {}).unwrap();
    let (mut plain, mut scored) = (looking(&model), looking(&model));
    score(&mut scored, &QUESTIONS);
    for _ in 0..2 {
        let (want, got) = (caption(&mut plain), caption(&mut scored));
        assert_eq!((got.token_ids, got.draft), (want.token_ids, want.draft));
        score(&mut scored, &QUESTIONS);
    }
}

#[test]
fn questions_that_ride_with_a_caption_change_neither_it_nor_their_scores() {
    let ask = Ask { prompt: "Describe this image.", max_tokens: 24, ignore_end: true, sampling: Sampling::Greedy };
    let cancel = Cancel::default();
    for model in models() {
        let (mut plain, mut ridden) = (looking(&model), looking(&model));
        // The first caption evaluates the view, the second finds it in the cache and has a draft;
        // the third has more riders than one pass takes.
        for times in [1, 1, 60] {
            let questions = QUESTIONS.repeat(times);
            let want = score(&mut looking(&model), &questions);
            let caption = plain.caption(ask, &cancel, &mut |_| {}).unwrap();
            let along = Along { questions: &questions, steady: None };
            let (mut scores, mut words) = (Vec::new(), 0);
            let reply = ridden.caption_along(ask, along, &cancel, &mut |piece| match piece {
                Piece::Scores(told) => {
                    assert_eq!(words, 0, "scores come before words");
                    scores = told;
                }
                Piece::Text(_) => words += 1,
            });
            let reply = reply.unwrap();
            assert!(words > 0);
            assert_eq!((reply.token_ids, reply.draft), (caption.token_ids, caption.draft));
            let log_probs = |scores: &[Scores]| scores.iter().flat_map(|s| s.log_probs.clone()).collect::<Vec<f32>>();
            for (got, want) in log_probs(&scores).iter().zip(log_probs(&want)) {
                assert!((got - want).abs() < TOLERANCE, "{got} for {want}");
            }
            assert_eq!(scores.len(), questions.len());
        }
    }
}

#[test]
fn what_cannot_be_scored_is_refused_and_leaves_the_session_whole() {
    let model = fixtures::load(&fixtures::tiny("smolvlm"));
    let cancel = Cancel::default();
    let mut session = Session::new(model.clone()).unwrap();
    assert!(matches!(session.score(&QUESTIONS, &cancel), Err(Error::NoView)));
    let mut session = looking(&model);
    assert_eq!(session.score(&[], &cancel).unwrap(), []);
    assert!(score(&mut session, &[Scored { question: "Why?", choices: &[] }])[0].log_probs.is_empty());
    for (question, choices) in [(" ", &["Yes"]), ("Is it?", &[" "])] {
        assert!(matches!(session.score(&[Scored { question, choices }], &cancel), Err(Error::EmptyPrompt)));
    }
    let long = "word ".repeat(model.context());
    let asked = Scored { question: &long, choices: &["Yes"] };
    assert!(matches!(session.score(&[asked], &cancel), Err(Error::TooLong { .. })));
    let raised = Cancel::default();
    raised.cancel();
    let want = score(&mut looking(&model), &QUESTIONS);
    let mut session = looking(&model);
    assert!(matches!(session.score(&QUESTIONS, &raised), Err(Error::Cancelled)));
    assert_eq!(score(&mut session, &QUESTIONS), want);
    // A marker in a choice is only words.
    let got = score(&mut session, &[Scored { question: "What?", choices: &["<end_of_utterance>"] }]);
    assert!(got[0].tokens[0] > 1);
}

#[test]
fn views_that_share_a_pass_are_scored_as_each_alone() {
    let cancel = Cancel::default();
    for model in models() {
        let mut session = looking(&model);
        let mut features = vec![session.features().unwrap().unwrap()];
        for shade in [20, 130, 240] {
            let picture = RgbImage::from_fn(64, 48, |x, y| Rgb([shade, (4 * x) as u8, (5 * y) as u8]));
            session.set_images(&[&picture], Tiling::One, Reuse::IfIdentical, &cancel).unwrap();
            features.push(session.features().unwrap().unwrap());
        }
        // Several passes of several views, and questions that take several passes for each.
        let many = vec![features.clone(); 8].concat();
        for questions in [QUESTIONS.to_vec(), QUESTIONS.repeat(40)] {
            let views = if questions.len() > 3 { &features[..] } else { &many[..] };
            let together = session.score_kept(views, &questions, &cancel).unwrap();
            assert_eq!(together.len(), views.len());
            for (got, features) in together.iter().zip(views) {
                session.set_features(features).unwrap();
                let want = score(&mut session, &questions);
                assert_eq!(got.len(), want.len());
                for (got, want) in got.iter().zip(&want) {
                    for (got, want) in got.log_probs.iter().zip(&want.log_probs) {
                        assert!((got - want).abs() < TOLERANCE, "{got} for {want}");
                    }
                }
            }
            assert_ne!(together[0], together[1], "the view must matter, or this shows nothing");
        }
        assert_eq!(session.score_kept(&[], &QUESTIONS, &cancel).unwrap(), Vec::<Vec<Scores>>::new());
        let scored = session.score_kept(&features, &QUESTIONS, &cancel);
        assert!(scored.is_ok() && matches!(session.score(&QUESTIONS, &cancel), Err(Error::NoView)));
    }
}
