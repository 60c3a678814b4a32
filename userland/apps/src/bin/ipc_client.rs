// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Has `ipc_service` turn text to upper case, and prints what comes back. In tests `ipc_hoarder` takes
//! the place of that service.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use tock_app::{ErrorCode, Singleton, alarm, ipc, println};

tock_app::entry!(main, stack = 2048);

/// Alone in its words, which is what memory protection can open to the service.
#[repr(align(4))]
struct Text([u8; 8]);

static TEXT: Singleton<Text> = Singleton::new(Text(*b"tock 0! "));

fn main() -> Result<(), ErrorCode> {
    let text = &mut TEXT.take().ok_or(ErrorCode::Already)?.0;
    let service = ipc::discover("ipc_service").or_else(|_| ipc::discover("ipc_hoarder"))?;
    for round in b'0'..b'3' {
        text[5] = round;
        text[..4].copy_from_slice(b"tock");
        loop {
            match ipc::call(service, text) {
                Ok(()) => break,
                // The service has not come up yet, or has too much to do.
                Err(ErrorCode::NoDevice | ErrorCode::NoMemory) => alarm::sleep_ms(1)?,
                Err(error) => return Err(error),
            }
        }
        println!("ipc_client: {}", text.escape_ascii());
    }
    Ok(())
}
