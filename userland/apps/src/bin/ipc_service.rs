// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Turns the letters that clients share to upper case.
//!
//! A client whose queue has no place for its answer gets it when the next call has been served: to wait for
//! one client would be to let all others wait.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use tock_app::ErrorCode;
use tock_app::ipc::{self, Service};

tock_app::entry!(main, stack = 2048);

/// More than a board has.
const PROCESSES: usize = 32;

fn main() -> Result<(), ErrorCode> {
    let service = Service::open("ipc_service")?;
    let mut unanswered = [false; PROCESSES];
    loop {
        let call = service.wait();
        call.update(|byte| byte.to_ascii_uppercase());
        if let Some(client) = unanswered.get_mut(call.client()) {
            *client = true;
        }
        for (client, waits) in unanswered
            .iter_mut()
            .enumerate()
            .filter(|(_, waits)| **waits)
        {
            *waits = match ipc::notify_client(client) {
                // One that has gone needs no answer.
                Ok(()) | Err(ErrorCode::NoDevice) => false,
                Err(ErrorCode::NoMemory) => true,
                Err(error) => return Err(error),
            };
        }
    }
}
