// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Booting the board under QEMU and talking to it: over the serial port, QEMU's monitor protocol,
//! raw Ethernet frames and HTTP.
//!
//! Waiting is always for an event; a deadline only turns a hang into a failure. A failure prints
//! what the guest had printed. Tests run on the QEMU in `QEMU`, or in `PATH`, and once more on the
//! one in `QEMU_NEW` if that is set.

mod board;
mod debugger;
mod gdb;
mod guest;
mod host;
mod http;
mod peer;
mod qmp;
mod stack_gauge;
mod transcript;
mod virtio_listing;

pub use board::{
    Board, MUTE_ENTROPY, app_objects, cpus, each_qemu, header_entry, kernel, kernel_variant,
};
pub use debugger::Debugger;
pub use gdb::{Gdb, register, symbol};
pub use guest::Guest;
pub use host::{HOST, HOST_MAC, Host};
pub use http::{Response, connect, get, read_response, send, try_get};
pub use peer::Peer;
pub use qmp::Qmp;
pub use stack_gauge::StackGauge;
pub use transcript::{Absent, Transcript};

use std::time::Duration;

/// How long an event may take before the test counts it as never coming: far beyond what a loaded
/// machine needs.
pub const PATIENCE: Duration = Duration::from_secs(60);
