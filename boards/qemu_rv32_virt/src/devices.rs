// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The VirtIO devices: which ones are there, what serves them, and what the `virtio` command shows.
//!
//! Every device is optional. One line tells of each one found, and why it could not be put into
//! service if so; boot goes on without it.

use core::fmt::{self, Write};

use capsules_core::process_console::ConsoleCommand;
use components::virtio_net::{Net, NetDevice, NetMemory, VirtIONetComponent};
use components::virtio_rng::{Rng, RngDevice, RngMemory, VirtIORngComponent};
use components::virtio_slots::{Content, Slot, Slots, find_preferred};
use kernel::component::Component;
use kernel::debug;
use kernel::utilities::boot_memory::BootMemory;
use qemu_rv32_virt_chip::memory_map::VIRTIO_SLOTS;
use riscv::dma_fence::RiscvCoherentDmaFence;
use virtio::counters::Entries;
use virtio::devices::VirtIODeviceType;
use virtio::features::RING_PACKED;
use virtio::queues::BufferQueue;
use virtio::transports::VirtIOInitializationError;

/// How the devices see memory.
pub type Fence = RiscvCoherentDmaFence;

/// The entropy device's driver.
pub type VirtIORng = Rng<Fence>;

/// The network card's driver.
pub type VirtIONet = Net<Fence>;

/// How many entropy devices are put into service. Network cards all are.
const ENTROPY_DEVICES: usize = 2;

/// The slot of the network card that apps get, if it holds one that is in service: else it is the card
/// in the lowest slot.
const PREFERRED_CARD: Option<usize> = None;

/// Features that no device is used with, though device and driver could (`virtio::features`, and those of
/// device types). VERSION_1 is not declined.
const DECLINED_FEATURES: u64 = if cfg!(feature = "plain-virtio") {
    u64::MAX
} else {
    0
};

/// What serves one slot.
enum Service {
    Rng(RngDevice<Fence>),
    Net(NetDevice<Fence>),
    /// Nothing: it did not start.
    Failed(Failure),
    /// Nothing: there are more devices of the kind than are put into service.
    None,
}

/// Why a device is not in service.
enum Failure {
    /// There is no memory left for it.
    TooLittleMemory,
    /// It could not be put into service.
    NotInitialized(VirtIOInitializationError),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::TooLittleMemory => f.write_str("too little memory"),
            Failure::NotInitialized(error) => error.fmt(f),
        }
    }
}

/// The devices of this run. Apps get the entropy device in the lowest slot, and one network card.
pub struct Devices {
    slots: Slots<VIRTIO_SLOTS>,
    services: [Service; VIRTIO_SLOTS],
}

impl Devices {
    /// Puts the devices in `slots` into service. Only those that are there take memory.
    #[inline(never)]
    pub fn start(slots: Slots<VIRTIO_SLOTS>, fence: Fence, memory: &mut BootMemory) -> Self {
        let mut services = [const { Service::None }; VIRTIO_SLOTS];
        for slot in slots
            .of_type(VirtIODeviceType::EntropySource)
            .take(ENTROPY_DEVICES)
        {
            services[slot.number] = start_rng(slot, fence, RngMemory::reserve(memory));
        }
        for slot in slots.of_type(VirtIODeviceType::NetworkCard) {
            services[slot.number] = start_net(slot, fence, NetMemory::reserve(memory));
        }
        Self { slots, services }
    }

    /// Prints a line about each device.
    pub fn announce(&self) {
        for slot in self.slots.occupied() {
            debug!("{}", self.line(&slot));
        }
    }

    /// The entropy device, if one is in service.
    pub fn rng(&self) -> Option<&'static VirtIORng> {
        self.services.iter().find_map(|service| match service {
            Service::Rng(device) => Some(device.rng),
            _ => None,
        })
    }

    /// The network card for apps, if one is in service.
    pub fn net(&self) -> Option<&'static VirtIONet> {
        find_preferred(&self.services, PREFERRED_CARD, |service| match service {
            Service::Net(device) => Some(device.net),
            _ => None,
        })
    }

    fn line<'a>(&'a self, slot: &'a Slot) -> Line<'a> {
        Line {
            slot,
            service: self.services.get(slot.number).unwrap_or(&Service::None),
        }
    }
}

#[inline(never)]
fn start_rng(slot: Slot, fence: Fence, memory: Option<RngMemory<Fence>>) -> Service {
    let Some(memory) = memory else {
        return Service::Failed(Failure::TooLittleMemory);
    };
    let component = VirtIORngComponent::new(slot, fence).declining(DECLINED_FEATURES);
    match component.finalize(memory) {
        Ok(device) => Service::Rng(device),
        Err(error) => Service::Failed(Failure::NotInitialized(error)),
    }
}

#[inline(never)]
fn start_net(slot: Slot, fence: Fence, memory: Option<NetMemory<Fence>>) -> Service {
    let Some(memory) = memory else {
        return Service::Failed(Failure::TooLittleMemory);
    };
    let component = VirtIONetComponent::new(slot, fence).declining(DECLINED_FEATURES);
    match component.finalize(memory) {
        Ok(device) => Service::Net(device),
        Err(error) => Service::Failed(Failure::NotInitialized(error)),
    }
}

/// One device in one line.
struct Line<'a> {
    slot: &'a Slot,
    service: &'a Service,
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VirtIO slot {}: {}", self.slot.number, self.slot.content)?;
        match (self.service, self.slot.content) {
            (Service::Rng(_), _) => f.write_str(", in service"),
            (Service::Net(device), _) => {
                let [a, b, c, d, e, g] = device.net.mac();
                write!(
                    f,
                    " {a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}, MTU {}, link {}, in service",
                    u32::from(device.net.mtu()),
                    if device.net.link_is_up() {
                        "up"
                    } else {
                        "down"
                    }
                )
            }
            (Service::Failed(failure), _) => {
                write!(f, ", not in service: did not start: {failure}")
            }
            (Service::None, Content::Device(_) | Content::UnknownType(_)) => {
                f.write_str(", not in service")
            }
            (Service::None, _) => Ok(()),
        }
    }
}

/// Prints names and values that belong together on one line.
fn counters(writer: &mut dyn Write, title: &str, entries: Entries<'_>) -> fmt::Result {
    write!(writer, "  {title}:")?;
    for (name, value) in entries {
        write!(writer, " {name} {value}")?;
    }
    writer.write_str("\r\n")
}

/// How many parts the description of a slot has, each of which fits into the console's buffer.
const PARTS_OF_A_SLOT: usize = 2;

impl Devices {
    /// Writes one part of what there is to say about a slot.
    fn describe(&self, slot: &Slot, part: usize, writer: &mut dyn Write) -> fmt::Result {
        let service = self.services.get(slot.number);
        match (part, service) {
            (0, _) => {
                write!(writer, "{}\r\n", self.line(slot))?;
                let features = slot.device.accepted_features();
                if matches!(service, Some(Service::Rng(_) | Service::Net(_))) {
                    let layout = if features & RING_PACKED != 0 {
                        "packed"
                    } else {
                        "split"
                    };
                    write!(writer, "  {layout} rings, features {features:#x}\r\n")?;
                }
                counters(writer, "transport", slot.device.counters().entries())
            }
            (_, Some(Service::Rng(device))) => {
                counters(writer, "driver", device.rng.counters().entries())?;
                counters(writer, "queue", device.queue.counters().entries())
            }
            (_, Some(Service::Net(device))) => {
                counters(writer, "driver", device.net.counters().entries())?;
                let queues = [
                    ("receive", device.receive_queue),
                    ("transmit", device.transmit_queue),
                    ("control", device.control_queue),
                ];
                for (name, queue) in queues {
                    counters(writer, name, queue.counters().entries())?;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

impl ConsoleCommand for Devices {
    fn name(&self) -> &str {
        "virtio"
    }

    fn help(&self) -> &str {
        "show the VirtIO devices and their counters"
    }

    fn execute(&self, arguments: &str, writer: &mut dyn Write) {
        let mut part = 0;
        while self.execute_part(part, arguments, writer) {
            part += 1;
        }
    }

    fn execute_part(&self, part: usize, _arguments: &str, writer: &mut dyn Write) -> bool {
        let (wanted, part_of_slot) = (part / PARTS_OF_A_SLOT, part % PARTS_OF_A_SLOT);
        let mut number = 0;
        for slot in self.slots.occupied() {
            if number > wanted {
                return true;
            }
            if number == wanted {
                // The console cuts text that is too long, and says so.
                let _ = self.describe(&slot, part_of_slot, writer);
                if part_of_slot + 1 < PARTS_OF_A_SLOT {
                    return true;
                }
            }
            number += 1;
        }
        if number == 0 {
            let _ = writer.write_str("No VirtIO device was found.\r\n");
        }
        false
    }
}
