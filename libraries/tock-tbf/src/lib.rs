// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The `tock-tbf` crate.

#![no_std]
