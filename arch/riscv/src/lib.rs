// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The `riscv` crate.

#![no_std]
