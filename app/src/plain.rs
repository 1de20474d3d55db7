//! Text and numbers made fit to be shown, on a terminal or in the window: nothing that a model says may move a cursor or change
//! colours, and a length of time has the unit that fits.

/// Without control characters, line breaks included.
pub fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Without control characters other than line breaks.
pub fn lines(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c }).collect()
}

/// How long something was on screen: `1.5 s`, `2 min`, `3.5 h`.
pub fn length(ms: i64) -> String {
    let seconds = ms as f64 / 1000.0;
    if seconds < 99.95 {
        format!("{seconds:.1} s")
    } else if seconds < 5970.0 {
        format!("{:.0} min", seconds / 60.0)
    } else {
        format!("{:.1} h", seconds / 3600.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_have_the_unit_that_fits() {
        for (ms, text) in [(0, "0.0 s"), (99_900, "99.9 s"), (120_000, "2 min"), (12_600_000, "3.5 h")] {
            assert_eq!(length(ms), text);
        }
    }

    #[test]
    fn control_characters_become_spaces() {
        assert_eq!(one_line("A cup\nof \x1b[2Jtea"), "A cup of  [2Jtea");
        assert_eq!(one_line("a\nb\u{1b}c"), "a b c");
        assert_eq!(lines("A cup\nof \x1b[2Jtea\r"), "A cup\nof  [2Jtea ");
    }
}
