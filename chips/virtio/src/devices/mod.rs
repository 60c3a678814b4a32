// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Device types, what a transport asks of a device driver, and the drivers.

mod device_type;
mod driver;

pub use device_type::VirtIODeviceType;
pub use driver::VirtIODeviceDriver;
