//! What the window shows after each event, without a window.

use std::sync::Arc;

use image::RgbImage;
use vlm::{Draft, Reply, Tiling};

use crate::engine::Capabilities;
use crate::live::{Asked, Caption, Question, Talk};
use crate::ui::state::*;

fn reply(text: &str, stop: Stop) -> Reply {
    Reply {
        text: text.to_owned(),
        token_ids: vec![1],
        prompt_ids: vec![1],
        counted: None,
        stop,
        draft: Draft::default(),
        is_kept: false,
        is_doubted: false,
        mean_log_prob: None,
        timings: Timings { prefill: Duration::from_millis(120), ..Timings::default() },
    }
}

fn frame(id: u64) -> Arc<Frame> {
    Arc::new(Frame::now(id, RgbImage::new(4, 3)))
}

fn caption_of(frame: &Arc<Frame>) -> Caption {
    let reply = reply("", Stop::End);
    Caption { frame: Arc::clone(frame), reply, age: Duration::ZERO, dropped: 0, skipped: 0 }
}

fn captioned(frame: &Arc<Frame>, text: &str, stop: Stop) -> Event {
    Event::Captioned(Caption { reply: reply(text, stop), ..caption_of(frame) })
}

fn asked(id: Asked, text: &str, frame: &Arc<Frame>) -> Question {
    let talk = Talk { id, view: 0, before: Arc::from([]), tiling: Tiling::One };
    Question { id, text: text.into(), frame: Arc::clone(frame), talk }
}

fn text(frame: &Arc<Frame>, piece: &str) -> Event {
    Event::Text { of: Told::Caption { frame: frame.id }, piece: piece.to_owned() }
}

fn began(frame: &Arc<Frame>) -> Event {
    Event::Began(Told::Caption { frame: frame.id })
}

/// A state and the instant at which its events happen.
struct Scene(State, Instant);

impl Scene {
    fn new() -> Self {
        Self(State::default(), Instant::now())
    }

    fn happens(&mut self, events: impl IntoIterator<Item = Event>) {
        for event in events {
            self.0.apply(event, self.1);
        }
    }

    fn words(&self) -> (&str, &str) {
        let words = self.0.caption.words();
        (words.firm, words.tentative)
    }
}

#[test]
fn a_caption_streams_over_the_last_one() {
    let mut scene = Scene::new();
    let (one, two) = (frame(1), frame(2));
    scene.happens([began(&one), text(&one, " A cat"), text(&one, " sleeps.")]);
    assert_eq!(scene.words(), ("A cat sleeps.", ""));
    assert!(scene.0.caption.words().writing);
    scene.happens([captioned(&one, "A cat sleeps.", Stop::End)]);
    assert_eq!(scene.0.caption.words(), Words { firm: "A cat sleeps.", ..Words::default() });

    scene.happens([began(&two)]);
    assert_eq!(scene.words(), ("A cat sleeps.", ""), "the last caption stays until the next one's first word");
    scene.happens([text(&two, " A")]);
    assert_eq!(scene.words(), ("A", " cat sleeps."), "the rest of the last caption stands dimmed while it agrees");
    scene.happens([text(&two, " dog")]);
    assert_eq!(scene.words(), ("A dog", ""));
}

#[test]
fn a_cancelled_caption_is_marked_as_cut_off_and_not_counted() {
    let mut scene = Scene::new();
    let one = frame(1);
    scene.happens([began(&one), text(&one, "A cat"), captioned(&one, "A cat", Stop::Cancelled)]);
    assert_eq!(scene.words(), ("A cat…", ""));
    let two = frame(2);
    scene.happens([began(&two), text(&two, " A"), captioned(&two, "A", Stop::Cancelled)]);
    assert_eq!(scene.words(), ("A…", ""), "half a caption is no foretaste of the next");
    assert_eq!(scene.0.timings, None);
    assert_eq!(scene.0.caption_rate.per_minute(scene.1 + Duration::from_secs(30)), Some(0.0));
}

#[test]
fn a_cancelled_caption_that_repeats_the_last_one_changes_nothing() {
    let mut scene = Scene::new();
    let (one, two) = (frame(1), frame(2));
    scene.happens([began(&one), text(&one, "A cat sleeps."), captioned(&one, "A cat sleeps.", Stop::End)]);
    scene.happens([began(&two), text(&two, "A cat"), captioned(&two, "A cat", Stop::Cancelled)]);
    assert_eq!(scene.words(), ("A cat sleeps.", ""));
    assert_eq!(scene.0.caption.captured_at(), Some(one.captured_at));
}

#[test]
fn the_age_is_that_of_the_frame_from_the_first_word_on() {
    let mut scene = Scene::new();
    let (one, two) = (frame(1), frame(3));
    scene.0.show_frame(&one);
    scene.0.show_frame(&two);
    let unseen = frame(2);
    scene.happens([began(&unseen), text(&unseen, "A cat")]);
    assert_eq!(scene.0.caption.captured_at(), Some(one.captured_at), "the last frame seen before it stands in");
    scene.happens([captioned(&two, "A cat", Stop::End)]);
    assert_eq!(scene.0.caption.captured_at(), Some(two.captured_at));
}

#[test]
fn an_unchanged_view_says_so_until_the_next_caption() {
    let mut scene = Scene::new();
    let one = frame(1);
    scene.happens([Event::Unchanged { skipped: 1 }]);
    assert!(!scene.0.caption.is_unchanged(), "there is no caption that could still hold");
    scene.happens([began(&one), captioned(&one, "A cat", Stop::End), Event::Unchanged { skipped: 3 }]);
    assert!(!scene.0.caption.is_unchanged(), "in a busy scene it would come and go");
    let later = Instant::now() + Duration::from_secs(3);
    scene.0.apply(Event::Unchanged { skipped: 9 }, later);
    assert!(scene.0.caption.is_unchanged());
    let nine = frame(9);
    scene.happens([began(&nine)]);
    assert!(scene.0.caption.is_unchanged(), "the old words are still there");
    scene.happens([text(&nine, "A dog")]);
    assert!(!scene.0.caption.is_unchanged());
}

#[test]
fn a_caption_that_the_model_doubted_is_set_off_where_that_was_calibrated() {
    let one = frame(1);
    let told = |mean: f32, doubt_below: Option<f32>| {
        let mut scene = Scene::new();
        let can = Capabilities { doubt_below, ..Capabilities::default() };
        let reply = Reply { mean_log_prob: Some(mean), ..reply("A cat.", Stop::End) };
        let caption = Event::Captioned(Caption { reply, ..caption_of(&one) });
        scene.happens([Event::ModelReady(EngineCard { can, ..EngineCard::default() }), began(&one), caption]);
        scene
    };
    assert!(!told(-0.01, Some(-0.1)).0.caption.words().doubted);
    assert!(!told(-0.5, None).0.caption.words().doubted, "nothing was calibrated");
    let mut scene = told(-0.5, Some(-0.1));
    assert_eq!((scene.0.caption.words().doubted, scene.0.caption.words().hedge()), (true, "Could be: "));
    scene.happens([began(&one), text(&one, "A cat")]);
    assert!(scene.0.caption.words().doubted, "the same words are doubted as before");
    scene.happens([text(&one, " sleeps")]);
    assert!(!scene.0.caption.words().doubted, "of these nothing is known yet");
}

#[test]
fn an_answer_streams_in_beside_the_caption() {
    let mut scene = Scene::new();
    let one = frame(1);
    let question = asked(7, "What animal?", &one);
    scene.happens([Event::Asked(question.clone())]);
    assert!(scene.0.exchanges.is_open());
    let piece = |piece: &str| Event::Text { of: Told::Answer(7), piece: piece.to_owned() };
    scene.happens([Event::Began(Told::Answer(7)), piece(" A"), piece(" cat")]);
    let exchange = scene.0.exchanges.iter().next_back().expect("an exchange");
    assert_eq!((exchange.answer.as_str(), &exchange.phase), ("A cat", &Phase::Answering));
    let done = Event::Answered { question, reply: reply("A cat.", Stop::End) };
    scene.happens([done]);
    let exchange = scene.0.exchanges.iter().next_back().expect("an exchange");
    assert_eq!(exchange.answer, "A cat.");
    assert_eq!(exchange.phase, Phase::Answered { took: Duration::from_millis(120), saved: None });
    assert!(!scene.0.exchanges.is_open());
    assert_eq!(scene.words(), ("", ""), "an answer is not a caption");
}

#[test]
fn a_stopped_and_a_failed_answer_say_so() {
    let mut scene = Scene::new();
    let one = frame(1);
    let (where_, who) = (asked(1, "Where?", &one), asked(2, "Who?", &one));
    scene.happens([
        Event::Asked(where_.clone()),
        Event::Asked(who),
        Event::Answered { question: where_, reply: reply("On the", Stop::Cancelled) },
        Event::RequestFailed { of: Told::Answer(2), message: Message::new("The question is too long.") },
    ]);
    let phases: Vec<_> = scene.0.exchanges.iter().map(|exchange| exchange.phase.clone()).collect();
    assert_eq!(phases, [Phase::Stopped, Phase::Failed(Message::new("The question is too long."))]);
}

#[test]
fn only_so_many_exchanges_are_kept() {
    let mut scene = Scene::new();
    let one = frame(1);
    for id in 0..80 {
        scene.happens([Event::Asked(asked(id, "Again?", &one))]);
    }
    assert_eq!(scene.0.exchanges.iter().count(), 50);
    assert_eq!(scene.0.exchanges.iter().next_back().expect("an exchange").id, 79);
    assert_eq!(Arc::strong_count(&one), 9, "eight pictures are kept whole, and of the others thumbnails");
}

#[test]
fn a_conversation_remembers_what_was_answered_in_it_and_what_its_picture_saved() {
    let mut scene = Scene::new();
    let one = frame(1);
    let mut caption = reply("A cat.", Stop::End);
    caption.timings.vision = Duration::from_millis(400);
    scene.happens([began(&one), Event::Captioned(Caption { reply: caption, ..caption_of(&one) })]);
    let first = asked(7, "What is it?", &one);
    let answer =
        |question: &Question, text| Event::Answered { question: question.clone(), reply: reply(text, Stop::End) };
    scene.happens([Event::Asked(first.clone()), answer(&first, "A cat.")]);
    let talk = scene.0.exchanges.talk(7).expect("a conversation");
    assert_eq!(talk.before[..], [("What is it?".into(), "A cat.".to_owned())]);
    let second = Question { id: 8, text: "Why?".into(), frame: Arc::clone(&one), talk };
    scene.happens([Event::Asked(second.clone())]);
    assert_eq!(scene.0.exchanges.talk(7).expect("a conversation").before.len(), 1, "the second is not answered yet");
    scene.happens([answer(&second, "Because.")]);
    assert_eq!(scene.0.exchanges.talk(7).expect("a conversation").before.len(), 2);
    assert!(scene.0.exchanges.pinned(7).is_some() && scene.0.exchanges.pinned(8).is_none(), "one picture for both");
    let saved = Some(Duration::from_millis(400));
    let exchange = scene.0.exchanges.get(8).expect("an exchange");
    assert_eq!(exchange.phase, Phase::Answered { took: Duration::from_millis(120), saved });
}

#[test]
fn a_lost_source_counts_down_and_is_forgotten_when_it_is_back() {
    let mut scene = Scene::new();
    scene.happens([Event::SourceLost {
        message: Message::new("The camera is gone."),
        retry_in: Duration::from_secs(2),
    }]);
    assert_eq!(scene.0.source.phase, SourcePhase::Lost);
    let notice = scene.0.notices.iter().next().expect("a notice");
    assert_eq!(notice.until_retry(scene.1), Some(Duration::from_secs(2)));
    assert_eq!(notice.until_retry(scene.1 + Duration::from_secs(2)), None);
    scene.happens([Event::SourceOpened { name: "Cam".to_owned() }]);
    assert_eq!(scene.0.notices.iter().count(), 0);
    assert_eq!(scene.0.source.phase, SourcePhase::Live);
}

#[test]
fn a_dismissed_notice_comes_back_only_with_other_words_or_after_it_passed() {
    let mut scene = Scene::new();
    let lost = || Event::SourceLost { message: Message::new("The camera is gone."), retry_in: Duration::from_secs(2) };
    scene.happens([lost()]);
    scene.0.notices.dismiss(Topic::Source);
    scene.happens([lost()]);
    assert_eq!(scene.0.notices.iter().count(), 0);
    scene.happens([Event::SourceOpened { name: "Cam".to_owned() }, lost()]);
    assert_eq!(scene.0.notices.iter().count(), 1);
}

#[test]
fn a_failed_model_says_so_and_a_chosen_one_starts_afresh() {
    let mut scene = Scene::new();
    let one = frame(1);
    scene.happens([
        began(&one),
        captioned(&one, "A cat", Stop::End),
        Event::Failed { worker: Worker::Inference, message: Message::new("No such folder."), retry_in: None },
    ]);
    assert_eq!(scene.0.model.phase, ModelPhase::Failed);
    assert_eq!(scene.0.notices.iter().next().expect("a notice").topic, Topic::Model);
    scene.0.choose_model("256m".parse().expect("a model"), scene.1);
    assert_eq!(scene.0.model.phase, ModelPhase::Loading(scene.1));
    assert_eq!(scene.0.notices.iter().count(), 0);
    assert_eq!(scene.0.timings, None);
}

#[test]
fn nothing_is_due_when_nothing_counts() {
    let mut scene = Scene::new();
    let now = scene.1;
    assert_eq!(scene.0.next_change(now), None);
    scene.happens([Event::SourceOpened { name: "Cam".to_owned() }, Event::ModelReady(EngineCard::default())]);
    assert_eq!(scene.0.next_change(now), None);
}

#[test]
fn the_next_change_is_when_an_age_or_a_countdown_reads_differently() {
    let mut scene = Scene::new();
    let one = frame(1);
    scene.happens([began(&one), captioned(&one, "A cat", Stop::End)]);
    let later = one.captured_at + Duration::from_millis(2300);
    assert_eq!(scene.0.next_change(later), Some(Duration::from_millis(700)));
    let much_later = one.captured_at + Duration::from_secs(90);
    assert_eq!(scene.0.next_change(much_later), Some(Duration::from_secs(30)));
    scene.1 = much_later;
    scene.happens([Event::SourceLost { message: Message::new("Gone."), retry_in: Duration::from_millis(1500) }]);
    assert_eq!(scene.0.next_change(much_later), Some(Duration::from_millis(500)));
}

#[test]
fn the_rate_is_a_minutes_worth() {
    let mut caption_rate = CaptionRate::default();
    let start = Instant::now();
    let at = |secs: u64| start + Duration::from_secs(secs);
    caption_rate.began(start);
    assert_eq!(caption_rate.per_minute(at(1)), None);
    for second in (2..=100).step_by(2) {
        caption_rate.finished(at(second));
    }
    let rate = caption_rate.per_minute(at(100)).expect("a rate");
    assert!((30.0..=31.0).contains(&rate), "{rate}");
    assert_eq!(caption_rate.per_minute(at(500)), Some(0.0));
}
