//! A voice that says what a test listens to. It keeps the contract of the real one: it comes back
//! at once, and speaks until it is told to end.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::actions::speech::{OpenVoice, Voice};
use crate::base::message::Message;

/// How long something may take on a machine that is busy with other work.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a voice did.
#[derive(Clone, Debug, PartialEq)]
pub enum Deed {
    /// Said this, at this rate.
    Say(String, f32),
    /// Fell silent.
    Silence,
}

/// The test's end of a fake voice.
#[derive(Clone, Default)]
pub struct VoiceScript {
    deeds: Arc<(Mutex<Vec<Deed>>, Condvar)>,
    is_speaking: Arc<AtomicBool>,
    refusal: Arc<Mutex<Option<Message>>>,
}

impl VoiceScript {
    /// There is no voice, for this reason.
    pub fn refuse(&self, why: Message) {
        *self.refusal.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
    }

    /// The voice comes to the end of what it says.
    pub fn ends(&self) {
        self.is_speaking.store(false, Ordering::SeqCst);
    }

    /// What it did so far.
    pub fn deeds(&self) -> Vec<Deed> {
        self.deeds.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until it did this and nothing else.
    #[track_caller]
    pub fn wait_for(&self, wanted: &[Deed]) {
        self.wait_until(|deeds| deeds == wanted);
    }

    /// Waits until this is true of what it did.
    #[track_caller]
    pub fn wait_until(&self, mut is_so: impl FnMut(&[Deed]) -> bool) {
        let (deeds, told) = &*self.deeds;
        let deeds = deeds.lock().unwrap_or_else(PoisonError::into_inner);
        let (deeds, waited) =
            told.wait_timeout_while(deeds, PATIENCE, |deeds| !is_so(deeds)).unwrap_or_else(PoisonError::into_inner);
        assert!(!waited.timed_out(), "it did {deeds:?}");
    }

    /// For [`Speaker::start`](crate::actions::speech::Speaker::start).
    pub fn open(&self) -> OpenVoice {
        let script = self.clone();
        Box::new(move || match script.refusal.lock().unwrap_or_else(PoisonError::into_inner).clone() {
            Some(why) => Err(why),
            None => Ok(Box::new(FakeVoice(script.clone()))),
        })
    }

    fn did(&self, deed: Deed) {
        self.deeds.0.lock().unwrap_or_else(PoisonError::into_inner).push(deed);
        self.deeds.1.notify_all();
    }
}

struct FakeVoice(VoiceScript);

impl Voice for FakeVoice {
    fn say(&mut self, words: &str, rate: f32) -> Result<(), Message> {
        self.0.is_speaking.store(true, Ordering::SeqCst);
        self.0.did(Deed::Say(words.to_owned(), rate));
        Ok(())
    }

    fn silence(&mut self) -> Result<(), Message> {
        self.0.ends();
        self.0.did(Deed::Silence);
        Ok(())
    }

    fn is_speaking(&mut self) -> Option<bool> {
        Some(self.0.is_speaking.load(Ordering::SeqCst))
    }
}
