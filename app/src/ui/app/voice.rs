//! Captions read aloud: those of the view in hand, when they change.

use std::sync::Arc;

use crate::actions::speech::Speaker;
use crate::base::message::Message;
use crate::live::Caption;
use crate::ui::app::App;
use crate::ui::state::Topic;
use crate::ui::subtitle::Manner;

impl App {
    /// A caption of the view in hand is complete: it is said, if captions are said and this one is
    /// not what was said last.
    pub(super) fn say_caption(&mut self, caption: &Caption) {
        let words = &caption.reply.text;
        if !self.preferences.speech.on || caption.reply.is_kept || *words == self.said {
            return;
        }
        self.said.clone_from(words);
        let rate = self.preferences.speech.rate;
        if let Some(speaker) = self.speaker() {
            speaker.say(words, rate);
        }
    }

    /// How the caption of the view in hand is shown.
    pub(super) fn manner(&self) -> Manner<'_> {
        Manner { style: &self.preferences.captions, is_announced: !self.preferences.speech.on }
    }

    /// Says what the caption says now, whether or not captions are said.
    pub(super) fn say_again(&mut self) {
        let shown = self.state.caption.words();
        let (said, words) = (shown.firm.to_owned(), format!("{}{}", shown.hedge(), shown.firm));
        if words.is_empty() {
            return;
        }
        self.said = said;
        let rate = self.preferences.speech.rate;
        if let Some(speaker) = self.speaker() {
            speaker.say_now(&words, rate);
        }
    }

    /// Has captions said from now on, or no longer.
    pub(super) fn set_speaking(&mut self, on: bool) {
        self.preferences.speech.on = on;
        self.state.notices.clear(Topic::Voice);
        // What is on screen is said, so that it is heard that something is said.
        self.said.clear();
        if on {
            self.say_again();
        } else {
            self.silence();
        }
        self.remember();
    }

    /// Stops the voice; the next caption is said again.
    pub(super) fn silence(&mut self) {
        if let Some(speaker) = &self.speaker {
            speaker.silence();
        }
    }

    /// Takes in that there is no voice, or none any more.
    pub(super) fn catch_up_voice(&mut self) {
        if let Some(message) = self.speaker.as_ref().and_then(Speaker::trouble) {
            self.no_voice(message);
        }
    }

    /// The voice, which is opened when it is wanted first.
    fn speaker(&mut self) -> Option<&Speaker> {
        if self.speaker.is_none() {
            let Some(open) = self.platform.voice() else {
                let message = Message::new("This program was built without a voice.");
                self.no_voice(message.hint("Build it with `--features speech`; the guide says what that needs."));
                return None;
            };
            let wake = Arc::clone(&self.wake);
            match Speaker::start(open, move || wake()) {
                Ok(speaker) => self.speaker = Some(speaker),
                Err(error) => {
                    self.no_voice(Message::new(format!("The system started no thread for a voice: {error}.")));
                }
            }
        }
        self.speaker.as_ref()
    }

    /// Captions are not said, and that they were to be is not remembered.
    fn no_voice(&mut self, message: Message) {
        self.speaker = None;
        self.preferences.speech.on = false;
        self.remember();
        self.state.notices.post(Topic::Voice, message, None);
    }
}
