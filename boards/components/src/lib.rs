// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The `components` crate.

#![no_std]
