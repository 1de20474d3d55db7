//! From the pipeline's events to what is told of captions: their changes, not every one of them.
//! Knows no action.

use std::collections::BTreeMap;
use std::sync::Arc;

use vlm::Stop;

use crate::actions::occurrence::{Kind, Occurrence};
use crate::base::text;
use crate::live::frame::Frame;
use crate::live::{Event, Report};

/// See the module.
#[derive(Debug)]
pub struct Changes {
    /// By the numbers of their views.
    sources: BTreeMap<usize, Watched>,
}

/// What is known of a source.
#[derive(Clone, Debug, Default)]
struct Watched {
    /// The name that people gave it; otherwise what it calls itself.
    name: String,
    is_named: bool,
    /// What was said of it last.
    text: Option<String>,
}

impl Changes {
    /// `names` are what people call the first sources, in the order of the pipeline's views. The
    /// others are called what they call themselves.
    pub fn new(names: &[String]) -> Self {
        let named = names.iter().map(|name| Watched { name: name.clone(), is_named: true, text: None });
        Self { sources: named.enumerate().collect() }
    }

    /// A view is called what its source calls itself, from the next source on.
    pub fn unname(&mut self, view: usize) {
        if let Some(source) = self.sources.get_mut(&view) {
            source.is_named = false;
        }
    }

    /// A view is not there any more. Another one may have its number later.
    pub fn remove_view(&mut self, view: usize) {
        self.sources.remove(&view);
    }

    /// What is to be told of an event, with the frame that it is about.
    pub fn observe(&mut self, report: &Report) -> Option<(Occurrence, Arc<Frame>)> {
        let source = self.sources.entry(report.view?).or_default();
        match &report.event {
            Event::SourceOpened { name } => {
                if !source.is_named && source.name != *name {
                    source.name.clone_from(name);
                    source.text = None;
                }
                None
            }
            Event::Captioned(caption) if caption.reply.stop != Stop::Cancelled => {
                let text = text::one_line(caption.reply.text.trim());
                if source.text.as_ref() == Some(&text) {
                    return None;
                }
                let before = source.text.replace(text.clone());
                let new = Occurrence::new(Kind::Caption, &source.name, &caption.frame.time);
                Some((Occurrence { text: Some(text), before, ..new }, Arc::clone(&caption.frame)))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::log::captioned;

    fn of(view: usize, event: Event) -> Report {
        Report { view: Some(view), event }
    }

    fn texts(changes: &mut Changes, view: usize, said: &[&str]) -> Vec<(String, Option<String>)> {
        let told = said.iter().filter_map(|text| changes.observe(&of(view, captioned(1, text))));
        told.map(|(occurrence, _)| (occurrence.text.unwrap_or_default(), occurrence.before)).collect()
    }

    #[test]
    fn only_changes_are_told_with_what_was_said_before() {
        let mut changes = Changes::new(&["door".to_owned(), "yard".to_owned()]);
        let told = texts(&mut changes, 0, &["A cup.", "A cup. ", "A jug."]);
        assert_eq!(told, [("A cup.".to_owned(), None), ("A jug.".to_owned(), Some("A cup.".to_owned()))]);
        assert_eq!(texts(&mut changes, 1, &["A jug."]), [("A jug.".to_owned(), None)], "each source has its own");
    }

    #[test]
    fn what_was_cut_short_is_not_told() {
        let Event::Captioned(mut caption) = captioned(1, "A c") else { unreachable!() };
        caption.reply.stop = Stop::Cancelled;
        assert!(Changes::new(&[]).observe(&of(0, Event::Captioned(caption))).is_none());
    }

    #[test]
    fn a_source_without_a_name_is_called_what_it_calls_itself() {
        let mut changes = Changes::new(&[]);
        let mut named = |name: &str| {
            changes.observe(&of(0, Event::SourceOpened { name: name.to_owned() }));
            changes.observe(&of(0, captioned(1, "A cup."))).map(|(occurrence, _)| occurrence.source)
        };
        assert_eq!(named("Demo scene").as_deref(), Some("Demo scene"));
        assert_eq!(named("Demo scene"), None, "it was lost and came back");
        assert_eq!(named("Webcam").as_deref(), Some("Webcam"));
    }

    #[test]
    fn a_view_that_comes_later_is_told_of_until_it_goes() {
        let mut changes = Changes::new(&["door".to_owned()]);
        let said = |changes: &mut Changes, view: usize, name: &str| {
            changes.observe(&of(view, Event::SourceOpened { name: name.to_owned() }));
            changes.observe(&of(view, captioned(1, "A cup."))).map(|(occurrence, _)| occurrence.source)
        };
        assert_eq!(said(&mut changes, 0, "Webcam").as_deref(), Some("door"));
        assert_eq!(said(&mut changes, 1, "yard.mp4").as_deref(), Some("yard.mp4"));
        changes.remove_view(1);
        assert_eq!(said(&mut changes, 1, "yard.mp4").as_deref(), Some("yard.mp4"), "nothing was said of this one");
        changes.unname(0);
        assert_eq!(said(&mut changes, 0, "street.mp4").as_deref(), Some("street.mp4"));
    }
}
