// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Who the frames are for, and by which interface.

use kernel::ErrorCode;
use kernel::hil::ethernet::EthernetAdapterDatapathClient;
#[cfg(feature = "ethernet-adapter")]
use kernel::hil::ethernet_adapter::{EthernetAdapterClient, Offer};

/// The client, which is the one that was named last.
#[derive(Clone, Copy)]
pub(super) enum Client<'a> {
    /// Takes each frame when it comes.
    Datapath(&'a dyn EthernetAdapterDatapathClient),
    /// May leave frames for later.
    #[cfg(feature = "ethernet-adapter")]
    Adapter(&'a dyn EthernetAdapterClient),
}

impl Client<'_> {
    /// Shows a received frame, and says whether the client is done with it.
    #[inline]
    pub(super) fn offer(self, frame: &[u8]) -> bool {
        match self {
            Self::Datapath(client) => {
                client.received_frame(frame, None);
                true
            }
            #[cfg(feature = "ethernet-adapter")]
            Self::Adapter(client) => client.offer(frame, None) == Offer::Taken,
        }
    }

    /// Ends a run of offers.
    #[inline]
    pub(super) fn offers_done(self) {
        match self {
            Self::Datapath(_) => {}
            #[cfg(feature = "ethernet-adapter")]
            Self::Adapter(client) => client.offers_done(),
        }
    }

    /// Asks for frames that show where the client is.
    pub(super) fn announcement_wanted(self) {
        match self {
            Self::Datapath(_) => {}
            #[cfg(feature = "ethernet-adapter")]
            Self::Adapter(client) => client.announcement_wanted(),
        }
    }

    /// After how many sent frames the device should interrupt, as
    /// [`delay_interrupts`](crate::queues::BufferQueue::delay_interrupts) has it.
    pub(super) fn transmit_delay(self) -> u16 {
        match self {
            // Whoever hands in frames waits for them: the last one tells of all.
            Self::Datapath(_) => u16::MAX,
            // It asks when it needs buffers.
            #[cfg(feature = "ethernet-adapter")]
            Self::Adapter(_) => 0,
        }
    }

    /// Returns the buffer of a frame for sending.
    #[inline]
    pub(super) fn transmitted(
        self,
        outcome: Result<(), ErrorCode>,
        frame: &'static mut [u8],
        len: usize,
        identifier: usize,
    ) {
        match self {
            Self::Datapath(client) => {
                // Lossless: the length came as 16 bits.
                let len = len as u16;
                client.transmit_frame_done(outcome, frame, len, identifier, None);
            }
            #[cfg(feature = "ethernet-adapter")]
            Self::Adapter(client) => client.transmitted(outcome, frame, identifier, None),
        }
    }
}
