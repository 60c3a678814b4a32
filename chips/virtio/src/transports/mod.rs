// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Ways to reach a device: what drivers and queues need from any of them.

pub mod configuration;
mod line;
pub mod mmio;
mod poller;

use core::fmt;

use kernel::ErrorCode;

use crate::devices::{VirtIODeviceDriver, VirtIODeviceType};
use crate::queues::Virtqueue;

pub use line::InterruptLine;
pub(crate) use poller::POLLS_IN_A_SECOND;
pub use poller::{POLL_INTERVAL_MS, PollRequest, Polled, Poller};

/// A connection to one device.
pub trait VirtIOTransport {
    /// Resets the device, agrees on features, sets up `queues` and starts it (VirtIO 1.2, 3.1.1).
    ///
    /// The index of a queue in `queues` is its number. The transport keeps the driver and the queues
    /// and calls them from interrupts from then on.
    ///
    /// # Errors
    ///
    /// See [`VirtIOInitializationError`]. The device has the status FAILED after an error past its
    /// acknowledgement, and does nothing until it is initialized again, with one exception: after
    /// [`DriverInitializationError`](VirtIOInitializationError::DriverInitializationError) it runs.
    /// A device that has been in service before is initialized again by [`Polled::poll`]. Any other
    /// is only reset by it, so that buffers which were in its queues come back.
    fn initialize(
        &self,
        driver: &'static dyn VirtIODeviceDriver,
        queues: &'static [&'static dyn Virtqueue],
    ) -> Result<VirtIODeviceType, VirtIOInitializationError>;

    /// Tells the device that a queue has new available buffers (2.6).
    ///
    /// Until the device has been started this is only noted, and done once when it has.
    fn queue_notify(&self, queue_id: u32);

    /// Has the driver asked about its progress, every half second, until it has nothing to wait for.
    ///
    /// See [`VirtIODeviceDriver::check_progress`]. A transport without time ignores it.
    fn watch(&self) {}
}

/// Why a device could not be put into service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VirtIOInitializationError {
    /// Nothing at this place calls itself a VirtIO device.
    NotAVirtIODevice,
    /// The device does not follow version 1 of the standard.
    InvalidVirtIOVersion,
    /// The register layout is not one this transport knows; 1 is the legacy layout.
    InvalidTransportVersion,
    /// A device of a type with this number, which this crate does not know; 0 is an empty slot.
    UnknownDeviceType(u32),
    /// The device is of this type, which is not the driver's.
    IncompatibleDriverDeviceType(VirtIODeviceType),
    /// Driver and device found no common set of features.
    FeatureNegotiationFailed {
        /// What the device offers.
        offered: u64,
        /// What was written back to it, if negotiation came that far.
        accepted: Option<u64>,
    },
    /// The device has no queue of this number, or none of a size that the driver can use.
    VirtqueueNotAvailable(usize),
    /// The driver refused before the device was started.
    DriverPreInitializationError(ErrorCode),
    /// The driver reported an error after the device was started.
    DriverInitializationError(VirtIODeviceType, ErrorCode),
    /// The device did not follow the initialization protocol: it would not reset, for example.
    DeviceError,
}

impl fmt::Display for VirtIOInitializationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match *self {
            Self::NotAVirtIODevice => "no VirtIO device",
            Self::InvalidVirtIOVersion => "not a device of version 1",
            Self::InvalidTransportVersion => "unknown register layout",
            Self::UnknownDeviceType(number) => return write!(f, "unknown device type {number}"),
            Self::IncompatibleDriverDeviceType(_) => "of another type than the driver's",
            Self::FeatureNegotiationFailed { offered, .. } => {
                return write!(f, "no common features; it offers {offered:#x}");
            }
            Self::VirtqueueNotAvailable(number) => {
                return write!(f, "no queue {number}, or one too small");
            }
            Self::DriverPreInitializationError(code) | Self::DriverInitializationError(_, code) => {
                return write!(f, "refused by the driver with error {}", code as usize);
            }
            Self::DeviceError => "it did not follow the initialization protocol",
        };
        f.write_str(text)
    }
}
