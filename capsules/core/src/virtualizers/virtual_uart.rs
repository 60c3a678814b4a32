// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Several users of one serial port.
//!
//! Transmissions are sent whole, in the order in which they were asked for. A received byte goes
//! to every user that is receiving at that moment; while nobody is, at most one byte is taken
//! from the port, and it is kept for the next user, so bytes wait in the port and are not lost.
//!
//! ```text
//! let buffer = static_init!([u8; virtual_uart::RX_BUF_LEN], [0; virtual_uart::RX_BUF_LEN]);
//! let mux = static_init!(MuxUart<'static>, MuxUart::new(uart0, buffer, 115_200));
//! DeferredCallClient::register(mux);
//! mux.initialize();
//! let user = static_init!(UartDevice<'static>, UartDevice::new(mux, true));
//! user.setup();
//! user.set_transmit_client(client);
//! user.set_receive_client(client);
//! ```

mod device;
mod mux;
mod tickets;

pub use device::UartDevice;
pub use mux::{MuxUart, RX_BUF_LEN};
