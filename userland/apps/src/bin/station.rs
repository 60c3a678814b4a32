// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Tests: the first of up to three stations that share a card.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

#[path = "../shared/station.rs"]
mod station;

tock_app::entry!(station::main, stack = 4096);
