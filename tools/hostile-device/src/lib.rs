// SPDX-License-Identifier: Apache-2.0 OR MIT

//! VirtIO devices outside QEMU, connected to it by vhost-user, that obey the standard until told to
//! lie.
//!
//! QEMU shares the guest's memory with this program and leaves the rings to it, so what the guest's
//! driver meets is exactly what a lie says, with nothing in between that would correct it. Reading
//! rings and chains is rust-vmm's `virtio-queue`, which also keeps an honest device honest; lies are
//! written to memory directly, in `used_ring` and `deception`.

#![forbid(unsafe_code)]

mod cable;
mod deception;
mod device;
mod entropy;
mod error;
mod lie;
mod network;
mod relay;
mod server;
mod used_ring;

pub use cable::{Cable, Delivery, Sent};
pub use device::Kind;
pub use error::Error;
pub use lie::{Lie, Script};
pub use server::Server;
