// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Collecting the bytes of a request head, as they come, in a buffer of fixed size.

use crate::head::{self, HeadError, Method};
use crate::server::{Answer, route};

/// Longest request head that is served.
pub const HEAD_LIMIT: usize = 1024;

/// The bytes of one connection until its request is complete.
pub struct Inbox {
    bytes: [u8; HEAD_LIMIT],
    used: usize,
}

/// What the bytes so far ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// More bytes have to come.
    Incomplete,
    /// An answer can be given; `with_body` is false if only its head is wanted.
    Complete {
        /// What to answer.
        answer: Answer,
        /// The answer carries its content.
        with_body: bool,
    },
}

impl Default for Inbox {
    fn default() -> Self {
        Self::new()
    }
}

impl Inbox {
    /// Makes an empty inbox.
    pub const fn new() -> Self {
        Self {
            bytes: [0; HEAD_LIMIT],
            used: 0,
        }
    }

    /// Forgets everything, for the next connection.
    pub fn clear(&mut self) {
        self.used = 0;
    }

    /// Takes in bytes and judges what has come so far. Bytes beyond the limit are dropped: a head
    /// that long is refused anyway, and a complete one needs no more.
    pub fn push(&mut self, bytes: &[u8]) -> Verdict {
        let room = self.bytes.get_mut(self.used..).unwrap_or_default();
        let taken = room
            .iter_mut()
            .zip(bytes)
            .map(|(slot, byte)| *slot = *byte)
            .count();
        self.used += taken;
        let complete = |answer| Verdict::Complete {
            answer,
            with_body: true,
        };
        match head::parse(self.bytes.get(..self.used).unwrap_or_default()) {
            Ok(Some(request)) => Verdict::Complete {
                answer: route(request),
                with_body: request.method != Method::Head,
            },
            Ok(None) if self.used == HEAD_LIMIT => complete(Answer::TooLarge),
            Ok(None) => Verdict::Incomplete,
            Err(HeadError::Malformed) => complete(Answer::Malformed),
            Err(HeadError::Version) => complete(Answer::Version),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn judge(bytes: &[u8]) -> Verdict {
        Inbox::new().push(bytes)
    }

    #[test]
    fn requests_lead_to_their_answers() {
        let request = |line: &str| judge(format!("{line} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
        let complete = |answer| Verdict::Complete {
            answer,
            with_body: true,
        };
        assert_eq!(request("GET /"), complete(Answer::Page));
        assert_eq!(request("GET /api/status"), complete(Answer::Json));
        assert_eq!(request("GET /favicon.ico"), complete(Answer::NotFound));
        assert_eq!(request("POST /"), complete(Answer::MethodNotAllowed));
        assert_eq!(request("BREW /pot"), complete(Answer::NotFound));
        assert_eq!(request("GET"), complete(Answer::Malformed));
        assert_eq!(judge(b"PRI * HTTP/2.0\r\n"), complete(Answer::Version));
        let head = Verdict::Complete {
            answer: Answer::Page,
            with_body: false,
        };
        assert_eq!(request("HEAD /"), head);
    }

    #[test]
    fn an_endless_head_is_refused_at_the_limit() {
        let mut inbox = Inbox::new();
        let mut verdict = inbox.push(b"GET / HTTP/1.1\r\nHost: a\r\nX: ");
        let mut pushed = 0;
        while verdict == Verdict::Incomplete {
            verdict = inbox.push(b"x");
            pushed += 1;
            assert!(pushed <= HEAD_LIMIT);
        }
        assert_eq!(
            verdict,
            Verdict::Complete {
                answer: Answer::TooLarge,
                with_body: true
            }
        );
    }

    #[test]
    fn a_cleared_inbox_starts_afresh() {
        let mut inbox = Inbox::new();
        inbox.push(b"nonsense\0");
        inbox.clear();
        assert_eq!(inbox.push(b"GET "), Verdict::Incomplete);
    }

    proptest! {
        // Each case is a thousand judgements.
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn the_verdict_does_not_depend_on_how_the_bytes_arrive(
            head in "GET /[a-z]{0,9} HTTP/1\\.[0-3]\r\n(Host: [a-z]{1,9}\r\n)?(A: [ -~]{0,30}\r\n){0,3}\r\n",
            cut in 0usize..100,
        ) {
            let bytes = head.as_bytes();
            let (first, second) = bytes.split_at(cut.min(bytes.len()));
            let mut inbox = Inbox::new();
            let early = inbox.push(first);
            let late = inbox.push(second);
            prop_assert_eq!(late, judge(bytes));
            if early != Verdict::Incomplete {
                prop_assert_eq!(early, late);
            }
        }

        #[test]
        fn any_stream_comes_to_an_end(
            pieces in proptest::collection::vec(
                proptest::collection::vec(any::<u8>(), 1..64), HEAD_LIMIT..HEAD_LIMIT + 1,
            ),
        ) {
            let mut inbox = Inbox::new();
            let verdicts = pieces.iter().map(|piece| inbox.push(piece));
            prop_assert!(verdicts.last() != Some(Verdict::Incomplete));
        }
    }
}
