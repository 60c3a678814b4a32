// SPDX-License-Identifier: Apache-2.0 OR MIT

//! An HTTP client that sends exactly the bytes a test wants to send.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};

use serde_json::Value;

use crate::PATIENCE;

/// A parsed answer.
#[derive(Clone, Debug)]
pub struct Response {
    /// Status code.
    pub status: u16,
    /// Header lines, without the status line.
    pub headers: Vec<(String, String)>,
    /// Everything after the empty line.
    pub body: Vec<u8>,
}

impl Response {
    /// Value of a header, by its name in any case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let header = self
            .headers
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name));
        header.map(|(_, value)| value.as_str())
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    #[track_caller]
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("not JSON ({error}): {}", self.text()))
    }
}

/// Connects to a port of this machine, with deadlines on every operation.
#[track_caller]
#[must_use]
pub fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("QEMU listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a deadline");
    stream
        .set_write_timeout(Some(PATIENCE))
        .expect("a deadline");
    stream
}

/// Asks for `path` and waits for the whole answer.
#[track_caller]
#[must_use]
pub fn get(port: u16, path: &str) -> Response {
    try_get(port, path).unwrap_or_else(|error| panic!("no answer: {error}"))
}

/// Asks for `path` and waits for the whole answer.
///
/// # Errors
///
/// The server, or QEMU in its name, broke the connection, or closed it without an answer.
pub fn try_get(port: u16, path: &str) -> io::Result<Response> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    send(port, request.as_bytes())?.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

/// Sends `request` and waits for the answer; `None` if the server closes without one.
///
/// # Errors
///
/// The connection broke.
pub fn send(port: u16, request: &[u8]) -> io::Result<Option<Response>> {
    let mut stream = connect(port);
    stream.write_all(request)?;
    read_response(&mut stream)
}

/// Reads until the server closes; `None` if it does so without an answer.
///
/// # Errors
///
/// The connection broke, or the answer is not HTTP.
pub fn read_response(stream: &mut TcpStream) -> io::Result<Option<Response>> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    if bytes.is_empty() {
        return Ok(None);
    }
    let shown = || io::Error::other(format!("not HTTP: {}", String::from_utf8_lossy(&bytes)));
    parse(&bytes).map(Some).ok_or_else(shown)
}

fn parse(bytes: &[u8]) -> Option<Response> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..end]).ok()?;
    let mut lines = head.split("\r\n");
    let status = lines
        .next()?
        .strip_prefix("HTTP/1.")?
        .split(' ')
        .nth(1)?
        .parse()
        .ok()?;
    let headers: Option<Vec<_>> = lines
        .map(|line| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_owned(), value.trim().to_owned()))
        })
        .collect();
    let response = Response {
        status,
        headers: headers?,
        body: bytes[end + 4..].to_vec(),
    };
    let announced = response.header("content-length").map(str::parse::<usize>);
    // A cut-off body must not pass for an answer.
    match announced {
        Some(Ok(length)) if length != response.body.len() => None,
        Some(Err(_)) => None,
        _ => Some(response),
    }
}
