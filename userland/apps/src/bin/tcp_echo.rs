// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Returns the bytes of TCP connections on port 7, one connection at a time.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use tock_app::{ErrorCode, Singleton, println};
use tock_net::{Fallback, Memory, Network};

tock_app::entry!(main, stack = 8 * 1024);

static MEMORY: Singleton<Memory<2, 4096>> = Singleton::new(Memory::new());
static STREAM: Singleton<[[u8; 1024]; 2]> = Singleton::new([[0; 1024]; 2]);

fn main() -> Result<(), ErrorCode> {
    let memory = MEMORY.take().ok_or(ErrorCode::Already)?;
    let [receive, transmit] = STREAM.take().ok_or(ErrorCode::Already)?;
    let mut network = Network::start(memory, Fallback::QEMU_USER)?;
    let handle = network.add_tcp(receive, transmit);
    loop {
        if let Some(address) = network.poll().and_then(|change| change.address) {
            println!("tcp_echo: listening on {}:7", address.address());
        }
        let socket = network.serve(handle, 7);
        let mut byte = [0];
        while socket.can_send() && socket.recv_slice(&mut byte) == Ok(1) {
            let _ = socket.send_slice(&byte);
        }
        network.wait(None)?;
    }
}
