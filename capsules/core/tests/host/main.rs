// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Capsules over fake hardware, wired as a board wires them.

mod debug_writer;
mod support;
mod virtual_uart;
