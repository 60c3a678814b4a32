// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Device types, what a transport asks of a device driver, and the drivers.

mod buffer_stack;
mod chain_watch;
mod device_type;
mod driver;
mod entropy_health;
mod random_pool;
pub mod virtio_net;
pub mod virtio_rng;

pub use device_type::VirtIODeviceType;
use driver::serve_each;
pub use driver::{Progress, VirtIODeviceDriver};
