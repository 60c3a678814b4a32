// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The `system` crate.

#![no_std]
