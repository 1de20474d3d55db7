//! Enter in a box of one line that keeps the focus: what was typed behind Enter within the same
//! frame is neither lost nor part of what was entered. Knows no box.

use egui::text::{CCursor, CCursorRange};
use egui::text_edit::TextEditState;
use egui::{Context, Event, Id, Key};

/// Takes Enter and what was typed behind it out of this frame's input, if the box with this id has
/// the focus. Gives those letters. To be called before the box is drawn, which takes no Enter
/// itself (`return_key(None)`): with it, it would lose the focus.
pub fn take(ctx: &Context, id: Id) -> Option<String> {
    if !ctx.memory(|memory| memory.has_focus(id)) {
        return None;
    }
    ctx.input_mut(|input| {
        let is_enter = |event: &Event| {
            matches!(event, Event::Key { key: Key::Enter, pressed: true, modifiers, .. } if modifiers.is_none())
        };
        let at = input.events.iter().position(is_enter)?;
        let behind = input.events.drain(at..).skip(1).filter_map(|event| match event {
            Event::Text(text) => Some(text),
            _ => None,
        });
        Some(behind.collect())
    })
}

/// Writes what was typed behind Enter into the box, whose text was taken, with the cursor at its
/// end.
pub fn go_on(ctx: &Context, id: Id, text: &mut String, behind: &str) {
    if behind.is_empty() {
        return;
    }
    text.push_str(behind);
    let mut state = TextEditState::load(ctx, id).unwrap_or_default();
    let end = CCursor::new(text.chars().count());
    state.cursor.set_char_range(Some(CCursorRange::one(end)));
    state.store(ctx, id);
}
