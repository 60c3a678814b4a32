// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A web server: the board's status as a page and as JSON.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

mod connection;

use connection::{Connection, RESPONSE_BYTES, Responder};
use tock_app::{ErrorCode, Singleton, ethernet, println};
use tock_http::inbox::HEAD_LIMIT;
use tock_net::{Fallback, Memory, Network};

tock_app::entry!(main, stack = 8 * 1024);

/// Connections served at a time. Browsers open several before they use one.
const CONNECTIONS: usize = 6;

/// Room for several frames of any size.
const RECEIVE_BYTES: usize = 8 * 1024;

/// Any response leaves as one batch of frames.
const TRANSMIT_BYTES: usize = ethernet::transmit_bytes(3);

static MEMORY: Singleton<Memory<{ CONNECTIONS + 1 }, RECEIVE_BYTES, TRANSMIT_BYTES>> =
    Singleton::new(Memory::new());
static RECEIVE: Singleton<[[u8; HEAD_LIMIT]; CONNECTIONS]> =
    Singleton::new([[0; HEAD_LIMIT]; CONNECTIONS]);
static TRANSMIT: Singleton<[[u8; RESPONSE_BYTES]; CONNECTIONS]> =
    Singleton::new([[0; RESPONSE_BYTES]; CONNECTIONS]);
static SERVED: Singleton<[Connection; CONNECTIONS]> =
    Singleton::new([const { Connection::new() }; CONNECTIONS]);
static RESPONDER: Singleton<Responder> = Singleton::new(Responder::new());

fn main() -> Result<(), ErrorCode> {
    if !ethernet::exists() {
        println!("web: no network card; start the board with NET=user or another network");
        return Err(ErrorCode::NoDevice);
    }
    let memory = MEMORY.take().ok_or(ErrorCode::Already)?;
    let mut network = Network::start(memory, Fallback::QEMU_USER)?;
    let connections = SERVED.take().ok_or(ErrorCode::Already)?;
    let responder = RESPONDER.take().ok_or(ErrorCode::Already)?;

    let receive = RECEIVE.take().ok_or(ErrorCode::Already)?;
    let transmit = TRANSMIT.take().ok_or(ErrorCode::Already)?;
    for ((connection, receive), transmit) in connections.iter_mut().zip(receive).zip(transmit) {
        connection.attach(network.add_tcp(receive, transmit));
    }

    loop {
        if let Some(change) = network.poll() {
            match change.address {
                Some(address) => println!("web: http://{}/", address.address()),
                None => println!("web: the address is gone"),
            }
        }
        let mut next_timeout = None;
        for connection in connections.iter_mut() {
            let timeout = connection.serve(&mut network, responder);
            next_timeout = [next_timeout, timeout].into_iter().flatten().min();
        }
        let crowded = connection::make_room(connections, &mut network);
        network.wait([next_timeout, crowded].into_iter().flatten().min())?;
    }
}
