// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The VirtIO devices: which ones are there, what serves them, and what the `virtio` command shows.
//!
//! Every device is optional. One line tells of each one found, and why it could not be put into
//! service if so; boot goes on without it.

use core::fmt::{self, Write};

use capsules_core::process_console::ConsoleCommand;
use components::virtio_net::{Net, NetDevice, NetMemory, VirtIONetComponent};
use components::virtio_rng::{Rng, RngDevice, RngMemory, VirtIORngComponent};
use components::virtio_slots::{Content, Slot, Slots};
use kernel::component::Component;
use kernel::debug;
use kernel::utilities::boot_memory::BootMemory;
use qemu_rv32_virt_chip::memory_map::VIRTIO_SLOTS;
use riscv::dma_fence::RiscvCoherentDmaFence;
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

/// How many devices of a kind are put into service.
const OF_A_KIND: usize = 2;

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
            Failure::NotInitialized(error) => write!(f, "{error:?}"),
        }
    }
}

/// The devices of this run. Two of a kind are put into service, and the one in the lower slot is what
/// apps get.
pub struct Devices {
    slots: Slots<VIRTIO_SLOTS>,
    services: [Service; VIRTIO_SLOTS],
}

impl Devices {
    /// Puts the devices in `slots` into service. Only those that are there take memory.
    pub fn start(slots: Slots<VIRTIO_SLOTS>, fence: Fence, memory: &mut BootMemory) -> Self {
        let mut services = [const { Service::None }; VIRTIO_SLOTS];
        for slot in slots
            .of_type(VirtIODeviceType::EntropySource)
            .take(OF_A_KIND)
        {
            services[slot.number] = start_rng(slot, fence, RngMemory::reserve(memory));
        }
        for slot in slots.of_type(VirtIODeviceType::NetworkCard).take(OF_A_KIND) {
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

    /// The network card, if one is in service.
    pub fn net(&self) -> Option<&'static VirtIONet> {
        self.services.iter().find_map(|service| match service {
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

fn start_rng(slot: Slot, fence: Fence, memory: Option<RngMemory<Fence>>) -> Service {
    let Some(memory) = memory else {
        return Service::Failed(Failure::TooLittleMemory);
    };
    match VirtIORngComponent::new(slot, fence).finalize(memory) {
        Ok(device) => Service::Rng(device),
        Err(error) => Service::Failed(Failure::NotInitialized(error)),
    }
}

fn start_net(slot: Slot, fence: Fence, memory: Option<NetMemory<Fence>>) -> Service {
    let Some(memory) = memory else {
        return Service::Failed(Failure::TooLittleMemory);
    };
    match VirtIONetComponent::new(slot, fence).finalize(memory) {
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
                    device.net.mtu(),
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
fn counters(
    writer: &mut dyn Write,
    title: &str,
    entries: impl Iterator<Item = (&'static str, u32)>,
) -> fmt::Result {
    write!(writer, "  {title}:")?;
    for (name, value) in entries {
        write!(writer, " {name} {value}")?;
    }
    writer.write_str("\r\n")
}

impl Devices {
    fn describe(&self, slot: &Slot, writer: &mut dyn Write) -> fmt::Result {
        write!(writer, "{}\r\n", self.line(slot))?;
        let features = match self.services.get(slot.number) {
            Some(Service::Rng(device)) => device.queue.accepted_features(),
            Some(Service::Net(device)) => device.transmit_queue.accepted_features(),
            _ => 0,
        };
        if features != 0 {
            let layout = if features & RING_PACKED != 0 {
                "packed"
            } else {
                "split"
            };
            write!(writer, "  {layout} rings, features {features:#x}\r\n")?;
        }
        counters(writer, "transport", slot.device.counters().entries())?;
        match self.services.get(slot.number) {
            Some(Service::Rng(device)) => {
                counters(writer, "driver", device.rng.counters().entries())?;
                counters(writer, "queue", device.queue.counters().entries())
            }
            Some(Service::Net(device)) => {
                counters(writer, "driver", device.net.counters().entries())?;
                counters(writer, "receive", device.receive_queue.counters().entries())?;
                counters(
                    writer,
                    "transmit",
                    device.transmit_queue.counters().entries(),
                )
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

    fn execute(&self, _arguments: &str, writer: &mut dyn Write) {
        for slot in self.slots.occupied() {
            // The console cuts text that is too long, and says so.
            let _ = self.describe(&slot, writer);
        }
    }

    fn execute_part(&self, part: usize, _arguments: &str, writer: &mut dyn Write) -> bool {
        let mut slots = self.slots.occupied().skip(part);
        match slots.next() {
            Some(slot) => {
                let _ = self.describe(&slot, writer);
            }
            None if part == 0 => {
                let _ = writer.write_str("No VirtIO device was found.\r\n");
            }
            None => {}
        }
        slots.next().is_some()
    }
}
