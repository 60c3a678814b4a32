// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Module `collections`.

pub mod list;
pub mod queue;
pub mod ring_buffer;
