//! From a rule's event to what actions are told of it.

use std::sync::Arc;

use crate::actions::occurrence::{Kind, Occurrence, RuleTold, rfc3339};
use crate::actions::running::Actions;
use crate::rules::event::{EventKind, RuleEvent};

impl Actions {
    /// Tells what a rule has to tell, with the picture in which it held most strongly.
    pub fn tell_of_rule(&self, event: &RuleEvent) {
        if let Some(occurrence) = occurrence(event) {
            self.tell(occurrence, Some(Arc::clone(&event.frame)), &event.rule.actions);
        }
    }
}

/// What actions are told; nothing of near misses and of what began in quiet hours.
fn occurrence(event: &RuleEvent) -> Option<Occurrence> {
    let kind = match event.kind {
        EventKind::Begin => Kind::Begin,
        EventKind::Words => Kind::Words,
        EventKind::End => Kind::End,
        EventKind::NearMiss => return None,
    };
    if event.is_quiet {
        return None;
    }
    let rule = RuleTold {
        name: event.rule.name().to_owned(),
        says: event.rule.says.text().to_owned(),
        start: rfc3339(&event.start),
        end: event.end.as_ref().map(rfc3339),
        probability: event.score.probability(),
        peak: event.peak.probability(),
    };
    let text = event.caption.as_deref().map(str::to_owned);
    let plain = Occurrence::new(kind, &event.source, &event.frame.time);
    Some(Occurrence { text, rule: Some(rule), ..plain })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::rules::event;

    #[test]
    fn near_misses_and_quiet_hours_are_told_nobody() {
        let told = occurrence(&event(EventKind::Begin)).expect("told");
        assert_eq!((told.kind, told.source.as_str(), told.text), (Kind::Begin, "door", None));
        let words = occurrence(&event(EventKind::Words)).expect("told");
        assert_eq!(words.text.as_deref(), Some("A cup of tea."));
        assert_eq!(words.rule.map(|rule| rule.name).as_deref(), Some("cup"));
        assert!(occurrence(&event(EventKind::NearMiss)).is_none());
        assert!(occurrence(&RuleEvent { is_quiet: true, ..event(EventKind::Begin) }).is_none());
    }
}
