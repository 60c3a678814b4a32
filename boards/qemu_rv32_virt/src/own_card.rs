// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The network card belongs to apps alone.

use components::ethernet_tap::ExtendedTapComponent;
use kernel::Kernel;
use kernel::capabilities::MemoryAllocationCapability;

use crate::board::{Alarms, NUM_PROCS, Timer};
use crate::devices::VirtIONet;

/// What the tap uses: the card itself.
pub type TapAdapter = VirtIONet;

/// Prepares the tap on `card`.
pub fn tap<'c>(
    kernel: &'static Kernel,
    card: &'static VirtIONet,
    alarms: &'static Alarms,
    memory_allocation: &'c dyn MemoryAllocationCapability,
) -> ExtendedTapComponent<'c, TapAdapter, Timer, NUM_PROCS> {
    ExtendedTapComponent::new(kernel, card, alarms, memory_allocation)
}
