// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Numbers that apps print without any set-up (driver 0x8).

use core::mem::MaybeUninit;

use capsules_core::low_level_debug::{self, BUF_LEN, LowLevelDebug};
use capsules_core::virtualizers::virtual_uart::{MuxUart, UartDevice};
use kernel::Kernel;
use kernel::capabilities::MemoryAllocationCapability;
use kernel::component::Component;
use kernel::hil::uart::Transmit;

use crate::console;

/// Memory for [`LowLevelDebugComponent`].
#[macro_export]
macro_rules! low_level_debug_component_static {
    () => {
        (
            $crate::static_memory!(capsules_core::virtualizers::virtual_uart::UartDevice<'static>),
            $crate::static_memory!(capsules_core::low_level_debug::LowLevelDebug<'static>),
            $crate::static_memory!([u8; capsules_core::low_level_debug::BUF_LEN]),
        )
    };
}

/// Builds the driver on a share of the console's port.
pub struct LowLevelDebugComponent<'c> {
    kernel: &'static Kernel,
    mux: &'static MuxUart<'static>,
    memory_allocation: &'c dyn MemoryAllocationCapability,
}

impl<'c> LowLevelDebugComponent<'c> {
    /// Prints through `mux`.
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

impl Component for LowLevelDebugComponent<'_> {
    type StaticInput = (
        &'static mut MaybeUninit<UartDevice<'static>>,
        &'static mut MaybeUninit<LowLevelDebug<'static>>,
        &'static mut MaybeUninit<[u8; BUF_LEN]>,
    );
    type Output = &'static LowLevelDebug<'static>;

    fn finalize(self, memory: Self::StaticInput) -> Self::Output {
        let port = console::share(self.mux, memory.0, false);
        let grant = self
            .kernel
            .create_grant(low_level_debug::DRIVER_NUM, self.memory_allocation);
        let driver = memory.1.write(LowLevelDebug::new(
            memory.2.write([0; BUF_LEN]),
            port,
            grant,
        ));
        port.set_transmit_client(driver);
        driver
    }
}
