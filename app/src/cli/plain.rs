//! A model's text made fit for a terminal: nothing that it says may move the cursor or change colours.

/// Without control characters, line breaks included.
pub fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Without control characters other than line breaks.
pub fn lines(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_become_spaces() {
        assert_eq!(one_line("A cup\nof \x1b[2Jtea"), "A cup of  [2Jtea");
        assert_eq!(lines("A cup\nof \x1b[2Jtea\r"), "A cup\nof  [2Jtea ");
    }
}
