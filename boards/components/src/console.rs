// SPDX-License-Identifier: Apache-2.0 OR MIT

//! One serial port, shared by the console of apps, the kernel's messages and other users.

use core::mem::MaybeUninit;

use capsules_core::console::{self, Console};
use capsules_core::debug_writer::BufferedDebugWriter;

use capsules_core::virtualizers::virtual_uart::{MuxUart, RX_BUF_LEN, UartDevice};
use kernel::Kernel;
use kernel::capabilities::{MemoryAllocationCapability, SetDebugWriterCapability};
use kernel::component::Component;
use kernel::debug;
use kernel::deferred_call::DeferredCallClient;
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

/// Bytes of kernel messages that may wait for the port: the boot lines of a full board.
pub const DEBUG_RING_LEN: usize = 4096;

/// Bytes of kernel messages that the port is given at a time.
pub const DEBUG_CHUNK_LEN: usize = 128;

/// Memory for [`DebugWriterComponent`].
#[macro_export]
macro_rules! debug_writer_component_static {
    () => {
        (
            $crate::static_memory!(capsules_core::virtualizers::virtual_uart::UartDevice<'static>),
            $crate::static_memory!(capsules_core::debug_writer::BufferedDebugWriter<'static>),
            $crate::static_memory!([core::mem::MaybeUninit<u8>; $crate::console::DEBUG_RING_LEN]),
            $crate::static_memory!([u8; $crate::console::DEBUG_CHUNK_LEN]),
        )
    };
}

/// Makes a share of `mux`, which receives if it is to. Boards have several, so by a call.
#[inline(never)]
pub(crate) fn share(
    mux: &'static MuxUart<'static>,
    memory: &'static mut MaybeUninit<UartDevice<'static>>,
    receiver: bool,
) -> &'static UartDevice<'static> {
    let port = memory.write(UartDevice::new(mux, receiver));
    port.setup();
    port
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
        mux.register();
        mux.initialize();
        self.uart.set_transmit_client(mux);
        self.uart.set_receive_client(mux);
        mux
    }
}

/// The console of apps (driver 0x1).
pub struct ConsoleComponent<'c> {
    kernel: &'static Kernel,
    mux: &'static MuxUart<'static>,
    memory_allocation: &'c dyn MemoryAllocationCapability,
}

impl<'c> ConsoleComponent<'c> {
    /// Takes a share of `mux` for apps.
    pub fn new(
        kernel: &'static Kernel,
        mux: &'static MuxUart<'static>,
        memory_allocation: &'c dyn MemoryAllocationCapability,
    ) -> Self {
        Self {
            kernel,
            mux,
            memory_allocation,
        }
    }
}

impl Component for ConsoleComponent<'_> {
    type StaticInput = (
        &'static mut MaybeUninit<UartDevice<'static>>,
        &'static mut MaybeUninit<Console<'static>>,
        &'static mut MaybeUninit<[u8; console::DEFAULT_BUF_SIZE]>,
        &'static mut MaybeUninit<[u8; console::DEFAULT_BUF_SIZE]>,
    );
    type Output = &'static Console<'static>;

    fn finalize(self, memory: Self::StaticInput) -> Self::Output {
        let port = share(self.mux, memory.0, true);
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

/// The kernel's own messages: where `debug!` prints.
pub struct DebugWriterComponent<C: SetDebugWriterCapability> {
    mux: &'static MuxUart<'static>,
    capability: C,
}

impl<C: SetDebugWriterCapability> DebugWriterComponent<C> {
    /// Prints through `mux`, once the debug output was initialized.
    pub fn new(mux: &'static MuxUart<'static>, capability: C) -> Self {
        Self { mux, capability }
    }
}

impl<C: SetDebugWriterCapability> Component for DebugWriterComponent<C> {
    type StaticInput = (
        &'static mut MaybeUninit<UartDevice<'static>>,
        &'static mut MaybeUninit<BufferedDebugWriter<'static>>,
        &'static mut MaybeUninit<[MaybeUninit<u8>; DEBUG_RING_LEN]>,
        &'static mut MaybeUninit<[u8; DEBUG_CHUNK_LEN]>,
    );
    type Output = ();

    fn finalize(self, memory: Self::StaticInput) {
        let port = share(self.mux, memory.0, false);
        let ring = memory
            .2
            .write([const { MaybeUninit::uninit() }; DEBUG_RING_LEN]);
        let chunk = memory.3.write([0; DEBUG_CHUNK_LEN]);
        let writer = memory.1.write(BufferedDebugWriter::new(port, ring, chunk));
        let writer: &'static BufferedDebugWriter<'static> = writer;
        port.set_transmit_client(writer);
        writer.register();
        debug::set_debug_writer_wrapper(writer, self.capability);
    }
}
