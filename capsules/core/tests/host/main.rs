// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Capsules over fake hardware, wired as a board wires them.

mod alarm;
mod console;
mod debug_writer;
mod late_upcalls;
mod low_level_debug;
mod process_console;
mod rng;
mod rng_bytes;
mod support;
mod virtual_uart;
