// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The `qemu_rv32_virt_chip` crate.

#![no_std]
