// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Everything between the source tree and a board that runs under QEMU.
//!
//! Apps are built and placed (`app_build`, `placement`), given credentials if wanted (`credential`),
//! laid out as a flash image (`flash_image`), and QEMU is started with the devices asked for (`qemu`,
//! `session`). The boot tests use the same parts, so what they run is what `make run` runs.

pub mod app_build;
pub mod board;
pub mod bundle;
pub mod cli;
pub mod credential;
pub mod error;
pub mod flash_image;
pub mod memory_map;
pub mod network;
pub mod placement;
pub mod port;
pub mod qemu;
pub mod session;
pub mod tbf_object;
pub mod usage;
pub mod workspace;
