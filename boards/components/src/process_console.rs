// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The operator's prompt, on a share of the console's port.

use core::mem::MaybeUninit;

use capsules_core::process_console::{Board, ProcessConsole, READ_BUF_LEN, WRITE_BUF_LEN};
use capsules_core::virtualizers::virtual_uart::{MuxUart, UartDevice};
use kernel::Kernel;
use kernel::capabilities::{ProcessManagementCapability, ProcessStartCapability};
use kernel::component::Component;
use kernel::hil::uart::{Receive, Transmit};
use kernel::process::ProcessPrinter;

use crate::console;

/// Memory for [`ProcessConsoleComponent`] with a capability of type `$C`.
#[macro_export]
macro_rules! process_console_component_static {
    ($C:ty $(,)?) => {
        (
            $crate::static_memory!(capsules_core::virtualizers::virtual_uart::UartDevice<'static>),
            $crate::static_memory!(capsules_core::process_console::ProcessConsole<'static, $C>),
            $crate::static_memory!([u8; capsules_core::process_console::WRITE_BUF_LEN]),
            $crate::static_memory!([u8; capsules_core::process_console::READ_BUF_LEN]),
        )
    };
}

/// Builds the console; call `start` on it when the apps are loaded.
pub struct ProcessConsoleComponent<C> {
    kernel: &'static Kernel,
    mux: &'static MuxUart<'static>,
    printer: &'static dyn ProcessPrinter,
    board: Board,
    capability: C,
}

impl<C: ProcessManagementCapability + ProcessStartCapability> ProcessConsoleComponent<C> {
    /// Takes a share of `mux`; `board` is what the console asks the board for.
    pub fn new(
        kernel: &'static Kernel,
        mux: &'static MuxUart<'static>,
        printer: &'static dyn ProcessPrinter,
        board: Board,
        capability: C,
    ) -> Self {
        Self {
            kernel,
            mux,
            printer,
            board,
            capability,
        }
    }
}

impl<C: ProcessManagementCapability + ProcessStartCapability + 'static> Component
    for ProcessConsoleComponent<C>
{
    type StaticInput = (
        &'static mut MaybeUninit<UartDevice<'static>>,
        &'static mut MaybeUninit<ProcessConsole<'static, C>>,
        &'static mut MaybeUninit<[u8; WRITE_BUF_LEN]>,
        &'static mut MaybeUninit<[u8; READ_BUF_LEN]>,
    );
    type Output = &'static ProcessConsole<'static, C>;

    fn finalize(self, memory: Self::StaticInput) -> Self::Output {
        let port = console::share(self.mux, memory.0, true);
        let console = memory.1.write(ProcessConsole::new(
            port,
            memory.2.write([0; WRITE_BUF_LEN]),
            memory.3.write([0; READ_BUF_LEN]),
            self.kernel,
            self.printer,
            self.board,
            self.capability,
        ));
        port.set_transmit_client(console);
        port.set_receive_client(console);
        console
    }
}
