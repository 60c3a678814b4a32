// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Hardware interface layer: what drivers offer and capsules build on.

pub mod entropy;
pub mod ethernet;
pub mod ethernet_adapter;
pub mod gpio;
pub mod keyboard;
pub mod led;
pub mod nonvolatile_storage;
pub mod rng;
pub mod rng_bytes;
pub mod screen;
pub mod time;
pub mod uart;
