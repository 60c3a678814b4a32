// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Access to the register window, behind a trait so that a test can stand in for the device.

use core::ptr::from_ref;

use kernel::utilities::StaticRef;
use kernel::utilities::registers::interfaces::{Readable as _, Writeable as _};

use super::registers::{CONFIGURATION_LEN, VirtIOMMIODeviceRegisters};

/// The registers that may be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readable {
    /// What every device has there.
    MagicValue,
    /// Version of the register layout.
    Version,
    /// Type of device.
    DeviceId,
    /// Maker of the device.
    VendorId,
    /// A word of the features on offer.
    DeviceFeatures,
    /// Largest size of the selected queue.
    QueueNumMax,
    /// Page where the selected queue begins. Legacy.
    QueuePfn,
    /// Whether the device may use the selected queue.
    QueueReady,
    /// Causes of the interrupt.
    InterruptStatus,
    /// Progress of the initialization.
    Status,
    /// Number of changes of the configuration space.
    ConfigGeneration,
}

/// The registers that may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writable {
    /// Which word of the features on offer is read.
    DeviceFeaturesSel,
    /// A word of the features accepted.
    DriverFeatures,
    /// Which word of the features accepted is written.
    DriverFeaturesSel,
    /// The unit of `QueuePfn`. Legacy.
    GuestPageSize,
    /// Which queue the queue registers are about.
    QueueSel,
    /// Size of that queue.
    QueueNum,
    /// Alignment of its used ring. Legacy.
    QueueAlign,
    /// Page where the selected queue begins. Legacy.
    QueuePfn,
    /// Whether the device may use the selected queue.
    QueueReady,
    /// Number of a queue with something new.
    QueueNotify,
    /// Causes that were handled.
    InterruptAck,
    /// Progress of the initialization.
    Status,
    /// Low word of the address of the descriptors.
    QueueDescLow,
    /// High word of it.
    QueueDescHigh,
    /// Low word of the address of the driver's part.
    QueueDriverLow,
    /// High word of it.
    QueueDriverHigh,
    /// Low word of the address of the device's part.
    QueueDeviceLow,
    /// High word of it.
    QueueDeviceHigh,
}

/// One device's register window.
pub trait RegisterAccess {
    /// Reads a register.
    fn read(&self, register: Readable) -> u32;

    /// Writes a register.
    fn write(&self, register: Writable, value: u32);

    /// Reads a byte of the configuration space; `offset` counts from its start.
    fn configuration_byte(&self, offset: usize) -> u8;

    /// Reads 16 bits of the configuration space.
    fn configuration_half(&self, offset: usize) -> u16;

    /// Reads 32 bits of the configuration space.
    fn configuration_word(&self, offset: usize) -> u32;
}

/// Reads a field of the configuration space in its own width, or all ones if it lies outside.
fn configuration_field<T: Copy>(
    registers: &VirtIOMMIODeviceRegisters,
    offset: usize,
    outside: T,
) -> T {
    let in_window = offset.is_multiple_of(size_of::<T>())
        && offset
            .checked_add(size_of::<T>())
            .is_some_and(|end| end <= CONFIGURATION_LEN);
    if !in_window {
        return outside;
    }
    // SAFETY: the field lies inside the configuration space, at a multiple of its width from the
    // start, which is itself 0x100 bytes into a window that is aligned to 4 bytes. `T` is one of the
    // three unsigned integers below, valid for any bits. A volatile read through the `UnsafeCell`s of
    // the registers is what they are for.
    unsafe {
        from_ref(&registers.configuration)
            .cast::<T>()
            .byte_add(offset)
            .read_volatile()
    }
}

// Each match below folds into one access, because the register is a constant at every call.
impl RegisterAccess for StaticRef<VirtIOMMIODeviceRegisters> {
    #[inline(always)]
    fn read(&self, register: Readable) -> u32 {
        match register {
            Readable::MagicValue => self.magic_value.get(),
            Readable::Version => self.version.get(),
            Readable::DeviceId => self.device_id.get(),
            Readable::VendorId => self.vendor_id.get(),
            Readable::DeviceFeatures => self.device_features.get(),
            Readable::QueueNumMax => self.queue_num_max.get(),
            Readable::QueuePfn => self.queue_pfn.get(),
            Readable::QueueReady => self.queue_ready.get(),
            Readable::InterruptStatus => self.interrupt_status.get(),
            Readable::Status => self.status.get(),
            Readable::ConfigGeneration => self.config_generation.get(),
        }
    }

    #[inline(always)]
    fn write(&self, register: Writable, value: u32) {
        match register {
            Writable::DeviceFeaturesSel => self.device_features_sel.set(value),
            Writable::DriverFeatures => self.driver_features.set(value),
            Writable::DriverFeaturesSel => self.driver_features_sel.set(value),
            Writable::GuestPageSize => self.guest_page_size.set(value),
            Writable::QueueAlign => self.queue_align.set(value),
            Writable::QueuePfn => self.queue_pfn.set(value),
            Writable::QueueSel => self.queue_sel.set(value),
            Writable::QueueNum => self.queue_num.set(value),
            Writable::QueueReady => self.queue_ready.set(value),
            Writable::QueueNotify => self.queue_notify.set(value),
            Writable::InterruptAck => self.interrupt_ack.set(value),
            Writable::Status => self.status.set(value),
            Writable::QueueDescLow => self.queue_desc_low.set(value),
            Writable::QueueDescHigh => self.queue_desc_high.set(value),
            Writable::QueueDriverLow => self.queue_driver_low.set(value),
            Writable::QueueDriverHigh => self.queue_driver_high.set(value),
            Writable::QueueDeviceLow => self.queue_device_low.set(value),
            Writable::QueueDeviceHigh => self.queue_device_high.set(value),
        }
    }

    fn configuration_byte(&self, offset: usize) -> u8 {
        configuration_field(self, offset, u8::MAX)
    }

    fn configuration_half(&self, offset: usize) -> u16 {
        u16::from_le(configuration_field(self, offset, u16::MAX))
    }

    fn configuration_word(&self, offset: usize) -> u32 {
        u32::from_le(configuration_field(self, offset, u32::MAX))
    }
}
