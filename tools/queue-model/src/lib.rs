// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The driver's split queue face to face with a device model that others wrote: rust-vmm's
//! `virtio-queue`, in the same process and over the same memory.
//!
//! `memory` is what both sides see, `driver` what a device driver does with a queue, `device` what a
//! device does; `tests/` lets them run. Neither side looks at a ring unless it was notified, so a
//! notification that is lost ends a test.

mod device;
mod driver;
mod memory;
mod random;

pub use device::Device;
pub use driver::{Driver, Queue};
pub use memory::{Coherent, SharedMemory};
pub use random::Random;
