// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The `tock-cells` crate.

#![no_std]
