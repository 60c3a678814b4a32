// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Printing from the panic handler: polling, without interrupts or buffers.

use super::registers::{Ns16550Registers, UartAccess, status};
use core::fmt;
use kernel::platform::chip::PanicWriter;
use kernel::utilities::io_write::IoWrite;
use kernel::utilities::static_ref::StaticRef;

/// Polls for one byte before it is dropped, so that a stuck port cannot keep a panic from ending.
const PATIENCE: u32 = 1_000_000;

/// Which port to print to.
pub struct UartPanicConfig {
    /// Registers of the port; a driver may be using them.
    pub registers: StaticRef<Ns16550Registers>,
}

/// Writes bytes to the port as they come.
pub struct UartPanicWriter<A: UartAccess = StaticRef<Ns16550Registers>> {
    registers: A,
}

impl<A: UartAccess> UartPanicWriter<A> {
    fn new(registers: A) -> Self {
        registers.set_interrupts(0);
        UartPanicWriter { registers }
    }

    fn send(&self, byte: u8) -> bool {
        let empty = || self.registers.status() & status::TRANSMIT_EMPTY != 0;
        let ready = (0..PATIENCE).any(|_| empty());
        if ready {
            self.registers.send_byte(byte);
        }
        ready
    }
}

impl<A: UartAccess> IoWrite for UartPanicWriter<A> {
    #[inline(never)]
    fn write(&mut self, buf: &[u8]) -> usize {
        buf.iter().take_while(|byte| self.send(**byte)).count()
    }
}

/// A letter as text. There is one copy of this, not one in each writer.
#[inline(never)]
fn letter_text(letter: char, room: &mut [u8; 4]) -> &str {
    letter.encode_utf8(room)
}

impl<A: UartAccess> fmt::Write for UartPanicWriter<A> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        IoWrite::write(self, text.as_bytes());
        Ok(())
    }

    fn write_char(&mut self, letter: char) -> fmt::Result {
        self.write_str(letter_text(letter, &mut [0; 4]))
    }
}

impl PanicWriter for UartPanicWriter {
    type Config = UartPanicConfig;

    unsafe fn create_panic_writer(config: UartPanicConfig) -> impl IoWrite + fmt::Write {
        UartPanicWriter::new(config.registers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::cell::{Cell, RefCell};
    use std::vec::Vec;

    #[derive(Default)]
    struct Port {
        sent: RefCell<Vec<u8>>,
        stuck: Cell<bool>,
    }

    impl UartAccess for &Port {
        fn take_byte(&self) -> u8 {
            0
        }

        fn send_byte(&self, byte: u8) {
            self.sent.borrow_mut().push(byte);
        }

        fn set_interrupts(&self, enabled: u8) {
            assert_eq!(enabled, 0);
        }

        fn status(&self) -> u8 {
            if self.stuck.get() {
                0
            } else {
                status::TRANSMIT_EMPTY
            }
        }

        fn set_line(&self, _format: u8, _divisor: u16) {}
    }

    #[test]
    fn bytes_go_out_in_order() {
        let port = Port::default();
        let mut writer = UartPanicWriter::new(&port);
        assert_eq!(IoWrite::write(&mut writer, b"panic"), 5);
        assert_eq!(*port.sent.borrow(), b"panic");
    }

    #[test]
    fn a_stuck_port_does_not_hang_the_panic() {
        let port = Port::default();
        port.stuck.set(true);
        let mut writer = UartPanicWriter::new(&port);
        assert_eq!(IoWrite::write(&mut writer, b"p"), 0);
    }
}
