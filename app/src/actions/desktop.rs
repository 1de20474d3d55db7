//! Shows a notice on the desktop. One about the same thing takes the place of the one before, where
//! the desktop can do that: so an alert gets its words when they come.
//!
//! A desktop that does not answer holds up no more than one thread, which is left behind until it
//! does.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{RecvTimeoutError, bounded};
use vlm::Cancel;

use crate::actions::deliver::{Deliver, Told, Undelivered};
use crate::base::message::Message;
use crate::base::thread::Thread;

/// How often the flag is looked at.
const LOOK_UP: Duration = Duration::from_millis(100);
/// Notices that may be replaced; beyond these the first ones are not remembered.
const MOST_SUBJECTS: usize = 64;

/// Shows one notice, in the place of another if its number is given, and says the number of the
/// new one. Blocks for as long as the desktop wants.
pub type Show = Arc<dyn Fn(&Notice) -> Result<u32, String> + Send + Sync>;

/// What is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// A few words.
    pub title: String,
    /// A sentence, as plain text.
    pub body: String,
    /// A sound of the desktop's theme.
    pub sound_name: Option<String>,
    /// The number of the notice that it takes the place of.
    pub replaces: Option<u32>,
}

/// See the module.
pub struct ShowNotice {
    show: Show,
    sound_name: Option<String>,
    limit: Duration,
    shown: BTreeMap<String, u32>,
    /// The one that the desktop has not answered yet.
    unanswered: Option<Thread>,
}

impl ShowNotice {
    pub fn new(show: Show, sound_name: Option<String>, limit: Duration) -> Self {
        Self { show, sound_name, limit, shown: BTreeMap::new(), unanswered: None }
    }
}

impl Deliver for ShowNotice {
    fn deliver(&mut self, told: Told<'_>, cancel: &Cancel) -> Result<(), Undelivered> {
        let silent = || {
            Message::new("The desktop does not answer.").hint("Log out and in again if its notices do not come back.")
        };
        if self.unanswered.as_ref().is_some_and(|thread| !thread.wait_until(Instant::now())) {
            return Err(Undelivered::later(silent()));
        }
        let subject = told.occurrence.subject();
        let notice = Notice {
            title: told.occurrence.title().to_owned(),
            body: told.occurrence.body(),
            sound_name: self.sound_name.clone(),
            replaces: self.shown.get(&subject).copied(),
        };
        let (sender, answer) = bounded(1);
        let show = Arc::clone(&self.show);
        let thread = Thread::start("notice", move || {
            // When nobody waits for it any more, nobody is told.
            let _ = sender.try_send(show(&notice));
        });
        let thread =
            thread.map_err(|error| Undelivered::later(Message::new(format!("No thread for a notice: {error}."))))?;
        self.unanswered = Some(thread);
        let deadline = Instant::now() + self.limit;
        loop {
            match answer.recv_deadline(deadline.min(Instant::now() + LOOK_UP)) {
                Ok(Ok(number)) => {
                    self.shown.insert(subject, number);
                    if self.shown.len() > MOST_SUBJECTS {
                        self.shown.pop_first();
                    }
                    return Ok(());
                }
                Ok(Err(why)) => {
                    let message = Message::new(format!("The desktop shows no notice ({}).", why.trim_end_matches('.')));
                    return Err(Undelivered::later(message.hint("Check that it has a program for notices.")));
                }
                Err(RecvTimeoutError::Disconnected) => return Err(Undelivered::later(silent())),
                Err(RecvTimeoutError::Timeout) if cancel.is_cancelled() => return Err(Undelivered::Cancelled),
                Err(RecvTimeoutError::Timeout) if Instant::now() >= deadline => {
                    return Err(Undelivered::later(silent()));
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }
}

/// Shows a notice on the desktop of this machine.
pub fn show(notice: &Notice) -> Result<u32, String> {
    let mut shown = notify_rust::Notification::new();
    // Desktops read markup in a body.
    let body = notice.body.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    shown.appname("Sightline").summary(&notice.title).body(&body);
    if let Some(name) = &notice.sound_name {
        shown.sound_name(name);
    }
    #[cfg(all(unix, not(target_os = "macos")))]
    {
        shown.icon("sightline");
        if let Some(number) = notice.replaces {
            shown.id(number);
        }
        shown.show().map(|handle| handle.id()).map_err(|error| error.to_string())
    }
    #[cfg(not(all(unix, not(target_os = "macos"))))]
    shown.show().map(|_| 0).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::actions::occurrence::{Kind, Occurrence};
    use crate::testing::actions::{began, caption};

    const LONG: Duration = Duration::from_mins(1);

    /// A desktop that takes note of what it shows.
    fn desktop() -> (Show, Arc<Mutex<Vec<Notice>>>) {
        let shown = Arc::new(Mutex::new(Vec::new()));
        let ours = Arc::clone(&shown);
        let show: Show = Arc::new(move |notice: &Notice| {
            let mut shown = ours.lock().expect("no panic");
            shown.push(notice.clone());
            Ok(shown.len() as u32)
        });
        (show, shown)
    }

    fn told(occurrence: &Occurrence) -> Told<'_> {
        Told { occurrence, picture: None }
    }

    #[test]
    fn the_words_take_the_place_of_the_alert() {
        let (show, shown) = desktop();
        let mut notices = ShowNotice::new(show, Some("bell".to_owned()), LONG);
        let alert = began("parcel", "door");
        let words = Occurrence { kind: Kind::Words, text: Some("A parcel.".to_owned()), ..alert.clone() };
        for occurrence in [&alert, &caption("yard", "A cat."), &words] {
            notices.deliver(told(occurrence), &Cancel::default()).expect("shown");
        }
        let shown = shown.lock().expect("no panic");
        let seen: Vec<_> =
            shown.iter().map(|notice| (notice.title.as_str(), notice.body.as_str(), notice.replaces)).collect();
        assert_eq!(
            seen,
            [("parcel", "It began at door (92 %).", None), ("yard", "A cat.", None), ("parcel", "A parcel.", Some(1))]
        );
        assert_eq!(shown[0].sound_name.as_deref(), Some("bell"));
    }

    #[test]
    fn a_desktop_that_fails_or_hangs_is_told_and_holds_nobody_up() {
        let mut failing = ShowNotice::new(Arc::new(|_| Err("no bus.".to_owned())), None, LONG);
        let Err(Undelivered::Later { message, .. }) = failing.deliver(told(&began("a", "b")), &Cancel::default())
        else {
            panic!("it fails")
        };
        assert_eq!(message.what(), "The desktop shows no notice (no bus).");

        let (release, held) = bounded::<()>(0);
        let show: Show = Arc::new(move |_| {
            let _ = held.recv();
            Ok(1)
        });
        let mut hanging = ShowNotice::new(show, None, Duration::from_millis(1));
        for _ in 0..3 {
            let refused = hanging.deliver(told(&began("a", "b")), &Cancel::default());
            let Err(Undelivered::Later { message, .. }) = refused else { panic!("it hangs") };
            assert_eq!(message.what(), "The desktop does not answer.");
        }
        drop(release);
        assert!(hanging.unanswered.as_ref().is_some_and(|thread| thread.wait_until(Instant::now() + LONG)));
        hanging.limit = LONG;
        hanging.deliver(told(&began("a", "b")), &Cancel::default()).expect("it answers again");
    }
}
