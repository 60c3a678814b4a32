// SPDX-License-Identifier: Apache-2.0 OR MIT

//! One memory-mapped device: what is known about it, and what boards and queues ask of it.

use core::cell::Cell;

use kernel::utilities::StaticRef;

use super::access::{Readable, RegisterAccess, Writable};
use super::lifecycle::{Lifecycle, Stage};
use super::registers::{
    CONFIGURATION_LEN, LEGACY_VERSION, MAGIC, VERSION, VirtIOMMIODeviceRegisters, interrupt,
};
use super::storm::StormGuard;
use crate::barriers::{Barriers, MachineBarriers};
use crate::counters::{TransportCounters, TransportEvents};
use crate::devices::{VirtIODeviceDriver, VirtIODeviceType};
use crate::queues::Virtqueue;
use crate::transports::configuration::ConfigurationWindow;
use crate::transports::{InterruptLine, PollRequest, VirtIOInitializationError, VirtIOTransport};

/// A device behind the memory-mapped transport.
///
/// The board makes one for each slot and calls [`handle_interrupt`](Self::handle_interrupt) from its
/// interrupt table, whether or not the slot turns out to hold a device.
pub struct VirtIOMMIODevice<
    R: RegisterAccess = StaticRef<VirtIOMMIODeviceRegisters>,
    B: Barriers = MachineBarriers,
> {
    pub(super) registers: R,
    pub(super) barriers: B,
    pub(super) life: Lifecycle,
    /// Whether the device had the legacy layout when it was last initialized.
    pub(super) legacy: Cell<bool>,
    /// Features that the board does not want.
    pub(super) declined: Cell<u64>,
    /// Whether addresses are the same to devices that the platform translates for.
    pub(super) platform_access: bool,
    /// Features that were agreed on when the device was last initialized.
    pub(super) accepted: Cell<u64>,
    /// Queues to notify as soon as the device runs, one bit each.
    pub(super) owed_notifications: Cell<u32>,
    pub(super) driver: Cell<Option<&'static dyn VirtIODeviceDriver>>,
    pub(super) queues: Cell<&'static [&'static dyn Virtqueue]>,
    /// Queues that the device may know, one bit each: they are this transport's until it has reset the
    /// device.
    pub(super) set_up: Cell<u32>,
    /// Whether an initialization failed when the device may have known buffers, and it was not reset
    /// since.
    pub(super) holds_buffers: Cell<bool>,
    pub(super) line: Cell<Option<&'static dyn InterruptLine>>,
    pub(super) storm: StormGuard,
    pub(super) poller: Cell<Option<&'static dyn PollRequest>>,
    /// Whether a poll has been asked for and is yet to come.
    pub(super) poll_is_due: Cell<bool>,
    /// Whether the driver waits for something.
    pub(super) watching: Cell<bool>,
    /// How many interrupts had come at the last poll that asked whether the device keeps up.
    pub(super) interrupts_before: Cell<u32>,
    /// Whether the device is being initialized, or queues give their buffers back: nothing is to be
    /// started from inside that.
    pub(super) busy: Cell<bool>,
    pub(super) events: TransportEvents,
}

impl VirtIOMMIODevice {
    /// Describes the device at `base` without touching it.
    pub const fn new(base: StaticRef<VirtIOMMIODeviceRegisters>) -> Self {
        Self::with_parts(base, MachineBarriers)
    }
}

#[cfg(feature = "device-seams")]
impl<R: RegisterAccess> VirtIOMMIODevice<R> {
    /// Describes a device whose registers are elsewhere than in a window of memory: a model of one.
    pub const fn with_registers(registers: R) -> Self {
        Self::with_parts(registers, MachineBarriers)
    }
}

impl<R: RegisterAccess, B: Barriers> VirtIOMMIODevice<R, B> {
    pub(crate) const fn with_parts(registers: R, barriers: B) -> Self {
        Self {
            registers,
            barriers,
            life: Lifecycle::new(),
            legacy: Cell::new(false),
            declined: Cell::new(0),
            platform_access: false,
            accepted: Cell::new(0),
            owed_notifications: Cell::new(0),
            driver: Cell::new(None),
            queues: Cell::new(&[]),
            set_up: Cell::new(0),
            holds_buffers: Cell::new(false),
            line: Cell::new(None),
            storm: StormGuard::new(),
            poller: Cell::new(None),
            poll_is_due: Cell::new(false),
            watching: Cell::new(false),
            interrupts_before: Cell::new(0),
            busy: Cell::new(false),
            events: TransportEvents::new(),
        }
    }

    /// Accepts [`ACCESS_PLATFORM`](crate::features::ACCESS_PLATFORM): the device may be one that sees
    /// memory only as the platform lets it.
    ///
    /// # Safety
    ///
    /// Memory has the same addresses for such a device as for the CPU, and the device may access what
    /// a driver lends it: there is no IOMMU, or it is off, or it maps all memory one to one.
    pub const unsafe fn with_platform_access(mut self) -> Self {
        self.platform_access = true;
        self
    }

    /// Finds out what is in this slot.
    ///
    /// # Errors
    ///
    /// The raw number of a device type this crate does not know, which is 0 for an empty slot. A slot
    /// without a device that [`Self::identify`] accepts counts as empty.
    pub fn query(&self) -> Result<VirtIODeviceType, u32> {
        self.identify().map_err(|error| match error {
            VirtIOInitializationError::UnknownDeviceType(id) => id,
            _ => 0,
        })
    }

    /// Finds out what is in this slot, or why it cannot be used, by reading three registers.
    ///
    /// # Errors
    ///
    /// - [`NotAVirtIODevice`](VirtIOInitializationError::NotAVirtIODevice): wrong magic number.
    /// - [`UnknownDeviceType`](VirtIOInitializationError::UnknownDeviceType): with number 0, an
    ///   empty slot.
    /// - [`InvalidTransportVersion`](VirtIOInitializationError::InvalidTransportVersion): a register
    ///   layout other than versions 1 and 2.
    pub fn identify(&self) -> Result<VirtIODeviceType, VirtIOInitializationError> {
        if self.registers.read(Readable::MagicValue) != MAGIC {
            return Err(VirtIOInitializationError::NotAVirtIODevice);
        }
        if !is_known(self.registers.read(Readable::Version)) {
            return Err(VirtIOInitializationError::InvalidTransportVersion);
        }
        // Only now is it known what lies there (4.2.3.1.1).
        let id = self.registers.read(Readable::DeviceId);
        VirtIODeviceType::from_device_id(id).ok_or(VirtIOInitializationError::UnknownDeviceType(id))
    }

    /// Names the interrupt source of this device, which is masked during an interrupt storm.
    ///
    /// Only with a [poller](Self::set_poller), which is what ends the masking.
    pub fn set_interrupt_line(&self, line: &'static dyn InterruptLine) {
        self.line.set(Some(line));
    }

    /// Names the poller to ask for a [`Polled::poll`] when there is something to wait for.
    ///
    /// Without one, a device that was stopped stays stopped, and requests may take for ever. It is asked
    /// at once for a poll that is due already.
    pub fn set_poller(&self, poller: &'static dyn PollRequest) {
        self.poller.set(Some(poller));
        if self.poll_is_due.get() {
            poller.request_poll();
        }
    }

    /// Declines features of any kind, from the next initialization on, as if the device did not offer
    /// them. [`VERSION_1`](crate::features::VERSION_1) cannot be declined.
    pub fn decline_features(&self, features: u64) {
        self.declined.set(features & !crate::features::VERSION_1);
    }

    /// The features that were agreed on when the device was last initialized.
    pub fn accepted_features(&self) -> u64 {
        self.accepted.get()
    }

    /// Whether the device is in service.
    pub fn is_running(&self) -> bool {
        self.life.stage() == Stage::Running
    }

    /// What has happened so far.
    pub fn counters(&self) -> TransportCounters {
        self.events.snapshot()
    }

    fn ring_doorbell(&self, queue: u32) {
        self.events.notifications.bump();
        self.barriers.doorbell();
        self.registers.write(Writable::QueueNotify, queue);
    }

    /// Sends the notifications that were asked for too early.
    pub(super) fn pay_notifications(&self) {
        let mut owed = self.owed_notifications.take();
        while owed != 0 {
            let queue = owed.trailing_zeros();
            owed &= !(1 << queue);
            self.ring_doorbell(queue);
        }
    }

    /// Tells whether there is a cause of an interrupt, which stays.
    pub(super) fn has_causes(&self) -> bool {
        self.registers.read(Readable::InterruptStatus) & KNOWN_CAUSES != 0
    }

    /// Reads and acknowledges the causes of an interrupt; unknown causes are left alone.
    pub(super) fn take_causes(&self) -> u32 {
        let causes = self.registers.read(Readable::InterruptStatus) & KNOWN_CAUSES;
        if causes != 0 {
            self.registers.write(Writable::InterruptAck, causes);
        }
        causes
    }
}

/// What an interrupt can be about (VirtIO 1.2, 4.2.2).
const KNOWN_CAUSES: u32 = interrupt::USED_BUFFER | interrupt::CONFIGURATION;

/// Whether a register layout is one that this transport drives.
///
/// Legacy devices have the byte order of the machine (2.4.3), but rings are little-endian here.
fn is_known(version: u32) -> bool {
    version == VERSION || version == LEGACY_VERSION && cfg!(target_endian = "little")
}

impl<R: RegisterAccess, B: Barriers> VirtIOTransport for VirtIOMMIODevice<R, B> {
    fn initialize(
        &self,
        driver: &'static dyn VirtIODeviceDriver,
        queues: &'static [&'static dyn Virtqueue],
    ) -> Result<VirtIODeviceType, VirtIOInitializationError> {
        self.bring_up(driver, queues)
    }

    fn queue_notify(&self, queue_id: u32) {
        match self.life.stage() {
            Stage::Running => self.ring_doorbell(queue_id),
            Stage::Starting => {
                let bit = 1u32.checked_shl(queue_id).unwrap_or(0);
                self.owed_notifications
                    .set(self.owed_notifications.get() | bit);
            }
            Stage::Down | Stage::Stopped | Stage::Suspect => {}
        }
    }

    fn watch(&self) {
        // Out of service there are no requests: they came back, or do with the reset.
        if self.is_running() && !self.watching.replace(true) {
            self.request_poll();
        }
    }
}

impl<R: RegisterAccess, B: Barriers> ConfigurationWindow for VirtIOMMIODevice<R, B> {
    fn len_bytes(&self) -> usize {
        CONFIGURATION_LEN
    }

    fn byte(&self, offset: usize) -> u8 {
        self.registers.configuration_byte(offset)
    }

    fn half(&self, offset: usize) -> u16 {
        self.registers.configuration_half(offset)
    }

    fn word(&self, offset: usize) -> u32 {
        self.registers.configuration_word(offset)
    }

    fn generation(&self) -> Option<u32> {
        (!self.legacy.get()).then(|| self.registers.read(Readable::ConfigGeneration))
    }
}
