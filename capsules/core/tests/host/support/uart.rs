// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A serial port that the test reads and types into.

use core::cell::{Cell, RefCell};
use kernel::ErrorCode;
use kernel::hil::uart::{
    Configure, Error, Parameters, Receive, ReceiveClient, Transmit, TransmitClient,
};
use kernel::utilities::cells::OptionalCell;
use std::collections::VecDeque;

pub type Owned = (&'static mut [u8], usize);

#[derive(Default)]
pub struct FakeUart {
    tx: OptionalCell<Owned>,
    rx: OptionalCell<Owned>,
    tx_client: OptionalCell<&'static dyn TransmitClient>,
    rx_client: OptionalCell<&'static dyn ReceiveClient>,
    written: RefCell<Vec<u8>>,
    waiting: RefCell<VecDeque<u8>>,
    /// What the next calls answer instead of starting.
    pub refuse_tx: Cell<Option<ErrorCode>>,
    pub refuse_rx: Cell<Option<ErrorCode>>,
    pub speed: Cell<u32>,
}

impl FakeUart {
    pub fn leaked() -> &'static Self {
        Box::leak(Box::default())
    }

    pub fn is_sending(&self) -> bool {
        self.tx.is_some()
    }

    pub fn is_receiving(&self) -> bool {
        self.rx.is_some()
    }

    /// Finishes the running transmission; false when there is none.
    pub fn finish_tx(&self) -> bool {
        let Some((buffer, len)) = self.tx.take() else {
            return false;
        };
        self.written.borrow_mut().extend_from_slice(&buffer[..len]);
        self.tx_client
            .map(|client| client.transmitted_buffer(buffer, len, Ok(())));
        true
    }

    /// Moves bytes both ways until nothing moves; returns all text sent since the last call.
    pub fn drain(&self) -> String {
        while self.finish_tx() {
            self.deliver();
        }
        let bytes = core::mem::take(&mut *self.written.borrow_mut());
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Bytes arrive on the line; they wait until somebody receives.
    pub fn arrive(&self, bytes: &[u8]) {
        self.waiting.borrow_mut().extend(bytes);
        self.deliver();
    }

    /// Bytes that nobody has received yet.
    pub fn backlog(&self) -> usize {
        self.waiting.borrow().len()
    }

    /// Hands waiting bytes to running receptions.
    pub fn deliver(&self) {
        loop {
            let wanted = match self.rx.take() {
                Some(owned) if owned.1 <= self.backlog() => owned,
                Some(owned) => return self.rx.set(owned),
                None => return,
            };
            let (buffer, len) = wanted;
            for place in &mut buffer[..len] {
                *place = self.waiting.borrow_mut().pop_front().unwrap();
            }
            self.rx_client
                .map(|client| client.received_buffer(buffer, len, Ok(()), Error::None));
        }
    }

    /// Ends the running reception with a line error.
    pub fn break_line(&self) {
        if let Some((buffer, _)) = self.rx.take() {
            self.rx_client.map(|client| {
                client.received_buffer(buffer, 0, Err(ErrorCode::FAIL), Error::BreakError)
            });
        }
    }
}

impl Configure for FakeUart {
    fn configure(&self, params: Parameters) -> Result<(), ErrorCode> {
        self.speed.set(params.baud_rate);
        Ok(())
    }
}

impl Transmit<'static> for FakeUart {
    fn set_transmit_client(&self, client: &'static dyn TransmitClient) {
        self.tx_client.set(client);
    }

    fn transmit_buffer(
        &self,
        tx_buffer: &'static mut [u8],
        tx_len: usize,
    ) -> Result<(), (ErrorCode, &'static mut [u8])> {
        if let Some(code) = self.refuse_tx.get() {
            return Err((code, tx_buffer));
        }
        if tx_len == 0 || tx_len > tx_buffer.len() {
            return Err((ErrorCode::SIZE, tx_buffer));
        }
        if self.tx.is_some() {
            return Err((ErrorCode::BUSY, tx_buffer));
        }
        self.tx.set((tx_buffer, tx_len));
        Ok(())
    }

    fn transmit_word(&self, _word: u32) -> Result<(), ErrorCode> {
        Err(ErrorCode::FAIL)
    }

    fn transmit_abort(&self) -> Result<(), ErrorCode> {
        if self.tx.is_some() {
            Err(ErrorCode::FAIL)
        } else {
            Ok(())
        }
    }
}

impl Receive<'static> for FakeUart {
    fn set_receive_client(&self, client: &'static dyn ReceiveClient) {
        self.rx_client.set(client);
    }

    fn receive_buffer(
        &self,
        rx_buffer: &'static mut [u8],
        rx_len: usize,
    ) -> Result<(), (ErrorCode, &'static mut [u8])> {
        if let Some(code) = self.refuse_rx.get() {
            return Err((code, rx_buffer));
        }
        if rx_len == 0 || rx_len > rx_buffer.len() {
            return Err((ErrorCode::SIZE, rx_buffer));
        }
        if self.rx.is_some() {
            return Err((ErrorCode::BUSY, rx_buffer));
        }
        self.rx.set((rx_buffer, rx_len));
        Ok(())
    }

    fn receive_word(&self) -> Result<(), ErrorCode> {
        Err(ErrorCode::FAIL)
    }

    fn receive_abort(&self) -> Result<(), ErrorCode> {
        if self.rx.is_some() {
            Err(ErrorCode::FAIL)
        } else {
            Ok(())
        }
    }
}
