// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Registers of the ns16550a: bytes, one address apart.

#![allow(
    clippy::modulo_one,
    reason = "`register_structs!` checks the alignment of bytes, too"
)]

use kernel::utilities::registers::interfaces::{Readable, Writeable};
use kernel::utilities::registers::{ReadOnly, ReadWrite, WriteOnly, register_structs};
use kernel::utilities::static_ref::StaticRef;

register_structs! {
    /// Registers of the port.
    pub Ns16550Registers {
        /// Received byte when read, byte to send when written; divisor's low half under DLAB.
        (0x0 => data: ReadWrite<u8>),
        /// Enabled interrupts; divisor's high half under DLAB.
        (0x1 => interrupt_enable: ReadWrite<u8>),
        /// FIFO control.
        (0x2 => fifo_control: WriteOnly<u8>),
        /// Line format.
        (0x3 => line_control: ReadWrite<u8>),
        /// Modem control.
        (0x4 => modem_control: ReadWrite<u8>),
        /// Line status.
        (0x5 => line_status: ReadOnly<u8>),
        /// Modem status.
        (0x6 => modem_status: ReadOnly<u8>),
        /// No function.
        (0x7 => scratch: ReadWrite<u8>),
        (0x8 => @END),
    }
}

/// Bits of the interrupt enable register.
pub(super) mod interrupts {
    pub(in crate::uart) const RECEIVE: u8 = 1 << 0;
    pub(in crate::uart) const TRANSMIT: u8 = 1 << 1;
}

/// Bits of the line status register. Reading it clears the four errors.
pub(super) mod status {
    pub(in crate::uart) const DATA_READY: u8 = 1 << 0;
    pub(in crate::uart) const OVERRUN: u8 = 1 << 1;
    pub(in crate::uart) const PARITY: u8 = 1 << 2;
    pub(in crate::uart) const FRAMING: u8 = 1 << 3;
    pub(in crate::uart) const BREAK: u8 = 1 << 4;
    pub(in crate::uart) const TRANSMIT_EMPTY: u8 = 1 << 5;
}

/// Bytes that fit once the transmitter reports empty.
pub(super) const FIFO_BYTES: usize = 16;
/// FIFOs on and cleared, one received byte suffices for an interrupt.
const FIFO_SETUP: u8 = 0b0000_0111;
/// Line control: the first two registers are the divisor.
const DLAB: u8 = 1 << 7;

/// What the driver needs of the registers.
pub trait UartAccess {
    /// Takes a received byte.
    fn take_byte(&self) -> u8;
    /// Sends a byte.
    fn send_byte(&self, byte: u8);
    /// Enables exactly these interrupts.
    fn set_interrupts(&self, enabled: u8);
    /// Reads the line status.
    fn status(&self) -> u8;
    /// Sets the line format and the divisor, and clears the FIFOs.
    fn set_line(&self, format: u8, divisor: u16);
}

impl UartAccess for StaticRef<Ns16550Registers> {
    fn take_byte(&self) -> u8 {
        self.data.get()
    }

    fn send_byte(&self, byte: u8) {
        self.data.set(byte);
    }

    fn set_interrupts(&self, enabled: u8) {
        self.interrupt_enable.set(enabled);
    }

    fn status(&self) -> u8 {
        self.line_status.get()
    }

    fn set_line(&self, format: u8, divisor: u16) {
        let [low, high] = divisor.to_le_bytes();
        self.line_control.set(format | DLAB);
        self.data.set(low);
        self.interrupt_enable.set(high);
        self.line_control.set(format);
        self.fifo_control.set(FIFO_SETUP);
    }
}
