// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Inter-process communication (driver 0x10000): services that clients find by name and call with a
//! buffer.
//!
//! A service has access to a client's buffer until one of the two ends, so a client shares with services
//! it trusts, and memory that it uses for nothing else. Memory protection works in words: a buffer that
//! does not begin and end at one reaches the service without its bytes.

use crate::error::ErrorCode;
use crate::share;
use crate::syscall;

const DRIVER: usize = 0x10000;

const COMMAND_DISCOVER: usize = 1;
const COMMAND_NOTIFY_SERVICE: usize = 2;
const COMMAND_NOTIFY_CLIENT: usize = 3;

const ALLOW_NAME: usize = 0;

/// Finds the process with this package name and returns its number.
///
/// # Errors
///
/// [`ErrorCode::NoDevice`] without such a process, or on a board without the driver.
pub fn discover(name: &str) -> Result<usize, ErrorCode> {
    let found = share::read_only(DRIVER, ALLOW_NAME, name.as_bytes(), || {
        syscall::command_u32(DRIVER, COMMAND_DISCOVER, 0, 0)
    })??;
    Ok(found as usize)
}

/// Calls the service with this number, lends it `buffer`, and waits for its answer.
///
/// # Errors
///
/// - [`ErrorCode::NoDevice`]: the process is gone, or not a service yet.
/// - [`ErrorCode::NoMemory`]: too much is waiting for it, or an earlier call of this process and more;
///   try again later.
pub fn call(service: usize, buffer: &mut [u8]) -> Result<(), ErrorCode> {
    share::read_write(DRIVER, service, buffer, || {
        syscall::command(DRIVER, COMMAND_NOTIFY_SERVICE, service, 0)?;
        syscall::wait_for(DRIVER, service);
        Ok(())
    })?
}

/// This process as a service, which is called through the upcall of its own number.
///
/// It takes calls by waiting for them and never subscribes: a subscription would throw away the call of a
/// client that came before it.
pub struct Service {
    number: usize,
}

impl Service {
    /// Takes calls from now on. `name` is this process's own package name.
    ///
    /// # Errors
    ///
    /// As for [`discover`]; [`ErrorCode::NoMemory`] without room for the driver's state.
    pub fn open(name: &str) -> Result<Self, ErrorCode> {
        Ok(Self {
            number: discover(name)?,
        })
    }

    /// Sleeps until a client calls.
    pub fn wait(&self) -> Call {
        let [client, length, address] = syscall::wait_for(DRIVER, self.number);
        Call {
            client: client as usize,
            length: length as usize,
            address: address as usize,
        }
    }
}

/// A client's call with its buffer.
pub struct Call {
    client: usize,
    length: usize,
    address: usize,
}

impl Call {
    /// Number of the client.
    pub fn client(&self) -> usize {
        self.client
    }

    /// Where the bytes are that the client lends.
    pub fn address(&self) -> usize {
        self.address
    }

    /// Number of bytes that the client lends, zero if none can be reached.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Replaces each byte of the buffer by what `change` makes of it.
    ///
    /// Call it before this process sleeps again: if the client ends in the meantime, its buffer is closed,
    /// and this faults.
    pub fn update(&self, change: impl Fn(u8) -> u8) {
        for offset in 0..self.length {
            let byte = core::ptr::with_exposed_provenance_mut::<u8>(self.address + offset);
            // SAFETY: the kernel has opened these bytes of another process to this one, and no object
            // of this process lies in them. Should they be closed again, this is a fault. The other
            // process may change them at any time, which is why no reference is formed.
            unsafe { byte.write_volatile(change(byte.read_volatile())) };
        }
    }

    /// Tells the client that its call is done.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::NoDevice`] when the client is gone. [`ErrorCode::NoMemory`] when its queue has no
    /// place: it does not sleep until this answer, and takes out nothing that is there, so serve others
    /// first and tell it later with [`notify_client`].
    pub fn answer(self) -> Result<(), ErrorCode> {
        notify_client(self.client)
    }
}

/// Tells the client with this number that something is done.
///
/// # Errors
///
/// As for [`Call::answer`].
pub fn notify_client(client: usize) -> Result<(), ErrorCode> {
    syscall::command(DRIVER, COMMAND_NOTIFY_CLIENT, client, 0)
}
