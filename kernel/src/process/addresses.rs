// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Where a process lies in memory, for printers and tools.

/// The addresses that bound the parts of a process.
pub struct ProcessAddresses {
    /// First byte of the application object: its header.
    pub flash_start: usize,
    /// First byte after the header and the protected trailer.
    pub flash_non_protected_start: usize,
    /// First byte after what credentials cover; footers start here.
    pub flash_integrity_end: *const u8,
    /// First byte after the application object.
    pub flash_end: usize,
    /// First byte of the RAM block.
    pub sram_start: usize,
    /// First byte after what the process can access.
    pub sram_app_brk: usize,
    /// First byte of the kernel's part, which grants extend downwards.
    pub sram_grant_start: usize,
    /// First byte after the RAM block.
    pub sram_end: usize,
    /// Where the process says that its heap starts.
    pub sram_heap_start: Option<usize>,
    /// Where the process says that its stack starts: the highest address.
    pub sram_stack_top: Option<usize>,
    /// The lowest stack pointer the kernel has seen.
    pub sram_stack_bottom: Option<usize>,
}

/// Sizes in bytes of what the kernel keeps in a process's RAM block.
pub struct ProcessSizes {
    /// Table of grants.
    pub grant_pointers: usize,
    /// Queue of pending tasks.
    pub upcall_list: usize,
    /// Everything else about the process.
    pub process_control_block: usize,
}
