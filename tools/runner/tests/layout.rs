// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A kernel that does not fit the board's memory map does not link.

use std::path::Path;
use std::process::Command;

/// A program of the board's shape: it starts in section `reset` and has more `items`.
fn program(reset: &str, items: &str) -> String {
    format!(
        "#![no_std]\n#![no_main]\n\
         core::arch::global_asm!(\".section {reset}, \\\"ax\\\"\", \".globl _start\", \"_start:\", \"j main\");\n\
         #[unsafe(no_mangle)] extern \"C\" fn main() -> ! {{ loop {{}} }}\n\
         #[panic_handler] fn panic(_: &core::panic::PanicInfo) -> ! {{ loop {{}} }}\n\
         {items}\n"
    )
}

/// Links the program with the board's layout. An error is what the linker said.
fn link(source: &str) -> Result<(), String> {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("kernel.rs");
    std::fs::write(&path, source).expect("a source file");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let layout = root.join("../../boards/qemu_rv32_virt/layout.ld");
    let output = Command::new("rustc")
        .current_dir(root)
        .args(["--edition", "2024", "--crate-type", "bin"])
        .args(["--target", "riscv32imac-unknown-none-elf"])
        .args(["-C", "opt-level=1", "-C", "panic=abort"])
        .arg(format!("-Clink-arg=-T{}", layout.display()))
        .arg("-o")
        .arg(directory.path().join("kernel"))
        .arg(&path)
        .output()
        .expect("rustc runs");
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Fails unless the linker refuses the program with these words.
#[track_caller]
fn expect_refusal(source: &str, words: &str) {
    match link(source) {
        Ok(()) => panic!("it links"),
        Err(said) => assert!(said.contains(words), "no \"{words}\" in:\n{said}"),
    }
}

const RESET: &str = ".riscv.start";

/// A variable of so many bytes that stays in the image.
fn variable(bytes: usize) -> String {
    format!(
        "#[used] static mut BIG: core::mem::MaybeUninit<[u8; {bytes}]> = \
         core::mem::MaybeUninit::uninit();"
    )
}

#[test]
fn a_program_of_the_right_shape_links() {
    link(&program(RESET, &variable(0x1000))).expect("it links");
}

#[test]
fn data_that_reaches_into_the_ram_of_apps_is_refused() {
    expect_refusal(
        &program(RESET, &variable(0x10_0000)),
        "kernel data reaches into the addresses that apps are linked for",
    );
}

#[test]
fn code_and_constants_that_reach_into_app_flash_are_refused() {
    let constants = "#[used] static BIG: [u8; 0x10_0000] = [7; 0x10_0000];";
    expect_refusal(&program(RESET, constants), "will not fit in region 'rom'");
}

#[test]
fn a_reset_entry_in_another_place_is_refused() {
    let other = "core::arch::global_asm!(\".section .riscv.start, \\\"ax\\\"\", \"nop\");";
    let late = program(".text.late", other);
    expect_refusal(&late, "the reset entry has to be at the start of ROM");
}
