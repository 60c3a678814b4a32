// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A memory-mapped device (VirtIO 1.2, 4.2.2) that obeys the standard until a knob is turned.
//!
//! It insists that the driver obeys too: whatever 4.2.2.2 forbids fails the test in which it happens.

use core::cell::{Cell, RefCell};
use std::vec::Vec;

use super::leak;
use super::split_device::SplitDevice;
use crate::queues::VirtqueueAddresses;
use crate::transports::mmio::{Readable, RegisterAccess, Writable};

/// What the driver told the device about one queue.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct QueueSetup {
    pub(crate) num: u32,
    pub(crate) parts: [u32; 6],
    pub(crate) ready: u32,
    /// What a legacy driver says: the alignment of the used ring, and the page of the queue.
    pub(crate) align: u32,
    pub(crate) pfn: u32,
}

/// The device. Public cells are the knobs.
pub(crate) struct MmioDevice {
    pub(crate) magic: Cell<u32>,
    pub(crate) version: Cell<u32>,
    pub(crate) device_id: Cell<u32>,
    pub(crate) offered: Cell<u64>,
    pub(crate) queue_num_max: Cell<u32>,
    /// A queue that has less room than the others, and how much.
    pub(crate) small_queue: Cell<Option<(u32, u32)>>,
    pub(crate) number_of_queues: Cell<u32>,
    /// Never completes a reset.
    pub(crate) reset_hangs: Cell<bool>,
    /// Takes back FEATURES_OK.
    pub(crate) refuses_features: Cell<bool>,
    /// Asks for a reset as soon as it is started.
    pub(crate) fails_at_start: Cell<bool>,
    /// Sets these bits of the status by itself, whenever the driver writes it.
    pub(crate) sets_status: Cell<u32>,
    /// Reports queues as in use before they are set up.
    pub(crate) queues_in_use: Cell<bool>,
    /// Reads the interrupt status like this instead of the truth.
    pub(crate) false_interrupt_status: Cell<Option<u32>>,
    pub(crate) configuration: RefCell<Vec<u8>>,
    /// Changes the generation at every read of it.
    pub(crate) restless: Cell<bool>,

    pub(crate) status: Cell<u32>,
    pub(crate) accepted: Cell<u64>,
    pub(crate) interrupt_status: Cell<u32>,
    pub(crate) queues: RefCell<Vec<QueueSetup>>,
    pub(crate) writes: RefCell<Vec<(Writable, u32)>>,
    pub(crate) reads: RefCell<Vec<Readable>>,
    /// Selectors, once they were written.
    features_sel: Cell<Option<u32>>,
    driver_sel: Cell<Option<u32>>,
    queue_sel: Cell<Option<u32>>,
    generation: Cell<u32>,
    page_size: Cell<u32>,
    /// What `LowQueue` took off the address of each queue.
    pub(super) high_addresses: RefCell<Vec<u64>>,
}

pub(crate) const FAILED: u32 = 128;
pub(crate) const NEEDS_RESET: u32 = 64;
pub(crate) const STARTED: u32 = 1 | 2 | 8 | 4;

impl MmioDevice {
    pub(crate) fn new(device_id: u32) -> &'static Self {
        leak(Self {
            magic: Cell::new(u32::from_le_bytes(*b"virt")),
            version: Cell::new(2),
            device_id: Cell::new(device_id),
            offered: Cell::new(1 << 32),
            queue_num_max: Cell::new(1024),
            small_queue: Cell::new(None),
            number_of_queues: Cell::new(2),
            reset_hangs: Cell::new(false),
            refuses_features: Cell::new(false),
            fails_at_start: Cell::new(false),
            sets_status: Cell::new(0),
            queues_in_use: Cell::new(false),
            false_interrupt_status: Cell::new(None),
            configuration: RefCell::new(std::vec![0; 256]),
            restless: Cell::new(false),
            status: Cell::new(0),
            accepted: Cell::new(0),
            interrupt_status: Cell::new(0),
            queues: RefCell::new(Vec::new()),
            writes: RefCell::new(Vec::new()),
            reads: RefCell::new(Vec::new()),
            features_sel: Cell::new(None),
            driver_sel: Cell::new(None),
            queue_sel: Cell::new(None),
            generation: Cell::new(0),
            page_size: Cell::new(0),
            high_addresses: RefCell::new(std::vec![0; 2]),
        })
    }

    /// The device's half of a queue that the driver has set up.
    pub(crate) fn queue(&self, number: usize) -> SplitDevice {
        let setup = self.queues.borrow()[number];
        if self.version.get() == 1 {
            return self.legacy_queue(setup, self.high_addresses.borrow()[number]);
        }
        assert_eq!(setup.ready, 1, "queue {number} was not made ready");
        let address = |at: usize| u64::from(setup.parts[at + 1]) << 32 | u64::from(setup.parts[at]);
        let parts = VirtqueueAddresses {
            descriptor_area: address(0),
            driver_area: address(2),
            device_area: address(4),
        };
        SplitDevice::new(parts, setup.num as u16)
    }

    /// A queue as a legacy device finds it: one block, laid out by its size and the alignment.
    fn legacy_queue(&self, setup: QueueSetup, high: u64) -> SplitDevice {
        assert_ne!(setup.pfn, 0, "the queue was not made ready");
        assert!(self.page_size.get().is_power_of_two() && setup.align.is_power_of_two());
        let (num, align) = (u64::from(setup.num), u64::from(setup.align));
        let block = u64::from(setup.pfn) * u64::from(self.page_size.get()) + high;
        let driver_area = block + 16 * num;
        let parts = VirtqueueAddresses {
            descriptor_area: block,
            driver_area,
            device_area: (driver_area + 6 + 2 * num).div_ceil(align) * align,
        };
        SplitDevice::new(parts, setup.num as u16)
    }

    pub(crate) fn notifications(&self) -> Vec<u32> {
        self.written(Writable::QueueNotify)
    }

    pub(crate) fn written(&self, register: Writable) -> Vec<u32> {
        let writes = self.writes.borrow();
        let values = writes.iter().filter(|(which, _)| *which == register);
        values.map(|(_, value)| *value).collect()
    }

    pub(crate) fn raise(&self, causes: u32) {
        self.interrupt_status
            .set(self.interrupt_status.get() | causes);
    }

    fn selected(&self, change: impl FnOnce(&mut QueueSetup)) {
        let mut queues = self.queues.borrow_mut();
        let number = self.selected_queue() as usize;
        if queues.len() <= number {
            queues.resize(number + 1, QueueSetup::default());
        }
        change(&mut queues[number]);
    }

    fn selected_queue(&self) -> u32 {
        self.queue_sel.get().expect("a queue was selected")
    }

    /// As [`selected`](Self::selected), for what is fixed while the device uses the queue.
    fn set_up(&self, change: impl FnOnce(&mut QueueSetup)) {
        self.selected(|queue| {
            assert_eq!(queue.ready, 0, "changed while the device uses the queue");
            change(queue);
        });
    }

    fn set_status(&self, value: u32) {
        if value == 0 {
            for selector in [&self.features_sel, &self.driver_sel, &self.queue_sel] {
                selector.set(None);
            }
            if !self.reset_hangs.get() {
                self.status.set(0);
                self.accepted.set(0);
                self.interrupt_status.set(0);
                self.queues.borrow_mut().clear();
            }
            return;
        }
        let before = self.status.get();
        assert_eq!(before & !value, 0, "the driver cleared a status bit");
        let mut now = value | self.sets_status.get();
        if self.refuses_features.get() {
            now &= !8;
        }
        if self.fails_at_start.get() && value & 4 != 0 {
            now |= NEEDS_RESET;
        }
        self.status.set(now);
    }
}

// SAFETY: the device accesses no memory by itself. Tests do in its place, by `SplitDevice`, and only while it
// is in service.
unsafe impl RegisterAccess for &'static MmioDevice {
    fn read(&self, register: Readable) -> u32 {
        self.reads.borrow_mut().push(register);
        match register {
            Readable::MagicValue => self.magic.get(),
            Readable::Version => self.version.get(),
            Readable::DeviceId => self.device_id.get(),
            Readable::VendorId => u32::from_le_bytes(*b"TEST"),
            Readable::DeviceFeatures => {
                let word = self.features_sel.get().expect("a word was selected");
                (self.offered.get() >> (32 * word)) as u32
            }
            Readable::QueueNumMax if self.selected_queue() < self.number_of_queues.get() => {
                match self.small_queue.get() {
                    Some((number, room)) if number == self.selected_queue() => room,
                    _ => self.queue_num_max.get(),
                }
            }
            Readable::QueueNumMax => 0,
            Readable::QueuePfn => {
                assert_eq!(self.version.get(), 1);
                self.queues_in_use.get().into()
            }
            Readable::QueueReady => {
                self.selected_queue();
                self.queues_in_use.get().into()
            }
            Readable::InterruptStatus => self
                .false_interrupt_status
                .get()
                .unwrap_or(self.interrupt_status.get()),
            Readable::Status => self.status.get(),
            Readable::ConfigGeneration => {
                if self.restless.get() {
                    self.generation.set(self.generation.get().wrapping_add(1));
                }
                self.generation.get()
            }
        }
    }

    fn write(&self, register: Writable, value: u32) {
        self.writes.borrow_mut().push((register, value));
        match register {
            Writable::DeviceFeaturesSel => self.features_sel.set(Some(value)),
            Writable::DriverFeaturesSel => self.driver_sel.set(Some(value)),
            Writable::DriverFeatures => {
                let shift = 32 * self.driver_sel.get().expect("a word was selected");
                assert_eq!(self.status.get() & 8, 0, "features are agreed on already");
                let kept = self.accepted.get() & !(u64::from(u32::MAX) << shift);
                self.accepted.set(kept | u64::from(value) << shift);
            }
            Writable::QueueSel => self.queue_sel.set(Some(value)),
            Writable::GuestPageSize => {
                assert_eq!(self.version.get(), 1);
                self.page_size.set(value);
            }
            Writable::QueueAlign => self.selected(|queue| queue.align = value),
            Writable::QueuePfn => self.selected(|queue| queue.pfn = value),
            Writable::QueueNum => {
                assert!(value.is_power_of_two() && value <= self.queue_num_max.get());
                self.set_up(|queue| queue.num = value);
            }
            Writable::QueueReady => self.selected(|queue| queue.ready = value),
            Writable::QueueNotify => {
                assert_eq!(self.status.get() & 4, 4, "notified before it was started");
            }
            Writable::InterruptAck => {
                assert_eq!(value & !3, 0, "acknowledged what no standard defines");
                self.interrupt_status
                    .set(self.interrupt_status.get() & !value);
            }
            Writable::Status => self.set_status(value),
            Writable::QueueDescLow => self.set_up(|queue| queue.parts[0] = value),
            Writable::QueueDescHigh => self.set_up(|queue| queue.parts[1] = value),
            Writable::QueueDriverLow => self.set_up(|queue| queue.parts[2] = value),
            Writable::QueueDriverHigh => self.set_up(|queue| queue.parts[3] = value),
            Writable::QueueDeviceLow => self.set_up(|queue| queue.parts[4] = value),
            Writable::QueueDeviceHigh => self.set_up(|queue| queue.parts[5] = value),
        }
    }

    fn configuration_byte(&self, offset: usize) -> u8 {
        self.configuration.borrow()[offset]
    }

    fn configuration_half(&self, offset: usize) -> u16 {
        let bytes = self.configuration.borrow();
        u16::from_le_bytes([bytes[offset], bytes[offset + 1]])
    }

    fn configuration_word(&self, offset: usize) -> u32 {
        let bytes = self.configuration.borrow();
        u32::from_le_bytes(bytes[offset..offset + 4].try_into().unwrap())
    }
}
