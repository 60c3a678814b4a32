// SPDX-License-Identifier: Apache-2.0 OR MIT

//! One serial port, shared by the console of apps, the kernel's messages and other users.

use core::mem::MaybeUninit;

use capsules_core::console::{self, Console};

use capsules_core::virtualizers::virtual_uart::{MuxUart, RX_BUF_LEN, UartDevice};
use kernel::Kernel;
use kernel::capabilities::MemoryAllocationCapability;
use kernel::component::Component;
use kernel::hil::uart::{Receive, Transmit, Uart};

/// Memory for [`UartMuxComponent`].
#[macro_export]
macro_rules! uart_mux_component_static {
    () => {
        (
            $crate::static_memory!(capsules_core::virtualizers::virtual_uart::MuxUart<'static>),
            $crate::static_memory!([u8; capsules_core::virtualizers::virtual_uart::RX_BUF_LEN]),
        )
    };
}

/// Memory for [`ConsoleComponent`].
#[macro_export]
macro_rules! console_component_static {
    () => {
        (
            $crate::static_memory!(capsules_core::virtualizers::virtual_uart::UartDevice<'static>),
            $crate::static_memory!(capsules_core::console::Console<'static>),
            $crate::static_memory!([u8; capsules_core::console::DEFAULT_BUF_SIZE]),
            $crate::static_memory!([u8; capsules_core::console::DEFAULT_BUF_SIZE]),
        )
    };
}

/// Lets several users share one serial port.
pub struct UartMuxComponent {
    uart: &'static dyn Uart<'static>,
    baud_rate: u32,
}

impl UartMuxComponent {
    /// Shares `uart`, which has no other client, at `baud_rate` symbols a second.
    pub fn new(uart: &'static dyn Uart<'static>, baud_rate: u32) -> Self {
        Self { uart, baud_rate }
    }
}

impl Component for UartMuxComponent {
    type StaticInput = (
        &'static mut MaybeUninit<MuxUart<'static>>,
        &'static mut MaybeUninit<[u8; RX_BUF_LEN]>,
    );
    type Output = &'static MuxUart<'static>;

    fn finalize(self, memory: Self::StaticInput) -> Self::Output {
        let receive_buffer = memory.1.write([0; RX_BUF_LEN]);
        let mux = memory
            .0
            .write(MuxUart::new(self.uart, receive_buffer, self.baud_rate));
        mux.initialize();
        self.uart.set_transmit_client(mux);
        self.uart.set_receive_client(mux);
        mux
    }
}

/// The console of apps (driver 0x1).
pub struct ConsoleComponent {
    kernel: &'static Kernel,
    mux: &'static MuxUart<'static>,
    memory_allocation: &'static dyn MemoryAllocationCapability,
}

impl ConsoleComponent {
    /// Takes a share of `mux` for apps.
    pub fn new(
        kernel: &'static Kernel,
        mux: &'static MuxUart<'static>,
        memory_allocation: &'static dyn MemoryAllocationCapability,
    ) -> Self {
        Self {
            kernel,
            mux,
            memory_allocation,
        }
    }
}

impl Component for ConsoleComponent {
    type StaticInput = (
        &'static mut MaybeUninit<UartDevice<'static>>,
        &'static mut MaybeUninit<Console<'static>>,
        &'static mut MaybeUninit<[u8; console::DEFAULT_BUF_SIZE]>,
        &'static mut MaybeUninit<[u8; console::DEFAULT_BUF_SIZE]>,
    );
    type Output = &'static Console<'static>;

    fn finalize(self, memory: Self::StaticInput) -> Self::Output {
        let port = memory.0.write(UartDevice::new(self.mux, true));
        port.setup();
        let grant = self
            .kernel
            .create_grant(console::DRIVER_NUM, self.memory_allocation);
        let console = memory.1.write(Console::new(
            port,
            memory.2.write([0; console::DEFAULT_BUF_SIZE]),
            memory.3.write([0; console::DEFAULT_BUF_SIZE]),
            grant,
        ));
        port.set_transmit_client(console);
        port.set_receive_client(console);
        console
    }
}
