// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Where the board keeps apps in flash and in RAM.
//!
//! The numbers are those that Tock apps for QEMU's `virt` machine are linked for, so that binaries
//! built elsewhere find their place; the kernel's side of them is `boards/qemu_rv32_virt/layout.ld`.

use std::ops::Range;

/// App flash: the kernel walks it from the first byte.
pub const FLASH: Range<u32> = 0x8010_0000..0x8020_0000;

/// App RAM as far as fixed addresses go. The kernel may own RAM below it, never inside.
pub const RAM: Range<u32> = 0x8030_0000..0x8040_0000;

/// Bytes between the start of an app's object and its binary; the headers have to fit in them.
pub const PROTECTED_BYTES: u32 = 0x80;

/// Alignment of what is ours to place. A page that a border of memory protection cuts is emulated
/// up to a hundred times slower than a whole one.
pub const PAGE: u32 = 4096;

/// RAM that the kernel adds to an app's own for its control block, upcall queue and grant table.
pub const KERNEL_SHARE_BYTES: u32 = 4096;

/// Rounds up to a whole page; `None` past the end of the address space.
#[must_use]
pub fn page_up(address: u32) -> Option<u32> {
    address.checked_next_multiple_of(PAGE)
}
