//! What may be shown of a text that somebody else wrote: log lines, names of files and definitions are all of that
//! kind.
//!
//! Absent on purpose: colours. They are added to words of our own only.

/// The text with everything escaped that could move a terminal's cursor, colour what follows, or reorder what it shows:
/// control characters and the bidirectional marks of Unicode (UAX #9). A newline is one of them, so that no text can
/// forge a message of its own.
#[must_use]
pub fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for char in text.chars() {
        if is_unsafe(char) {
            shown.extend(char.escape_default());
        } else {
            shown.push(char);
        }
    }
    shown
}

/// Whether a character changes how a terminal shows what follows.
#[must_use]
pub fn is_unsafe(char: char) -> bool {
    char.is_control()
        || matches!(char, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// At most so many characters; `…` stands for what was left out.
#[must_use]
pub fn clip(text: &str, chars: usize) -> String {
    match text.char_indices().nth(chars) {
        None => text.to_owned(),
        Some(_) => text.chars().take(chars.saturating_sub(1)).chain(['…']).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_moves_a_cursor_is_spelt_out() {
        assert_eq!(visible("a b\u{e9}\u{fffd} \"x\""), "a b\u{e9}\u{fffd} \"x\"");
        assert_eq!(visible("\u{1b}[31m\0\n\r\u{9b}\u{202e}"), "\\u{1b}[31m\\u{0}\\n\\r\\u{9b}\\u{202e}");
    }
}
