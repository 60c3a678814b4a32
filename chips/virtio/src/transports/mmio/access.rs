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
///
/// # Safety
///
/// The addresses that are written here are those of queues, and the transport gives the buffers in them
/// back to their owners on the word of the status. So what is behind an implementation is a device, or
/// behaves like one towards memory:
///
/// - It accesses the memory of a queue, and buffers while they are available there, in the direction for
///   which they were lent; and no other memory.
/// - When `Status` reads zero after zero was written to it, that is over, until a queue is set up anew.
pub unsafe trait RegisterAccess {
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
//
// SAFETY: whoever makes a `StaticRef` vouches for what lies there: memory, behind which nothing is, or the
// window of a device. Each register is the one of the device at that address.
unsafe impl RegisterAccess for StaticRef<VirtIOMMIODeviceRegisters> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::leak;

    const WORDS: usize = size_of::<VirtIOMMIODeviceRegisters>() / 4;

    /// What the word at an offset of a control register reads: no part of it reads like the whole, or
    /// like another word.
    const fn own(offset: u32) -> u32 {
        offset.wrapping_mul(0x0101_0101)
    }

    /// A window in which each word reads like its own offset alone, but for the configuration space,
    /// where bytes count up.
    struct Window {
        memory: *mut u32,
        registers: StaticRef<VirtIOMMIODeviceRegisters>,
    }

    impl Window {
        fn new() -> Self {
            let memory = leak([0u32; WORDS]).as_mut_ptr();
            // SAFETY: the memory is as long as the window, aligned, stays for ever, and is reached
            // through this pointer alone. The registers are cells, valid for any bits.
            let registers = unsafe { StaticRef::new(memory.cast_const().cast()) };
            let window = Self { memory, registers };
            for at in 0..WORDS as u32 {
                let counting = u32::from_le_bytes([0, 1, 2, 3].map(|byte| (4 * at) as u8 + byte));
                window.set(4 * at, if at < 0x40 { own(4 * at) } else { counting });
            }
            window
        }

        fn set(&self, offset: u32, value: u32) {
            // SAFETY: the word lies inside the window, and nothing else accesses it now.
            unsafe { self.memory.add(offset as usize / 4).write_volatile(value) };
        }

        fn get(&self, offset: u32) -> u32 {
            // SAFETY: as above.
            unsafe { self.memory.add(offset as usize / 4).read_volatile() }
        }
    }

    /// The offsets of 4.2.2 and 4.2.4.
    #[test]
    fn every_register_is_read_where_the_standard_has_it() {
        let window = Window::new();
        for (register, offset) in [
            (Readable::MagicValue, 0x00),
            (Readable::Version, 0x04),
            (Readable::DeviceId, 0x08),
            (Readable::VendorId, 0x0C),
            (Readable::DeviceFeatures, 0x10),
            (Readable::QueueNumMax, 0x34),
            (Readable::QueuePfn, 0x40),
            (Readable::QueueReady, 0x44),
            (Readable::InterruptStatus, 0x60),
            (Readable::Status, 0x70),
            (Readable::ConfigGeneration, 0xFC),
        ] {
            assert_eq!(window.registers.read(register), own(offset), "{register:?}");
        }
    }

    #[test]
    fn every_register_is_written_where_the_standard_has_it_and_no_other() {
        for (register, offset) in [
            (Writable::DeviceFeaturesSel, 0x14),
            (Writable::DriverFeatures, 0x20),
            (Writable::DriverFeaturesSel, 0x24),
            (Writable::GuestPageSize, 0x28),
            (Writable::QueueSel, 0x30),
            (Writable::QueueNum, 0x38),
            (Writable::QueueAlign, 0x3C),
            (Writable::QueuePfn, 0x40),
            (Writable::QueueReady, 0x44),
            (Writable::QueueNotify, 0x50),
            (Writable::InterruptAck, 0x64),
            (Writable::Status, 0x70),
            (Writable::QueueDescLow, 0x80),
            (Writable::QueueDescHigh, 0x84),
            (Writable::QueueDriverLow, 0x90),
            (Writable::QueueDriverHigh, 0x94),
            (Writable::QueueDeviceLow, 0xA0),
            (Writable::QueueDeviceHigh, 0xA4),
        ] {
            let window = Window::new();
            window.registers.write(register, 0xDEAD_BEEF);
            for at in (0..0x100).step_by(4) {
                let expected = if at == offset { 0xDEAD_BEEF } else { own(at) };
                assert_eq!(window.get(at), expected, "{register:?} at {at:#x}");
            }
        }
    }

    #[test]
    fn configuration_fields_are_read_in_their_width_inside_the_window_only() {
        let window = Window::new().registers;
        assert_eq!(window.configuration_byte(0), 0);
        assert_eq!(window.configuration_byte(0xFF), 0xFF);
        assert_eq!(window.configuration_half(0xFC), 0xFDFC);
        assert_eq!(window.configuration_word(0xF8), 0xFBFA_F9F8);
        assert_eq!(window.configuration_word(4), 0x0706_0504);
        for outside in [0x100, usize::MAX] {
            assert_eq!(window.configuration_byte(outside), u8::MAX);
        }
        for outside in [1, 0x100, usize::MAX - 1] {
            assert_eq!(window.configuration_half(outside), u16::MAX);
        }
        for outside in [2, 0x100, usize::MAX - 3] {
            assert_eq!(window.configuration_word(outside), u32::MAX);
        }
    }
}
