// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Capsules over fake hardware, wired as a board wires them.

mod ethernet_tap;
#[path = "../../../core/tests/host/support/process.rs"]
mod process;
