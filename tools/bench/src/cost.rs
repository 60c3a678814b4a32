// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What an operation costs: the counts of a window divided by its operations.

use std::collections::BTreeMap;
use std::ops::Range;

use board_runner::memory_map::FLASH;
use serde::{Deserialize, Serialize};

use crate::instruction::{Kind, kind};
use crate::program::Program;
use crate::windows::{Counts, Events};

/// QEMU's trace event for a used buffer notification.
pub const INTERRUPT: &str = "virtio_notify";

/// Where the device registers of QEMU's `virt` machine are.
const DEVICES: Range<u64> = 0x0010_0000..0x2000_0000;
/// Register windows of its VirtIO slots, their size, and the register for available buffer
/// notifications (VirtIO 1.2, 4.2.2).
const VIRTIO: Range<u64> = 0x1000_1000..0x1000_9000;
const VIRTIO_WINDOW_BYTES: u64 = 0x1000;
const QUEUE_NOTIFY: u64 = 0x50;

/// A device register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Register {
    /// Of a VirtIO device.
    VirtIo {
        /// Whether it takes notifications.
        notifies: bool,
    },
    /// Of any other device.
    Other,
}

fn register(address: u64) -> Register {
    if VIRTIO.contains(&address) {
        let notifies = address % VIRTIO_WINDOW_BYTES == QUEUE_NOTIFY;
        Register::VirtIo { notifies }
    } else {
        Register::Other
    }
}

/// Cost of one operation.
///
/// Stored results may lack members that came later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Cost {
    /// Executed instructions, in kernel and app.
    pub instructions: f64,
    /// Those of the app.
    pub app: f64,
    /// Accesses to control and status registers, without those of the next member.
    pub csr: f64,
    /// Writes to registers of the physical memory protection.
    pub pmp_writes: f64,
    /// Instructions that drop cached translations.
    pub fences: f64,
    /// Accesses to registers of VirtIO devices, notifications included.
    pub mmio: f64,
    /// Accesses to registers of the other devices: timer, interrupt controller, serial port.
    pub other_mmio: f64,
    /// Available buffer notifications, from driver to device.
    pub notifications: f64,
    /// Used buffer notifications, from device to driver.
    pub interrupts: f64,
}

impl Cost {
    /// Adds up a window and divides by its operations.
    #[must_use]
    pub fn of(kernel: &Program, counts: &Counts, events: &Events, operations: u64) -> Cost {
        let mut cost = Cost::default();
        for (address, count) in counts {
            let count = *count as f64;
            if DEVICES.contains(address) {
                match register(*address) {
                    Register::VirtIo { notifies } => {
                        cost.mmio += count;
                        cost.notifications += if notifies { count } else { 0.0 };
                    }
                    Register::Other => cost.other_mmio += count,
                }
                continue;
            }
            cost.instructions += count;
            if is_app(*address) {
                cost.app += count;
                continue;
            }
            match kernel.instruction_at(*address).map(kind) {
                Some(Kind::PmpWrite) => cost.pmp_writes += count,
                Some(Kind::Csr) => cost.csr += count,
                Some(Kind::Fence) => cost.fences += count,
                Some(Kind::Plain) | None => {}
            }
        }
        cost.interrupts = events.get(INTERRUPT).copied().unwrap_or(0) as f64;
        cost.divided(operations as f64)
    }

    /// The smaller one of each figure.
    #[must_use]
    pub fn least(&self, other: &Cost) -> Cost {
        Cost {
            instructions: self.instructions.min(other.instructions),
            app: self.app.min(other.app),
            csr: self.csr.min(other.csr),
            pmp_writes: self.pmp_writes.min(other.pmp_writes),
            fences: self.fences.min(other.fences),
            mmio: self.mmio.min(other.mmio),
            other_mmio: self.other_mmio.min(other.other_mmio),
            notifications: self.notifications.min(other.notifications),
            interrupts: self.interrupts.min(other.interrupts),
        }
    }

    /// To two decimals: more say nothing, and would make stored results hard to compare.
    fn divided(self, by: f64) -> Cost {
        let each = |sum: f64| (sum / by * 100.0).round() / 100.0;
        Cost {
            instructions: each(self.instructions),
            app: each(self.app),
            csr: each(self.csr),
            pmp_writes: each(self.pmp_writes),
            fences: each(self.fences),
            mmio: each(self.mmio),
            other_mmio: each(self.other_mmio),
            notifications: each(self.notifications),
            interrupts: each(self.interrupts),
        }
    }
}

/// Instructions of an operation by a name for where they are, most of them first.
pub fn profile(
    counts: &Counts,
    operations: u64,
    name: impl Fn(u64) -> String,
) -> Vec<(String, f64)> {
    let mut sums: BTreeMap<String, u64> = BTreeMap::new();
    let executed = counts
        .iter()
        .filter(|(address, _)| !DEVICES.contains(address));
    for (address, count) in executed {
        *sums.entry(name(*address)).or_default() += count;
    }
    let mut rows: Vec<(String, f64)> = sums
        .into_iter()
        .map(|(name, sum)| (name, sum as f64 / operations as f64))
        .collect();
    rows.sort_by(|one, other| other.1.total_cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
    rows
}

/// Whether an address belongs to an app: everything below app flash is the kernel's or QEMU's.
#[must_use]
pub fn is_app(address: u64) -> bool {
    address >= u64::from(FLASH.start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_put_the_heaviest_first() {
        let counts = Counts::from([(0x10, 2), (0x20, 6), (0x30, 2), (0x40, 10)]);
        let name = |address| if address < 0x40 { "low" } else { "high" }.to_owned();
        let expected = [("high".to_owned(), 5.0), ("low".to_owned(), 5.0)];
        assert_eq!(profile(&counts, 2, name), expected);
        let name = |address: u64| format!("{address:x}");
        assert_eq!(profile(&counts, 2, name)[1], ("20".to_owned(), 3.0));
    }

    #[test]
    fn accesses_to_registers_are_told_from_instructions() {
        assert_eq!(register(0x1000_8050), Register::VirtIo { notifies: true });
        assert_eq!(register(0x1000_1060), Register::VirtIo { notifies: false });
        assert_eq!(register(0x1000_0000), Register::Other);
        let counts = Counts::from([(0x1000, 1), (0x0200_4000, 5), (0x8000_0000, 2)]);
        let rows = profile(&counts, 1, |address| format!("{address:x}"));
        assert_eq!(
            rows,
            [("80000000".to_owned(), 2.0), ("1000".to_owned(), 1.0)]
        );
    }

    #[test]
    fn costs_are_rounded_to_two_decimals() {
        let sum = Cost {
            instructions: 1000.0,
            interrupts: 1.0,
            ..Cost::default()
        };
        let cost = sum.divided(3.0);
        assert_eq!((cost.instructions, cost.interrupts), (333.33, 0.33));
    }
}
