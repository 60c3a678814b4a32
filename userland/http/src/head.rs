// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The head of a request: request line and header fields (RFC 9112, sections 2 to 5).
//!
//! What the grammar forbids is refused rather than guessed at: a server that repairs requests
//! disagrees with the proxies in front of it.

/// What a request wants done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Send the content.
    Get,
    /// Send what would come before the content.
    Head,
    /// Something this server does not do.
    Other,
}

/// A complete and well-formed request head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request<'b> {
    /// What is to be done.
    pub method: Method,
    /// Path of the target without its query, starting with a slash; or `*`.
    pub path: &'b str,
}

/// Why a head is not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadError {
    /// It breaks the grammar.
    Malformed,
    /// It is HTTP, but not of major version 1.
    Version,
}

/// Longest method name; longer ones are no HTTP that anybody uses.
const METHOD_LIMIT: usize = 16;

/// Reads a request head from the first bytes of a connection.
///
/// Returns `None` while the head is incomplete and nothing in it is wrong yet.
///
/// # Errors
///
/// [`HeadError`] as soon as it is certain that the rest cannot make the head acceptable.
pub fn parse(bytes: &[u8]) -> Result<Option<Request<'_>>, HeadError> {
    // Empty lines before a request are to be ignored (RFC 9112, section 2.2); one is enough.
    let bytes = bytes.strip_prefix(b"\r\n").unwrap_or(bytes);
    check_method_so_far(bytes)?;
    let mut lines = Lines { rest: bytes };
    let Some(line) = lines.next()? else {
        return Ok(None);
    };
    let (request, version) = request_line(line)?;
    let mut hosts = 0;
    loop {
        let Some(line) = lines.next()? else {
            return Ok(None);
        };
        if line.is_empty() {
            break;
        }
        if field_name(line)?.eq_ignore_ascii_case(b"host") {
            hosts += 1;
        }
    }
    // Exactly one Host field, which only HTTP/1.0 may leave out (RFC 9112, section 3.2).
    match (version, hosts) {
        (_, 1) | (Version::Http10, 0) => Ok(Some(request)),
        _ => Err(HeadError::Malformed),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Version {
    Http10,
    Http11,
}

/// The lines of a head, each ended by a line feed with or without a carriage return.
struct Lines<'b> {
    rest: &'b [u8],
}

impl<'b> Lines<'b> {
    /// Returns the next complete line without its end.
    fn next(&mut self) -> Result<Option<&'b [u8]>, HeadError> {
        let mut parts = self.rest.splitn(2, |byte| *byte == b'\n');
        let (Some(line), Some(rest)) = (parts.next(), parts.next()) else {
            return check_text(self.rest.strip_suffix(b"\r").unwrap_or(self.rest)).map(|()| None);
        };
        self.rest = rest;
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        check_text(line)?;
        Ok(Some(line))
    }
}

/// Refuses control characters, among them a carriage return inside a line.
fn check_text(line: &[u8]) -> Result<(), HeadError> {
    let is_text = |byte: &u8| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7F);
    if line.iter().all(is_text) {
        Ok(())
    } else {
        Err(HeadError::Malformed)
    }
}

/// Refuses a first line that starts with no method, however long the rest takes.
fn check_method_so_far(bytes: &[u8]) -> Result<(), HeadError> {
    let start = bytes.get(..=METHOD_LIMIT).unwrap_or(bytes);
    let end = start.iter().position(|byte| !is_token(*byte));
    let next = end.and_then(|end| start.get(end));
    match (end, next) {
        (Some(0), Some(b'\r')) if bytes.len() == 1 => Ok(()),
        (Some(1..), Some(b' ')) => Ok(()),
        (None, _) if start.len() <= METHOD_LIMIT => Ok(()),
        _ => Err(HeadError::Malformed),
    }
}

/// A character of a token (RFC 9110, section 5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn request_line(line: &[u8]) -> Result<(Request<'_>, Version), HeadError> {
    let mut words = line.split(|byte| *byte == b' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(HeadError::Malformed);
    };
    let method = match method {
        b"GET" => Method::Get,
        b"HEAD" => Method::Head,
        other if !other.is_empty() && other.iter().all(|byte| is_token(*byte)) => Method::Other,
        _ => return Err(HeadError::Malformed),
    };
    let version = match version {
        b"HTTP/1.0" => Version::Http10,
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'1'..=b'9'] => Version::Http11,
        [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'] => {
            return Err(HeadError::Version);
        }
        _ => return Err(HeadError::Malformed),
    };
    Ok((
        Request {
            method,
            path: path(target, method)?,
        },
        version,
    ))
}

/// Takes the path out of a target in origin, absolute or asterisk form (RFC 9112, section 3.2).
fn path(target: &[u8], method: Method) -> Result<&str, HeadError> {
    let target = core::str::from_utf8(target).map_err(|_| HeadError::Malformed)?;
    if !target.bytes().all(|byte| byte.is_ascii_graphic()) || target.contains('#') {
        return Err(HeadError::Malformed);
    }
    let target = match strip_scheme(target) {
        // The authority reaches to the path; without one the path is the root.
        Some(rest) => rest
            .find(['/', '?'])
            .and_then(|start| rest.get(start..))
            .unwrap_or("/"),
        None => target,
    };
    let path = target.split('?').next().unwrap_or(target);
    match path {
        "" => Ok("/"),
        path if path.starts_with('/') => Ok(path),
        // `*` and `host:port` belong to methods this server does not have.
        path if method == Method::Other => Ok(path),
        _ => Err(HeadError::Malformed),
    }
}

fn strip_scheme(target: &str) -> Option<&str> {
    let (scheme, rest) = target.split_at_checked("http://".len())?;
    scheme.eq_ignore_ascii_case("http://").then_some(rest)
}

/// Checks a header field and returns its name.
fn field_name(line: &[u8]) -> Result<&[u8], HeadError> {
    // A line that starts with white space would continue the one before (RFC 9112, section 5.2), and
    // white space before the colon hides a field (section 5.1): neither starts with a token.
    let end = line
        .iter()
        .position(|byte| !is_token(*byte))
        .ok_or(HeadError::Malformed)?;
    match (line.get(..end), line.get(end)) {
        (Some(name), Some(b':')) if !name.is_empty() => Ok(name),
        _ => Err(HeadError::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn get(path: &str) -> Result<Option<Request<'_>>, HeadError> {
        Ok(Some(Request {
            method: Method::Get,
            path,
        }))
    }

    #[test]
    fn plain_requests_are_read() {
        assert_eq!(parse(b"GET / HTTP/1.1\r\nHost: board\r\n\r\n"), get("/"));
        assert_eq!(
            parse(b"GET /api/status?x=1 HTTP/1.1\r\nhost:board\r\n\r\nrest"),
            get("/api/status")
        );
        assert_eq!(
            parse(b"\r\nGET / HTTP/1.1\r\nHost:\r\nAccept: */*\r\n\r\n"),
            get("/")
        );
        assert_eq!(parse(b"GET / HTTP/1.0\n\n"), get("/"));
        let head = Request {
            method: Method::Head,
            path: "/",
        };
        assert_eq!(parse(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"), Ok(Some(head)));
    }

    #[test]
    fn absolute_targets_lead_to_the_same_path() {
        for target in ["http://board/a", "HTTP://board:80/a?b", "/a"] {
            let request = format!("GET {target} HTTP/1.1\r\nHost: board\r\n\r\n");
            assert_eq!(parse(request.as_bytes()), get("/a"));
        }
        assert_eq!(
            parse(b"GET http://board HTTP/1.1\r\nHost: board\r\n\r\n"),
            get("/")
        );
    }

    #[test]
    fn other_methods_are_recognized_as_such() {
        for line in [
            "POST / HTTP/1.1",
            "OPTIONS * HTTP/1.1",
            "CONNECT a:1 HTTP/1.1",
            "get / HTTP/1.1",
        ] {
            let request = format!("{line}\r\nHost: a\r\n\r\n");
            let parsed = parse(request.as_bytes()).unwrap().unwrap();
            assert_eq!(parsed.method, Method::Other, "{line}");
        }
    }

    #[test]
    fn malformed_heads_are_refused() {
        let heads: [&[u8]; 18] = [
            b"\r\n\r\n",
            b" GET / HTTP/1.1\r\n",
            b"GET /\r\n\r\n",
            b"GET / HTTP/1.1 \r\nHost: a\r\n\r\n",
            b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
            b"GET a HTTP/1.1\r\nHost: a\r\n\r\n",
            b"GET /#f HTTP/1.1\r\nHost: a\r\n\r\n",
            b"GET /\xFF HTTP/1.1\r\nHost: a\r\n\r\n",
            b"GET /\0 HTTP/1.1\r\n",
            b"GET / HTTP/1.x\r\n\r\n",
            b"GET / HTTP/1.1\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01",
            b"AAAAAAAAAAAAAAAAA",
        ];
        for head in heads {
            assert_eq!(
                parse(head),
                Err(HeadError::Malformed),
                "{}",
                head.escape_ascii()
            );
        }
    }

    #[test]
    fn other_major_versions_are_told_apart_from_nonsense() {
        assert_eq!(parse(b"PRI * HTTP/2.0\r\n\r\n"), Err(HeadError::Version));
    }

    #[test]
    fn every_proper_beginning_of_a_request_asks_for_more() {
        let request = b"\r\nGET /a?b HTTP/1.1\r\nHost: board\r\nAccept: text/html\r\n\r\n";
        for length in 0..request.len() {
            assert_eq!(parse(&request[..length]), Ok(None), "{length} bytes");
        }
        assert_eq!(parse(request), get("/a"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_judged_without_a_panic(bytes: Vec<u8>) {
            let _ = parse(&bytes);
        }

        #[test]
        fn requests_with_one_broken_byte_are_judged_without_a_panic(
            position in 0usize..53, byte: u8,
        ) {
            let mut bytes = *b"GET /api/status?a=b HTTP/1.1\r\nHost: board\r\nA: bcd\r\n\r\n";
            bytes[position] = byte;
            let _ = parse(&bytes);
        }

        #[test]
        fn a_refusal_is_final(bytes: Vec<u8>, more: Vec<u8>) {
            if parse(&bytes).is_err() {
                prop_assert!(parse(&[bytes, more].concat()).is_err());
            }
        }

        #[test]
        fn a_request_stands_whatever_follows_it(more: Vec<u8>) {
            let head = b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n";
            let bytes = [&head[..], &more].concat();
            prop_assert_eq!(parse(&bytes), get("/x"));
        }
    }
}
