// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Addresses and interrupt numbers of the machine (QEMU 7.2 to 10.0).

use crate::clint::{ClintRegisters, HartTimer};
use crate::plic::{HartPlic, PlicRegisters};
use crate::sifive_test::SifiveTestRegisters;
use crate::uart::Ns16550Registers;
use kernel::utilities::static_ref::StaticRef;
use virtio::transports::mmio::VirtIOMMIODeviceRegisters;

/// Number of VirtIO slots. QEMU fills them from the highest one down.
pub const VIRTIO_SLOTS: usize = 8;
/// Interrupt number of VirtIO slot 0; the others follow.
pub const VIRTIO_FIRST_INTERRUPT: u32 = 1;
/// Interrupt number of the serial port.
pub const UART0_INTERRUPT: u32 = 10;

const VIRTIO_BASE: usize = 0x1000_1000;
const VIRTIO_STRIDE: usize = 0x1000;

/// Test device, which ends the run.
// SAFETY: the machine maps the device there, aligned, for the whole run.
pub const SIFIVE_TEST: StaticRef<SifiveTestRegisters> =
    unsafe { StaticRef::new(0x0010_0000 as *const _) };

/// Timer of hart 0.
// SAFETY: as above.
pub(crate) const CLINT_REGISTERS: StaticRef<ClintRegisters> =
    unsafe { StaticRef::new(0x0200_0000 as *const _) };

/// The same, for its driver.
pub const CLINT: HartTimer = HartTimer;

/// Interrupt controller.
// SAFETY: as above.
pub(crate) const PLIC_REGISTERS: StaticRef<PlicRegisters> =
    unsafe { StaticRef::new(0x0C00_0000 as *const _) };

/// The same, for its driver.
pub const PLIC: HartPlic = HartPlic;

/// Serial port.
// SAFETY: as above.
pub const UART0: StaticRef<Ns16550Registers> = unsafe { StaticRef::new(0x1000_0000 as *const _) };

/// Registers of each VirtIO slot, in the order of their addresses.
pub const VIRTIO_MMIO: [StaticRef<VirtIOMMIODeviceRegisters>; VIRTIO_SLOTS] = {
    let mut slots = [virtio_slot(0); VIRTIO_SLOTS];
    let mut slot = 1;
    while slot < VIRTIO_SLOTS {
        slots[slot] = virtio_slot(slot);
        slot += 1;
    }
    slots
};

const fn virtio_slot(slot: usize) -> StaticRef<VirtIOMMIODeviceRegisters> {
    // SAFETY: slots 0 to 7 are mapped there for the whole run, page-aligned and a page apart.
    unsafe { StaticRef::new((VIRTIO_BASE + slot * VIRTIO_STRIDE) as *const _) }
}
