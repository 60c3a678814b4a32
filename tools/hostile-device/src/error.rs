// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Why a device cannot go on.

use std::io;

/// Why a device could not be started, or a queue not be served.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The socket, an event or a thread could not be made.
    #[error("cannot set up the device: {0}")]
    Setup(#[from] io::Error),
    /// vhost-user failed.
    #[error("vhost-user: {0}")]
    Protocol(String),
    /// A ring lies outside the guest's memory, or is not what the driver promised.
    #[error("the driver's queue: {0}")]
    Queue(#[from] virtio_queue::Error),
    /// The same, seen by an access of our own.
    #[error("the guest's memory: {0}")]
    Memory(#[from] vm_memory::GuestMemoryError),
}

impl From<vhost_user_backend::Error> for Error {
    fn from(error: vhost_user_backend::Error) -> Self {
        Self::Protocol(error.to_string())
    }
}

impl From<vhost::vhost_user::Error> for Error {
    fn from(error: vhost::vhost_user::Error) -> Self {
        Self::Protocol(error.to_string())
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        io::Error::other(error)
    }
}
