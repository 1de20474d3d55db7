//! The engine on this machine: a `vlm` session behind the [`Engine`] trait. Turns what the user named into files, and vlm's
//! errors into what the worker must know of them.

pub mod conversation;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use image::RgbImage;
use vlm::{
    Ask, Cancel, Conversation, Error, Footage, LoadOptions, Model, ModelFiles, Reply, Same, Say, Session, Tiling, Turn,
    VideoSampling, video_turn,
};

use crate::base::message::Message;
use crate::demo::model;
use crate::engine::options::EngineOptions;
use crate::engine::place;
use crate::engine::place::Decision;
use crate::engine::{Engine, EngineCard, EngineError, Request};
use crate::models::spec::{DEFAULT_MODEL, ModelSpec};

/// Bytes of a checkpoint from which on keeping its weights in bytes saves time: fewer are made as fast as they are read.
const WORTH_KEEPING: u64 = 16 << 20;

/// A model on this machine.
pub struct LocalEngine {
    model: Arc<Model>,
    session: Session,
    card: EngineCard,
}

/// Loads a model.
///
/// # Errors
/// When there is no such model here, it can't be run, or the device or precision is not to be had.
pub fn open(model: &ModelSpec, options: &EngineOptions) -> Result<LocalEngine, EngineError> {
    let (model, card) = load(model, options)?;
    Ok(LocalEngine { session: Session::new(Arc::clone(&model)).map_err(failed)?, model, card })
}

/// Loads a model that nothing was said to yet.
///
/// # Errors
/// As [`open`].
pub fn load(model: &ModelSpec, options: &EngineOptions) -> Result<(Arc<Model>, EngineCard), EngineError> {
    let files = find(model)?;
    let Decision { place, precision, why } = place::decide(options)?;
    let threads = options.threads.and_then(NonZeroUsize::new);
    let keep_in = if files.weight_bytes() < WORTH_KEEPING { None } else { kept_weights() };
    let loaded = Model::load(&files, LoadOptions { place, threads, precision, keep_in }).map_err(failed)?;
    let device = loaded.place().device().to_string();
    let card = EngineCard { model: model.to_string(), device, precision: name(precision).into(), why };
    Ok((Arc::new(loaded), card))
}

/// The model of those who name none: the default one if it is on this machine, otherwise the built-in one.
#[must_use]
pub fn preferred() -> ModelSpec {
    DEFAULT_MODEL.parse().ok().filter(|model| find(model).is_ok()).unwrap_or(ModelSpec::Demo)
}

/// Where weights in bytes are kept: a folder that the system may empty.
fn kept_weights() -> Option<PathBuf> {
    Some(directories::ProjectDirs::from("", "", "sightline")?.cache_dir().join("int8"))
}

/// What a precision is called on the command line.
#[must_use]
pub fn name(precision: vlm::Precision) -> &'static str {
    match precision {
        vlm::Precision::F32 => "f32",
        vlm::Precision::Bf16 => "bf16",
        vlm::Precision::Int8 => "int8",
    }
}

/// The files of a model that is on this machine.
fn find(model: &ModelSpec) -> Result<ModelFiles, EngineError> {
    match model {
        ModelSpec::Folder(folder) => ModelFiles::in_folder(folder).map_err(failed),
        ModelSpec::Demo => Ok(model::files()),
        ModelSpec::Named(_) | ModelSpec::Hub(_) => {
            let hub_id = model.hub_id().unwrap_or_default();
            ModelFiles::in_hub_cache(hub_id).filter(ModelFiles::is_complete).ok_or_else(|| {
                refused(format!(
                    "The model {model} is not on this machine. Download it with `sightline models download {model}`, or \
                     put its files in a folder and use --model FOLDER."
                ))
            })
        }
    }
}

impl LocalEngine {
    /// The model that answers.
    #[must_use]
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Evaluates whole turns once, to stand before every view from now on.
    ///
    /// # Errors
    /// When they are too long, or the model fails.
    pub fn set_prefix(&mut self, turns: &[Turn], cancel: &Cancel) -> Result<(), EngineError> {
        self.session.set_prefix(turns, cancel).map_err(failed)
    }

    /// One turn about all of `pictures`, each as a single tile or, with `split`, cut into many.
    ///
    /// # Errors
    /// As [`Engine::caption`].
    pub fn describe(
        &mut self,
        pictures: &[RgbImage],
        split: bool,
        request: &Request,
        cancel: &Cancel,
        on_text: &mut dyn FnMut(&str),
    ) -> Result<Reply, EngineError> {
        let tiling = if split { Tiling::Split } else { Tiling::One };
        let looked = self.session.look(&pictures.iter().collect::<Vec<_>>(), tiling, Same::Exactly, cancel);
        or_cancelled(looked.and_then(|()| self.session.ask(asked(request), cancel, on_text)))
    }

    /// How the model was trained to look at videos, if it was.
    #[must_use]
    pub fn video_sampling(&self) -> Option<VideoSampling> {
        self.model.video_sampling()
    }

    /// One turn about a video, of which these frames are shown. Leaves the view as it is.
    ///
    /// # Errors
    /// As [`Engine::caption`].
    pub fn describe_video(
        &self,
        footage: Footage,
        frames: Vec<(usize, RgbImage)>,
        request: &Request,
        cancel: &Cancel,
        on_text: &mut dyn FnMut(&str),
    ) -> Result<Reply, EngineError> {
        let Request { max_tokens, ignore_end, .. } = *request;
        let parts = video_turn(footage, frames, &request.prompt);
        let mut talk = Conversation::new(Arc::clone(&self.model), Tiling::Frame).map_err(failed)?;
        or_cancelled(talk.say(Say { parts: &parts, max_tokens, ignore_end }, cancel, on_text))
    }
}

impl Engine for LocalEngine {
    fn card(&self) -> EngineCard {
        self.card.clone()
    }

    fn look(&mut self, picture: &RgbImage, same: Same, cancel: &Cancel) -> Result<(), EngineError> {
        match self.session.look(&[picture], Tiling::One, same, cancel) {
            // The call that follows sees the same flag and says so.
            Err(Error::Cancelled) => Ok(()),
            other => other.map_err(failed),
        }
    }

    fn caption(
        &mut self,
        request: &Request,
        cancel: &Cancel,
        on_text: &mut dyn FnMut(&str),
    ) -> Result<Reply, EngineError> {
        if cancel.is_cancelled() {
            return or_cancelled(Err(Error::Cancelled));
        }
        or_cancelled(self.session.caption(asked(request), cancel, on_text))
    }

    fn ask(&mut self, request: &Request, cancel: &Cancel, on_text: &mut dyn FnMut(&str)) -> Result<Reply, EngineError> {
        if cancel.is_cancelled() {
            return or_cancelled(Err(Error::Cancelled));
        }
        or_cancelled(self.session.ask(asked(request), cancel, on_text))
    }
}

fn asked(request: &Request) -> Ask<'_> {
    Ask { prompt: &request.prompt, max_tokens: request.max_tokens, ignore_end: request.ignore_end }
}

/// To be cancelled is an outcome, not a failure.
fn or_cancelled(reply: vlm::Result<Reply>) -> Result<Reply, EngineError> {
    match reply {
        Err(Error::Cancelled) => Ok(Reply::cancelled()),
        other => other.map_err(failed),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that `map_err` wants")]
pub(super) fn failed(error: Error) -> EngineError {
    let only_this_request =
        matches!(error, Error::TooLong { .. } | Error::EmptyPrompt | Error::Picture { .. } | Error::NoView);
    EngineError { message: Message::from(&error).to_string(), only_this_request }
}

impl From<&Error> for Message {
    fn from(error: &Error) -> Self {
        let what = Self::new(error.to_string());
        match error.hint() {
            Some(hint) => what.hint(hint),
            None => what,
        }
    }
}

/// What the user asked for is not to be had.
pub(super) fn refused(message: String) -> EngineError {
    EngineError { message, only_this_request: false }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::{Path, PathBuf};

    use vlm::Stop;

    use crate::engine::options::{DeviceChoice, Precision};

    fn tiny() -> ModelSpec {
        ModelSpec::Folder(Path::new(env!("CARGO_MANIFEST_DIR")).join("../vlm/fixtures/tiny-2b"))
    }

    fn request(prompt: &str) -> Request {
        Request { prompt: prompt.into(), max_tokens: 8, ignore_end: true }
    }

    fn message(model: &ModelSpec, options: &EngineOptions) -> String {
        open(model, options).err().expect("an error").message
    }

    #[test]
    fn captions_and_questions_go_to_the_session() {
        let mut engine = open(&tiny(), &EngineOptions::default()).unwrap();
        let (picture, cancel) = (RgbImage::from_pixel(40, 30, image::Rgb([200, 30, 30])), Cancel::default());
        engine.look(&picture, Same::Exactly, &cancel).unwrap();
        let first = engine.caption(&request("Describe."), &cancel, &mut |_| {}).unwrap();
        let answer = engine.ask(&request("What is it?"), &cancel, &mut |_| {}).unwrap();
        assert!(!first.timings.vision.is_zero() && answer.timings.vision.is_zero());
        let again = engine.describe(&[picture], false, &request("Describe."), &cancel, &mut |_| {}).unwrap();
        assert_eq!(again.token_ids, first.token_ids);
    }

    #[test]
    fn every_precision_that_can_be_asked_for_runs_on_the_processor() {
        for (precision, name) in [(Precision::F32, "f32"), (Precision::Bf16, "bf16"), (Precision::Int8, "int8")] {
            let options = EngineOptions { device: DeviceChoice::Cpu, precision, ..EngineOptions::default() };
            let mut engine = open(&tiny(), &options).unwrap();
            let card = engine.card();
            assert_eq!((card.device.as_str(), card.precision.as_str(), card.taken()), ("cpu", name, None));
            engine.look(&RgbImage::new(9, 9), Same::Exactly, &Cancel::default()).unwrap();
            let reply = engine.caption(&request("Describe."), &Cancel::default(), &mut |_| {}).unwrap();
            assert_eq!(reply.token_ids.len(), 8, "{name}");
        }
        let card = open(&tiny(), &EngineOptions::default()).unwrap().card();
        assert!(card.taken().is_some_and(|taken| taken.contains(&card.why)), "{card:?}");
    }

    #[test]
    fn to_be_cancelled_is_no_failure() {
        let mut engine = open(&tiny(), &EngineOptions::default()).unwrap();
        let raised = Cancel::default();
        raised.cancel();
        engine.look(&RgbImage::new(8, 8), Same::Exactly, &raised).unwrap();
        let reply = engine.caption(&request("Describe."), &raised, &mut |_| {}).unwrap();
        assert_eq!(reply.stop, Stop::Cancelled);
        let reply = engine.describe(&[RgbImage::new(8, 8)], true, &request("Describe."), &raised, &mut |_| {}).unwrap();
        assert_eq!(reply.stop, Stop::Cancelled);
    }

    #[test]
    fn a_request_at_fault_leaves_the_engine_usable() {
        let mut engine = open(&tiny(), &EngineOptions::default()).unwrap();
        let cancel = Cancel::default();
        let e = engine.caption(&request("Describe."), &cancel, &mut |_| {}).unwrap_err();
        assert!(e.only_this_request, "{e}");
        let e = engine.look(&RgbImage::new(0, 0), Same::Exactly, &cancel).unwrap_err();
        assert!(e.only_this_request, "{e}");
        engine.look(&RgbImage::new(9, 9), Same::Exactly, &cancel).unwrap();
        let e = engine.ask(&request(&"long ".repeat(9000)), &cancel, &mut |_| {}).unwrap_err();
        assert!(e.only_this_request && e.message.contains("more than the 8192"), "{e}");
        assert_eq!(engine.ask(&request("Short?"), &cancel, &mut |_| {}).unwrap().token_ids.len(), 8);
    }

    #[test]
    fn a_video_is_one_turn_and_leaves_the_view_alone() {
        let (fixtures, folder) =
            (Path::new(env!("CARGO_MANIFEST_DIR")).join("../vlm/fixtures/tiny"), tempfile::tempdir().unwrap());
        let sides = std::fs::read_dir(fixtures.join("smolvlm")).unwrap().map(|entry| entry.unwrap().path());
        for path in sides.chain([fixtures.join("model.safetensors")]) {
            std::fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
        }
        let mut engine = open(&ModelSpec::Folder(folder.path().into()), &EngineOptions::default()).unwrap();
        assert_eq!(engine.video_sampling(), Some(VideoSampling { fps: 1.0, max_frames: 64 }));
        let cancel = Cancel::default();
        engine.look(&RgbImage::new(8, 8), Same::Exactly, &cancel).unwrap();
        let before = engine.ask(&request("What is it?"), &cancel, &mut |_| {}).unwrap();
        let (footage, frames) =
            (Footage { frames: 50, fps: 25.0 }, vec![(0, RgbImage::new(9, 7)), (49, RgbImage::new(9, 7))]);
        let told = engine.describe_video(footage, frames, &request("What happens?"), &cancel, &mut |_| {}).unwrap();
        assert!(told.prompt_ids.len() > before.prompt_ids.len() && told.token_ids.len() == 8);
        let after = engine.ask(&request("What is it?"), &cancel, &mut |_| {}).unwrap();
        assert_eq!(after.token_ids, before.token_ids);
        assert_eq!(open(&tiny(), &EngineOptions::default()).unwrap().video_sampling(), None);
    }

    #[test]
    #[ignore = "needs a CUDA card"]
    fn gpu_auto_takes_the_card_and_says_why() {
        let mut engine = open(&tiny(), &EngineOptions::default()).unwrap();
        let card = engine.card();
        assert_eq!((card.device.as_str(), card.precision.as_str()), ("cuda:0", "bf16"));
        assert!(card.why.contains("GPU") && engine.model().place().memory().is_some(), "{card:?}");
        engine.look(&RgbImage::new(9, 9), Same::Exactly, &Cancel::default()).unwrap();
        let reply = engine.caption(&request("Describe."), &Cancel::default(), &mut |_| {}).unwrap();
        assert_eq!(reply.token_ids.len(), 8);
    }

    #[test]
    fn what_is_not_to_be_had_says_what_to_do() {
        let nowhere = ModelSpec::Folder(PathBuf::from("/no/such/folder"));
        assert!(message(&nowhere, &EngineOptions::default()).contains("/no/such/folder is missing"));
        let hub = ModelSpec::Hub("nobody/has-this-model".into());
        assert!(message(&hub, &EngineOptions::default()).contains("models download nobody/has-this-model"));
        let gpu = EngineOptions { device: DeviceChoice::Cuda(usize::MAX), ..EngineOptions::default() };
        assert!(message(&tiny(), &gpu).contains("--device cpu"));
    }
}
