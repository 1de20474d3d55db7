//! The engine on another machine: any server of the OpenAI chat API (vLLM, llama-server, Ollama,
//! LM Studio, transformers) behind the [`Engine`] trait. Knows no tensor and no local model.
//!
//! Pictures come first in a turn and words after them: with the words first, SmolVLM2 ignores them.
//! Nothing is sent before the first turn, and nothing to any host but the one that was named.

pub mod address;
mod client;
mod error;
pub mod options;
mod picture;
pub mod probe;
mod wire;
mod words;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use vlm::{Cancel, Part, Reply, Role, Sampling, Scored, Scores, Stop, Timings};

use crate::base::backoff::Backoff;
use crate::base::message::Message;
use crate::engine::remote::client::{Client, words_of};
pub(crate) use crate::engine::remote::error::RemoteError;
use crate::engine::remote::options::{Patience, PictureFormat, RemoteOptions};
use crate::engine::remote::wire::{ImageUrl, Piece, Request, StreamOptions, Usage};
use crate::engine::remote::words::Words;
use crate::engine::{
    Capabilities, Engine, EngineCard, EngineError, Forget, Limits, Shown, Task, Turn, ViewId, ViewOptions,
};

/// How often a server that is busy is asked again before that is a failure.
const MOST_TRIES: u32 = 5;
/// The longest that a busy server may ask to be left alone.
const LONGEST_REST: Duration = Duration::from_mins(1);
/// Alternatives that are asked for where choices are scored: the most that servers give.
const ALTERNATIVES: u32 = 20;

/// Reads answers that some server may have streamed, without one.
pub struct StreamReader(Client);

impl StreamReader {
    /// # Errors
    /// When the system has no room.
    pub fn new() -> Result<Self, EngineError> {
        let address = "http://127.0.0.1:9".parse().map_err(|_| RemoteError::Setup("no address".to_owned()))?;
        let (picture, patience) = (PictureFormat::default(), Patience::default());
        let options = RemoteOptions { address, key: None, authority: None, picture, patience, parallel: 1 };
        Ok(Self(Client::new(options)?))
    }

    /// The words of a stream of server-sent events.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn words(&self, body: &[u8]) -> Result<String, EngineError> {
        let mut words = String::new();
        self.0.read(body, &mut |chunk| {
            words.extend(chunk.choices.iter().filter_map(words_of));
            true
        })?;
        Ok(words)
    }
}

/// A model on another machine.
pub(crate) struct RemoteEngine {
    client: Client,
    model: String,
    views: BTreeMap<ViewId, View>,
    opened: u32,
    /// Whether the server takes requests that ask for probabilities. It does until it refuses one.
    takes_logprobs: bool,
    /// Whether it may tell how likely choices are. That shows when it is asked for the first time.
    may_score: bool,
    /// How often the server was too busy since it answered last, and how long to rest next.
    busy: (u32, Backoff),
}

/// What a view holds: no more than is sent again.
struct View {
    prefix: Vec<wire::Turn>,
    conversation: Vec<wire::Turn>,
    /// The pictures of the scene shown last, ready to be sent.
    shown: Option<(u64, Vec<String>)>,
}

/// An answer and what it cost.
struct Answer {
    words: Words,
    stop: Stop,
    log_probs: Vec<f32>,
    first: Vec<wire::Likely>,
    first_word: Option<Duration>,
    usage: Option<Usage>,
}

impl RemoteEngine {
    /// Makes ready. The server is asked when the first turn comes.
    ///
    /// # Errors
    /// When the certificates can't be read or the system has no room.
    pub(crate) fn new(model: &str, options: RemoteOptions) -> Result<Self, RemoteError> {
        let client = Client::new(options)?;
        let model = model.to_owned();
        Ok(Self {
            client,
            model,
            views: BTreeMap::new(),
            opened: 0,
            takes_logprobs: true,
            may_score: true,
            busy: Default::default(),
        })
    }

    /// The ids of the server's models.
    ///
    /// # Errors
    /// When it can't be asked.
    pub(crate) fn models(&self, cancel: &Cancel) -> Result<Vec<String>, RemoteError> {
        Ok(self.client.models(cancel)?.unwrap_or_default())
    }

    /// Asks, again where the server is busy. `None` when `cancel` was raised first.
    fn ask(
        &mut self,
        messages: &[wire::Turn],
        limits: Limits,
        top_logprobs: Option<u32>,
        cancel: &Cancel,
        on_text: &mut dyn FnMut(&str),
    ) -> Result<Option<Answer>, RemoteError> {
        loop {
            match self.ask_once(messages, limits, top_logprobs, cancel, on_text) {
                Err(RemoteError::Busy { again_in, .. }) if self.busy.0 < MOST_TRIES => {
                    let (tries, backoff) = &mut self.busy;
                    *tries += 1;
                    let rest = again_in.unwrap_or_else(|| backoff.next()).min(LONGEST_REST);
                    if !self.client.rest(rest, cancel) || !limits.keeps {
                        return Ok(None);
                    }
                }
                Err(RemoteError::Refused { why, .. }) if self.takes_logprobs && why.contains("logprob") => {
                    self.takes_logprobs = false;
                }
                other => {
                    self.busy = (0, Backoff::default());
                    return other;
                }
            }
        }
    }

    fn ask_once(
        &mut self,
        messages: &[wire::Turn],
        limits: Limits,
        top_logprobs: Option<u32>,
        cancel: &Cancel,
        on_text: &mut dyn FnMut(&str),
    ) -> Result<Option<Answer>, RemoteError> {
        let (temperature, top_p, seed) = match limits.sampling {
            Sampling::Greedy => (0.0, None, None),
            Sampling::Random { temperature, top_p, seed } => (temperature, Some(top_p), Some(seed)),
        };
        let request = Request {
            model: &self.model,
            messages,
            stream: true,
            stream_options: StreamOptions { include_usage: true },
            max_tokens: limits.max_tokens,
            temperature,
            top_p,
            seed,
            logprobs: self.takes_logprobs.then_some(true),
            top_logprobs: top_logprobs.filter(|_| self.takes_logprobs),
        };
        let start = Instant::now();
        let mut answer = Answer {
            words: Words::default(),
            stop: Stop::End,
            log_probs: Vec::new(),
            first: Vec::new(),
            first_word: None,
            usage: None,
        };
        let done = self.client.complete(&request, cancel, &mut |chunk| {
            answer.usage = chunk.usage.or(answer.usage);
            for choice in &chunk.choices {
                if let Some(words) = words_of(choice).filter(|words| !words.is_empty()) {
                    answer.first_word.get_or_insert_with(|| start.elapsed());
                    if let Some(ready) = answer.words.push(words) {
                        on_text(ready);
                    }
                }
                if choice.finish_reason.as_deref() == Some("length") {
                    answer.stop = Stop::Length;
                }
            }
            for token in chunk.choices.into_iter().filter_map(|choice| choice.logprobs?.content).flatten() {
                if answer.log_probs.is_empty() {
                    answer.first = token.top_logprobs;
                    answer.first.push(wire::Likely { token: token.token, logprob: token.logprob });
                }
                answer.log_probs.push(token.logprob);
            }
            answer.words.stop().is_none()
        })?;
        let rest = answer.words.rest();
        if !rest.is_empty() {
            on_text(rest);
        }
        if done.is_none() {
            answer.stop = Stop::Cancelled;
            return Ok(answer.first_word.is_some().then_some(answer));
        }
        answer.stop = answer.words.stop().unwrap_or(answer.stop);
        Ok(Some(answer))
    }

    /// What is sent for a turn, and how long its pictures took to be made ready.
    fn messages(&mut self, turn: &Turn<'_>) -> Result<(Vec<wire::Turn>, Duration), EngineError> {
        let format = self.client.options().picture;
        let view = self.views.get_mut(&turn.view).ok_or_else(closed)?;
        let start = Instant::now();
        let asked = match turn.task {
            Task::Caption { shown, instruction: words } | Task::Answer { shown, question: words } => {
                let mut content = view.pictures(shown, format)?;
                content.push(Piece::Text { text: words.to_owned() });
                wire::Turn { role: "user", content }
            }
            Task::Say { parts, .. } => wire::Turn { role: "user", content: pieces(parts, format)? },
        };
        let before = if matches!(turn.task, Task::Say { .. }) { &view.conversation[..] } else { &[] };
        let messages = view.prefix.iter().chain(before).cloned().chain([asked]).collect();
        Ok((messages, start.elapsed()))
    }
}

impl Engine for RemoteEngine {
    fn card(&self) -> EngineCard {
        let host = self.client.host();
        EngineCard {
            model: self.model.clone(),
            device: host.clone(),
            precision: "remote".to_owned(),
            why: format!("Pictures are sent to {host}."),
            sent_to: Some(host),
            can: Capabilities {
                video: None,
                scores: self.may_score,
                features: false,
                doubt_below: None,
                parallel: self.client.options().parallel,
            },
        }
    }

    fn open_view(&mut self, options: ViewOptions<'_>) -> Result<ViewId, EngineError> {
        let format = self.client.options().picture;
        let turns = options.prefix.iter().map(|turn| {
            let role = match turn.role {
                Role::System => "system",
                Role::User => "user",
                Role::Assistant => "assistant",
            };
            Ok(wire::Turn { role, content: pieces(&turn.parts, format)? })
        });
        let prefix = turns.collect::<Result<_, RemoteError>>()?;
        let id = ViewId(self.opened);
        self.opened += 1;
        self.views.insert(id, View { prefix, conversation: Vec::new(), shown: None });
        Ok(id)
    }

    fn close_view(&mut self, view: ViewId) {
        self.views.remove(&view);
    }

    fn reply(&mut self, turn: Turn<'_>, cancel: &Cancel, on_text: &mut dyn FnMut(&str)) -> Result<Reply, EngineError> {
        let (messages, preprocess) = self.messages(&turn)?;
        if cancel.is_cancelled() {
            return Ok(Reply::cancelled());
        }
        let start = Instant::now();
        let Some(answer) = self.ask(&messages, turn.limits, None, cancel, on_text)? else {
            return Ok(Reply::cancelled());
        };
        let took = start.elapsed();
        let Answer { words, stop, log_probs, first_word, usage, .. } = answer;
        let text = words.into_text();
        if text.is_empty() && stop != Stop::Cancelled {
            return Err(RemoteError::Empty { host: self.client.host() }.into());
        }
        if let Task::Say { remember: true, .. } = turn.task
            && let Some(view) = self.views.get_mut(&turn.view)
        {
            view.conversation.extend(messages.into_iter().last());
            view.conversation.push(wire::Turn { role: "assistant", content: vec![Piece::Text { text: text.clone() }] });
        }
        let prefill = first_word.unwrap_or(took);
        let mean = log_probs.iter().sum::<f32>() / log_probs.len() as f32;
        Ok(Reply {
            text,
            stop,
            counted: usage.map(|usage| (usage.prompt_tokens, usage.completion_tokens)),
            mean_log_prob: (!log_probs.is_empty() && mean.is_finite()).then_some(mean),
            timings: Timings { preprocess, prefill, decode: took.saturating_sub(prefill), ..Timings::default() },
            ..Reply::cancelled()
        })
    }

    fn another(&self) -> Option<Box<dyn Engine>> {
        let another = Self::new(&self.model, self.client.options().clone()).ok()?;
        Some(Box::new(Self { takes_logprobs: self.takes_logprobs, may_score: self.may_score, ..another }))
    }

    fn forget(&mut self, view: ViewId, what: Forget) {
        let Some(view) = self.views.get_mut(&view) else { return };
        let kept = match what {
            // A turn and its reply.
            Forget::Last => view.conversation.len().saturating_sub(2),
            Forget::All => 0,
        };
        view.conversation.truncate(kept);
    }

    fn score(
        &mut self,
        view: ViewId,
        shown: Shown<'_>,
        questions: &[Scored<'_>],
        cancel: &Cancel,
    ) -> Result<Option<Vec<Scores>>, EngineError> {
        let absent = || EngineError::from(RemoteError::NoProbabilities { host: self.client.host() });
        if !self.may_score {
            return Err(absent());
        }
        let mut rows = Vec::new();
        for asked in questions {
            let limits = Limits::tokens(1);
            let task = Task::Answer { shown, question: asked.question };
            let (messages, _) = self.messages(&Turn { view, task, limits })?;
            let Some(answer) = self.ask(&messages, limits, Some(ALTERNATIVES), cancel, &mut |_| {})? else {
                return Ok(None);
            };
            // Some servers give that of the word alone which they chose.
            if answer.first.iter().all(|likely| likely.token == answer.first[0].token) {
                self.may_score = false;
                return Err(RemoteError::NoProbabilities { host: self.client.host() }.into());
            }
            let log_probs = asked.choices.iter().map(|choice| likelihood(choice, &answer.first)).collect();
            rows.push(Scores { log_probs, tokens: vec![1; asked.choices.len()] });
        }
        Ok(Some(rows))
    }
}

impl View {
    /// Pictures as pieces of a turn. Those of the scene shown last are not made ready again.
    fn pictures(&mut self, shown: Shown<'_>, format: PictureFormat) -> Result<Vec<Piece>, RemoteError> {
        let in_hand = self.shown.take().filter(|(scene, _)| Some(*scene) == shown.scene);
        let addresses = match in_hand {
            Some((_, addresses)) => addresses,
            None => shown.pictures.iter().map(|picture| picture::address(picture, format)).collect::<Result<_, _>>()?,
        };
        let pieces = addresses.iter().cloned().map(of_picture).collect();
        self.shown = shown.scene.map(|scene| (scene, addresses));
        Ok(pieces)
    }
}

fn of_picture(url: String) -> Piece {
    Piece::ImageUrl { image_url: ImageUrl { url } }
}

fn pieces(parts: &[Part], format: PictureFormat) -> Result<Vec<Piece>, RemoteError> {
    let piece = |part: &Part| match part {
        Part::Text(text) => Ok(Piece::Text { text: text.clone() }),
        Part::Picture(picture) => picture::address(picture, format).map(of_picture),
    };
    parts.iter().map(piece).collect()
}

fn closed() -> EngineError {
    EngineError::request(Message::new("The view was closed before its turn came."))
}

/// How likely an answer is to begin as `choice` does, in nats, of the tokens that may come first.
/// What is not among them is less likely than the least likely of them.
fn likelihood(choice: &str, first: &[wire::Likely]) -> f32 {
    let wanted = choice.trim().to_lowercase();
    let begins = |token: &str| {
        let token = token.trim().to_lowercase();
        !token.is_empty() && wanted.starts_with(&token)
    };
    let mut seen = Vec::new();
    let mut sum = 0.0_f64;
    for likely in first {
        // The token that was chosen may stand among the alternatives as well.
        if begins(&likely.token) && !seen.contains(&&likely.token) {
            sum += f64::from(likely.logprob).exp();
            seen.push(&likely.token);
        }
    }
    let least = first.iter().map(|likely| likely.logprob).fold(0.0, f32::min);
    if sum > 0.0 { sum.ln() as f32 } else { least }
}

#[cfg(test)]
mod tests;
