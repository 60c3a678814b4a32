// SPDX-License-Identifier: Apache-2.0 OR MIT

//! One network card, shared by users within the kernel, one of which can be the tap.

use core::mem::MaybeUninit;

use capsules_extra::mux_ethernet::{MuxEthernet, VirtualEthernet};
use kernel::component::Component;
use kernel::hil::ethernet_adapter::EthernetAdapter;

use crate::virtio_net::TRANSMIT_QUEUE_SIZE;

/// How many frames of all users can be on their way out at a time: no more than a VirtIO card takes, each
/// in two descriptors, or users would take each other's parts.
pub const IN_FLIGHT: usize = 8;

const _: () = assert!(IN_FLIGHT <= TRANSMIT_QUEUE_SIZE / 2);

/// The owner of an adapter of type `E`.
pub type Mux<E> = MuxEthernet<'static, E, IN_FLIGHT>;

/// A user's share of it.
pub type Share<E> = VirtualEthernet<'static, E, IN_FLIGHT>;

/// Memory for [`EthernetMuxComponent`].
#[macro_export]
macro_rules! ethernet_mux_component_static {
    ($E:ty $(,)?) => {
        $crate::static_memory!($crate::ethernet_mux::Mux<$E>)
    };
}

/// Memory for [`VirtualEthernetComponent`].
#[macro_export]
macro_rules! virtual_ethernet_component_static {
    ($E:ty $(,)?) => {
        $crate::static_memory!($crate::ethernet_mux::Share<$E>)
    };
}

/// Lets several users share one adapter.
pub struct EthernetMuxComponent<E: EthernetAdapter<'static> + 'static> {
    adapter: &'static E,
}

impl<E: EthernetAdapter<'static>> EthernetMuxComponent<E> {
    /// Shares `adapter`, which has no other client.
    pub fn new(adapter: &'static E) -> Self {
        Self { adapter }
    }
}

impl<E: EthernetAdapter<'static>> Component for EthernetMuxComponent<E> {
    type StaticInput = &'static mut MaybeUninit<Mux<E>>;
    type Output = &'static Mux<E>;

    fn finalize(self, memory: Self::StaticInput) -> Self::Output {
        let mux = memory.write(MuxEthernet::new(self.adapter));
        self.adapter.set_adapter_client(mux);
        mux
    }
}

/// One user's share of an adapter, itself an adapter.
///
/// Give it to an [`ExtendedTapComponent`](crate::ethernet_tap::ExtendedTapComponent), which should be
/// [`without_holding`](crate::ethernet_tap::ExtendedTapComponent::without_holding) then, or name its
/// client and start reception.
pub struct VirtualEthernetComponent<E: EthernetAdapter<'static> + 'static> {
    mux: &'static Mux<E>,
}

impl<E: EthernetAdapter<'static>> VirtualEthernetComponent<E> {
    /// Takes a share of `mux`.
    pub fn new(mux: &'static Mux<E>) -> Self {
        Self { mux }
    }
}

impl<E: EthernetAdapter<'static>> Component for VirtualEthernetComponent<E> {
    type StaticInput = &'static mut MaybeUninit<Share<E>>;
    type Output = &'static Share<E>;

    fn finalize(self, memory: Self::StaticInput) -> Self::Output {
        let share: Self::Output = memory.write(VirtualEthernet::new(self.mux));
        share.setup();
        share
    }
}
