// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Where a process lies, and the report about it for a panic or a crash.

use core::fmt::{self, Write};

use super::{ProcessStandard, QUEUE_LENGTH};
use crate::platform::chip::Chip;
use crate::process::addresses::{ProcessAddresses, ProcessSizes};
use crate::process::debug_info::ProcessStandardDebug;
use crate::process::task_queue::TaskQueue;
use crate::syscall::UserspaceKernelBoundary;

/// Bytes of the control block that are the queue of tasks.
const QUEUE_SIZE: usize = size_of::<TaskQueue<QUEUE_LENGTH>>();

impl<C: Chip, D: ProcessStandardDebug> ProcessStandard<'_, C, D> {
    #[inline(always)]
    pub(super) fn addresses(&self) -> ProcessAddresses {
        let breaks = self.ram.breaks();
        let integrity_end = self.flash_address(self.header.get_binary_end());
        ProcessAddresses {
            flash_start: self.flash_address(0),
            flash_non_protected_start: self.flash_address(self.header.get_protected_size()),
            flash_integrity_end: self.flash.as_ptr().with_addr(integrity_end),
            flash_end: self.flash_address(0) + self.flash.len(),
            sram_start: breaks.start(),
            sram_app_brk: breaks.app_break(),
            sram_grant_start: breaks.kernel_break(),
            sram_end: breaks.end(),
            sram_heap_start: self.debug.heap_start(),
            sram_stack_top: self.debug.stack_top(),
            sram_stack_bottom: self.debug.lowest_stack_pointer(),
        }
    }

    pub(super) fn sizes(&self) -> ProcessSizes {
        ProcessSizes {
            grant_pointers: self.grants.size(),
            upcall_list: QUEUE_SIZE,
            process_control_block: size_of::<Self>() - QUEUE_SIZE,
        }
    }

    /// Writes what an overview does not show: memory map, registers, grants and protection.
    pub(super) fn print_all(&self, writer: &mut dyn Write) -> fmt::Result {
        self.print_memory_map(writer)?;
        let breaks = self.ram.breaks();
        self.with_registers(|state| {
            // SAFETY: the bounds and the state are those of this process.
            unsafe {
                self.chip.userspace_kernel_boundary().print_context(
                    self.ram.at(breaks.start()),
                    self.ram.at(breaks.app_break()),
                    state,
                    writer,
                );
            }
        });
        for (grant_num, driver_num, memory) in self.grants.allocated() {
            write!(
                writer,
                " Grant {grant_num:>2}: driver {driver_num:#x} at {:#x}\r\n",
                memory.addr()
            )?;
        }
        self.with_protection(|config| write!(writer, "{config}"))
            .unwrap_or(Ok(()))?;
        writer.write_str("\r\n")
    }

    /// Writes the borders of RAM and flash from the highest address down, with what lies below
    /// each.
    fn print_memory_map(&self, writer: &mut dyn Write) -> fmt::Result {
        let map = self.addresses();
        let heap = map.sram_heap_start.unwrap_or(map.sram_app_brk);
        let stack_top = map.sram_stack_top.unwrap_or(map.sram_start);
        for (address, below) in [
            (map.sram_end, "kernel records"),
            (self.first_kernel_break(), "grants"),
            (map.sram_grant_start, "unused"),
            (map.sram_app_brk, "heap"),
            (heap, "data"),
            (stack_top, "stack"),
            (map.sram_start, ""),
            (map.flash_end, "binary"),
            (map.flash_non_protected_start, "protected"),
            (map.flash_start, ""),
        ] {
            write!(writer, " {address:#010x}  {below}\r\n")?;
        }
        match map.sram_stack_bottom {
            Some(lowest) => write!(writer, " Lowest stack pointer seen: {lowest:#010x}\r\n"),
            None => Ok(()),
        }
    }
}
