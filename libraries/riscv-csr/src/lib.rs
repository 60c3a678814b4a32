// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The `riscv-csr` crate.

#![no_std]
