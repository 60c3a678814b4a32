// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Turns the letters that clients share to upper case.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use tock_app::ErrorCode;
use tock_app::ipc::Service;

tock_app::entry!(main, stack = 2048);

fn main() -> Result<(), ErrorCode> {
    let service = Service::open("ipc_service")?;
    loop {
        let call = service.wait();
        call.update(|byte| byte.to_ascii_uppercase());
        // A client that has gone needs no answer.
        let _ = call.answer();
    }
}
