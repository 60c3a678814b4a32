// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The serial port (ns16550a).
//!
//! `engine` moves bytes between buffers and registers, in both directions and by interrupt;
//! [`Uart16550`] puts it behind the serial port HIL. [`UartPanicWriter`] prints without either.

mod engine;
mod line;
mod panic_writer;
mod registers;

pub use panic_writer::{UartPanicConfig, UartPanicWriter};
pub use registers::{Ns16550Registers, UartAccess};

use engine::Engine;
use kernel::ErrorCode;
use kernel::deferred_call::{DeferredCall, DeferredCallClient};
use kernel::hil::uart::{Configure, Parameters, Receive, ReceiveClient, Transmit, TransmitClient};
use kernel::utilities::static_ref::StaticRef;

/// The serial port driver.
pub struct Uart16550<'a> {
    engine: Engine<'a, StaticRef<Ns16550Registers>>,
    /// Completes what ends without an interrupt: aborts and empty buffers.
    later: DeferredCall,
}

impl Uart16550<'_> {
    /// Creates the driver without touching the device; [`Configure::configure`] starts it.
    pub fn new(registers: StaticRef<Ns16550Registers>) -> Self {
        Uart16550 {
            engine: Engine::new(registers),
            later: DeferredCall::new(),
        }
    }

    /// Serves the interrupt of the port.
    ///
    /// A function of its own: the registers it needs would be saved at all other interrupts, too.
    #[inline(never)]
    pub fn handle_interrupt(&self) {
        self.engine.handle_interrupt();
    }

    fn schedule(&self) {
        if self.engine.has_ended() {
            self.later.set();
        }
    }
}

impl DeferredCallClient for Uart16550<'_> {
    fn handle_deferred_call(&self) {
        self.engine.deliver_ended();
    }

    fn register(&'static self) {
        self.later.register(self);
    }
}

impl Configure for Uart16550<'_> {
    fn configure(&self, params: Parameters) -> Result<(), ErrorCode> {
        self.engine.configure(params)
    }
}

impl<'a> Transmit<'a> for Uart16550<'a> {
    fn set_transmit_client(&self, client: &'a dyn TransmitClient) {
        self.engine.set_transmit_client(client);
    }

    fn transmit_buffer(
        &self,
        tx_buffer: &'static mut [u8],
        tx_len: usize,
    ) -> Result<(), (ErrorCode, &'static mut [u8])> {
        self.engine.transmit(tx_buffer, tx_len)
    }

    /// Not supported: buffers only.
    fn transmit_word(&self, _word: u32) -> Result<(), ErrorCode> {
        Err(ErrorCode::FAIL)
    }

    fn transmit_abort(&self) -> Result<(), ErrorCode> {
        let result = self.engine.abort_transmit();
        self.schedule();
        result
    }
}

impl<'a> Receive<'a> for Uart16550<'a> {
    fn set_receive_client(&self, client: &'a dyn ReceiveClient) {
        self.engine.set_receive_client(client);
    }

    fn receive_buffer(
        &self,
        rx_buffer: &'static mut [u8],
        rx_len: usize,
    ) -> Result<(), (ErrorCode, &'static mut [u8])> {
        let result = self.engine.receive(rx_buffer, rx_len);
        self.schedule();
        result
    }

    /// Not supported: buffers only.
    fn receive_word(&self) -> Result<(), ErrorCode> {
        Err(ErrorCode::FAIL)
    }

    fn receive_abort(&self) -> Result<(), ErrorCode> {
        let result = self.engine.abort_receive();
        self.schedule();
        result
    }
}
