// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Grants: what a driver keeps for a process, in the process's own memory.
//!
//! Each driver that works for processes has one [`Grant`]. In a process that uses the driver, the
//! grant has memory for the upcalls and buffers that the process registered and for a value of the
//! driver's own type. This memory comes from the process, so it is the process that runs short
//! when it uses many drivers; it lies where the process cannot reach it; and it is gone when the
//! process is.
//!
//! `layout` says what lies where, `entry` gets in and out, `handle` is what drivers hold, and
//! `requests` carries out subscribe and allow calls.

mod allocator;
mod counts;
mod entry;
mod handle;
mod kernel_data;
mod layout;
pub(crate) mod requests;

pub use allocator::{CustomGrant, GrantRegionAllocator};
pub use counts::{AllowRoCount, AllowRoSize, AllowRwCount, AllowRwSize, UpcallCount, UpcallSize};
pub use handle::{Grant, GrantData, GrantIter, ProcessGrant};
pub use kernel_data::GrantKernelData;
