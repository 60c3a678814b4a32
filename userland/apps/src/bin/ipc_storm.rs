// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Calls `ipc_service` with more buffers than there are regions to open, then starts itself anew.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use tock_app::{ErrorCode, Singleton, alarm, ipc, println, restart};

tock_app::entry!(main, stack = 2048);

const BUFFERS: usize = 8;

/// Each buffer is alone in its words, which is what memory protection can open to the service.
#[repr(align(4))]
struct Texts([[u8; 4]; BUFFERS]);

static TEXTS: Singleton<Texts> = Singleton::new(Texts([*b"tock"; BUFFERS]));

fn main() -> Result<(), ErrorCode> {
    let texts = &mut TEXTS.take().ok_or(ErrorCode::Already)?.0;
    let service = ipc::discover("ipc_service")?;
    let mut changed = 0;
    for text in texts {
        // The service may not have come up yet.
        while ipc::call(service, text) == Err(ErrorCode::NoDevice) {
            alarm::sleep_ms(1)?;
        }
        changed += usize::from(text == b"TOCK");
    }
    println!("ipc_storm: {changed} of {BUFFERS} buffers");
    restart(0)
}
