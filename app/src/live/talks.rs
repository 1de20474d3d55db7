//! Conversations about pictures that a view holds in one engine. Each keeps what stands for its
//! picture and for what was said, so that a follow-up evaluates its own words only, and captions
//! go on beside it. At most so many stay: of one that had to go, the engine is told anew. Knows no
//! thread.

use std::collections::VecDeque;

use vlm::{Cancel, Part, Reply, Role, Stop, Tiling};

use crate::engine::prefix::Prefix;
use crate::engine::{Engine, EngineError, Limits, Shown, Task, Turn, ViewId, ViewOptions};
use crate::live::events::{Question, Talk};

/// The most conversations that an engine holds for a view.
const MOST_OPEN: usize = 4;
/// The most tokens of them together; the one that was answered last stays in any case. With the
/// keys and values of a model of 256M (46 kB a token in f32) these are some 190 MB.
const MOST_TOKENS: usize = 4096;

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Talks {
    /// The one that was answered last is the last.
    open: VecDeque<Open>,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    id: u64,
    view: ViewId,
    /// Questions that it remembers with their answers.
    said: usize,
    tokens: usize,
}

/// The view that captions are made in.
#[derive(Clone, Copy)]
pub struct Beside<'a> {
    pub view: ViewId,
    pub prefix: &'a Prefix,
    pub tiling: Tiling,
}

impl Talks {
    /// Has the engine answer a question. Where it begins a conversation about what captions are
    /// made of now (`shown` has the number of its scene), the picture is looked at once for both.
    pub fn answer(
        &mut self,
        engine: &mut dyn Engine,
        question: &Question,
        (beside, shown): (Beside<'_>, Shown<'_>),
        limits: Limits,
        cancel: &Cancel,
        on_text: &mut dyn FnMut(&str),
    ) -> Result<Reply, EngineError> {
        let (mut open, is_shown) = match self.take(engine, &question.talk) {
            Some(open) => (open, true),
            None => open(engine, question, beside, shown, cancel)?,
        };
        let words = Part::Text(question.text.to_string());
        let picture = || Part::Picture(question.frame.image.clone());
        let parts = if is_shown { vec![words] } else { vec![picture(), words] };
        let task = Task::Say { parts: &parts, remember: true };
        let told = engine.reply(Turn { view: open.view, task, limits }, cancel, on_text);
        let is_lost = match &told {
            // The picture has to be shown again.
            Ok(reply) => reply.text.is_empty() && reply.stop == Stop::Cancelled && !is_shown,
            Err(_) => true,
        };
        if is_lost {
            engine.close_view(open.view);
            return told;
        }
        if let Ok(reply) = &told
            && !(reply.stop == Stop::Cancelled && reply.text.is_empty())
        {
            open.said += 1;
            open.tokens = reply.prompt_tokens() + reply.tokens();
        }
        self.open.push_back(open);
        self.make_room(engine);
        told
    }

    /// What is open of a conversation, if that remembers all of it and nothing else.
    fn take(&mut self, engine: &mut dyn Engine, talk: &Talk) -> Option<Open> {
        let place = self.open.iter().position(|open| open.id == talk.id)?;
        let open = self.open.remove(place)?;
        if open.said == talk.before.len() {
            return Some(open);
        }
        engine.close_view(open.view);
        None
    }

    fn make_room(&mut self, engine: &mut dyn Engine) {
        let tokens = |open: &VecDeque<Open>| open.iter().map(|open| open.tokens).sum::<usize>();
        while self.open.len() > MOST_OPEN || self.open.len() > 1 && tokens(&self.open) > MOST_TOKENS {
            let Some(oldest) = self.open.pop_front() else { return };
            engine.close_view(oldest.view);
        }
    }
}

/// Opens a conversation. Says whether its picture was shown already.
fn open(
    engine: &mut dyn Engine,
    question: &Question,
    beside: Beside<'_>,
    shown: Shown<'_>,
    cancel: &Cancel,
) -> Result<(Open, bool), EngineError> {
    let talk = &question.talk;
    let new = |view, said| Open { id: talk.id, view, said, tokens: 0 };
    if talk.before.is_empty()
        && talk.tiling == beside.tiling
        && shown.scene.is_some()
        && let Some(view) = engine.open_beside(beside.view, shown, cancel)?
    {
        return Ok((new(view, 0), true));
    }
    let mut turns = beside.prefix.turns();
    // Of what was said about small print the picture alone is shown again: before a conversation,
    // pictures are single tiles.
    let retold = if talk.tiling == Tiling::Split { &[] } else { &talk.before[..] };
    for (number, (asked, answer)) in retold.iter().enumerate() {
        let picture = (number == 0).then(|| Part::Picture(question.frame.image.clone()));
        let parts = picture.into_iter().chain([Part::Text(asked.to_string())]).collect();
        turns.push(vlm::Turn { role: Role::User, parts });
        turns.push(vlm::Turn { role: Role::Assistant, parts: vec![Part::Text(answer.clone())] });
    }
    let view = engine.open_view(ViewOptions { prefix: &turns, tiling: talk.tiling })?;
    Ok((new(view, talk.before.len()), !retold.is_empty()))
}
