// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The register window of a device (VirtIO 1.2, 4.2.2), honest but for the noise.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use virtio::transports::mmio::{Readable, RegisterAccess, Writable};
use vm_memory::GuestMemoryMmap;

use crate::half::{Half, Setup};
use crate::noise::Noise;

/// How many queues a device may have.
const QUEUES: usize = 4;

/// The length of the configuration space.
const CONFIGURATION: usize = 0x100;

/// The cause of an interrupt: used buffers.
pub const USED: u32 = 1;

/// The cause of an interrupt: the configuration changed, or the device needs a reset.
pub const CHANGED: u32 = 2;

/// Status: the device cannot go on.
pub const NEEDS_RESET: u32 = 64;

const DRIVER_OK: u32 = 4;

/// What a device is and offers.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The type of device.
    pub device_id: u32,
    /// The version of the register layout.
    pub version: u32,
    /// The features it offers.
    pub offered: u64,
    /// The largest size of its queues.
    pub queue_num_max: u32,
    /// How many queues it has.
    pub queues: u32,
    /// The beginning of its configuration space.
    pub configuration: Vec<u8>,
}

/// The window.
pub struct Registers {
    memory: Arc<GuestMemoryMmap>,
    /// What every read goes through.
    pub noise: Noise,
    identity: RefCell<Identity>,
    configuration: RefCell<[u8; CONFIGURATION]>,
    generation: Cell<u32>,
    status: Cell<u32>,
    causes: Cell<u32>,
    accepted: Cell<u64>,
    offered_word: Cell<u32>,
    accepted_word: Cell<u32>,
    selected: Cell<usize>,
    setups: RefCell<[Setup; QUEUES]>,
    halves: RefCell<[Option<Half>; QUEUES]>,
    notifications: Cell<u32>,
}

impl Registers {
    /// A device that sees this memory.
    #[must_use]
    pub fn new(memory: Arc<GuestMemoryMmap>, identity: Identity) -> Registers {
        let registers = Registers {
            memory,
            noise: Noise::default(),
            identity: RefCell::new(identity.clone()),
            configuration: RefCell::new([0; CONFIGURATION]),
            generation: Cell::new(0),
            status: Cell::new(0),
            causes: Cell::new(0),
            accepted: Cell::new(0),
            offered_word: Cell::new(0),
            accepted_word: Cell::new(0),
            selected: Cell::new(0),
            setups: RefCell::default(),
            halves: RefCell::default(),
            notifications: Cell::new(0),
        };
        registers.become_(identity);
        registers
    }

    /// Turns into another device, which the driver finds out about at the next initialization.
    pub fn become_(&self, identity: Identity) {
        let mut configuration = [0; CONFIGURATION];
        configuration[..identity.configuration.len()].copy_from_slice(&identity.configuration);
        self.configuration.replace(configuration);
        self.identity.replace(identity);
    }

    /// Changes a byte of the configuration space, and says so.
    pub fn change(&self, offset: u8, value: u8) {
        self.configuration.borrow_mut()[usize::from(offset)] = value;
        self.generation.set(self.generation.get().wrapping_add(1));
        self.raise(CHANGED);
    }

    /// Adds causes of an interrupt.
    pub fn raise(&self, causes: u32) {
        self.causes.set(self.causes.get() | causes);
    }

    /// Whether the device interrupts.
    #[must_use]
    pub fn has_causes(&self) -> bool {
        self.causes.get() & (USED | CHANGED) != 0
    }

    /// Adds a bit to the status, and says so.
    pub fn set_status(&self, bits: u32) {
        self.status.set(self.status.get() | bits);
        self.raise(CHANGED);
    }

    /// Whether the driver has started the device.
    #[must_use]
    pub fn is_started(&self) -> bool {
        self.status.get() & DRIVER_OK != 0
    }

    /// The features that the driver accepted.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.accepted.get()
    }

    /// Counts the writes to the notification register.
    #[must_use]
    pub fn notifications(&self) -> u32 {
        self.notifications.get()
    }

    /// Works on one queue, if the driver has set it up.
    pub fn with_half<T>(&self, queue: usize, work: impl FnOnce(&mut Half) -> T) -> Option<T> {
        self.halves.borrow_mut().get_mut(queue)?.as_mut().map(work)
    }

    fn reset(&self) {
        self.status.set(0);
        self.causes.set(0);
        self.accepted.set(0);
        self.setups.replace(Default::default());
        self.halves.replace(Default::default());
    }

    fn set_up(&self, change: impl FnOnce(&mut Setup)) {
        if let Some(setup) = self.setups.borrow_mut().get_mut(self.selected.get()) {
            change(setup);
        }
    }

    fn make_ready(&self, ready: bool) {
        let number = self.selected.get();
        let features = self.accepted.get();
        if let Some(half) = self.halves.borrow_mut().get_mut(number) {
            let setup = self.setups.borrow()[number];
            let made = ready.then(|| Half::new(self.memory.clone(), setup, features));
            *half = made.flatten();
        }
    }

    fn honest(&self, register: Readable) -> u32 {
        let identity = self.identity.borrow();
        let is_ready = || {
            let halves = self.halves.borrow();
            let half = halves.get(self.selected.get());
            u32::from(half.is_some_and(Option::is_some))
        };
        match register {
            Readable::MagicValue => u32::from_le_bytes(*b"virt"),
            Readable::Version => identity.version,
            Readable::DeviceId => identity.device_id,
            Readable::VendorId => 0,
            Readable::DeviceFeatures => match self.offered_word.get() {
                0 => identity.offered as u32,
                _ => (identity.offered >> 32) as u32,
            },
            Readable::QueueNumMax if (self.selected.get() as u32) < identity.queues => {
                identity.queue_num_max
            }
            Readable::QueueNumMax => 0,
            Readable::QueuePfn | Readable::QueueReady => is_ready(),
            Readable::InterruptStatus => self.causes.get(),
            Readable::Status => self.status.get(),
            Readable::ConfigGeneration => self.generation.get(),
        }
    }

    fn configuration<const N: usize>(&self, offset: usize) -> [u8; N] {
        let bytes = self.configuration.borrow();
        bytes[offset..offset + N].try_into().expect("as many bytes")
    }
}

// SAFETY: queues and buffers are accessed by a `Half` alone, which has the addresses that were written here, and
// which `reset` takes away whenever zero is written to the status, whatever is read of it.
unsafe impl RegisterAccess for &'static Registers {
    fn read(&self, register: Readable) -> u32 {
        self.noise.twist(self.honest(register))
    }

    fn write(&self, register: Writable, value: u32) {
        let part = |at: usize| self.set_up(|setup| setup.parts[at] = value);
        match register {
            Writable::DeviceFeaturesSel => self.offered_word.set(value),
            Writable::DriverFeaturesSel => self.accepted_word.set(value),
            Writable::DriverFeatures => {
                let shift = 32 * self.accepted_word.get().min(1);
                let kept = self.accepted.get() & !(u64::from(u32::MAX) << shift);
                self.accepted.set(kept | u64::from(value) << shift);
            }
            Writable::QueueSel => self.selected.set(value as usize),
            Writable::QueueNum => self.set_up(|setup| setup.size = value),
            Writable::QueueReady => self.make_ready(value != 0),
            // The legacy layout goes no further here: hosts have no memory at addresses that low.
            Writable::GuestPageSize | Writable::QueueAlign | Writable::QueuePfn => {}
            Writable::QueueNotify => {
                assert!(self.is_started() || self.status.get() == 0, "too early");
                self.notifications
                    .set(self.notifications.get().wrapping_add(1));
            }
            Writable::InterruptAck => self.causes.set(self.causes.get() & !value),
            Writable::Status if value == 0 => self.reset(),
            Writable::Status => self.status.set(value),
            Writable::QueueDescLow => part(0),
            Writable::QueueDescHigh => part(1),
            Writable::QueueDriverLow => part(2),
            Writable::QueueDriverHigh => part(3),
            Writable::QueueDeviceLow => part(4),
            Writable::QueueDeviceHigh => part(5),
        }
    }

    fn configuration_byte(&self, offset: usize) -> u8 {
        self.noise.twist(self.configuration::<1>(offset)[0].into()) as u8
    }

    fn configuration_half(&self, offset: usize) -> u16 {
        let honest = u16::from_le_bytes(self.configuration(offset));
        self.noise.twist(honest.into()) as u16
    }

    fn configuration_word(&self, offset: usize) -> u32 {
        self.noise
            .twist(u32::from_le_bytes(self.configuration(offset)))
    }
}
