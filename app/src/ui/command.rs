//! What can be done from anywhere in the window, by a key, the menu of everything or a button; and
//! the table of all keys. Plain data: `app` carries commands out.

use egui::{Event, InputState, Key, Modifiers};

/// What can be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Stops the picture, or lets it go on.
    Pause,
    /// Records, or no longer.
    Record,
    /// Shows or hides the log.
    Log,
    /// Shows or hides questions and answers.
    Questions,
    /// Shows or hides the rules.
    Rules,
    /// Says what the model is told.
    Instruction,
    /// Lists the models: what is here, and how fast it is.
    Models,
    /// Opens a file, folder or address by its name.
    OpenPath,
    /// Saves the picture with its caption.
    SavePicture,
    /// Saves the last half minute with its captions.
    SaveClip,
    /// Puts the caption into the clipboard.
    CopyCaption,
    /// Puts the picture into the clipboard.
    CopyPicture,
    /// Says the caption aloud, once more.
    SayAgain,
    /// Says captions aloud from now on, or no longer.
    Speak,
    /// Shows the picture the other way round, or as it is.
    Mirror,
    /// Turns the picture clockwise by a quarter, for the model too.
    Turn,
    /// Draws the part of the picture that alone is looked at, or shows all of it again.
    Region,
    /// One of several views large, or all of them.
    Grid,
    /// Full screen, or no longer.
    FullScreen,
    /// The captions alone, or everything again.
    CaptionsOnly,
    /// A small window above all others, or as it was.
    OnTop,
    /// Shows or hides how fast everything is.
    Performance,
    /// Opens the settings.
    Settings,
    /// Shows all keys.
    Help,
    /// Says what this program is.
    About,
    /// Undoes what was deleted or cleared.
    Undo,
}

/// A command with its name and key.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// What it does.
    pub command: Command,
    /// Its name, as a menu has it.
    pub name: &'static str,
    /// Its key, as it is written on the keyboard; nothing where it has none.
    pub key: &'static str,
    press: Option<(Modifiers, Key)>,
}

const fn entry(command: Command, name: &'static str, key: &'static str, modifiers: Modifiers, press: Key) -> Entry {
    Entry { command, name, key, press: Some((modifiers, press)) }
}

const NONE: Modifiers = Modifiers::NONE;
const CTRL: Modifiers = Modifiers::COMMAND;
const CTRL_SHIFT: Modifiers = Modifiers { shift: true, ..Modifiers::COMMAND };

/// All commands, in the order of the menu of everything.
pub const COMMANDS: [Entry; 26] = [
    entry(Command::Pause, "Pause or resume", "Space", NONE, Key::Space),
    entry(Command::Record, "Record", "R", NONE, Key::R),
    entry(Command::Log, "Log", "L", NONE, Key::L),
    entry(Command::Questions, "Questions", "Q", NONE, Key::Q),
    entry(Command::Rules, "Rules", "W", NONE, Key::W),
    entry(Command::Instruction, "What the model is told…", "I", NONE, Key::I),
    entry(Command::Models, "Models…", "M", NONE, Key::M),
    entry(Command::OpenPath, "Open path or address…", "Ctrl+O", CTRL, Key::O),
    entry(Command::SavePicture, "Save picture…", "Ctrl+S", CTRL, Key::S),
    entry(Command::SaveClip, "Save the last 30 seconds…", "Ctrl+Shift+S", CTRL_SHIFT, Key::S),
    entry(Command::CopyCaption, "Copy caption", "Ctrl+C", CTRL, Key::C),
    entry(Command::CopyPicture, "Copy picture", "Ctrl+Shift+C", CTRL_SHIFT, Key::C),
    entry(Command::SayAgain, "Say the caption", "S", NONE, Key::S),
    entry(Command::Speak, "Speak captions, or mute", "V", NONE, Key::V),
    entry(Command::Mirror, "Mirror the picture", "F", NONE, Key::F),
    entry(Command::Turn, "Turn the picture by a quarter", "T", NONE, Key::T),
    entry(Command::Region, "Look at a part, or at all", "D", NONE, Key::D),
    entry(Command::Grid, "One view, or all", "G", NONE, Key::G),
    entry(Command::FullScreen, "Full screen", "F11", NONE, Key::F11),
    entry(Command::CaptionsOnly, "Captions only", "F9", NONE, Key::F9),
    entry(Command::OnTop, "Small, on top", "F8", NONE, Key::F8),
    entry(Command::Performance, "Performance", "P", NONE, Key::P),
    entry(Command::Settings, "Settings…", "Ctrl+,", CTRL, Key::Comma),
    entry(Command::Help, "Keys…", "F1", NONE, Key::F1),
    Entry { command: Command::About, name: "About…", key: "", press: None },
    entry(Command::Undo, "Undo", "Ctrl+Z", CTRL, Key::Z),
];

/// Keys that are not commands, for the table of all keys.
pub const OTHER_KEYS: [(&str, &str); 13] = [
    ("Enter", "Ask what was typed, about the picture on screen"),
    ("Esc", "Stop the answer or the voice; close a menu or dialog; leave full screen; show all views"),
    ("1 to 9", "Of several views: this one large, or all again"),
    ("?", "Show all keys"),
    ("Tab, Shift+Tab", "Go on to the next or the last control"),
    ("Ctrl++, Ctrl+-, Ctrl+0", "Everything larger, smaller, as usual"),
    ("Ctrl+F", "Search the log"),
    ("Up, Down", "In the log: the next entry"),
    ("Enter", "In the log: show the entry large"),
    ("B", "In an entry: bookmark it"),
    ("C", "In an entry: copy its words"),
    ("Delete", "In an entry: delete it and go on to the next"),
    ("Left, Right", "On the strip of the day: the next mark"),
];

impl Command {
    /// The command whose key was pressed. `typing` says that letters are words now, and that what
    /// is copied or undone is the box's.
    pub fn pressed(input: &InputState, typing: bool) -> Option<Self> {
        let is_pressed = |entry: &Entry| {
            let Some((modifiers, key)) = entry.press else { return false };
            let is_letter = modifiers == NONE && !matches!(key, Key::F1 | Key::F8 | Key::F9 | Key::F11);
            let is_of_box = matches!(entry.command, Self::CopyCaption | Self::CopyPicture | Self::Undo);
            if typing && (is_letter || is_of_box) {
                return false;
            }
            // As they were when the key went down: a slow frame sees the keys released.
            let goes_down = |event: &Event| match event {
                Event::Key { key: pressed, pressed: true, modifiers: held, .. } => {
                    *pressed == key && held.matches_exact(modifiers)
                }
                _ => false,
            };
            input.events.iter().any(goes_down)
        };
        let by_key = COMMANDS.iter().find(|entry| is_pressed(entry)).map(|entry| entry.command);
        // On some keyboards, ? is a key of its own; and the system makes Ctrl+C an event of its
        // own.
        let by_event = || {
            input.events.iter().find_map(|event| match event {
                Event::Text(text) if text == "?" => Some(Self::Help),
                Event::Copy if input.modifiers.shift => Some(Self::CopyPicture),
                Event::Copy => Some(Self::CopyCaption),
                _ => None,
            })
        };
        by_key.or_else(|| if typing { None } else { by_event() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_key_of_its_own() {
        for (number, entry) in COMMANDS.iter().enumerate() {
            let twice = COMMANDS[number + 1..].iter().find(|other| other.press.is_some() && other.press == entry.press);
            assert!(twice.is_none(), "{entry:?} and {twice:?}");
            assert_eq!(entry.key.is_empty(), entry.press.is_none(), "{entry:?}");
        }
    }
}
