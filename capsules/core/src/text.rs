// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Text in a buffer that cannot grow.

use core::fmt;

/// The front of a buffer, filled with text.
///
/// What does not fit is left out from that point on.
#[derive(Debug)]
pub(crate) struct Text<'b> {
    buffer: &'b mut [u8],
    len: usize,
    cut: bool,
}

impl<'b> Text<'b> {
    pub(crate) fn new(buffer: &'b mut [u8]) -> Self {
        Text {
            buffer,
            len: 0,
            cut: false,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn room(&self) -> usize {
        self.buffer.len().saturating_sub(self.len)
    }

    #[cfg(test)]
    pub(crate) fn is_cut(&self) -> bool {
        self.cut
    }

    /// Adds as much of `bytes` as there is room for; returns how much that was.
    #[inline(never)]
    pub(crate) fn push_some(&mut self, bytes: &[u8]) -> usize {
        let free = self.buffer.get_mut(self.len..).unwrap_or_default();
        let count = bytes.len().min(free.len());
        for (place, byte) in free.iter_mut().zip(bytes) {
            *place = *byte;
        }
        self.len += count;
        count
    }

    #[inline(never)]
    pub(crate) fn push_bytes(&mut self, bytes: &[u8]) {
        if !self.cut {
            self.cut = self.push_some(bytes) < bytes.len();
        }
    }

    pub(crate) fn push(&mut self, text: &str) {
        self.push_bytes(text.as_bytes());
    }

    #[inline(never)]
    pub(crate) fn end_line(&mut self) {
        self.push("\r\n");
    }

    /// Adds `0x` and the number in lower-case digits, without leading zeros.
    #[inline(never)]
    pub(crate) fn push_hex(&mut self, number: u32) {
        self.push("0x");
        let digits = (u32::BITS - number.leading_zeros()).div_ceil(4).max(1);
        for digit in (0..digits).rev() {
            let value = (number >> (4 * digit)) as u8 & 0xF;
            let letter = if value < 10 {
                b'0' + value
            } else {
                b'a' + value - 10
            };
            self.push_bytes(&[letter]);
        }
    }

    #[inline(never)]
    pub(crate) fn push_decimal(&mut self, number: usize) {
        // Enough for 64 bits.
        let mut digits = [0u8; 20];
        let mut rest = number;
        let mut used = 0;
        for place in digits.iter_mut().rev() {
            *place = b'0' + (rest % 10) as u8;
            used += 1;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        if let Some(digits) = digits.get(digits.len() - used..) {
            self.push_bytes(digits);
        }
    }

    /// Adds blanks until the text since `start` is `width` bytes long, and at least one.
    #[inline(never)]
    pub(crate) fn pad(&mut self, start: usize, width: usize) {
        loop {
            self.push(" ");
            if self.cut || self.len.saturating_sub(start) >= width {
                return;
            }
        }
    }
}

/// A letter as text. There is one copy of this, not one in each writer.
#[inline(never)]
pub(crate) fn letter_text(letter: char, room: &mut [u8; 4]) -> &str {
    letter.encode_utf8(room)
}

impl fmt::Write for Text<'_> {
    /// Never fails: text that does not fit is cut.
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push(text);
        Ok(())
    }

    fn write_char(&mut self, letter: char) -> fmt::Result {
        self.write_str(letter_text(letter, &mut [0; 4]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::fmt::Write;
    use std::format;
    use std::string::String;

    fn text(fill: impl FnOnce(&mut Text)) -> String {
        let mut buffer = [0; 40];
        let mut text = Text::new(&mut buffer);
        fill(&mut text);
        let len = text.len();
        String::from_utf8(buffer[..len].to_vec()).unwrap()
    }

    #[test]
    fn numbers_look_as_the_formatter_writes_them() {
        for number in [0, 1, 9, 10, 15, 16, 99, 0x1234, 0xABCD_EF01, u32::MAX] {
            assert_eq!(text(|t| t.push_hex(number)), format!("{number:#x}"));
            assert_eq!(
                text(|t| t.push_decimal(number as usize)),
                format!("{number}")
            );
        }
        assert_eq!(
            text(|t| t.push_decimal(usize::MAX)),
            format!("{}", usize::MAX)
        );
    }

    #[test]
    fn text_is_cut_where_the_buffer_ends() {
        let mut buffer = [0; 5];
        let mut text = Text::new(&mut buffer);
        write!(text, "{}-def", 12).unwrap();
        assert!(text.is_cut());
        text.push("z");
        assert_eq!(text.len(), 5);
        assert_eq!(&buffer, b"12-de");
    }

    #[test]
    fn padding_reaches_the_column_and_separates() {
        assert_eq!(
            text(|t| {
                t.push("ab");
                t.pad(0, 4);
                t.push("cdefg");
                t.pad(4, 4);
                t.push("x");
            }),
            "ab  cdefg x"
        );
    }

    #[test]
    fn padding_ends_in_a_full_buffer() {
        let mut buffer = [0; 3];
        Text::new(&mut buffer).pad(0, 100);
        assert_eq!(&buffer, b"   ");
    }
}
