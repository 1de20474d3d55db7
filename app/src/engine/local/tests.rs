//! The engine over the tiny models of `vlm`'s fixtures.

use std::path::Path;

use image::RgbImage;
use vlm::{Footage, Part, Reuse, VideoSampling, video_turn};

use crate::engine::local::*;
use crate::engine::options::{DeviceChoice, Precision};

fn tiny() -> ModelSpec {
    ModelSpec::Folder(Path::new(env!("CARGO_MANIFEST_DIR")).join("../vlm/fixtures/tiny-2b"))
}

/// An engine with one view, and what its turns have in common.
struct Bench {
    engine: LocalEngine,
    view: ViewId,
    scene: Option<u64>,
}

impl Bench {
    fn new(model: &ModelSpec, options: &EngineOptions, tiling: Tiling) -> Self {
        let mut engine = open(model, options).unwrap();
        let view = engine.open_view(ViewOptions { tiling, ..ViewOptions::default() }).unwrap();
        Self { engine, view, scene: None }
    }

    fn tiny() -> Self {
        Self::new(&tiny(), &EngineOptions::default(), Tiling::One)
    }

    fn reply(&mut self, task: Task<'_>, cancel: &Cancel) -> Result<Reply, EngineError> {
        let turn = Turn { view: self.view, task, limits: Limits { ignore_end: true, ..Limits::tokens(8) } };
        self.engine.reply(turn, cancel, &mut |_| {})
    }

    fn caption(&mut self, picture: &RgbImage, cancel: &Cancel) -> Result<Reply, EngineError> {
        let shown = Shown { pictures: &[picture], scene: self.scene, reuse: Reuse::IfIdentical };
        self.reply(Task::Caption { shown, instruction: "Describe." }, cancel)
    }

    fn ask(&mut self, picture: &RgbImage, question: &str) -> Result<Reply, EngineError> {
        let shown = Shown { pictures: &[picture], scene: self.scene, reuse: Reuse::IfIdentical };
        self.reply(Task::Answer { shown, question }, &Cancel::default())
    }

    fn say(&mut self, parts: &[Part], remember: bool) -> Reply {
        self.reply(Task::Say { parts, remember }, &Cancel::default()).unwrap()
    }
}

fn message(model: &ModelSpec, options: &EngineOptions) -> String {
    open(model, options).err().expect("an error").to_string()
}

fn words(text: &str) -> [Part; 1] {
    [Part::Text(text.to_owned())]
}

fn red() -> RgbImage {
    RgbImage::from_pixel(40, 30, image::Rgb([200, 30, 30]))
}

#[test]
fn a_question_about_the_picture_in_hand_evaluates_no_picture() {
    let mut bench = Bench::tiny();
    let first = bench.caption(&red(), &Cancel::default()).unwrap();
    let answer = bench.ask(&red(), "What is it?").unwrap();
    assert!(!first.timings.vision.is_zero() && answer.timings.vision.is_zero());
    // By its number, whatever the pixels.
    bench.scene = Some(1);
    let other = RgbImage::new(9, 9);
    assert!(!bench.caption(&other, &Cancel::default()).unwrap().timings.vision.is_zero());
    let same = bench.ask(&red(), "What is it?").unwrap();
    assert!(same.timings.vision.is_zero() && same.timings.preprocess.is_zero());
    bench.scene = Some(2);
    assert_eq!(bench.ask(&red(), "What is it?").unwrap().token_ids, answer.token_ids);
}

#[test]
fn views_know_nothing_of_each_other() {
    let mut bench = Bench::tiny();
    let first = bench.caption(&red(), &Cancel::default()).unwrap();
    let one = bench.view;
    bench.view = bench.engine.open_view(ViewOptions::default()).unwrap();
    let fresh = bench.caption(&red(), &Cancel::default()).unwrap();
    assert_eq!((fresh.draft.offered, &fresh.token_ids), (0, &first.token_ids), "no draft of the other view");
    bench.engine.close_view(bench.view);
    let closed = bench.ask(&red(), "What is it?").unwrap_err();
    assert!(closed.only_this_request, "{closed}");
    bench.view = one;
    let again = bench.caption(&red(), &Cancel::default()).unwrap();
    assert!(again.timings.vision.is_zero() && again.draft.accepted > 0);
}

#[test]
fn every_precision_that_can_be_asked_for_runs_on_the_processor() {
    for (precision, name) in [(Precision::F32, "f32"), (Precision::Bf16, "bf16"), (Precision::Int8, "int8")] {
        let options = EngineOptions { device: DeviceChoice::Cpu, precision, ..EngineOptions::default() };
        let mut bench = Bench::new(&tiny(), &options, Tiling::One);
        let card = bench.engine.card();
        assert_eq!((card.device.as_str(), card.precision.as_str(), card.taken()), ("cpu", name, None));
        let reply = bench.caption(&RgbImage::new(9, 9), &Cancel::default()).unwrap();
        assert_eq!(reply.token_ids.len(), 8, "{name}");
    }
    let card = open(&tiny(), &EngineOptions::default()).unwrap().card();
    assert!(card.taken().is_some_and(|taken| taken.contains(&card.why)), "{card:?}");
}

#[test]
fn cancellation_is_not_an_error() {
    let raised = Cancel::default();
    raised.cancel();
    for tiling in [Tiling::One, Tiling::Split] {
        let mut bench = Bench::new(&tiny(), &EngineOptions::default(), tiling);
        bench.scene = Some(1);
        assert_eq!(bench.caption(&red(), &raised).unwrap().stop, Stop::Cancelled);
        // What was not seen to the end is not in hand.
        assert!(!bench.caption(&red(), &Cancel::default()).unwrap().timings.vision.is_zero());
        assert_eq!(bench.caption(&red(), &raised).unwrap().stop, Stop::Cancelled, "in hand");
        let said = bench.reply(Task::Say { parts: &words("What is it?"), remember: true }, &raised).unwrap();
        assert_eq!((said.stop, said.token_ids.len()), (Stop::Cancelled, 0));
    }
}

#[test]
fn a_request_at_fault_leaves_the_engine_usable() {
    let mut bench = Bench::tiny();
    let e = bench.caption(&RgbImage::new(0, 0), &Cancel::default()).unwrap_err();
    assert!(e.only_this_request, "{e}");
    let e = bench.ask(&red(), &"long ".repeat(9000)).unwrap_err();
    assert!(e.only_this_request && e.to_string().contains("more than the 8192"), "{e}");
    assert_eq!(bench.ask(&red(), "Short?").unwrap().token_ids.len(), 8);
}

#[test]
fn choices_are_scored_about_the_picture_in_hand_and_leave_no_trace() {
    let mut bench = Bench::tiny();
    bench.scene = Some(1);
    let picture = red();
    let before = bench.caption(&picture, &Cancel::default()).unwrap();
    let shown = Shown { pictures: &[&picture], scene: Some(1), reuse: Reuse::IfIdentical };
    let questions = [Scored { question: "Is it red?", choices: &["Yes", "No"] }];
    assert!(bench.engine.card().can.scores);
    let score = |bench: &mut Bench, cancel: &Cancel| bench.engine.score(bench.view, shown, &questions, cancel).unwrap();
    let scores = score(&mut bench, &Cancel::default()).expect("not cancelled");
    let [yes, no] = scores[0].log_probs[..] else { panic!("one of each choice") };
    assert!(yes < 0.0 && no < 0.0 && yes.exp() + no.exp() <= 1.0 + 1e-4, "{yes} {no}");
    let again = bench.caption(&picture, &Cancel::default()).unwrap();
    assert!(again.timings.vision.is_zero() && again.token_ids == before.token_ids);
    let raised = Cancel::default();
    raised.cancel();
    assert_eq!(score(&mut bench, &raised), None);
}

#[test]
fn turns_are_remembered_undone_and_asked_once() {
    let mut bench = Bench::tiny();
    let first = bench.say(&words("What is it?"), true);
    let once = bench.say(&words("And now?"), false);
    let kept = bench.say(&words("And now?"), true);
    assert_eq!((&once.prompt_ids, &once.token_ids), (&kept.prompt_ids, &kept.token_ids));
    bench.engine.forget(bench.view, Forget::Last);
    assert_eq!(bench.say(&words("And now?"), true).token_ids, kept.token_ids);
    bench.engine.forget(bench.view, Forget::All);
    let again = bench.say(&words("What is it?"), true);
    assert_eq!((again.prompt_ids, again.token_ids), (first.prompt_ids, first.token_ids));
    let e = bench.reply(Task::Say { parts: &words(&"long ".repeat(9000)), remember: true }, &Cancel::default());
    assert!(e.unwrap_err().only_this_request);
}

#[test]
fn a_video_is_one_turn_and_leaves_the_picture_in_hand() {
    let (fixtures, folder) =
        (Path::new(env!("CARGO_MANIFEST_DIR")).join("../vlm/fixtures/tiny"), tempfile::tempdir().unwrap());
    let sides = std::fs::read_dir(fixtures.join("smolvlm")).unwrap().map(|entry| entry.unwrap().path());
    for path in sides.chain([fixtures.join("model.safetensors")]) {
        std::fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
    }
    let model = ModelSpec::Folder(folder.path().into());
    let mut bench = Bench::new(&model, &EngineOptions::default(), Tiling::Frame);
    assert_eq!(bench.engine.card().can.video, Some(VideoSampling { fps: 1.0, max_frames: 64 }));
    let before = bench.ask(&red(), "What is it?").unwrap();
    let frames = vec![(0, RgbImage::new(9, 7)), (49, RgbImage::new(9, 7))];
    let parts = video_turn(Footage { frames: 50, fps: 25.0 }, frames, "What happens?");
    let told = bench.say(&parts, false);
    assert!(told.prompt_ids.len() > before.prompt_ids.len() && told.token_ids.len() == 8);
    let after = bench.ask(&red(), "What is it?").unwrap();
    assert!(after.timings.vision.is_zero() && after.token_ids == before.token_ids);
    assert_eq!(open(&tiny(), &EngineOptions::default()).unwrap().card().can.video, None);
}

#[test]
#[ignore = "needs a CUDA card"]
fn gpu_auto_takes_the_card_and_says_why() {
    let mut bench = Bench::tiny();
    let card = bench.engine.card();
    assert_eq!((card.device.as_str(), card.precision.as_str()), ("cuda:0", "bf16"));
    assert!(card.why.contains("GPU") && bench.engine.model().device().memory().is_some(), "{card:?}");
    assert_eq!(bench.caption(&RgbImage::new(9, 9), &Cancel::default()).unwrap().token_ids.len(), 8);
}

#[test]
fn what_cannot_be_had_says_what_to_do() {
    let nowhere = ModelSpec::Folder(PathBuf::from("/no/such/folder"));
    assert!(message(&nowhere, &EngineOptions::default()).contains("/no/such/folder is missing"));
    let hub = ModelSpec::Hub("nobody/has-this-model".into());
    assert!(message(&hub, &EngineOptions::default()).contains("models download nobody/has-this-model"));
    let gpu = EngineOptions { device: DeviceChoice::Cuda(usize::MAX), ..EngineOptions::default() };
    assert!(message(&tiny(), &gpu).contains("--device cpu"));
}
