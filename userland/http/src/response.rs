// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Writing a response into one buffer: the body first, as its length belongs into the head.

use core::fmt::{self, Write};

/// Room kept for the head in front of the body.
const HEAD_ROOM: usize = 256;

/// Status line and kind of content of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// Code and reason, as in `404 Not Found`.
    pub status: &'static str,
    /// Media type of the body.
    pub content_type: &'static str,
    /// More header lines, each with its CRLF.
    pub fields: &'static str,
}

/// The response did not fit its buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overflow;

impl From<fmt::Error> for Overflow {
    fn from(_: fmt::Error) -> Self {
        Self
    }
}

/// Text written to a slice.
struct Cursor<'b> {
    buffer: &'b mut [u8],
    used: usize,
}

impl Write for Cursor<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.used.checked_add(text.len()).ok_or(fmt::Error)?;
        self.buffer
            .get_mut(self.used..end)
            .ok_or(fmt::Error)?
            .copy_from_slice(text.as_bytes());
        self.used = end;
        Ok(())
    }
}

/// Writes a whole response to `buffer` and returns the part of it that is the response.
///
/// The connection is announced to close. Without `with_body` the head alone is returned, with the
/// length the body would have.
///
/// # Errors
///
/// [`Overflow`] when head or body is too long for the buffer.
pub fn write(
    buffer: &mut [u8],
    kind: Kind,
    with_body: bool,
    body: impl FnOnce(&mut dyn Write) -> fmt::Result,
) -> Result<&[u8], Overflow> {
    let (head_room, body_room) = buffer.split_at_mut_checked(HEAD_ROOM).ok_or(Overflow)?;
    let mut cursor = Cursor {
        buffer: body_room,
        used: 0,
    };
    body(&mut cursor)?;
    let body_length = cursor.used;

    let mut cursor = Cursor {
        buffer: head_room,
        used: 0,
    };
    write!(
        cursor,
        "HTTP/1.1 {}\r\nContent-Type: {}\r\nContent-Length: {body_length}\r\n\
         Cache-Control: no-store\r\nConnection: close\r\n{}\r\n",
        kind.status, kind.content_type, kind.fields,
    )?;
    let head_length = cursor.used;

    // The head moves up to the body, so that both go out in one piece.
    let start = HEAD_ROOM - head_length;
    buffer.copy_within(..head_length, start);
    let length = head_length + if with_body { body_length } else { 0 };
    buffer.get(start..start + length).ok_or(Overflow)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: Kind = Kind {
        status: "200 OK",
        content_type: "text/plain",
        fields: "X: y\r\n",
    };

    fn text(buffer: &mut [u8], with_body: bool, body: &str) -> Result<String, Overflow> {
        let response = write(buffer, KIND, with_body, |output| output.write_str(body))?;
        Ok(String::from_utf8(response.to_vec()).unwrap())
    }

    #[test]
    fn head_and_body_form_one_piece() {
        let response = text(&mut [0; 512], true, "hello").unwrap();
        let (head, body) = response.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"));
        for line in [
            "Content-Type: text/plain",
            "Content-Length: 5",
            "Connection: close",
            "X: y",
        ] {
            assert!(head.lines().any(|found| found == line), "{line}");
        }
        assert_eq!(body, "hello");
    }

    #[test]
    fn a_head_request_gets_the_length_but_not_the_body() {
        let response = text(&mut [0; 512], false, "hello").unwrap();
        assert!(response.contains("Content-Length: 5\r\n"));
        assert!(response.ends_with("\r\n\r\n"));
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        assert_eq!(text(&mut [0; HEAD_ROOM + 4], true, "hello"), Err(Overflow));
        assert!(text(&mut [0; HEAD_ROOM + 5], true, "hello").is_ok());
        assert_eq!(text(&mut [0; HEAD_ROOM - 1], true, ""), Err(Overflow));
    }
}
