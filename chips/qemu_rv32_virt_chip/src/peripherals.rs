// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The machine's peripherals that interrupt, and which interrupt belongs to which.

use crate::memory_map::{
    UART0, UART0_INTERRUPT, VIRTIO_FIRST_INTERRUPT, VIRTIO_MMIO, VIRTIO_SLOTS,
};
use crate::plic::Plic;
use crate::uart::Uart16550;
use kernel::deferred_call::DeferredCallClient;
use kernel::platform::chip::InterruptService;
use virtio::transports::mmio::VirtIOMMIODevice;

/// Serial port and VirtIO slots.
pub struct QemuRv32VirtPeripherals<'a> {
    /// The serial port.
    pub uart0: Uart16550<'a>,
    /// The VirtIO slots, whether or not they hold a device.
    pub virtio_mmio: [VirtIOMMIODevice; VIRTIO_SLOTS],
}

impl QemuRv32VirtPeripherals<'_> {
    /// Creates the drivers without touching the devices.
    pub fn new() -> Self {
        QemuRv32VirtPeripherals {
            uart0: Uart16550::new(UART0),
            virtio_mmio: VIRTIO_MMIO.map(|registers| {
                let device = VirtIOMMIODevice::new(registers);
                // SAFETY: the machine has no IOMMU, so addresses are the same for everybody.
                unsafe { device.with_platform_access() }
            }),
        }
    }

    /// Registers deferred calls and lets the interrupts of all peripherals through.
    pub fn start(&'static self, plic: &Plic) {
        self.uart0.register();
        plic.initialize();
        plic.connect(UART0_INTERRUPT, true);
        for slot in 0..VIRTIO_SLOTS as u32 {
            plic.connect(VIRTIO_FIRST_INTERRUPT + slot, false);
        }
    }
}

impl Default for QemuRv32VirtPeripherals<'_> {
    fn default() -> Self {
        Self::new()
    }
}

impl InterruptService for QemuRv32VirtPeripherals<'_> {
    fn service_interrupt(&self, interrupt: u32) -> bool {
        if interrupt == UART0_INTERRUPT {
            self.uart0.handle_interrupt();
            return true;
        }
        let slot = interrupt.wrapping_sub(VIRTIO_FIRST_INTERRUPT) as usize;
        match self.virtio_mmio.get(slot) {
            Some(device) => {
                device.handle_interrupt();
                true
            }
            None => false,
        }
    }
}
