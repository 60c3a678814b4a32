// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What the server answers: which path leads where, and the response for each answer.

use crate::head::{Method, Request};
use crate::page::Status;
use crate::response::{self, Kind, Overflow};

/// Bytes that hold any response of this server.
pub const RESPONSE_LIMIT: usize = 4096;

/// The answer to a request, before it is put into words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The status as a page.
    Page,
    /// The status as JSON.
    Json,
    /// The request breaks the grammar.
    Malformed,
    /// Nothing lives at this path.
    NotFound,
    /// The path cannot be used that way.
    MethodNotAllowed,
    /// The request did not come in time.
    Timeout,
    /// The head of the request is too long.
    TooLarge,
    /// The request is of another major version of HTTP.
    Version,
}

/// Finds the answer to a well-formed request.
pub fn route(request: Request) -> Answer {
    let answer = match request.path {
        "/" => Answer::Page,
        "/api/status" => Answer::Json,
        // `*` stands for the server as a whole, not for something that might be found.
        "*" => Answer::MethodNotAllowed,
        _ => Answer::NotFound,
    };
    match (request.method, answer) {
        (Method::Other, Answer::Page | Answer::Json) => Answer::MethodNotAllowed,
        _ => answer,
    }
}

impl Answer {
    /// Tells whether the answer shows the status, so that it has to be collected.
    pub fn shows_status(self) -> bool {
        matches!(self, Self::Page | Self::Json)
    }

    fn kind(self) -> Kind {
        let (status, content_type, fields) = match self {
            Self::Page => ("200 OK", "text/html; charset=utf-8", ""),
            Self::Json => ("200 OK", "application/json", ""),
            Self::Malformed => ("400 Bad Request", "text/plain", ""),
            Self::NotFound => ("404 Not Found", "text/plain", ""),
            Self::MethodNotAllowed => (
                "405 Method Not Allowed",
                "text/plain",
                "Allow: GET, HEAD\r\n",
            ),
            Self::Timeout => ("408 Request Timeout", "text/plain", ""),
            Self::TooLarge => ("431 Request Header Fields Too Large", "text/plain", ""),
            Self::Version => ("505 HTTP Version Not Supported", "text/plain", ""),
        };
        Kind {
            status,
            content_type,
            fields,
        }
    }
}

/// Writes the response for `answer` to `buffer` and returns the part of it to send.
///
/// # Errors
///
/// [`Overflow`] for a buffer shorter than [`RESPONSE_LIMIT`] that is too short for this response.
pub fn respond<'b>(
    buffer: &'b mut [u8],
    answer: Answer,
    with_body: bool,
    status: &Status,
) -> Result<&'b [u8], Overflow> {
    let kind = answer.kind();
    response::write(buffer, kind, with_body, |output| match answer {
        Answer::Page => status.html(output),
        Answer::Json => status.json(output),
        _ => writeln!(output, "{}", kind.status),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::tests::LONGEST;

    const ANSWERS: [(Answer, &str); 8] = [
        (Answer::Page, "200"),
        (Answer::Json, "200"),
        (Answer::Malformed, "400"),
        (Answer::NotFound, "404"),
        (Answer::MethodNotAllowed, "405"),
        (Answer::Timeout, "408"),
        (Answer::TooLarge, "431"),
        (Answer::Version, "505"),
    ];

    #[test]
    fn the_longest_responses_fit_the_limit() {
        // Runs of one bit each make the longest picture; which of the two patterns depends on digits.
        for pattern in [0x55, 0xAA] {
            let status = Status {
                random: Some([pattern; 32]),
                ..LONGEST
            };
            for (answer, code) in ANSWERS {
                let mut buffer = [0; RESPONSE_LIMIT];
                let response = respond(&mut buffer, answer, true, &status).unwrap();
                let text = core::str::from_utf8(response).unwrap();
                assert!(text.starts_with(&format!("HTTP/1.1 {code} ")));
            }
        }
    }

    #[test]
    fn refused_methods_are_told_which_ones_work() {
        let mut buffer = [0; RESPONSE_LIMIT];
        let response = respond(&mut buffer, Answer::MethodNotAllowed, true, &LONGEST).unwrap();
        assert!(
            core::str::from_utf8(response)
                .unwrap()
                .contains("\r\nAllow: GET, HEAD\r\n")
        );
    }
}
