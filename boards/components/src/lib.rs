// SPDX-License-Identifier: Apache-2.0 OR MIT

//! How drivers are put together, so that a board names parts instead of wiring them.
//!
//! A component takes what its parts need, and memory for them from a macro of the same module. The
//! macro expands in the board; the memory it hands out is claimed once, and a second claim panics at
//! boot.

#![no_std]
#![forbid(unsafe_code)]

pub mod alarm;
pub mod console;
pub mod ethernet_mux;
pub mod ethernet_tap;
pub mod late_upcalls;
pub mod low_level_debug;
pub mod ping_responder;
pub mod process_console;
pub mod rng;
pub mod virtio_net;
pub mod virtio_poll;
pub mod virtio_rng;
pub mod virtio_slots;

/// Memory for one value of a type, claimed once: `&'static mut MaybeUninit<T>`.
///
/// The macros of the components are built from it.
#[macro_export]
macro_rules! static_memory {
    ($T:ty) => {{
        // SAFETY: a line that runs twice panics before it hands its memory out again, and boards
        // build their components on the one hart that boots.
        unsafe { kernel::static_buf!($T) }
    }};
}
