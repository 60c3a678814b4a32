// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The `core` crate.

#![no_std]
