// SPDX-License-Identifier: Apache-2.0 OR MIT

//! One connection after the other on one socket: read a request, answer, close, listen again.

use tock_app::rng;
use tock_http::inbox::{Inbox, Verdict};
use tock_http::page::Status;
use tock_http::server::{Answer, RESPONSE_LIMIT, respond};
use tock_net::smoltcp::time::{Duration, Instant};
use tock_net::{Network, SocketHandle, tcp};

/// Transmit buffer of a socket: any response goes in at once.
pub const RESPONSE_BYTES: usize = RESPONSE_LIMIT;

const PORT: u16 = 80;

/// Name of the board the app is built for.
const BOARD: &str = "qemu_rv32_virt";

/// How long a client may take for its request.
const REQUEST_TIME: Duration = Duration::from_secs(10);

/// How long a client may take to fetch the answer and to close its side.
const CLOSING_TIME: Duration = Duration::from_secs(10);

/// How long a client is safe from having to make room for another.
const GRACE_TIME: Duration = Duration::from_secs(1);

/// How long random bits may take.
const ENTROPY_WAIT_MS: u32 = 200;

/// How long a source that gave none is left alone.
const ENTROPY_PAUSE: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Waits for a client.
    Listening,
    /// Waits for the request, since then.
    Reading(Instant),
    /// Waits for the client to take the answer, since then.
    Closing(Instant),
}

/// What serves the clients of one socket.
pub struct Connection {
    socket: Option<SocketHandle>,
    phase: Phase,
    inbox: Inbox,
}

impl Connection {
    /// Makes a connection without a socket.
    pub const fn new() -> Self {
        Self {
            socket: None,
            phase: Phase::Listening,
            inbox: Inbox::new(),
        }
    }

    /// Gives the connection its socket.
    pub fn attach(&mut self, socket: SocketHandle) {
        self.socket = Some(socket);
    }

    /// Does what can be done now; returns how long the client may leave it at that.
    pub fn serve(&mut self, network: &mut Network, responder: &mut Responder) -> Option<Duration> {
        let handle = self.socket?;
        let now = network.now();
        let socket = network.sockets().get_mut::<tcp::Socket>(handle);
        // An acknowledged close leaves nothing to wait for; a reset ends any phase.
        if !socket.is_open() {
            self.listen(socket);
            return None;
        }
        if socket.is_listening() {
            // Also after a client that gave up before it was connected.
            self.phase = Phase::Listening;
            return None;
        }
        match self.phase {
            Phase::Listening => {
                self.phase = Phase::Reading(now);
                self.read(network, responder, now)
            }
            Phase::Reading(since) if now >= since + REQUEST_TIME => {
                self.answer(network, responder, Answer::Timeout, true)
            }
            Phase::Reading(_) => self.read(network, responder, now),
            Phase::Closing(since) if now >= since + CLOSING_TIME => {
                socket.abort();
                Some(Duration::ZERO)
            }
            Phase::Closing(since) => {
                // A body nobody asked for must not keep the client from reading the answer.
                while socket.can_recv() {
                    if socket.recv(|bytes| (bytes.len(), ())).is_err() {
                        break;
                    }
                }
                Some(since + CLOSING_TIME - now)
            }
        }
    }

    fn listen(&mut self, socket: &mut tcp::Socket) {
        self.phase = Phase::Listening;
        self.inbox.clear();
        socket.set_nagle_enabled(false);
        socket.set_ack_delay(None);
        // Fails on an open socket and on port 0 only.
        let _ = socket.listen(PORT);
    }

    fn read(
        &mut self,
        network: &mut Network,
        responder: &mut Responder,
        now: Instant,
    ) -> Option<Duration> {
        let Phase::Reading(since) = self.phase else {
            return None;
        };
        let socket = network.sockets().get_mut::<tcp::Socket>(self.socket?);
        while socket.can_recv() {
            let inbox = &mut self.inbox;
            let verdict = socket.recv(|bytes| (bytes.len(), inbox.push(bytes)));
            if let Ok(Verdict::Complete { answer, with_body }) = verdict {
                return self.answer(network, responder, answer, with_body);
            }
        }
        let is_established = !matches!(socket.state(), tcp::State::SynReceived);
        if is_established && !socket.may_recv() {
            // The client has closed its side in the middle of a request, or without any.
            return self.answer(network, responder, Answer::Malformed, true);
        }
        Some(since + REQUEST_TIME - now)
    }

    fn answer(
        &mut self,
        network: &mut Network,
        responder: &mut Responder,
        answer: Answer,
        with_body: bool,
    ) -> Option<Duration> {
        let now = network.now();
        let response = responder.write(network, answer, with_body);
        let socket = network.sockets().get_mut::<tcp::Socket>(self.socket?);
        match socket.send_slice(response) {
            Ok(sent) if sent == response.len() => socket.close(),
            _ => socket.abort(),
        }
        self.phase = Phase::Closing(now);
        Some(CLOSING_TIME)
    }
}

/// Drops the slowest client if every socket has one, so that idle clients cannot lock others out.
///
/// Returns when to look again if nothing happens before.
pub fn make_room(connections: &[Connection], network: &mut Network) -> Option<Duration> {
    let now = network.now();
    let mut slowest: Option<(Instant, SocketHandle)> = None;
    for connection in connections {
        let since = match connection.phase {
            Phase::Listening => return None,
            Phase::Reading(since) | Phase::Closing(since) => since,
        };
        let handle = connection.socket?;
        if slowest.is_none_or(|(earliest, _)| since < earliest) {
            slowest = Some((since, handle));
        }
    }
    let (since, handle) = slowest?;
    if since + GRACE_TIME > now {
        return Some(since + GRACE_TIME - now);
    }
    // The reset goes out first; `serve` listens again afterwards.
    network.sockets().get_mut::<tcp::Socket>(handle).abort();
    Some(Duration::ZERO)
}

/// Writes responses, one at a time, to a buffer that all connections share.
pub struct Responder {
    buffer: [u8; RESPONSE_LIMIT],
    entropy: Entropy,
}

impl Responder {
    /// Makes the buffer.
    pub const fn new() -> Self {
        Self {
            buffer: [0; RESPONSE_LIMIT],
            entropy: Entropy { silent_until: None },
        }
    }

    /// Writes the response for `answer`.
    fn write(&mut self, network: &mut Network, answer: Answer, with_body: bool) -> &[u8] {
        let status = Status {
            board: BOARD,
            uptime_ms: network.now().total_millis().unsigned_abs(),
            mac: network.card_mac(),
            ip: network.address().map_or([0; 4], |address| address.octets()),
            rx_frames: network.received_frames(),
            tx_frames: network.transmitted_frames(),
            random: answer
                .shows_status()
                .then(|| self.entropy.draw(network.now()))
                .flatten(),
        };
        // The buffer holds any response; without one, the connection closes unanswered.
        respond(&mut self.buffer, answer, with_body, &status).unwrap_or_default()
    }
}

/// The source of random bits, which must not keep clients waiting when it is mute.
struct Entropy {
    /// Not asked before.
    silent_until: Option<Instant>,
}

impl Entropy {
    /// Draws 256 bits; `None` if the board has no entropy device, or the device fails.
    fn draw(&mut self, now: Instant) -> Option<[u8; 32]> {
        if self.silent_until.is_some_and(|until| now < until) {
            return None;
        }
        let mut bits = [0; 32];
        let drawn = rng::fill_within(&mut bits, ENTROPY_WAIT_MS);
        self.silent_until = drawn.is_err().then(|| now + ENTROPY_PAUSE);
        drawn.ok().map(|()| bits)
    }
}
