// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The owner of a shared serial port.

use super::device::{Sending, UartDevice};
use super::tickets::Tickets;
use core::cell::Cell;
use kernel::ErrorCode;
use kernel::collections::list::List;
use kernel::deferred_call::{DeferredCall, DeferredCallClient};
use kernel::hil::uart::{self, Parameters, Parity, ReceiveClient, StopBits, TransmitClient, Width};
use kernel::utilities::cells::TakeCell;

/// Bytes of receive buffer that [`MuxUart`] needs.
///
/// Bytes are taken from the port one by one, so that each one goes to exactly those users that
/// are receiving when it arrives, and none is taken that nobody asked for.
pub const RX_BUF_LEN: usize = 1;

/// The owner of a serial port with several users.
pub struct MuxUart<'a> {
    uart: &'a dyn uart::Uart<'a>,
    speed: u32,
    users: List<'a, UartDevice<'a>>,
    /// Whether the port has a user's buffer.
    sending: Cell<bool>,
    tickets: Tickets,
    /// Absent while the port is receiving.
    rx_buffer: TakeCell<'static, [u8]>,
    /// A byte that came after its readers had given up.
    held: Cell<Option<u8>>,
    deferred_call: DeferredCall,
}

impl<'a> MuxUart<'a> {
    /// Creates the owner of `uart`, to run at `speed` bits per second.
    ///
    /// `rx_buffer` has at least [`RX_BUF_LEN`] bytes.
    pub fn new(uart: &'a dyn uart::Uart<'a>, rx_buffer: &'static mut [u8], speed: u32) -> Self {
        MuxUart {
            uart,
            speed,
            users: List::new(),
            sending: Cell::new(false),
            tickets: Tickets::new(),
            rx_buffer: TakeCell::new(rx_buffer),
            held: Cell::new(None),
            deferred_call: DeferredCall::new(),
        }
    }

    /// Becomes the port's client and sets the line to 8 data bits, no parity, 1 stop bit.
    ///
    /// A port that refuses these settings keeps those it has.
    pub fn initialize(&'a self) {
        self.uart.set_transmit_client(self);
        self.uart.set_receive_client(self);
        let _ = self.uart.configure(Parameters {
            baud_rate: self.speed,
            width: Width::Eight,
            stop_bits: StopBits::One,
            parity: Parity::None,
            hw_flow_control: false,
        });
    }

    pub(super) fn join(&self, user: &'a UartDevice<'a>) {
        self.users.push_tail(user);
    }

    /// Has [`handle_deferred_call`](DeferredCallClient::handle_deferred_call) run soon.
    pub(super) fn call_later(&self) {
        self.deferred_call.set();
    }

    pub(super) fn is_sending(&self) -> bool {
        self.sending.get()
    }

    pub(super) fn take_ticket(&self) -> u32 {
        self.tickets.take()
    }

    pub(super) fn send(
        &self,
        buffer: &'static mut [u8],
        len: usize,
    ) -> Result<(), (ErrorCode, &'static mut [u8])> {
        self.sending.set(true);
        self.uart
            .transmit_buffer(buffer, len)
            .inspect_err(|_| self.sending.set(false))
    }

    pub(super) fn abort_sending(&self) -> Result<(), ErrorCode> {
        // The port has a buffer, so its callback is still to come whatever it answers here.
        Err(self.uart.transmit_abort().err().unwrap_or(ErrorCode::FAIL))
    }

    /// Sends the buffer that has waited longest.
    ///
    /// A user whose buffer the port refuses is told so, and the next one has its turn.
    fn send_next(&self) {
        while !self.sending.get() {
            let waiting = self.users.iter().filter_map(|user| match user.sending() {
                Sending::Waiting(ticket) => Some((self.tickets.age(ticket), user)),
                _ => None,
            });
            let Some((_, user)) = waiting.max_by_key(|(age, _)| *age) else {
                return;
            };
            if let Some((buffer, len)) = user.begin_sending()
                && let Err((code, buffer)) = self.send(buffer, len)
            {
                user.end_sending();
                user.tell_sent(buffer, 0, Err(code));
            }
        }
    }

    /// Sees to it that the next byte is taken from the port.
    pub(super) fn listen(&self) -> Result<(), ErrorCode> {
        if self.held.get().is_some() {
            self.deferred_call.set();
            return Ok(());
        }
        let Some(buffer) = self.rx_buffer.take() else {
            return Ok(());
        };
        self.uart
            .receive_buffer(buffer, RX_BUF_LEN)
            .map_err(|(code, buffer)| {
                self.rx_buffer.replace(buffer);
                code
            })
    }

    /// Takes the next byte if anybody still wants one.
    fn listen_on(&self) {
        if self.users.iter().any(UartDevice::is_receiving)
            && let Err(code) = self.listen()
        {
            self.fail_all(code, uart::Error::None);
        }
    }

    fn fail_all(&self, code: ErrorCode, error: uart::Error) {
        for user in self.users.iter() {
            if user.is_receiving() {
                user.end_receiving(Err(code), error);
            }
        }
    }

    /// Gives `byte` to all who receive, and keeps it when nobody does.
    fn distribute(&self, byte: u8) {
        let mut taken = false;
        for user in self.users.iter() {
            if user.is_receiving() {
                user.accept(byte);
                taken = true;
            }
        }
        if !taken {
            self.held.set(Some(byte));
            return;
        }
        // Only now, so that a client that receives again at once does not see the byte twice.
        for user in self.users.iter() {
            if user.is_satisfied() {
                user.end_receiving(Ok(()), uart::Error::None);
            }
        }
        self.listen_on();
    }
}

impl TransmitClient for MuxUart<'_> {
    fn transmitted_buffer(
        &self,
        tx_buffer: &'static mut [u8],
        tx_len: usize,
        rval: Result<(), ErrorCode>,
    ) {
        self.sending.set(false);
        let user = self
            .users
            .iter()
            .find(|user| user.sending() == Sending::Underway);
        if let Some(user) = user {
            user.end_sending();
            // Those in line go before whatever the client sends next.
            self.send_next();
            user.tell_sent(tx_buffer, tx_len, rval);
        }
    }
}

impl ReceiveClient for MuxUart<'_> {
    fn received_buffer(
        &self,
        rx_buffer: &'static mut [u8],
        rx_len: usize,
        rval: Result<(), ErrorCode>,
        error: uart::Error,
    ) {
        let byte = rx_buffer.first().copied().filter(|_| rx_len > 0);
        self.rx_buffer.replace(rx_buffer);
        match (rval, byte) {
            (Ok(()), Some(byte)) => self.distribute(byte),
            (Err(code), _) => {
                self.fail_all(code, error);
                self.listen_on();
            }
            (Ok(()), None) => self.listen_on(),
        }
    }
}

impl DeferredCallClient for MuxUart<'_> {
    fn handle_deferred_call(&self) {
        for user in self.users.iter() {
            user.finish_cancelled();
        }
        if let Some(byte) = self.held.take() {
            self.distribute(byte);
        }
    }

    fn register(&'static self) {
        self.deferred_call.register(self);
    }
}
