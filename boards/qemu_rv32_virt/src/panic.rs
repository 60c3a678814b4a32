// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The end of a run: a panic reports everything, then QEMU exits with status 1.

use core::panic::PanicInfo;

use capsules_system::process_printer::ProcessPrinterText;
use kernel::debug::{self, PanicResources};
use kernel::process::ProcessSlot;
use kernel::utilities::single_thread_value::SingleThreadValue;
use qemu_rv32_virt_chip::chip::SingleThread;
use qemu_rv32_virt_chip::memory_map::{SIFIVE_TEST, UART0, VIRTIO_MMIO};
use qemu_rv32_virt_chip::sifive_test::SifiveTest;
use qemu_rv32_virt_chip::uart::{UartPanicConfig, UartPanicWriter};
use virtio::transports::mmio::VirtIOMMIODevice;

use crate::board::Chip;

/// What a panic can report on.
static RESOURCES: SingleThreadValue<PanicResources<Chip, ProcessPrinterText>> =
    SingleThreadValue::new();

/// Lets a panic report on the chip and the processes.
pub fn report_on(
    chip: &'static Chip,
    processes: &'static [ProcessSlot],
    printer: &'static ProcessPrinterText,
) {
    let resources = PanicResources::new();
    resources.chip.put(chip);
    resources.processes.put(processes);
    resources.printer.put(printer);
    // It was bound before only if `main` ran twice; the first resources are as good then.
    let _ = RESOURCES.bind_to_thread::<SingleThread>(resources);
}

/// Panics because the operator asked for it.
pub fn on_request() -> ! {
    panic!("panic requested from the process console")
}

/// Ends QEMU with status 1.
pub fn stop() -> ! {
    SifiveTest::new(SIFIVE_TEST).exit(1)
}

/// Starts the kernel and all processes anew.
pub fn reset() -> ! {
    let halted = VIRTIO_MMIO.map(|registers| VirtIOMMIODevice::new(registers).halt());
    if halted.contains(&false) {
        // A device that still writes to memory: only the machine can be reset.
        SifiveTest::new(SIFIVE_TEST).reset()
    }
    // SAFETY: the VirtIO devices were the only ones to use memory, and each has been reset.
    unsafe { riscv::start::restart() }
}

#[panic_handler]
fn panic(info: &PanicInfo) -> ! {
    let config = UartPanicConfig { registers: UART0 };
    // SAFETY: nothing runs after this, so the writer has the serial port for itself.
    unsafe {
        debug::panic_print::<UartPanicWriter, _, _>(
            config,
            info,
            &riscv::support::nop,
            RESOURCES.get(),
        );
    }
    stop()
}
