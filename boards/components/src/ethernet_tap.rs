// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Raw Ethernet frames for apps (driver 0x30007), over any adapter.

use core::mem::MaybeUninit;

use capsules_extra::ethernet_tap::{self, EthernetTapDriver};
use kernel::Kernel;
use kernel::capabilities::MemoryAllocationCapability;
use kernel::component::Component;
use kernel::hil::ethernet::EthernetAdapterDatapath;

/// Memory for [`EthernetTapComponent`].
#[macro_export]
macro_rules! ethernet_tap_component_static {
    ($E:ty $(,)?) => {
        (
            $crate::static_memory!(capsules_extra::ethernet_tap::EthernetTapDriver<'static, $E>),
            $crate::static_memory!([u8; capsules_extra::ethernet_tap::MAX_MTU]),
        )
    };
}

/// Builds the driver, the only client of its adapter, and starts reception.
pub struct EthernetTapComponent<'c, E: EthernetAdapterDatapath<'static> + 'static> {
    kernel: &'static Kernel,
    adapter: &'static E,
    memory_allocation: &'c dyn MemoryAllocationCapability,
}

impl<'c, E: EthernetAdapterDatapath<'static>> EthernetTapComponent<'c, E> {
    /// Lets apps send and receive through `adapter`.
    pub fn new(
        kernel: &'static Kernel,
        adapter: &'static E,
        memory_allocation: &'c dyn MemoryAllocationCapability,
    ) -> Self {
        Self {
            kernel,
            adapter,
            memory_allocation,
        }
    }
}

impl<E: EthernetAdapterDatapath<'static>> Component for EthernetTapComponent<'_, E> {
    type StaticInput = (
        &'static mut MaybeUninit<EthernetTapDriver<'static, E>>,
        &'static mut MaybeUninit<[u8; ethernet_tap::MAX_MTU]>,
    );
    type Output = &'static EthernetTapDriver<'static, E>;

    fn finalize(self, memory: Self::StaticInput) -> Self::Output {
        let grant = self
            .kernel
            .create_grant(ethernet_tap::DRIVER_NUM, self.memory_allocation);
        let transmit_buffer = memory.1.write([0; ethernet_tap::MAX_MTU]);
        let driver = memory
            .0
            .write(EthernetTapDriver::new(self.adapter, grant, transmit_buffer));
        self.adapter.set_client(driver);
        driver.initialize();
        driver
    }
}
