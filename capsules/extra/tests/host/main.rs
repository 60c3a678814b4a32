// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Capsules over fake hardware, wired as a board wires them.

mod ethernet_tap;
mod extended;
mod mux_ethernet;
mod ping_responder;
