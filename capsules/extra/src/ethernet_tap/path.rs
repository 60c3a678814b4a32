// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What the tap asks of an adapter, whichever interface the adapter has.

#[cfg(feature = "ethernet-adapter")]
use super::members::Members;
use super::switching::Address;
use kernel::ErrorCode;
use kernel::hil::ethernet::EthernetAdapterDatapath;

/// A refused frame comes back with the reason.
type Handed = Result<(), (ErrorCode, &'static mut [u8])>;

/// The state of the link, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkState {
    pub(super) address: Address,
    pub(super) mtu: u16,
    pub(super) up: bool,
}

impl LinkState {
    /// MTU in bits 0 to 15, and bit 16 while the link is up.
    pub(super) fn word(self) -> u32 {
        u32::from(self.mtu) | u32::from(self.up) << 16
    }
}

/// The way to use an adapter of type `E`.
pub trait Path<'a, E> {
    /// Whether the adapter keeps frames that are not accepted, and takes several to send.
    const DEEP: bool;

    /// Starts reception.
    fn start(adapter: &E);

    /// Whether another frame can be handed in, as far as the adapter tells.
    fn has_room(adapter: &E) -> bool;

    /// Hands in a frame.
    fn submit(adapter: &E, frame: &'static mut [u8], len: u16, identifier: usize) -> Handed;

    /// Sends what was handed in.
    fn flush(adapter: &E);

    /// Gets buffers back that the adapter is done with.
    fn reclaim(adapter: &E);

    /// Asks for the frame that was held.
    fn resume(adapter: &E);

    /// The link, if the adapter tells.
    fn link(adapter: &E) -> Option<LinkState>;

    /// How many received frames the adapter has refused itself.
    fn malformed(adapter: &E) -> u32;

    /// Tells which frames are wanted; false if that must be told again.
    #[cfg(feature = "ethernet-adapter")]
    fn want<const N: usize>(adapter: &E, members: &Members<N>) -> bool;
}

/// The way to use an adapter that takes a frame to send at a time, and drops received frames.
pub enum Datapath {}

impl<'a, E: EthernetAdapterDatapath<'a>> Path<'a, E> for Datapath {
    const DEEP: bool = false;

    fn start(adapter: &E) {
        adapter.enable_receive();
    }

    fn has_room(_: &E) -> bool {
        true
    }

    fn submit(adapter: &E, frame: &'static mut [u8], len: u16, identifier: usize) -> Handed {
        adapter.transmit_frame(frame, len, identifier)
    }

    fn flush(_: &E) {}

    fn reclaim(_: &E) {}

    fn resume(_: &E) {}

    fn link(_: &E) -> Option<LinkState> {
        None
    }

    fn malformed(_: &E) -> u32 {
        0
    }

    #[cfg(feature = "ethernet-adapter")]
    fn want<const N: usize>(_: &E, _: &Members<N>) -> bool {
        true
    }
}
