// SPDX-License-Identifier: Apache-2.0 OR MIT

//! QEMU's monitor protocol: one JSON object per line in each direction.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde_json::{Value, json};

use crate::PATIENCE;

/// A connection to a running QEMU.
pub struct Qmp {
    reader: BufReader<UnixStream>,
    writer: UnixStream,
}

impl Qmp {
    /// Waits for QEMU to connect and enables its commands.
    ///
    /// # Errors
    ///
    /// QEMU does not connect in time, or not as a monitor.
    pub fn accept(listener: &UnixListener) -> io::Result<Qmp> {
        let patience = Timespec::try_from(PATIENCE).map_err(io::Error::other)?;
        if poll(&mut [PollFd::new(listener, PollFlags::IN)], Some(&patience))? == 0 {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let (writer, _) = listener.accept()?;
        writer.set_read_timeout(Some(PATIENCE))?;
        let mut qmp = Qmp {
            reader: BufReader::new(writer.try_clone()?),
            writer,
        };
        let greeting = qmp.read()?;
        if greeting["QMP"].is_null() {
            return Err(io::Error::other(format!("not a greeting: {greeting}")));
        }
        qmp.try_execute("qmp_capabilities", json!({}))?;
        Ok(qmp)
    }

    /// Executes `command` and returns its result.
    #[track_caller]
    pub fn execute(&mut self, command: &str, arguments: Value) -> Value {
        self.try_execute(command, arguments)
            .unwrap_or_else(|error| panic!("monitor command {command} failed: {error}"))
    }

    /// Lets a halted machine run. It may be at its end before it can answer, which the transcript shows.
    pub fn run(&mut self) {
        let _ = self.try_execute("cont", json!({}));
    }

    /// Plugs the cable of netdev `id` in or out.
    pub fn set_link(&mut self, id: &str, up: bool) {
        self.execute("set_link", json!({ "name": id, "up": up }));
    }

    /// The port that QEMU chose for the user network's first forwarded connection.
    #[track_caller]
    pub fn forwarded_port(&mut self) -> u16 {
        let answer = self.execute(
            "human-monitor-command",
            json!({ "command-line": "info usernet" }),
        );
        let text = answer.as_str().unwrap_or_default();
        // Protocol, descriptor, source address, source port, ...
        let port = text
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>())
            .find(|fields| {
                fields
                    .first()
                    .is_some_and(|first| first.starts_with("TCP[HOST_FORWARD]"))
            })
            .and_then(|fields| fields.get(3)?.parse().ok());
        port.unwrap_or_else(|| panic!("no forwarded port in:\n{text}"))
    }

    fn try_execute(&mut self, command: &str, arguments: Value) -> io::Result<Value> {
        let request = json!({ "execute": command, "arguments": arguments });
        writeln!(self.writer, "{request}")?;
        loop {
            let mut message = self.read()?;
            if !message["event"].is_null() {
                continue;
            }
            if !message["error"].is_null() {
                return Err(io::Error::other(message["error"].to_string()));
            }
            return Ok(message["return"].take());
        }
    }

    fn read(&mut self) -> io::Result<Value> {
        let mut line = String::new();
        if self.reader.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        serde_json::from_str(&line).map_err(io::Error::other)
    }
}
