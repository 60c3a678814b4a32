// SPDX-License-Identifier: Apache-2.0 OR MIT

//! One user of a shared serial port.

use super::mux::MuxUart;
use core::cell::Cell;
use kernel::ErrorCode;
use kernel::collections::list::{ListLink, ListNode};
use kernel::hil::uart::{self, Receive, ReceiveClient, Transmit, TransmitClient};
use kernel::utilities::cells::{OptionalCell, TakeCell};

/// How far a user's transmission is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Sending {
    Nothing,
    /// In line; the lower ticket goes first.
    Waiting(u32),
    /// The port has the buffer.
    Underway,
    /// Taken out of the line, and the client is still to be told.
    Cancelled,
}

/// How far a user's reception is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Receiving {
    Nothing,
    Underway,
    /// Aborted, and the client is still to be told.
    Cancelled,
}

/// A user's half of a shared serial port.
///
/// It takes one transmission and one reception at a time, like a port of its own. Single words
/// are not offered: send or receive a buffer of length one.
pub struct UartDevice<'a> {
    mux: &'a MuxUart<'a>,
    receiver: bool,
    joined: Cell<bool>,
    sending: Cell<Sending>,
    tx_buffer: TakeCell<'static, [u8]>,
    tx_len: Cell<usize>,
    tx_client: OptionalCell<&'a dyn TransmitClient>,
    receiving: Cell<Receiving>,
    rx_buffer: TakeCell<'static, [u8]>,
    rx_len: Cell<usize>,
    rx_count: Cell<usize>,
    rx_client: OptionalCell<&'a dyn ReceiveClient>,
    next: ListLink<'a, UartDevice<'a>>,
}

impl<'a> UartDevice<'a> {
    /// Creates a user of `mux`, which works after [`setup`](Self::setup).
    ///
    /// One that is not a `receiver` refuses receptions.
    pub const fn new(mux: &'a MuxUart<'a>, receiver: bool) -> Self {
        UartDevice {
            mux,
            receiver,
            joined: Cell::new(false),
            sending: Cell::new(Sending::Nothing),
            tx_buffer: TakeCell::empty(),
            tx_len: Cell::new(0),
            tx_client: OptionalCell::empty(),
            receiving: Cell::new(Receiving::Nothing),
            rx_buffer: TakeCell::empty(),
            rx_len: Cell::new(0),
            rx_count: Cell::new(0),
            rx_client: OptionalCell::empty(),
            next: ListLink::empty(),
        }
    }

    /// Joins the owner's list. Further calls do nothing.
    pub fn setup(&'a self) {
        if !self.joined.replace(true) {
            self.mux.join(self);
        }
    }

    pub(super) fn sending(&self) -> Sending {
        self.sending.get()
    }

    /// Takes the waiting buffer for the port.
    pub(super) fn begin_sending(&self) -> Option<(&'static mut [u8], usize)> {
        let buffer = self.tx_buffer.take();
        self.sending.set(match buffer {
            Some(_) => Sending::Underway,
            None => Sending::Nothing,
        });
        buffer.map(|buffer| (buffer, self.tx_len.get()))
    }

    /// Frees the user for its next transmission; the client is told by `tell_sent`.
    pub(super) fn end_sending(&self) {
        self.sending.set(Sending::Nothing);
    }

    pub(super) fn tell_sent(
        &self,
        buffer: &'static mut [u8],
        count: usize,
        outcome: Result<(), ErrorCode>,
    ) {
        self.tx_client
            .map(|client| client.transmitted_buffer(buffer, count, outcome));
    }

    /// Finishes what the client cancelled.
    pub(super) fn finish_cancelled(&self) {
        if self.sending.get() == Sending::Cancelled {
            self.end_sending();
            if let Some(buffer) = self.tx_buffer.take() {
                self.tell_sent(buffer, 0, Err(ErrorCode::CANCEL));
            }
        }
        if self.receiving.get() == Receiving::Cancelled {
            self.end_receiving(Err(ErrorCode::CANCEL), uart::Error::Aborted);
        }
    }

    pub(super) fn is_receiving(&self) -> bool {
        self.receiving.get() == Receiving::Underway
    }

    /// Tells whether all bytes asked for are there.
    pub(super) fn is_satisfied(&self) -> bool {
        self.is_receiving() && self.rx_count.get() >= self.rx_len.get()
    }

    pub(super) fn accept(&self, byte: u8) {
        let count = self.rx_count.get();
        self.rx_buffer.map(|buffer| {
            if let Some(place) = buffer.get_mut(count) {
                *place = byte;
                self.rx_count.set(count + 1);
            }
        });
    }

    pub(super) fn end_receiving(&self, outcome: Result<(), ErrorCode>, error: uart::Error) {
        self.receiving.set(Receiving::Nothing);
        if let Some(buffer) = self.rx_buffer.take() {
            let count = self.rx_count.get();
            self.rx_client
                .map(|client| client.received_buffer(buffer, count, outcome, error));
        }
    }
}

impl<'a> ListNode<'a, UartDevice<'a>> for UartDevice<'a> {
    fn next(&'a self) -> &'a ListLink<'a, UartDevice<'a>> {
        &self.next
    }
}

impl<'a> Transmit<'a> for UartDevice<'a> {
    fn set_transmit_client(&self, client: &'a dyn TransmitClient) {
        self.tx_client.set(client);
    }

    fn transmit_buffer(
        &self,
        tx_buffer: &'static mut [u8],
        tx_len: usize,
    ) -> Result<(), (ErrorCode, &'static mut [u8])> {
        if tx_len == 0 || tx_len > tx_buffer.len() {
            return Err((ErrorCode::SIZE, tx_buffer));
        }
        if !self.joined.get() {
            return Err((ErrorCode::OFF, tx_buffer));
        }
        if self.sending.get() != Sending::Nothing {
            return Err((ErrorCode::BUSY, tx_buffer));
        }
        if self.mux.is_sending() {
            self.tx_buffer.replace(tx_buffer);
            self.tx_len.set(tx_len);
            self.sending.set(Sending::Waiting(self.mux.take_ticket()));
            return Ok(());
        }
        // The state comes first, so that the port finds its user whenever it answers.
        self.sending.set(Sending::Underway);
        self.mux.send(tx_buffer, tx_len).inspect_err(|_| {
            self.sending.set(Sending::Nothing);
        })
    }

    /// Always `FAIL`: buffers only.
    fn transmit_word(&self, _word: u32) -> Result<(), ErrorCode> {
        Err(ErrorCode::FAIL)
    }

    fn transmit_abort(&self) -> Result<(), ErrorCode> {
        match self.sending.get() {
            Sending::Nothing => Ok(()),
            Sending::Waiting(_) => {
                self.sending.set(Sending::Cancelled);
                self.mux.call_later();
                Err(ErrorCode::BUSY)
            }
            Sending::Underway => self.mux.abort_sending(),
            Sending::Cancelled => Err(ErrorCode::BUSY),
        }
    }
}

impl<'a> Receive<'a> for UartDevice<'a> {
    fn set_receive_client(&self, client: &'a dyn ReceiveClient) {
        self.rx_client.set(client);
    }

    fn receive_buffer(
        &self,
        rx_buffer: &'static mut [u8],
        rx_len: usize,
    ) -> Result<(), (ErrorCode, &'static mut [u8])> {
        if rx_len == 0 || rx_len > rx_buffer.len() {
            return Err((ErrorCode::SIZE, rx_buffer));
        }
        if !self.receiver || !self.joined.get() {
            return Err((ErrorCode::OFF, rx_buffer));
        }
        if self.receiving.get() != Receiving::Nothing {
            return Err((ErrorCode::BUSY, rx_buffer));
        }
        if let Err(code) = self.mux.listen() {
            return Err((code, rx_buffer));
        }
        self.rx_buffer.replace(rx_buffer);
        self.rx_len.set(rx_len);
        self.rx_count.set(0);
        self.receiving.set(Receiving::Underway);
        Ok(())
    }

    /// Always `FAIL`: buffers only.
    fn receive_word(&self) -> Result<(), ErrorCode> {
        Err(ErrorCode::FAIL)
    }

    fn receive_abort(&self) -> Result<(), ErrorCode> {
        match self.receiving.get() {
            Receiving::Nothing => Ok(()),
            Receiving::Underway => {
                self.receiving.set(Receiving::Cancelled);
                self.mux.call_later();
                Err(ErrorCode::BUSY)
            }
            Receiving::Cancelled => Err(ErrorCode::BUSY),
        }
    }
}
