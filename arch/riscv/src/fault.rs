// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Exceptions of the kernel itself: each one ends in a panic with the machine's state.

use crate::print;
use core::fmt::Write;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering::Relaxed};

/// Words in the frame: `x1` to `x31`, then `mepc`, `mcause` and `mtval`.
const WORDS: usize = 34;

/// Registers at the kernel's exception, filled in by `trap.rs`.
#[repr(C)]
pub(crate) struct FaultFrame([AtomicU32; WORDS]);

pub(crate) static FAULT_FRAME: FaultFrame = FaultFrame([const { AtomicU32::new(0) }; WORDS]);

/// Set once the kernel took an exception.
static FAULTED: AtomicBool = AtomicBool::new(false);

/// What ends the run when the panic handler itself faults: a `fn() -> !`, or zero.
static LAST_RESORT: AtomicUsize = AtomicUsize::new(0);

/// Sets what ends the run when reporting a kernel fault faults again.
///
/// Without it the CPU then stops in a loop.
pub fn set_last_resort(stop: fn() -> !) {
    LAST_RESORT.store(stop as usize, Relaxed);
}

/// Reports an exception of the kernel, whose registers are in [`FAULT_FRAME`].
#[cfg_attr(
    not(target_arch = "riscv32"),
    allow(dead_code, reason = "called by the trap handler")
)]
pub(crate) extern "C" fn kernel_fault() -> ! {
    if FAULTED.swap(true, Relaxed) {
        stop();
    }
    let [.., pc, mcause, mtval] = &FAULT_FRAME.0;
    panic!(
        "kernel exception: {}, mepc {:#010x}, mtval {:#010x}",
        print::cause_text(mcause.load(Relaxed)),
        pc.load(Relaxed),
        mtval.load(Relaxed)
    );
}

fn stop() -> ! {
    let address = LAST_RESORT.load(Relaxed);
    if address != 0 {
        // SAFETY: only `set_last_resort` writes the word, and it takes such a function.
        let stop = unsafe { core::mem::transmute::<usize, fn() -> !>(address) };
        stop()
    }
    loop {
        crate::support::wfi();
    }
}

/// Prints the registers of the kernel's exception, if there was one.
pub(crate) fn print_frame(writer: &mut dyn Write) {
    if FAULTED.load(Relaxed) {
        let words = FAULT_FRAME.0.each_ref().map(|word| word.load(Relaxed));
        let [registers @ .., pc, mcause, mtval] = words;
        print::registers(writer, &registers, pc, mcause, mtval);
    }
}
