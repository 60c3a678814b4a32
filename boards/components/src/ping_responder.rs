// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A host of the kernel that answers pings, on its share of a network card.

use core::mem::MaybeUninit;

use capsules_extra::ping_responder::{BUFFER_LEN, BUFFERS, PingResponder};
use kernel::component::Component;
use kernel::hil::ethernet_adapter::EthernetAdapter;

use crate::ethernet_mux::{IN_FLIGHT, Mux, Share, VirtualEthernetComponent};

/// Memory for [`PingResponderComponent`].
#[macro_export]
macro_rules! ping_responder_component_static {
    ($E:ty $(,)?) => {
        (
            $crate::virtual_ethernet_component_static!($E),
            $crate::static_memory!(
                capsules_extra::ping_responder::PingResponder<
                    'static,
                    $crate::ethernet_mux::Share<$E>,
                >
            ),
            $crate::static_memory!(
                [[u8; capsules_extra::ping_responder::BUFFER_LEN];
                    capsules_extra::ping_responder::BUFFERS]
            ),
        )
    };
}

// Beside one other user, all its answers can be on their way.
const _: () = assert!(BUFFERS <= IN_FLIGHT / 2);

/// The host, and its share of the card.
pub type Responder<E> = PingResponder<'static, Share<E>>;

/// Builds the host and starts it.
pub struct PingResponderComponent<E: EthernetAdapter<'static> + 'static> {
    mux: &'static Mux<E>,
    address: [u8; 4],
}

impl<E: EthernetAdapter<'static>> PingResponderComponent<E> {
    /// Answers for an IPv4 `address` that nobody else has, on a share of `mux`.
    pub fn new(mux: &'static Mux<E>, address: [u8; 4]) -> Self {
        Self { mux, address }
    }
}

impl<E: EthernetAdapter<'static>> Component for PingResponderComponent<E> {
    type StaticInput = (
        &'static mut MaybeUninit<Share<E>>,
        &'static mut MaybeUninit<Responder<E>>,
        &'static mut MaybeUninit<[[u8; BUFFER_LEN]; BUFFERS]>,
    );
    type Output = &'static Responder<E>;

    fn finalize(self, (share, responder, buffers): Self::StaticInput) -> Self::Output {
        let share = VirtualEthernetComponent::new(self.mux).finalize(share);
        let buffers = buffers.write([[0; BUFFER_LEN]; BUFFERS]);
        let buffers = buffers.each_mut().map(|buffer| &mut buffer[..]);
        let responder: Self::Output =
            responder.write(PingResponder::new(share, self.address, buffers));
        share.set_adapter_client(responder);
        responder.start();
        responder
    }
}
