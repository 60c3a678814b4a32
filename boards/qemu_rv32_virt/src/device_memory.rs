// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What the devices cost in RAM: limits that the compiler checks, and figures for `tools/bench`.

use components::ethernet_tap::ExtendedTapMemory;
use components::virtio_net::NetMemory;
use components::virtio_rng::RngMemory;

use crate::board::{NUM_PROCS, Timer};
use crate::card::TapAdapter;
use crate::devices::Fence;

const ENTROPY: usize = RngMemory::<Fence>::BYTES;
const NETWORK: usize = NetMemory::<Fence>::BYTES;
const TAP: usize = ExtendedTapMemory::<TapAdapter, Timer, NUM_PROCS>::BYTES;

const _: () = {
    assert!(
        ENTROPY <= 3 << 10,
        "an entropy device takes more than 3 KiB"
    );
    assert!(NETWORK <= 32 << 10, "a network card takes more than 32 KiB");
    assert!(TAP <= 14 << 10, "the Ethernet tap takes more than 14 KiB");
};

// The figures as values of symbols, which take no room in the image.
core::arch::global_asm!(
    ".globl ram_of_entropy_device, ram_of_network_card, ram_of_ethernet_tap",
    ".set ram_of_entropy_device, {}",
    ".set ram_of_network_card, {}",
    ".set ram_of_ethernet_tap, {}",
    const ENTROPY,
    const NETWORK,
    const TAP,
);
