// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Where things lie in memory, as `layout.ld` says.

use core::ptr;

use capsules_core::process_console::KernelAddresses;
use riscv::pmp::{KernelMap, Range};

// Only the addresses mean anything.
unsafe extern "C" {
    static _stext: u8;
    static _etext: u8;
    static _srodata: u8;
    static _erodata: u8;
    static _sguard: u8;
    static _eguard: u8;
    static _sstack: u8;
    static _estack: u8;
    static _srelocate: u8;
    static _erelocate: u8;
    static _szero: u8;
    static _ezero: u8;
    static _sapps: u8;
    static _eapps: u8;
    static mut _sappmem: u8;
    static _eappmem: u8;
}

/// Kernel image and app flash.
const ROM: Range = Range::new(0x8000_0000, 0x8020_0000);
/// Kernel RAM and the app pool.
const RAM: Range = Range::new(0x8020_0000, 0x8040_0000);
/// All device registers that this board uses.
const DEVICES: Range = Range::new(0x0000_0000, 0x2000_0000);

const _: () = {
    let parts = [ROM, RAM, DEVICES];
    let mut index = 0;
    while index < parts.len() {
        let part = parts[index];
        assert!(part.is_naturally_aligned(), "no entry can cover this");
        let other = parts[(index + 1) % parts.len()];
        assert!(!part.overlaps(other), "parts of the map overlap");
        index += 1;
    }
};

/// Borders between memory of different owners are multiples of this: a page that a border cuts is
/// slow under QEMU.
pub const PROTECTION_BORDER: usize = 4096;

/// The map that memory protection enforces.
pub fn map() -> KernelMap {
    KernelMap {
        text: between(&raw const _stext, &raw const _etext),
        rom: ROM,
        ram: RAM,
        stack_guard: between(&raw const _sguard, &raw const _eguard),
        devices: DEVICES,
        app_flash: between(&raw const _sapps, &raw const _eapps),
        app_ram: between(&raw const _sappmem, &raw const _eappmem),
    }
}

/// Where the kernel lies, for the process console.
pub fn kernel_addresses() -> KernelAddresses {
    let range = |start: *const u8, end: *const u8| start.addr()..end.addr();
    KernelAddresses {
        text: range(&raw const _stext, &raw const _etext),
        read_only_data: range(&raw const _srodata, &raw const _erodata),
        stack: range(&raw const _sstack, &raw const _estack),
        data: range(&raw const _srelocate, &raw const _erelocate),
        bss: range(&raw const _szero, &raw const _ezero),
    }
}

fn between(start: *const u8, end: *const u8) -> Range {
    Range::new(start.addr() as u32, end.addr() as u32)
}

/// The flash that holds apps.
pub fn app_flash() -> &'static [u8] {
    let start = &raw const _sapps;
    let length = (&raw const _eapps).addr() - start.addr();
    // SAFETY: the linker script sets this range aside, QEMU backs it with memory, and nothing
    // writes to it while the machine runs.
    unsafe { &*ptr::slice_from_raw_parts(start, length) }
}

/// The RAM that processes are placed in, behind the memory of VirtIO devices.
///
/// It holds whatever it held at reset, which is a value of its own for each byte.
///
/// # Safety
///
/// Call it once: the slice is the only way to this memory.
pub unsafe fn app_ram() -> &'static mut [u8] {
    let start = &raw mut _sappmem;
    let length = (&raw const _eappmem).addr() - start.addr();
    // SAFETY: the linker script sets this range aside behind everything the kernel uses, and the
    // caller makes this the only reference to it.
    unsafe { &mut *ptr::slice_from_raw_parts_mut(start, length) }
}
