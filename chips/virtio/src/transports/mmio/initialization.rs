// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Bringing a device into service, and taking it out (VirtIO 1.2, 3.1.1 and 4.2.3.1).

use super::access::{Readable, RegisterAccess, Writable};
use super::device::VirtIOMMIODevice;
use super::registers::{LEGACY_VERSION, status};
use crate::barriers::Barriers;
use crate::devices::{VirtIODeviceDriver, VirtIODeviceType};
use crate::features;
use crate::queues::{RING_ALIGN, Virtqueue, VirtqueueAddresses, split_offsets};
use crate::transports::VirtIOInitializationError;
use crate::transports::configuration::Configuration;

/// How often the status is read while a reset is under way. QEMU needs one read; a device that is
/// still not done after this many is given up.
const RESET_POLLS: usize = 10_000;

/// Which queues are set up, and notifications that come too early, are noted in words with one bit for
/// each queue.
const MAX_QUEUES: usize = 32;

impl<R: RegisterAccess, B: Barriers> VirtIOMMIODevice<R, B> {
    /// Initializes the device, following the numbered steps of 3.1.1.
    ///
    /// From inside a call that an initialization or a reset makes this does nothing. Whichever queues it
    /// was given, the call that is under way would go on with those of its own.
    pub(super) fn bring_up(
        &self,
        driver: &'static dyn VirtIODeviceDriver,
        queues: &'static [&'static dyn Virtqueue],
    ) -> Result<VirtIODeviceType, VirtIOInitializationError> {
        if self.busy.replace(true) {
            return Err(VirtIOInitializationError::DeviceError);
        }
        let was_running = self.is_running();
        let started = self.reset_and_start(driver, queues);
        self.busy.set(false);
        if was_running && !self.is_running() {
            self.left_service();
        }
        let device_type = started?;
        self.pay_notifications();
        driver.device_initialized().map_err(|code| {
            VirtIOInitializationError::DriverInitializationError(device_type, code)
        })?;
        Ok(device_type)
    }

    fn reset_and_start(
        &self,
        driver: &'static dyn VirtIODeviceDriver,
        queues: &'static [&'static dyn Virtqueue],
    ) -> Result<VirtIODeviceType, VirtIOInitializationError> {
        let device_type = self.identify()?;
        if driver.device_type() != device_type {
            return Err(VirtIOInitializationError::IncompatibleDriverDeviceType(
                device_type,
            ));
        }
        if queues.len() > MAX_QUEUES {
            return Err(VirtIOInitializationError::VirtqueueNotAvailable(MAX_QUEUES));
        }
        if !self.reset() {
            return Err(VirtIOInitializationError::DeviceError);
        }
        self.watching.set(false);
        self.legacy
            .set(self.registers.read(Readable::Version) == LEGACY_VERSION);
        self.driver.set(Some(driver));
        self.queues.set(queues);
        let negotiated = self.negotiate_and_start(driver, queues);
        if negotiated.is_err() {
            self.fail();
        }
        negotiated.map(|()| device_type)
    }

    /// Steps 2 to 8. Every error that this returns ends in the status FAILED.
    fn negotiate_and_start(
        &self,
        driver: &'static dyn VirtIODeviceDriver,
        queues: &'static [&'static dyn Virtqueue],
    ) -> Result<(), VirtIOInitializationError> {
        self.life.begin();
        self.owed_notifications.set(0);
        self.add_status(status::ACKNOWLEDGE);
        self.add_status(status::DRIVER);

        let accepted = self.negotiate(driver, queues)?;
        self.accepted.set(accepted);
        driver.features_agreed(accepted);
        driver
            .configure(&Configuration::new(self, accepted))
            .map_err(VirtIOInitializationError::DriverPreInitializationError)?;
        if self.legacy.get() {
            let page = RING_ALIGN as u32;
            self.registers.write(Writable::GuestPageSize, page);
        }
        for (number, queue) in queues.iter().enumerate() {
            if driver.uses_queue(number) {
                queue.set_features(accepted);
                self.set_up_queue(number, *queue)?;
            }
        }
        driver
            .pre_device_initialization()
            .map_err(VirtIOInitializationError::DriverPreInitializationError)?;

        self.barriers.doorbell();
        self.add_status(status::DRIVER_OK);
        if self.registers.read(Readable::Status) & status::DEVICE_NEEDS_RESET != 0 {
            return Err(VirtIOInitializationError::DeviceError);
        }
        self.life.started();
        Ok(())
    }

    /// Steps 4 to 6: returns the features that the device has taken.
    fn negotiate(
        &self,
        driver: &'static dyn VirtIODeviceDriver,
        queues: &'static [&'static dyn Virtqueue],
    ) -> Result<u64, VirtIOInitializationError> {
        let offered = self.offered_features();
        if !self.legacy.get() && offered & features::VERSION_1 == 0 {
            return Err(VirtIOInitializationError::InvalidVirtIOVersion);
        }
        let wanted = offered & !self.declined.get();
        let for_driver = wanted & features::DEVICE_TYPE;
        driver.examine(for_driver, &Configuration::new(self, for_driver));
        let by_driver = driver.negotiate_features(for_driver).ok_or(
            VirtIOInitializationError::FeatureNegotiationFailed {
                offered,
                accepted: None,
            },
        )?;
        // A feature that concerns all queues is used if each of them can.
        let by_queues = queues
            .iter()
            .fold(features::QUEUE, |common, queue| common & queue.features());
        let by_transport = match (self.legacy.get(), self.platform_access) {
            (true, _) => features::LEGACY_TRANSPORT,
            (false, false) => features::TRANSPORT,
            (false, true) => features::TRANSPORT | features::ACCESS_PLATFORM,
        };
        let accepted = by_driver | (wanted & (by_transport | by_queues));
        let refused = VirtIOInitializationError::FeatureNegotiationFailed {
            offered,
            accepted: Some(accepted),
        };
        if by_driver & !for_driver != 0 {
            return Err(refused);
        }
        self.write_features(accepted);
        if self.legacy.get() {
            // Such a device has no say in what is made of its offer (3.1.2).
            return Ok(accepted);
        }
        self.add_status(status::FEATURES_OK);
        if self.registers.read(Readable::Status) & status::FEATURES_OK == 0 {
            return Err(refused);
        }
        Ok(accepted)
    }

    fn offered_features(&self) -> u64 {
        let word = |selector| {
            self.registers.write(Writable::DeviceFeaturesSel, selector);
            u64::from(self.registers.read(Readable::DeviceFeatures))
        };
        let low = word(0);
        let high = if self.legacy.get() { 0 } else { word(1) };
        high << 32 | low
    }

    fn write_features(&self, accepted: u64) {
        let [low, high] = halves(accepted);
        let words = [(0, low), (1, high)];
        let used = if self.legacy.get() { 1 } else { 2 };
        for (selector, word) in words.into_iter().take(used) {
            self.registers.write(Writable::DriverFeaturesSel, selector);
            self.registers.write(Writable::DriverFeatures, word);
        }
    }

    /// Shows one queue to the device (4.2.3.2).
    fn set_up_queue(
        &self,
        number: usize,
        queue: &dyn Virtqueue,
    ) -> Result<(), VirtIOInitializationError> {
        let unavailable = VirtIOInitializationError::VirtqueueNotAvailable(number);
        // Lossless: the caller has bounded the number of queues.
        let number = number as u32;
        self.registers.write(Writable::QueueSel, number);
        let in_use = if self.legacy.get() {
            Readable::QueuePfn
        } else {
            Readable::QueueReady
        };
        if self.registers.read(in_use) != 0 {
            return Err(unavailable);
        }
        let max = self.registers.read(Readable::QueueNumMax);
        let max = usize::try_from(max).unwrap_or(usize::MAX);
        let size = queue.negotiate_queue_size(max);
        if size == 0 || size > max {
            return Err(unavailable);
        }
        let size_word = u32::try_from(size).map_err(|_| unavailable)?;
        self.registers.write(Writable::QueueNum, size_word);
        self.set_up.set(self.set_up.get() | 1 << number);
        queue.initialize(number, size);

        let parts = queue.physical_addresses();
        if self.legacy.get() {
            let page = legacy_page(parts, size).ok_or(unavailable)?;
            self.registers
                .write(Writable::QueueAlign, RING_ALIGN as u32);
            self.barriers.doorbell();
            self.registers.write(Writable::QueuePfn, page);
            return Ok(());
        }
        let address = |low_register, high_register, address| {
            let [low, high] = halves(address);
            self.registers.write(low_register, low);
            self.registers.write(high_register, high);
        };
        use Writable::*;
        address(QueueDescLow, QueueDescHigh, parts.descriptor_area);
        address(QueueDriverLow, QueueDriverHigh, parts.driver_area);
        address(QueueDeviceLow, QueueDeviceHigh, parts.device_area);
        // The device may read the rings from here on, so their contents go first.
        self.barriers.doorbell();
        self.registers.write(QueueReady, 1);
        Ok(())
    }

    /// Resets whatever is in this slot, so that it stops using memory (2.4), and tells nobody.
    ///
    /// For a kernel about to start anew. Returns whether the device completed the reset; if not, it
    /// may still write to the memory it was given.
    pub fn halt(&self) -> bool {
        self.life.abandon();
        self.holds_buffers.set(false);
        self.registers.write(Writable::Status, 0);
        self.status_reads_zero()
    }

    /// Resets the device and, once it has, gives the queues their buffers back (2.4).
    ///
    /// Returns whether the device completed the reset. If not, it may still access memory, so the
    /// queues keep what they have.
    pub(super) fn reset(&self) -> bool {
        self.life.reset_begun();
        self.events.resets.bump();
        self.registers.write(Writable::Status, 0);
        let done = self.status_reads_zero();
        if done {
            self.life.reset_confirmed();
            self.holds_buffers.set(false);
            self.barriers.registers_and_memory();
            let busy = self.busy.replace(true);
            let set_up = self.set_up.take();
            for (number, queue) in self.queues.get().iter().enumerate() {
                if set_up & 1 << number != 0 {
                    // SAFETY: this transport initialized the queue, for its device. The status has read zero
                    // since the device last knew it, which is how it reports that a reset is complete
                    // (2.4.1). It was not set up again since, nor is it from inside a call for the queues
                    // before, as this is busy; and what is busy goes on with the queues it set up.
                    unsafe { queue.device_was_reset() };
                }
            }
            self.busy.set(busy);
        }
        done
    }

    fn status_reads_zero(&self) -> bool {
        (0..RESET_POLLS).any(|_| self.registers.read(Readable::Status) == 0)
    }

    /// Tells the device that the driver has given up on it, which a poll follows up with a reset.
    fn fail(&self) {
        self.life.failed();
        self.add_status(status::FAILED);
        if self.set_up.get() != 0 {
            self.holds_buffers.set(true);
            self.request_poll();
        }
    }

    /// Adds status bits; bits are only ever cleared by a reset (2.1.1).
    fn add_status(&self, bits: u32) {
        let before = self.registers.read(Readable::Status);
        self.registers.write(Writable::Status, before | bits);
    }

    pub(super) fn needs_reset(&self) -> bool {
        self.registers.read(Readable::Status) & status::DEVICE_NEEDS_RESET != 0
    }
}

/// The page where a queue of `size` elements begins, if it is laid out as a legacy device takes it to
/// be: one block, in which everything has its place (2.7.2).
fn legacy_page(parts: VirtqueueAddresses, size: usize) -> Option<u32> {
    let (available, used) = split_offsets(size);
    let begins = |place: u64, offset: usize| {
        place.checked_sub(parts.descriptor_area) == u64::try_from(offset).ok()
    };
    let page_size = RING_ALIGN as u64;
    let in_place = parts.descriptor_area.is_multiple_of(page_size)
        && begins(parts.driver_area, available)
        && begins(parts.device_area, used);
    // Page zero means no queue.
    let page = u32::try_from(parts.descriptor_area / page_size).ok()?;
    (in_place && page != 0).then_some(page)
}

/// Splits 64 bits into the low and the high word.
fn halves(value: u64) -> [u32; 2] {
    [value as u32, (value >> 32) as u32]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_legacy_queue_is_one_block_that_begins_on_a_page() {
        let size = 8;
        let (available, used) = split_offsets(size);
        let at = |block: u64| VirtqueueAddresses {
            descriptor_area: block,
            driver_area: block + available as u64,
            device_area: block + used as u64,
        };
        let page = RING_ALIGN as u64;
        assert_eq!(legacy_page(at(page), size), Some(1));
        let highest = u64::from(u32::MAX);
        assert_eq!(legacy_page(at(page * highest), size), Some(u32::MAX));
        // Page zero means no queue, and the register ends.
        assert_eq!(legacy_page(at(0), size), None);
        assert_eq!(legacy_page(at(page * (highest + 1)), size), None);
        for (descriptors, driver, device) in [(8, 8, 8), (0, 2, 0), (0, 0, 4), (0, 2, 4)] {
            let mut parts = at(7 * page);
            parts.descriptor_area += descriptors;
            parts.driver_area += driver;
            parts.device_area += device;
            assert_eq!(legacy_page(parts, size), None, "{parts:?}");
        }
        assert_eq!(
            legacy_page(at(7 * page), size / 2),
            None,
            "laid out for another size"
        );
    }
}
