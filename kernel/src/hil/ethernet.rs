// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Raw Ethernet frames to and from an adapter.
//!
//! A frame runs from the destination address to the end of the payload: no preamble, no frame check
//! sequence. Timestamps are in the adapter's own clock, absent when it has none.

use crate::ErrorCode;

/// The frame path of an Ethernet adapter.
pub trait EthernetAdapterDatapath<'a> {
    /// Names who receives frames and gets transmit buffers back.
    fn set_client(&self, client: &'a dyn EthernetAdapterDatapathClient);

    /// Starts to hand received frames to the client.
    fn enable_receive(&self);

    /// Stops handing received frames to the client; those that arrive meanwhile are dropped.
    fn disable_receive(&self);

    /// Sends the first `len` bytes of `frame_buffer`.
    ///
    /// `Ok` keeps the buffer until [`EthernetAdapterDatapathClient::transmit_frame_done`], which
    /// comes exactly once and never from inside this function.
    /// `transmission_identifier` comes back with it and means nothing to the adapter.
    ///
    /// # Errors
    ///
    /// The buffer comes back with the code and there is no callback:
    ///
    /// - `SIZE`: `len` exceeds the buffer, or is not the length of an Ethernet frame.
    /// - `BUSY`: no room for another frame; retry after the next `transmit_frame_done`.
    /// - `OFF`: the adapter is not running.
    /// - `NODEVICE`: the link is down.
    fn transmit_frame(
        &self,
        frame_buffer: &'static mut [u8],
        len: u16,
        transmission_identifier: usize,
    ) -> Result<(), (ErrorCode, &'static mut [u8])>;
}

/// The user of an Ethernet adapter.
pub trait EthernetAdapterDatapathClient {
    /// Returns the buffer of a frame that was sent, or that was accepted and then lost.
    ///
    /// `len` and `transmission_identifier` are those given to `transmit_frame`; `err` is an error
    /// when the adapter failed before the frame was out.
    fn transmit_frame_done(
        &self,
        err: Result<(), ErrorCode>,
        frame_buffer: &'static mut [u8],
        len: u16,
        transmission_identifier: usize,
        timestamp: Option<u64>,
    );

    /// Shows a received frame, which is valid during this call only.
    fn received_frame(&self, frame: &[u8], timestamp: Option<u64>);
}
