// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Fetches the page of the `web` app on the same board, again and again: both share one network card, and
//! their frames never leave the board.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use tock_app::{ErrorCode, Singleton, println};
use tock_net::{Duration, Fallback, Ipv4Address, Memory, Network, tcp};

tock_app::entry!(main, stack = 8 * 1024);

/// The address that `web` has as the first to ask for one, or without anyone to ask.
const SERVER: (Ipv4Address, u16) = (Ipv4Address::new(10, 0, 2, 15), 80);

/// Out of the way of those that DHCP gives out.
const OWN: Fallback = Fallback::QEMU_USER.host(40).fixed();

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: 10.0.2.15\r\nConnection: close\r\n\r\n";
const PAUSE: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(5);

static MEMORY: Singleton<Memory<1, 8192>> = Singleton::new(Memory::new());
static STREAM: Singleton<([u8; 4096], [u8; 256])> = Singleton::new(([0; 4096], [0; 256]));

/// Keeps the first line of a response, and counts the rest.
#[derive(Default)]
struct Page {
    status: [u8; 32],
    bytes: usize,
}

impl Page {
    fn push(&mut self, part: &[u8]) {
        let rest = self.status.iter_mut().skip(self.bytes);
        for (to, from) in rest.zip(part) {
            *to = *from;
        }
        self.bytes += part.len();
    }

    fn status(&self) -> &str {
        let line = self.status.split(|byte| *byte == b'\r').next();
        line.and_then(|line| core::str::from_utf8(line).ok())
            .unwrap_or_default()
    }
}

fn main() -> Result<(), ErrorCode> {
    let memory = MEMORY.take().ok_or(ErrorCode::Already)?;
    let (receive, transmit) = STREAM.take().ok_or(ErrorCode::Already)?;
    let mut network = Network::start(memory, OWN)?;
    let handle = network.add_tcp(receive, transmit);
    let mut is_hint_due = true;
    loop {
        network.poll();
        let started = network.now();
        network.connect(handle, SERVER)?;
        let page = fetch(&mut network, handle)?;
        let taken = network.now() - started;
        match page.bytes {
            0 => {
                println!("fetch: {} does not answer", SERVER.0);
                if core::mem::take(&mut is_hint_due) {
                    println!(
                        "fetch: the page is that of `web`; start the board with APPS=\"web fetch\""
                    );
                }
            }
            bytes => println!(
                "fetch: {}: {}, {bytes} bytes in {} ms",
                SERVER.0,
                page.status(),
                taken.total_millis()
            ),
        }
        let resume = network.now() + PAUSE;
        while network.now() < resume {
            network.poll();
            network.wait(Some(PAUSE))?;
        }
    }
}

/// Sends the request on a socket that is being connected, and reads until the connection ends.
fn fetch(network: &mut Network, handle: tock_net::SocketHandle) -> Result<Page, ErrorCode> {
    let mut page = Page::default();
    let mut is_asked = false;
    loop {
        network.poll();
        let socket = network.sockets().get_mut::<tcp::Socket>(handle);
        socket.set_timeout(Some(PATIENCE));
        if !is_asked && socket.may_send() {
            is_asked = socket.send_slice(REQUEST).is_ok();
        }
        while socket.can_recv() {
            if socket
                .recv(|bytes| (bytes.len(), page.push(bytes)))
                .is_err()
            {
                break;
            }
        }
        if socket.state() == tcp::State::CloseWait {
            socket.close();
        }
        if !socket.is_active() {
            return Ok(page);
        }
        network.wait(Some(PATIENCE))?;
    }
}
