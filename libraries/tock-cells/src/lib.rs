// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Cells that drivers keep their state in.
//!
//! Kernel code shares its objects by `&self` on one thread, so state that changes lives in cells.
//! Each type here has one rule that keeps it sound under re-entrancy: nobody ever holds a
//! reference into a cell while another path can reach the same content. None of them is `Sync`.
//!
//! | type | content | typical use |
//! |---|---|---|
//! | [`OptionalCell`](optional_cell::OptionalCell) | a small value, moved in and out | a client |
//! | [`TakeCell`](take_cell::TakeCell) | a `&mut` reference | a buffer |
//! | [`MapCell`](map_cell::MapCell) | a large value, changed in place | a state machine |
//! | [`NumericCellExt`](numeric_cell_ext::NumericCellExt) | a number in a `Cell` | a counter |

#![no_std]

#[cfg(test)]
extern crate std;

pub mod map_cell;
pub mod numeric_cell_ext;
pub mod optional_cell;
pub mod take_cell;
