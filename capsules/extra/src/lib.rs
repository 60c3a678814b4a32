// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The `extra` crate.

#![no_std]
