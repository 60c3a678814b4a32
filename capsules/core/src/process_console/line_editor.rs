// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Editing one line of input, whatever bytes arrive.

/// The longest line.
const CAPACITY: usize = 80;

/// What a byte did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Input {
    /// Nothing that is seen.
    Nothing,
    /// Added this character.
    Typed(u8),
    /// Took the last character away.
    Erased,
    /// Gave the line up.
    Abandoned,
    /// Ended a line that did not fit, so that nobody takes its beginning for the whole.
    Overlong,
    /// Ended the line.
    Line,
}

/// Where in a terminal's escape sequence the input is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Escape {
    None,
    Begun,
    Parameters,
}

const BACKSPACE: u8 = 0x08;
const DELETE: u8 = 0x7F;
const ESCAPE: u8 = 0x1B;
const CONTROL_C: u8 = 0x03;

/// A line of printable ASCII.
pub(super) struct LineEditor {
    letters: [u8; CAPACITY],
    len: usize,
    /// Characters that found no place.
    excess: usize,
    after_return: bool,
    escape: Escape,
}

impl LineEditor {
    pub(super) const fn new() -> Self {
        LineEditor {
            letters: [0; CAPACITY],
            len: 0,
            excess: 0,
            after_return: false,
            escape: Escape::None,
        }
    }

    pub(super) fn line(&self) -> &str {
        let letters = self.letters.get(..self.len).unwrap_or_default();
        core::str::from_utf8(letters).unwrap_or_default()
    }

    pub(super) fn clear(&mut self) {
        self.len = 0;
        self.excess = 0;
    }

    /// Takes the next byte.
    ///
    /// A line ends with CR, LF or both. Escape sequences, other control characters and bytes that
    /// are not ASCII are ignored.
    pub(super) fn feed(&mut self, byte: u8) -> Input {
        let after_return = core::mem::replace(&mut self.after_return, byte == b'\r');
        if self.skips(byte) {
            return Input::Nothing;
        }
        match byte {
            b'\n' if after_return => Input::Nothing,
            b'\r' | b'\n' if self.excess > 0 => Input::Overlong,
            b'\r' | b'\n' => Input::Line,
            CONTROL_C => Input::Abandoned,
            BACKSPACE | DELETE => self.erase(),
            b' '..=b'~' => self.add(byte),
            ESCAPE => {
                self.escape = Escape::Begun;
                Input::Nothing
            }
            _ => Input::Nothing,
        }
    }

    /// Tells whether `byte` belongs to an escape sequence. Control characters end one.
    fn skips(&mut self, byte: u8) -> bool {
        let before = core::mem::replace(&mut self.escape, Escape::None);
        if before == Escape::None || byte < b' ' {
            return false;
        }
        let goes_on = match before {
            Escape::Begun => matches!(byte, b'[' | b'O'),
            _ => matches!(byte, b' '..=b'?'),
        };
        if goes_on {
            self.escape = Escape::Parameters;
        }
        true
    }

    fn add(&mut self, letter: u8) -> Input {
        match self.letters.get_mut(self.len) {
            Some(place) => {
                *place = letter;
                self.len += 1;
                Input::Typed(letter)
            }
            None => {
                self.excess = self.excess.saturating_add(1);
                Input::Nothing
            }
        }
    }

    fn erase(&mut self) -> Input {
        if self.excess > 0 {
            self.excess -= 1;
            Input::Nothing
        } else if self.len > 0 {
            self.len -= 1;
            Input::Erased
        } else {
            Input::Nothing
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fakes::Xorshift;
    use std::string::{String, ToString};
    use std::vec::Vec;

    /// Lines that `bytes` make.
    fn lines(bytes: &[u8]) -> Vec<String> {
        let mut editor = LineEditor::new();
        let mut lines = Vec::new();
        for byte in bytes {
            match editor.feed(*byte) {
                Input::Line => lines.push(editor.line().to_string()),
                Input::Overlong => lines.push("<overlong>".to_string()),
                Input::Abandoned => lines.push("<abandoned>".to_string()),
                _ => continue,
            }
            editor.clear();
        }
        lines
    }

    #[test]
    fn a_line_ends_with_any_of_the_usual_ends() {
        assert_eq!(
            lines(b"a\rb\nc\r\nd\r\n\r\n\n\r"),
            ["a", "b", "c", "d", "", "", ""]
        );
    }

    #[test]
    fn erasing_takes_characters_and_stops_at_the_start() {
        assert_eq!(lines(b"\x7f\x08lisx\x08t\x7f\x7fst\r"), ["list"]);
    }

    #[test]
    fn a_line_beyond_the_capacity_is_not_taken_for_its_beginning() {
        let mut bytes = std::vec![b'x'; CAPACITY];
        bytes.push(b'\r');
        assert_eq!(lines(&bytes), ["x".repeat(CAPACITY)]);
        bytes.insert(0, b'y');
        assert_eq!(lines(&bytes), ["<overlong>"]);
    }

    #[test]
    fn erasing_the_excess_makes_the_line_whole_again() {
        let mut bytes = std::vec![b'x'; CAPACITY + 3];
        bytes.extend([DELETE; 4]);
        bytes.push(b'\n');
        assert_eq!(lines(&bytes), ["x".repeat(CAPACITY - 1)]);
    }

    #[test]
    fn escape_sequences_leave_no_trace() {
        assert_eq!(lines(b"he\x1b[Al\x1b[1;5Dp\x1bOP\x1bx\r"), ["help"]);
        assert_eq!(lines(b"a\x1b\rb\x1b[12\rc\n"), ["a", "b", "c"]);
    }

    #[test]
    fn control_characters_and_foreign_bytes_are_ignored() {
        assert_eq!(lines(b"\x00l\x80\xFFi\ts\x07t\xC3\xA9\r"), ["list"]);
    }

    #[test]
    fn a_line_can_be_given_up() {
        assert_eq!(lines(b"terminate x\x03list\r"), ["<abandoned>", "list"]);
    }

    #[test]
    fn any_bytes_leave_a_printable_line_within_its_capacity() {
        let mut random = Xorshift::new(99);
        let mut editor = LineEditor::new();
        let mut visible = 0usize;
        for _ in 0..200_000 {
            let byte = random.next() as u8;
            // Line ends are rare in random bytes as it is.
            match editor.feed(if byte == b'\r' { b'z' } else { byte }) {
                Input::Typed(letter) => {
                    assert!((b' '..=b'~').contains(&letter));
                    visible += 1;
                }
                Input::Erased => visible -= 1,
                Input::Nothing => {}
                Input::Line | Input::Overlong | Input::Abandoned => {
                    editor.clear();
                    visible = 0;
                }
            }
            assert_eq!(editor.line().len(), visible);
            assert!(visible <= CAPACITY);
        }
    }
}
