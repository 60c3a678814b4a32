// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Links each app by its own script, at the addresses its runtime uses on this board.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // The host has no use for the scripts, it only checks the code.
    if env::var("CARGO_CFG_TARGET_OS").as_deref() != Ok("none") {
        return;
    }
    let directory = env::var("CARGO_MANIFEST_DIR").expect("cargo names the package's directory");
    for name in ["shape-c", "shape-rs"] {
        println!("cargo::rerun-if-changed={name}.ld");
        println!("cargo::rustc-link-arg-bin={name}=-T{directory}/{name}.ld");
    }
}
