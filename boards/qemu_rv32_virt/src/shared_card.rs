// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The network card is shared by apps and a host of the kernel, which answers pings without them.

use components::ethernet_mux::{EthernetMuxComponent, Share, VirtualEthernetComponent};
use components::ethernet_tap::ExtendedTapComponent;
use components::ping_responder::PingResponderComponent;
use kernel::Kernel;
use kernel::capabilities::MemoryAllocationCapability;
use kernel::component::Component;

use crate::board::{Alarms, NUM_PROCS, Timer};
use crate::devices::VirtIONet;

/// The kernel's address in QEMU's user network, below those that DHCP gives out there.
const KERNEL_ADDRESS: [u8; 4] = [10, 0, 2, 14];

/// What the tap uses: a share of the card.
pub type TapAdapter = Share<VirtIONet>;

/// Starts the host, and prepares the tap on the rest of `card`. Frames for apps without room are dropped,
/// because they would keep those behind them from the host.
pub fn tap<'c>(
    kernel: &'static Kernel,
    card: &'static VirtIONet,
    alarms: &'static Alarms,
    memory_allocation: &'c dyn MemoryAllocationCapability,
) -> ExtendedTapComponent<'c, TapAdapter, Timer, NUM_PROCS> {
    let mux = EthernetMuxComponent::new(card)
        .finalize(components::ethernet_mux_component_static!(VirtIONet));
    PingResponderComponent::new(mux, KERNEL_ADDRESS)
        .finalize(components::ping_responder_component_static!(VirtIONet));
    let share = VirtualEthernetComponent::new(mux)
        .finalize(components::virtual_ethernet_component_static!(VirtIONet));
    ExtendedTapComponent::new(kernel, share, alarms, memory_allocation).without_holding()
}
