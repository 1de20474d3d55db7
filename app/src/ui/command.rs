//! What can be done from anywhere in the window, by a key, the menu of everything or a button; and
//! their keys. Plain data: `app` carries commands out.

use egui::{Key, Modifiers};

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
    /// Opens a file, folder or address by its name.
    OpenPath,
    /// Full screen, or no longer.
    FullScreen,
    /// Undoes what was deleted or cleared.
    Undo,
}

/// A command with its key.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// What it does.
    pub command: Command,
    press: (Modifiers, Key),
}

const fn entry(command: Command, modifiers: Modifiers, press: Key) -> Entry {
    Entry { command, press: (modifiers, press) }
}

const NONE: Modifiers = Modifiers::NONE;
const CTRL: Modifiers = Modifiers::COMMAND;

/// All commands, in the order of the menu of everything.
pub const COMMANDS: [Entry; 7] = [
    entry(Command::Pause, NONE, Key::Space),
    entry(Command::Record, NONE, Key::R),
    entry(Command::Log, NONE, Key::L),
    entry(Command::Questions, NONE, Key::Q),
    entry(Command::OpenPath, CTRL, Key::O),
    entry(Command::FullScreen, NONE, Key::F11),
    entry(Command::Undo, CTRL, Key::Z),
];

impl Command {
    /// Whether its key is pressed while words are typed, too.
    fn while_typing(self) -> bool {
        self != Self::Undo
    }

    /// The command whose key was pressed. `typing` says that letters are words now.
    pub fn pressed(input: &egui::InputState, typing: bool) -> Option<Self> {
        let is_pressed = |entry: &Entry| {
            let (modifiers, key) = entry.press;
            let is_letter = modifiers == NONE && key != Key::F11;
            if typing && (is_letter || !entry.command.while_typing()) {
                return false;
            }
            input.key_pressed(key) && input.modifiers.matches_exact(modifiers)
        };
        COMMANDS.iter().find(|entry| is_pressed(entry)).map(|entry| entry.command)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_key_of_its_own() {
        for (number, entry) in COMMANDS.iter().enumerate() {
            let twice = COMMANDS[number + 1..].iter().find(|other| other.press == entry.press);
            assert!(twice.is_none(), "{entry:?} and {twice:?}");
        }
    }
}
