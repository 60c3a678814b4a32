// SPDX-License-Identifier: Apache-2.0 OR MIT

//! From the kernel's first jump to the app's main function.
//!
//! The kernel enters with the address of the binary in `a0`, the start of the process's memory in
//! `a1` and a stack pointer that cannot be used: no byte of memory is accessible before the first
//! `brk`. The code relies on the ABI's promise that a system call changes result registers only.

use crate::exit::ExitCode;
use core::arch::global_asm;
use core::cell::UnsafeCell;

// Alert 2 says that the kernel loaded the binary, or placed its memory, where it was not linked for.
// A refused break exits with NOMEM: without memory there is no way to say more.
global_asm!(
    ".section .start, \"ax\"",
    ".globl _start",
    "_start:",
    "lui t0, %hi(_flash_origin)",
    "addi t0, t0, %lo(_flash_origin)",
    "bne a0, t0, 5f",
    "lui t0, %hi(_sram_origin)",
    "addi t0, t0, %lo(_sram_origin)",
    "bne a1, t0, 5f",
    // Memory up to the end of the zeroed data.
    "li a0, 0",
    "lui a1, %hi(_heap_start)",
    "addi a1, a1, %lo(_heap_start)",
    "li a4, 5",
    "ecall",
    "li t0, 128",
    "bne a0, t0, 6f",
    "lui sp, %hi(_stack_top)",
    "addi sp, sp, %lo(_stack_top)",
    // Hints for the kernel's diagnostics; both always succeed.
    "li a0, 10",
    "mv a1, sp",
    "ecall",
    "li a0, 11",
    "lui a1, %hi(_heap_start)",
    "addi a1, a1, %lo(_heap_start)",
    "ecall",
    // The linker script aligns the borders of both sections to words.
    "lui t0, %hi(_data_start)",
    "addi t0, t0, %lo(_data_start)",
    "lui t1, %hi(_data_end)",
    "addi t1, t1, %lo(_data_end)",
    "lui t2, %hi(_data_load)",
    "addi t2, t2, %lo(_data_load)",
    "j 2f",
    "1: lw t3, 0(t2)",
    "sw t3, 0(t0)",
    "addi t2, t2, 4",
    "addi t0, t0, 4",
    "2: bltu t0, t1, 1b",
    "lui t0, %hi(_bss_start)",
    "addi t0, t0, %lo(_bss_start)",
    "lui t1, %hi(_bss_end)",
    "addi t1, t1, %lo(_bss_end)",
    "j 4f",
    "3: sw zero, 0(t0)",
    "addi t0, t0, 4",
    "4: bltu t0, t1, 3b",
    "call tock_app_main",
    // Not reached: main exits. The code below serves a process in the wrong place.
    "5: li a0, 8",
    "li a1, 1",
    "li a2, 2",
    "li a3, 0",
    "li a4, 2",
    "ecall",
    "li a1, 1",
    "j 7f",
    "6: li a1, 9",
    "7: li a0, 0",
    "li a4, 6",
    "ecall",
    "j 7b",
);

/// Memory set aside for the stack or the heap; [`entry!`](crate::entry) tells the linker which.
#[repr(C, align(16))]
pub struct Reserved<const BYTES: usize>(UnsafeCell<[u8; BYTES]>);

// SAFETY: nothing reaches the bytes through this type; the CPU has them as its stack, or the process
// asks the kernel for them.
unsafe impl<const BYTES: usize> Sync for Reserved<BYTES> {}

impl<const BYTES: usize> Default for Reserved<BYTES> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const BYTES: usize> Reserved<BYTES> {
    /// Reserves `BYTES` bytes.
    pub const fn new() -> Self {
        Self(UnsafeCell::new([0; BYTES]))
    }
}

/// Runs the app and ends the process with what it returns.
pub fn run<T: ExitCode>(main: fn() -> T) -> ! {
    crate::exit(main().exit_code())
}

/// Names the main function of an app and the size of its stack in bytes.
///
/// The function takes nothing and returns an [`ExitCode`](crate::ExitCode): `()`, `u32` or a
/// `Result` of one of them and an [`ErrorCode`](crate::ErrorCode).
///
/// A stack overflow faults the process: the stack lies at the very start of its memory. With `heap`
/// the process gets that much more room for [`memory::with_heap`](crate::memory::with_heap).
#[macro_export]
macro_rules! entry {
    ($main:path, stack = $stack:expr, heap = $heap:expr) => {
        const _: () = {
            #[used]
            #[unsafe(link_section = ".tock_app_heap")]
            static HEAP: $crate::start::Reserved<{ $heap }> = $crate::start::Reserved::new();
        };
        $crate::entry!($main, stack = $stack);
    };
    ($main:path, stack = $stack:expr) => {
        const _: () = {
            #[used]
            #[unsafe(link_section = ".bss.tock_app_stack")]
            static STACK: $crate::start::Reserved<{ $stack }> = $crate::start::Reserved::new();

            #[unsafe(no_mangle)]
            extern "C" fn tock_app_main() -> ! {
                $crate::start::run($main)
            }
        };
    };
    ($main:path) => {
        $crate::entry!($main, stack = 2048);
    };
}
