// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Board for QEMU's `virt` machine with a 32-bit RISC-V hart.

#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(not(target_os = "none"))]
fn main() {
    eprintln!("this is a kernel image: build it with `make kernel`, run it with `make run`");
}
