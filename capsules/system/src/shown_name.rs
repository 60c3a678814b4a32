// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The name of an application as it is printed.
//!
//! A binary brings whatever name it likes: one that moves the cursor, or one so long that it pushes
//! every other message out of the debug buffer.

use core::fmt::{self, Write};

/// Letters that are shown.
const LENGTH: usize = 64;

/// Prints a name with `?` for control characters, and `...` for what is left out of a long one.
pub(crate) struct ShownName<'a>(pub(crate) &'a str);

impl fmt::Display for ShownName<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut letters = self.0.chars();
        for letter in letters.by_ref().take(LENGTH) {
            formatter.write_char(if letter.is_control() { '?' } else { letter })?;
        }
        match letters.next() {
            Some(_) => formatter.write_str("..."),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;

    #[test]
    fn a_name_is_shown_without_control_characters_and_not_at_any_length() {
        let shown = |name: &str| format!("{}", ShownName(name));
        assert_eq!(shown("h\u{e9}llo world"), "h\u{e9}llo world");
        assert_eq!(shown("a\x1b[2Jb\r\n\u{9b}"), "a?[2Jb???");
        assert_eq!(shown(&"n".repeat(64)), "n".repeat(64));
        assert_eq!(shown(&"n".repeat(65)), "n".repeat(64) + "...");
    }
}
