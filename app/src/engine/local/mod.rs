//! The engine on this machine: `vlm`'s sessions and conversations behind the [`Engine`] trait.
//! Turns what the user named into files, and `vlm`'s errors into what the worker must know of them.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use vlm::{
    Along, Ask, Cancel, Conversation, Error, Features, LoadOptions, Model, ModelFiles, Piece, Reply, Say, Scored,
    Scores, Session, Stop, Tiling,
};

use crate::base::folders;
use crate::base::message::Message;
use crate::base::thread;
use crate::demo::model as demo_model;
use crate::engine::options::EngineOptions;
use crate::engine::place::Decision;
use crate::engine::prefix::PrefixCost;
use crate::engine::{
    Capabilities, Engine, EngineCard, EngineError, Forget, Limits, Shown, Task, Turn, ViewId, ViewOptions, place,
};
use crate::models::spec::{DEFAULT_MODEL, ModelSpec};

/// Bytes of a checkpoint from which on keeping its weights in bytes saves time: fewer are made as
/// fast as they are read.
const WORTH_KEEPING: u64 = 16 << 20;

/// A model on this machine, held once for all views.
pub struct LocalEngine {
    model: Arc<Model>,
    card: EngineCard,
    views: BTreeMap<ViewId, View>,
    opened: u32,
}

/// What a view holds. Each has KV caches of its own, made when it is first asked for something that
/// needs them.
struct View {
    prefix: Vec<vlm::Turn>,
    /// Once it was evaluated.
    cost: Option<PrefixCost>,
    tiling: Tiling,
    session: Option<Session>,
    /// The number of what the session has in hand, where whoever showed it gave one.
    scene: Option<u64>,
    conversation: Option<Conversation>,
}

/// Loads a model.
///
/// # Errors
/// When there is no such model here, it can't be run, or the device or precision can't be had.
pub fn open(model: &ModelSpec, options: &EngineOptions) -> Result<LocalEngine, EngineError> {
    let (model, card) = load(model, options)?;
    Ok(LocalEngine { model, card, views: BTreeMap::new(), opened: 0 })
}

/// Loads a model that nothing was said to yet.
///
/// # Errors
/// As [`open`].
pub fn load(model: &ModelSpec, options: &EngineOptions) -> Result<(Arc<Model>, EngineCard), EngineError> {
    let files = find(model, options.vision_file.as_deref())?;
    let Decision { place, precision, why } = place::decide(options)?;
    let threads = options.threads.and_then(NonZeroUsize::new);
    let int8_cache = if files.weight_bytes() < WORTH_KEEPING { None } else { kept_weights() };
    let max_isa = options.max_isa;
    let on_thread = options.gives_way.then_some(thread::give_way as fn());
    let options = LoadOptions { device: place, threads, precision, int8_cache, max_isa, on_thread };
    let loaded = Model::load(&files, options)?;
    let device = loaded.device().device().to_string();
    let doubt_below = (*model == ModelSpec::Demo).then_some(demo_model::DOUBT_BELOW);
    let can = Capabilities { video: loaded.video_sampling(), scores: true, features: true, parallel: 1, doubt_below };
    let card =
        EngineCard { model: model.to_string(), device, precision: name(precision).into(), why, sent_to: None, can };
    Ok((Arc::new(loaded), card))
}

/// The model of those who name none: the default one if it is on this machine, otherwise the
/// built-in one.
#[must_use]
pub fn preferred() -> ModelSpec {
    DEFAULT_MODEL.parse().ok().filter(|model| find(model, None).is_ok()).unwrap_or(ModelSpec::Demo)
}

/// Where weights in bytes are kept: a folder that the system may empty.
fn kept_weights() -> Option<PathBuf> {
    Some(folders::cache()?.join("int8"))
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

/// The files of a model that is on this machine. `vision` is the file of its vision part, where it
/// is not found by itself.
fn find(model: &ModelSpec, vision: Option<&Path>) -> Result<ModelFiles, EngineError> {
    match model {
        ModelSpec::Folder(path) if vision.is_some() => Ok(ModelFiles::gguf(path, vision)?),
        ModelSpec::Folder(folder) => Ok(ModelFiles::in_folder(folder)?),
        ModelSpec::Demo => Ok(demo_model::files()),
        ModelSpec::Served(id) => {
            let message = Message::new(format!("The model {id} runs on a server and can't be loaded here."));
            Err(EngineError::lasting(message.hint("Choose a model on this machine.")))
        }
        ModelSpec::Named(_) | ModelSpec::Hub(_) => {
            let hub_id = model.hub_id().unwrap_or_default();
            ModelFiles::in_hub_cache(hub_id).filter(ModelFiles::is_complete).ok_or_else(|| {
                let message = Message::new(format!("The model {model} is not on this machine."));
                EngineError::lasting(message.hint(format!(
                    "Download it with `sightline models download {model}`, or put its files in a folder and use \
                     --model FOLDER."
                )))
            })
        }
    }
}

impl LocalEngine {
    fn add(&mut self, view: View) -> ViewId {
        let id = ViewId(self.opened);
        self.opened += 1;
        self.views.insert(id, view);
        id
    }

    /// The model that answers, for measuring.
    #[must_use]
    pub fn model(&self) -> &Model {
        &self.model
    }
}

impl Engine for LocalEngine {
    fn card(&self) -> EngineCard {
        self.card.clone()
    }

    fn open_view(&mut self, options: ViewOptions<'_>) -> Result<ViewId, EngineError> {
        let ViewOptions { prefix, tiling } = options;
        Ok(self.add(View::new(prefix.to_vec(), tiling)))
    }

    fn open_beside(&mut self, view: ViewId, shown: Shown<'_>, cancel: &Cancel) -> Result<Option<ViewId>, EngineError> {
        let Some(beside) = self.views.get_mut(&view) else { return Err(closed()) };
        let tiling = beside.tiling;
        let begun = beside.look(&self.model, shown, cancel).and_then(|session| session.conversation(tiling));
        let conversation = unless_cancelled(begun)?;
        // Its prefix is in the conversation.
        Ok(conversation.map(|talk| self.add(View { conversation: Some(talk), ..View::new(Vec::new(), tiling) })))
    }

    fn close_view(&mut self, view: ViewId) {
        self.views.remove(&view);
    }

    fn reply(&mut self, turn: Turn<'_>, cancel: &Cancel, on_text: &mut dyn FnMut(&str)) -> Result<Reply, EngineError> {
        let Some(view) = self.views.get_mut(&turn.view) else { return Err(closed()) };
        let told = view.reply(&self.model, &turn, cancel, on_text);
        Ok(unless_cancelled(told)?.unwrap_or_else(Reply::cancelled))
    }

    fn prefix_cost(&self, view: ViewId) -> Option<PrefixCost> {
        self.views.get(&view)?.cost
    }

    fn score(
        &mut self,
        view: ViewId,
        shown: Shown<'_>,
        questions: &[Scored<'_>],
        cancel: &Cancel,
    ) -> Result<Option<Vec<Scores>>, EngineError> {
        let Some(view) = self.views.get_mut(&view) else { return Err(closed()) };
        unless_cancelled(view.look(&self.model, shown, cancel).and_then(|session| session.score(questions, cancel)))
    }

    fn features(&mut self, view: ViewId) -> Result<Option<Arc<Features>>, EngineError> {
        let Some(view) = self.views.get_mut(&view) else { return Err(closed()) };
        Ok(view.session.as_mut().map(Session::features).transpose()?.flatten())
    }

    fn score_kept(
        &mut self,
        view: ViewId,
        features: &[Arc<Features>],
        questions: &[Scored<'_>],
        cancel: &Cancel,
    ) -> Result<Option<Vec<Vec<Scores>>>, EngineError> {
        let Some(view) = self.views.get_mut(&view) else { return Err(closed()) };
        view.scene = None;
        let session = view.session(&self.model, cancel);
        unless_cancelled(session.and_then(|session| session.score_kept(features, questions, cancel)))
    }

    fn reply_along(
        &mut self,
        turn: Turn<'_>,
        along: Along<'_>,
        cancel: &Cancel,
        on_piece: &mut dyn FnMut(Piece<'_>),
    ) -> Result<Reply, EngineError> {
        let Task::Caption { shown, instruction } = turn.task else {
            return self.reply(turn, cancel, &mut |text| on_piece(Piece::Text(text)));
        };
        let Some(view) = self.views.get_mut(&turn.view) else { return Err(closed()) };
        let Limits { max_tokens, ignore_end, sampling, .. } = turn.limits;
        let ask = Ask { prompt: instruction, max_tokens, ignore_end, sampling };
        let told = view
            .look(&self.model, shown, cancel)
            .and_then(|session| session.caption_along(ask, along, cancel, on_piece));
        Ok(unless_cancelled(told)?.unwrap_or_else(Reply::cancelled))
    }

    fn forget(&mut self, view: ViewId, what: Forget) {
        let conversation = self.views.get_mut(&view).and_then(|view| view.conversation.as_mut());
        match (conversation, what) {
            (Some(conversation), Forget::Last) => drop(conversation.undo()),
            (Some(conversation), Forget::All) => conversation.reset(),
            (None, _) => {}
        }
    }
}

/// What was told; `None` where it was cancelled.
fn unless_cancelled<T>(told: vlm::Result<T>) -> Result<Option<T>, EngineError> {
    match told {
        Err(Error::Cancelled) => Ok(None),
        other => Ok(Some(other?)),
    }
}

fn closed() -> EngineError {
    EngineError::request(Message::new("The view was closed before its turn came."))
}

impl View {
    fn new(prefix: Vec<vlm::Turn>, tiling: Tiling) -> Self {
        Self { prefix, cost: None, tiling, session: None, scene: None, conversation: None }
    }

    fn reply(
        &mut self,
        model: &Arc<Model>,
        turn: &Turn<'_>,
        cancel: &Cancel,
        on_text: &mut dyn FnMut(&str),
    ) -> vlm::Result<Reply> {
        let Limits { max_tokens, ignore_end, sampling, .. } = turn.limits;
        let ask = |prompt| Ask { prompt, max_tokens, ignore_end, sampling };
        match turn.task {
            Task::Caption { shown, instruction } => {
                self.look(model, shown, cancel)?.caption(ask(instruction), cancel, on_text)
            }
            Task::Answer { shown, question } => self.look(model, shown, cancel)?.ask(ask(question), cancel, on_text),
            Task::Say { parts, remember } => {
                self.say(model, Say { parts, max_tokens, ignore_end, sampling }, remember, cancel, on_text)
            }
        }
    }

    /// The session with these pictures in hand. Nothing is evaluated where they are there already.
    fn look(&mut self, model: &Arc<Model>, shown: Shown<'_>, cancel: &Cancel) -> vlm::Result<&mut Session> {
        let (tiling, in_hand) = (self.tiling, shown.scene.is_some() && shown.scene == self.scene);
        if !in_hand {
            // Not in hand until the session has seen all of it.
            self.scene = None;
            self.session(model, cancel)?.set_images(shown.pictures, tiling, shown.reuse, cancel)?;
            self.scene = shown.scene;
        }
        self.session(model, cancel)
    }

    fn session(&mut self, model: &Arc<Model>, cancel: &Cancel) -> vlm::Result<&mut Session> {
        if self.session.is_none() {
            let mut session = Session::new(Arc::clone(model))?;
            if !self.prefix.is_empty() {
                let start = Instant::now();
                session.set_prefix(&self.prefix, cancel)?;
                self.cost = Some(PrefixCost { tokens: session.prefix_tokens(), took: start.elapsed() });
            }
            self.session = Some(session);
        }
        self.session.as_mut().ok_or(Error::NoView)
    }

    fn say(
        &mut self,
        model: &Arc<Model>,
        say: Say<'_>,
        remember: bool,
        cancel: &Cancel,
        on_text: &mut dyn FnMut(&str),
    ) -> vlm::Result<Reply> {
        let conversation = match &mut self.conversation {
            Some(conversation) => conversation,
            none => {
                let mut conversation = Conversation::new(Arc::clone(model), self.tiling)?;
                if !self.prefix.is_empty() {
                    let start = Instant::now();
                    conversation.set_prefix(&self.prefix, cancel)?;
                    self.cost = Some(PrefixCost { tokens: conversation.tokens(), took: start.elapsed() });
                }
                none.insert(conversation)
            }
        };
        if !remember {
            return conversation.once(say, cancel, on_text);
        }
        let reply = conversation.say(say, cancel, on_text)?;
        if reply.stop == Stop::Cancelled && reply.token_ids.is_empty() {
            conversation.undo();
        }
        Ok(reply)
    }
}

#[cfg(test)]
mod tests;
