// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Moving bytes between buffers and the registers of the port.
//!
//! An interrupt is enabled only while its half has work. Input that nobody asked for therefore
//! stays in the port, which holds the other side back, until the next reception takes it.

use super::line;
use super::registers::{FIFO_BYTES, UartAccess, interrupts, status};
use core::cell::Cell;
use kernel::ErrorCode;
use kernel::hil::uart::{Error, Parameters, ReceiveClient, TransmitClient};
use kernel::utilities::cells::{OptionalCell, TakeCell};

/// Received bytes taken in one interrupt, so that a flood of input cannot hold up the kernel.
const RECEIVE_BATCH: usize = 64;

/// How one half is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Without a buffer.
    Idle,
    /// Moving bytes.
    Active,
    /// Done without an interrupt; the client is to be told.
    Ended(Result<(), ErrorCode>),
}

/// A buffer on its way through one half.
struct Half {
    buffer: TakeCell<'static, [u8]>,
    length: Cell<usize>,
    position: Cell<usize>,
    phase: Cell<Phase>,
}

impl Half {
    fn new() -> Self {
        Half {
            buffer: TakeCell::empty(),
            length: Cell::new(0),
            position: Cell::new(0),
            phase: Cell::new(Phase::Idle),
        }
    }

    fn begin(
        &self,
        buffer: &'static mut [u8],
        length: usize,
    ) -> Result<(), (ErrorCode, &'static mut [u8])> {
        if self.phase.get() != Phase::Idle {
            return Err((ErrorCode::BUSY, buffer));
        }
        if length > buffer.len() {
            return Err((ErrorCode::SIZE, buffer));
        }
        self.buffer.replace(buffer);
        self.length.set(length);
        self.position.set(0);
        self.phase.set(Phase::Active);
        Ok(())
    }

    fn is_active(&self) -> bool {
        self.phase.get() == Phase::Active
    }

    fn is_complete(&self) -> bool {
        self.position.get() >= self.length.get()
    }

    /// Ends an active operation early; `Ok` if there was none.
    fn abort(&self) -> Result<(), ErrorCode> {
        match self.phase.get() {
            Phase::Idle => Ok(()),
            Phase::Active => {
                self.phase.set(Phase::Ended(Err(ErrorCode::CANCEL)));
                Err(ErrorCode::BUSY)
            }
            Phase::Ended(_) => Err(ErrorCode::BUSY),
        }
    }

    /// Makes the half idle and returns its buffer with the bytes moved.
    fn take(&self) -> Option<(&'static mut [u8], usize)> {
        self.phase.set(Phase::Idle);
        Some((self.buffer.take()?, self.position.get()))
    }
}

/// Both halves of the port.
pub(super) struct Engine<'a, A: UartAccess> {
    registers: A,
    interrupts: Cell<u8>,
    transmit: Half,
    receive: Half,
    transmit_client: OptionalCell<&'a dyn TransmitClient>,
    receive_client: OptionalCell<&'a dyn ReceiveClient>,
}

impl<'a, A: UartAccess> Engine<'a, A> {
    pub(super) fn new(registers: A) -> Self {
        Engine {
            registers,
            interrupts: Cell::new(0),
            transmit: Half::new(),
            receive: Half::new(),
            transmit_client: OptionalCell::empty(),
            receive_client: OptionalCell::empty(),
        }
    }

    pub(super) fn set_transmit_client(&self, client: &'a dyn TransmitClient) {
        self.transmit_client.set(client);
    }

    pub(super) fn set_receive_client(&self, client: &'a dyn ReceiveClient) {
        self.receive_client.set(client);
    }

    pub(super) fn configure(&self, params: Parameters) -> Result<(), ErrorCode> {
        let (format, divisor) = line::settings(&params)?;
        self.registers.set_line(format, divisor);
        self.registers.set_interrupts(self.interrupts.get());
        Ok(())
    }

    /// Starts sending. What fits goes out at once; the rest and the completion come by interrupt,
    /// which the port raises as soon as it is enabled and the transmitter is empty.
    pub(super) fn transmit(
        &self,
        buffer: &'static mut [u8],
        length: usize,
    ) -> Result<(), (ErrorCode, &'static mut [u8])> {
        self.transmit.begin(buffer, length)?;
        self.send_more();
        self.enable(interrupts::TRANSMIT);
        Ok(())
    }

    pub(super) fn abort_transmit(&self) -> Result<(), ErrorCode> {
        let result = self.transmit.abort();
        if result.is_err() {
            self.disable(interrupts::TRANSMIT);
        }
        result
    }

    pub(super) fn receive(
        &self,
        buffer: &'static mut [u8],
        length: usize,
    ) -> Result<(), (ErrorCode, &'static mut [u8])> {
        self.receive.begin(buffer, length)?;
        if length == 0 {
            self.receive.phase.set(Phase::Ended(Ok(())));
        } else {
            self.enable(interrupts::RECEIVE);
        }
        Ok(())
    }

    pub(super) fn abort_receive(&self) -> Result<(), ErrorCode> {
        let result = self.receive.abort();
        if result.is_err() {
            self.disable(interrupts::RECEIVE);
        }
        result
    }

    /// Tells whether [`deliver_ended`](Self::deliver_ended) has something to do.
    pub(super) fn has_ended(&self) -> bool {
        [&self.transmit, &self.receive]
            .into_iter()
            .any(|half| matches!(half.phase.get(), Phase::Ended(_)))
    }

    /// Tells clients about what ended without an interrupt.
    pub(super) fn deliver_ended(&self) {
        if let Phase::Ended(result) = self.transmit.phase.get() {
            self.finish_transmit(result);
        }
        if let Phase::Ended(result) = self.receive.phase.get() {
            let error = if result.is_ok() {
                Error::None
            } else {
                Error::Aborted
            };
            self.finish_receive(result, error);
        }
    }

    pub(super) fn handle_interrupt(&self) {
        let mut status = self.registers.status();
        for _ in 0..RECEIVE_BATCH {
            if !self.receive.is_active() || status & status::DATA_READY == 0 {
                break;
            }
            self.take_in(status);
            status = self.registers.status();
        }
        if self.transmit.is_active() && status & status::TRANSMIT_EMPTY != 0 {
            if self.transmit.is_complete() {
                self.disable(interrupts::TRANSMIT);
                self.finish_transmit(Ok(()));
            } else {
                self.send_more();
            }
        }
        if self.receive.is_active() && status & status::DATA_READY != 0 {
            // Input is left over and its line is still high. The interrupt controller notices
            // only changes, so make one.
            self.registers.set_interrupts(0);
            self.registers.set_interrupts(self.interrupts.get());
        }
    }

    /// Takes one received byte, which came with `status`.
    fn take_in(&self, status: u8) {
        let byte = self.registers.take_byte();
        let error = line_error(status);
        if error != Error::None {
            self.disable(interrupts::RECEIVE);
            self.finish_receive(Err(ErrorCode::FAIL), error);
            return;
        }
        let position = self.receive.position.get();
        self.receive.buffer.map(|buffer| {
            if let Some(place) = buffer.get_mut(position) {
                *place = byte;
            }
        });
        self.receive.position.set(position + 1);
        if self.receive.is_complete() {
            self.disable(interrupts::RECEIVE);
            self.finish_receive(Ok(()), Error::None);
        }
    }

    /// Sends as much as the transmitter takes: a FIFO's worth each time it is empty.
    fn send_more(&self) {
        self.transmit.buffer.map(|buffer| {
            let all = buffer.get(..self.transmit.length.get()).unwrap_or_default();
            let mut position = self.transmit.position.get();
            while let Some(rest) = all.get(position..).filter(|rest| !rest.is_empty())
                && self.registers.status() & status::TRANSMIT_EMPTY != 0
            {
                for byte in rest.iter().take(FIFO_BYTES) {
                    self.registers.send_byte(*byte);
                    position += 1;
                }
            }
            self.transmit.position.set(position);
        });
    }

    fn finish_transmit(&self, result: Result<(), ErrorCode>) {
        if let Some((buffer, count)) = self.transmit.take() {
            self.transmit_client
                .map(|client| client.transmitted_buffer(buffer, count, result));
        }
    }

    fn finish_receive(&self, result: Result<(), ErrorCode>, error: Error) {
        if let Some((buffer, count)) = self.receive.take() {
            self.receive_client
                .map(|client| client.received_buffer(buffer, count, result, error));
        }
    }

    fn enable(&self, interrupt: u8) {
        self.interrupts.set(self.interrupts.get() | interrupt);
        self.registers.set_interrupts(self.interrupts.get());
    }

    fn disable(&self, interrupt: u8) {
        self.interrupts.set(self.interrupts.get() & !interrupt);
        self.registers.set_interrupts(self.interrupts.get());
    }
}

/// The error that the line status reports. A break looks like a framing error as well, and an
/// overrun concerns bytes before this one, so the order matters.
fn line_error(status: u8) -> Error {
    if status & status::BREAK != 0 {
        Error::BreakError
    } else if status & status::OVERRUN != 0 {
        Error::OverrunError
    } else if status & status::FRAMING != 0 {
        Error::FramingError
    } else if status & status::PARITY != 0 {
        Error::ParityError
    } else {
        Error::None
    }
}

#[cfg(test)]
mod tests;
