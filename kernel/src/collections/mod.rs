// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Collections that need no allocator.

pub mod list;
pub mod queue;
pub mod ring_buffer;
