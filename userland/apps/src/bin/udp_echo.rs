// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Returns each UDP datagram that comes to port 7 to its sender.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use tock_app::{ErrorCode, Singleton, ethernet, println};
use tock_net::{Fallback, Memory, Network, udp};

tock_app::entry!(main, stack = 8 * 1024);

const PORT: u16 = 7;
const DATAGRAMS: usize = 8;

/// A queue of datagrams in one direction.
struct Queue {
    metadata: [udp::PacketMetadata; DATAGRAMS],
    bytes: [u8; 4096],
}

impl Queue {
    const fn new() -> Self {
        Self {
            metadata: [udp::PacketMetadata::EMPTY; DATAGRAMS],
            bytes: [0; 4096],
        }
    }

    fn buffer(&'static mut self) -> udp::PacketBuffer<'static> {
        udp::PacketBuffer::new(&mut self.metadata[..], &mut self.bytes[..])
    }
}

static MEMORY: Singleton<Memory<2, 8192, { ethernet::transmit_bytes(4) }>> =
    Singleton::new(Memory::new());
static QUEUES: Singleton<[Queue; 2]> = Singleton::new([const { Queue::new() }; 2]);

fn main() -> Result<(), ErrorCode> {
    let memory = MEMORY.take().ok_or(ErrorCode::Already)?;
    let [receive, transmit] = QUEUES.take().ok_or(ErrorCode::Already)?;
    let mut network = Network::start(memory, Fallback::QEMU_USER.host(16))?;
    let handle = network.add_udp(receive.buffer(), transmit.buffer());
    let mut datagram = [0; 1472];
    loop {
        if let Some(address) = network.poll().and_then(|change| change.address) {
            println!("udp_echo: listening on {}:{PORT}", address.address());
        }
        let socket = network.sockets().get_mut::<udp::Socket>(handle);
        if !socket.is_open() {
            // Fails on an open socket and on port 0 only.
            let _ = socket.bind(PORT);
        }
        while socket.can_send()
            && let Ok((length, sender)) = socket.recv_slice(&mut datagram)
            && let Some(datagram) = datagram.get(..length)
        {
            // Without room it is lost, as datagrams are.
            let _ = socket.send_slice(datagram, sender.endpoint);
        }
        network.wait(None)?;
    }
}
