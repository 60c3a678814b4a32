// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A service that reads the buffer of its client after the client has ended. Must fault; prints LEAK if
//! it does not.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use tock_app::ipc::{self, Service};
use tock_app::{ErrorCode, alarm, println, trespass};

tock_app::entry!(main, stack = 2048);

fn main() -> Result<(), ErrorCode> {
    let service = Service::open("ipc_hoarder")?;
    loop {
        let call = service.wait();
        let (client, address, length) = (call.client(), call.address(), call.length());
        if call.answer().is_err() || length == 0 {
            continue;
        }
        // The client ends of its own accord, and cannot be told anything then.
        let mut gone = false;
        let byte = trespass::load_after(address, || {
            for _ in 0..100 {
                gone = ipc::notify_client(client) == Err(ErrorCode::NoDevice);
                if gone || alarm::sleep_ms(1).is_err() {
                    break;
                }
            }
            if gone {
                println!("ipc_hoarder: reading {address:#x}");
            }
        })?;
        if gone {
            println!("ipc_hoarder: LEAK {byte:#04x}");
            return Err(ErrorCode::Fail);
        }
    }
}
