// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What a transport asks of the driver of one type of device.

use kernel::ErrorCode;

use super::VirtIODeviceType;
use crate::queues::{Served, Virtqueue};
use crate::transports::configuration::Configuration;

/// How far a device has come with what it was asked for, from good to bad.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Progress {
    /// Nothing is waited for.
    Idle,
    /// There are requests that the device has had for less than a second.
    Waiting,
    /// There is a request that the device has had for a second or more.
    Stalled,
}

/// The driver of one type of device, as the transport sees it.
///
/// During [`VirtIOTransport::initialize`](crate::transports::VirtIOTransport::initialize) the
/// transport calls, in this order: [`device_type`](Self::device_type), [`examine`](Self::examine),
/// [`negotiate_features`](Self::negotiate_features),
/// [`features_agreed`](Self::features_agreed), [`configure`](Self::configure),
/// [`pre_device_initialization`](Self::pre_device_initialization) and
/// [`device_initialized`](Self::device_initialized).
pub trait VirtIODeviceDriver {
    /// Picks features out of those the device offers.
    ///
    /// `offered_features` holds the bits of the device type alone, 0 to 23 and 50 to 63: the rest
    /// belongs to the transport and the queues. `None` means that the driver cannot work with what
    /// is offered. A bit that was not offered, or whose prerequisite is missing, must not be
    /// returned; the transport refuses the device if one is.
    fn negotiate_features(&self, offered_features: u64) -> Option<u64>;

    /// The type of device that this driver is for.
    fn device_type(&self) -> VirtIODeviceType;

    /// Whether the queue with this number is to be set up, once features are agreed: a device may have
    /// fewer queues than the driver can use.
    fn uses_queue(&self, number: usize) -> bool {
        let _ = number;
        true
    }

    /// Prepares the driver between the set-up of the queues and the start of the device.
    ///
    /// Buffers may be put into the queues already; the device is notified of them once it runs.
    ///
    /// # Errors
    ///
    /// Any error fails the device and reaches the caller of `initialize`.
    fn pre_device_initialization(&self) -> Result<(), ErrorCode> {
        Ok(())
    }

    /// Tells the driver that the device runs.
    ///
    /// # Errors
    ///
    /// Any error reaches the caller of `initialize`; the device runs on.
    fn device_initialized(&self) -> Result<(), ErrorCode> {
        Ok(())
    }

    /// Lets the driver read the configuration space before it decides on features (3.1.1, step 4).
    ///
    /// `offered_features` is what [`negotiate_features`](Self::negotiate_features) gets next: a field
    /// exists only if its feature is offered.
    fn examine(&self, offered_features: u64, configuration: &Configuration<'_>) {
        let _ = (offered_features, configuration);
    }

    /// Tells the driver all features that are in use, those of the transport and the queues too.
    ///
    /// Without [`VERSION_1`](crate::features::VERSION_1) it is a legacy device.
    fn features_agreed(&self, features: u64) {
        let _ = features;
    }

    /// Lets the driver read the configuration space once features are agreed.
    ///
    /// # Errors
    ///
    /// Any error fails the device; it reaches the caller of `initialize` as
    /// [`DriverPreInitializationError`].
    ///
    /// [`DriverPreInitializationError`]:
    ///     crate::transports::VirtIOInitializationError::DriverPreInitializationError
    fn configure(&self, configuration: &Configuration<'_>) -> Result<(), ErrorCode> {
        let _ = configuration;
        Ok(())
    }

    /// Tells the driver, from an interrupt, that the device changed its configuration space.
    fn configuration_changed(&self, configuration: &Configuration<'_>) {
        let _ = configuration;
    }

    /// Takes what the device has used, on an interrupt, and says what came of it. `queues` are those given
    /// to [`initialize`](crate::transports::VirtIOTransport::initialize).
    ///
    /// A driver that knows the type of its queues serves them [at less cost](crate::queues::DrivenQueue)
    /// than as these objects.
    fn serve_queues(&self, queues: &[&dyn Virtqueue]) -> Served {
        serve_each(queues)
    }

    /// Tells the driver that the device is out of service until it is initialized again.
    ///
    /// Nothing that the driver put into the queues will be used. It is back already, unless the
    /// device did not complete its reset; then it comes back when it does.
    fn device_stopped(&self) {}

    /// Takes what the device has used and the driver wants no interrupt for.
    ///
    /// Called every half second before [`check_progress`](Self::check_progress) is.
    fn collect(&self) {}

    /// Asks how the requests are doing that the driver had
    /// [watched](crate::transports::VirtIOTransport::watch).
    ///
    /// Called every half second until the answer is [`Progress::Idle`]; what the device has used was
    /// handed over before. An answer of [`Progress::Stalled`] has the device reset and initialized
    /// again.
    fn check_progress(&self) -> Progress {
        Progress::Idle
    }
}

/// Serves queues as the transport knows them.
pub(super) fn serve_each(queues: &[&dyn Virtqueue]) -> Served {
    queues.iter().fold(Served::Nothing, |outcome, queue| {
        outcome.max(queue.serve_expected())
    })
}
