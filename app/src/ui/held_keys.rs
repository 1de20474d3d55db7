//! Keys that are held back for a frame. Knows no window.

use std::mem::take;

use egui::{Event, Key};

/// Lets through what came up to the first Esc: it may close a dialog, and keys that were pressed
/// behind it are for what is there then. They come with the next frame, before what comes until
/// then. Says whether any wait.
pub fn one_escape_a_frame(events: &mut Vec<Event>, held: &mut Vec<Event>) -> bool {
    let mut all = take(held);
    all.append(events);
    let is_escape = |event: &Event| matches!(event, Event::Key { key: Key::Escape, pressed: true, .. });
    let end = all.iter().position(is_escape).map_or(all.len(), |at| at + 1);
    *held = all.split_off(end);
    *events = all;
    !held.is_empty()
}

#[cfg(test)]
mod tests {
    use egui::Modifiers;

    use super::*;

    fn press(key: Key) -> Event {
        Event::Key { key, physical_key: None, pressed: true, repeat: false, modifiers: Modifiers::NONE }
    }

    #[test]
    fn keys_behind_an_escape_come_with_the_next_frame_in_their_order() {
        let mut held = Vec::new();
        let mut frame = |mut events: Vec<Event>| {
            let waits = one_escape_a_frame(&mut events, &mut held);
            (events, waits)
        };
        let (a, i, l, escape) = (press(Key::A), press(Key::I), press(Key::L), press(Key::Escape));
        assert_eq!(frame(vec![a.clone(), i.clone()]), (vec![a.clone(), i.clone()], false));
        let events = vec![a.clone(), escape.clone(), i.clone(), escape.clone()];
        assert_eq!(frame(events), (vec![a, escape.clone()], true));
        assert_eq!(frame(vec![l.clone()]), (vec![i, escape], true));
        assert_eq!(frame(Vec::new()), (vec![l], false));
    }
}
