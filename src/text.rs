//! Text from outside, made safe to show: log lines, names of files and definitions are all of that
//! kind.
//!
//! Absent on purpose: colours. They are added to words of our own only.

/// The text with everything escaped that could move a terminal's cursor, colour what follows, or reorder what it shows:
/// control characters and the bidirectional marks of Unicode (UAX #9). A newline is one of them, so that no text can
/// forge a message of its own.
pub fn escape_non_printing(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if is_non_printing(character) {
            escaped.extend(character.escape_default());
        } else {
            escaped.push(character);
        }
    }
    escaped
}

/// Whether a character changes how a terminal shows what follows.
pub fn is_non_printing(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// At most so many characters; `…` stands for what was left out.
pub fn truncate(text: &str, max_chars: usize) -> String {
    match text.char_indices().nth(max_chars) {
        None => text.to_owned(),
        Some(_) => text.chars().take(max_chars.saturating_sub(1)).chain(['…']).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn non_printing_characters_are_escaped() {
        assert_eq!(escape_non_printing("a b\u{e9}\u{fffd} \"x\""), "a b\u{e9}\u{fffd} \"x\"");
        assert_eq!(escape_non_printing("\u{1b}[31m\0\n\r\u{9b}\u{202e}"), "\\u{1b}[31m\\u{0}\\n\\r\\u{9b}\\u{202e}");
    }
}
