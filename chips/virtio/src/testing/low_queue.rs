// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A queue at an address that fits a legacy device, on hosts where none does.

use core::cell::Cell;

use super::leak;
use super::mmio_device::MmioDevice;
use crate::queues::{Served, Virtqueue, VirtqueueAddresses};

/// Takes the high half off the addresses of a queue; the device model adds it again.
struct LowQueue {
    queue: &'static dyn Virtqueue,
    device: &'static MmioDevice,
    number: Cell<u32>,
}

/// Moves a queue down, as far as `device` knows.
pub(crate) fn low_queue(
    queue: &'static dyn Virtqueue,
    device: &'static MmioDevice,
) -> &'static dyn Virtqueue {
    leak(LowQueue {
        queue,
        device,
        number: Cell::new(0),
    })
}

impl Virtqueue for LowQueue {
    fn negotiate_queue_size(&self, device_max_elements: usize) -> usize {
        self.queue.negotiate_queue_size(device_max_elements)
    }

    fn initialize(&self, queue_number: u32, queue_elements: usize) {
        self.number.set(queue_number);
        self.queue.initialize(queue_number, queue_elements);
    }

    fn physical_addresses(&self) -> VirtqueueAddresses {
        let parts = self.queue.physical_addresses();
        let high = parts.descriptor_area & !u64::from(u32::MAX);
        self.device.high_addresses.borrow_mut()[self.number.get() as usize] = high;
        VirtqueueAddresses {
            descriptor_area: parts.descriptor_area - high,
            driver_area: parts.driver_area - high,
            device_area: parts.device_area - high,
        }
    }

    fn used_interrupt(&self) {
        self.queue.used_interrupt();
    }

    fn serve(&self) -> Served {
        self.queue.serve()
    }

    fn features(&self) -> u64 {
        self.queue.features()
    }

    fn set_features(&self, accepted: u64) {
        self.queue.set_features(accepted);
    }

    unsafe fn device_was_reset(&self) {
        // SAFETY: passed on to the caller.
        unsafe { self.queue.device_was_reset() };
    }
}
