// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Whole VirtIO devices in front of the drivers, in one process: the register window with interrupts
//! and a configuration space, around queues that others wrote (rust-vmm's `virtio-queue`).
//!
//! A device obeys the standard as long as its [`Noise`] is silent. [`cases`] are the fuzz targets: each
//! takes bytes as a run of events, and ends with an honest device that has to find everything in order.

pub mod cases;
mod entropy;
mod half;
mod machine;
mod network;
mod noise;
mod registers;

pub use entropy::Entropy;
pub use half::{Chain, Half, Setup};
pub use machine::{Machine, Queue, Transport};
pub use network::{Network, frame};
pub use noise::Noise;
pub use registers::{CHANGED, Identity, NEEDS_RESET, Registers, USED};
