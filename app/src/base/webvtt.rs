//! The pieces of a `WebVTT` file (<https://www.w3.org/TR/webvtt1/>) that whoever writes one needs.
//! Knows no caption.

/// What a file begins with.
pub const HEADER: &str = "WEBVTT\n\n";

/// A time in the file, in milliseconds, such as `00:01:02.345`.
pub fn time(ms: i64) -> String {
    clock(ms, '.')
}

/// The same with another mark before the milliseconds: `SubRip` has a comma.
pub fn clock(ms: i64, mark: char) -> String {
    let (s, ms) = (ms / 1000, ms % 1000);
    format!("{:02}:{:02}:{:02}{mark}{ms:03}", s / 3600, s / 60 % 60, s % 60)
}

/// The words of a text with a space between them.
pub fn words(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ")
}

/// A text as a line in which nothing means anything to a player.
pub fn line(text: &str) -> String {
    words(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_go_on_beyond_a_hundred_hours() {
        assert_eq!(time(3_723_045), "01:02:03.045");
        assert_eq!(clock(360_000_000, ','), "100:00:00,000");
    }

    #[test]
    fn markup_in_a_text_is_only_text() {
        assert_eq!(line("a <b>\n\n1 --> 2 & c\u{1b}"), "a &lt;b&gt; 1 --&gt; 2 &amp; c");
    }
}
