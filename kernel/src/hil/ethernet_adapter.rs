// SPDX-License-Identifier: Apache-2.0 OR MIT

//! An Ethernet adapter whose client sees its link, decides what it receives, and when.
//!
//! [`crate::hil::ethernet`] moves frames one by one, and a received frame that the client has no room
//! for is gone. An adapter with this interface offers each frame: a client that has no room leaves it
//! where it is, and takes it later. Frames to send may be handed over many at a time, and their
//! buffers come back when the client asks, or in bounded time without. Addresses are in the order of
//! transmission, first octet first.
//!
//! This file needs nothing but `ErrorCode`, so that it can be added to another tree as it is.

use crate::ErrorCode;

/// An Ethernet (MAC) address.
pub type Address = [u8; 6];

/// What an adapter says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// The adapter's own address.
    pub address: Address,
    /// The longest payload of a frame, in bytes: without addresses, type and VLAN tag.
    pub mtu: u16,
    /// Whether frames can be sent and received now.
    pub up: bool,
}

/// Which received frames a client wants. Broadcast frames always belong to them.
#[derive(Clone, Copy, Debug)]
pub struct ReceiveFilter<'f> {
    /// All frames, whoever they are for; the rest of the filter does not matter then.
    pub promiscuous: bool,
    /// All multicast frames.
    pub all_multicast: bool,
    /// Addresses besides the adapter's own.
    pub unicast: &'f [Address],
    /// The multicast groups.
    pub multicast: &'f [Address],
}

/// What a client does with a frame that it is offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    /// The client is done with it: it has a copy, or does not want one.
    Taken,
    /// The client has no room now. The adapter keeps the frame, and offers it and those behind it
    /// after the next [`EthernetAdapter::resume_receive`].
    Held,
}

/// Why frames were lost, below the client. Counts since the start; they wrap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AdapterDrops {
    /// Received, but shorter or longer than a frame may be, or not well-formed.
    pub malformed: u32,
    /// Received while nobody was to receive.
    pub unwanted: u32,
    /// Accepted for sending, then lost with a reset of the adapter.
    pub lost: u32,
}

/// The frame path of an adapter, with its link.
///
/// It has one client, named by [`set_adapter_client`](Self::set_adapter_client), which replaces a
/// client of [`crate::hil::ethernet`].
pub trait EthernetAdapter<'a> {
    /// Names who is offered frames, gets buffers back and hears of the link.
    fn set_adapter_client(&self, client: &'a dyn EthernetAdapterClient);

    /// The address, the MTU and the state of the link, as they are now.
    fn link(&self) -> Link;

    /// What was lost so far.
    fn drops(&self) -> AdapterDrops;

    /// Starts to offer received frames. Those that arrive before are dropped.
    fn start_receive(&self);

    /// Stops offering received frames, held ones too; they are dropped from now on.
    fn stop_receive(&self);

    /// Offers held frames again, and those behind them.
    ///
    /// The client is called from a later deferred call, never from inside this function. Without a
    /// held frame this does nothing.
    fn resume_receive(&self);

    /// Sets which frames the client wants, instead of what it wanted before.
    ///
    /// An adapter that cannot tell them apart passes more than that, up to all it hears: the client
    /// checks what matters to it. Takes effect in bounded time, and outlasts a reset of the adapter.
    ///
    /// # Errors
    ///
    /// The filter stays as it was:
    ///
    /// - `NOSUPPORT`: the adapter has no filter of this kind; it passes what its network gives it.
    /// - `BUSY`: the filter before this one is still on its way; ask again later.
    fn set_receive_filter(&self, filter: &ReceiveFilter<'_>) -> Result<(), ErrorCode>;

    /// Counts the frames that can be handed in now before [`submit`](Self::submit) says `BUSY`.
    fn transmit_room(&self) -> usize;

    /// Hands in the first `len` bytes of `frame` for sending, after those handed in before.
    ///
    /// The adapter may wait for [`flush`](Self::flush) with it. `Ok` keeps the buffer until
    /// [`EthernetAdapterClient::transmitted`], which comes exactly once, never from inside this
    /// function. `identifier` comes back with it and means nothing to the adapter.
    ///
    /// # Errors
    ///
    /// The buffer comes back with the code and there is no callback:
    ///
    /// - `SIZE`: `len` exceeds the buffer, or is not the length of a frame of this adapter.
    /// - `BUSY`: no room; call [`reclaim`](Self::reclaim), or retry after the next `transmitted`.
    /// - `OFF`: the adapter is not running.
    /// - `NODEVICE`: the link is down.
    fn submit(
        &self,
        frame: &'static mut [u8],
        len: usize,
        identifier: usize,
    ) -> Result<(), (ErrorCode, &'static mut [u8])>;

    /// Sends what was handed in; call it once after several [`submit`](Self::submit)s.
    fn flush(&self);

    /// Gives back the buffers of frames that are out, by calls of
    /// [`EthernetAdapterClient::transmitted`] from inside this function.
    ///
    /// If none is out yet, they are given back as soon as one is. Without this call they come back
    /// within a second, so that the adapter need not interrupt for them: call it when room or buffers
    /// run short, rather than for each frame.
    fn reclaim(&self);
}

/// The user of an [`EthernetAdapter`].
pub trait EthernetAdapterClient {
    /// Shows a received frame, which is valid during this call only.
    ///
    /// `timestamp` is in the adapter's own clock, absent when it has none.
    fn offer(&self, frame: &[u8], timestamp: Option<u64>) -> Offer;

    /// Ends a run of offers: no more frame is there, or one was held.
    fn offers_done(&self);

    /// Returns the buffer of a frame that was sent, or that was accepted and then lost.
    fn transmitted(
        &self,
        outcome: Result<(), ErrorCode>,
        frame: &'static mut [u8],
        identifier: usize,
        timestamp: Option<u64>,
    );

    /// Tells that the link went up or down, or has another address or MTU.
    fn link_changed(&self, link: Link);

    /// Asks the client to send frames that show the network where its addresses are now, because the
    /// adapter was moved to another place in it.
    fn announcement_wanted(&self) {}
}
