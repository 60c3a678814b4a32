// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Hands the board's memory map to the linker when the kernel image itself is built.

fn main() {
    println!("cargo::rerun-if-changed=layout.ld");
    let bare_metal = std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "none");
    if bare_metal {
        let directory = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
        println!("cargo::rustc-link-arg-bins=-T{directory}/layout.ld");
        // The arithmetic of signatures has frames of 5 KiB.
        if std::env::var_os("CARGO_FEATURE_CREDENTIALS_ECDSA_P256").is_some() {
            println!("cargo::rustc-link-arg-bins=--defsym=_guard_size=8192");
        }
        // Functions of different types are often the same code.
        println!("cargo::rustc-link-arg-bins=--icf=all");
    }
}
