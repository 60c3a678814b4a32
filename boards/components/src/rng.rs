// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Random numbers for apps (driver 0x40001), from any source behind the `Rng` interface.

use core::mem::MaybeUninit;

use capsules_core::rng::{self, RngDriver};
use kernel::Kernel;
use kernel::capabilities::MemoryAllocationCapability;
use kernel::component::Component;
use kernel::hil::rng::Rng;

/// Memory for [`RngComponent`].
#[macro_export]
macro_rules! rng_component_static {
    ($R:ty $(,)?) => {
        $crate::static_memory!(capsules_core::rng::RngDriver<'static, $R>)
    };
}

/// Builds the driver, the only client of its source.
pub struct RngComponent<'c, R: Rng<'static> + 'static> {
    kernel: &'static Kernel,
    source: &'static R,
    memory_allocation: &'c dyn MemoryAllocationCapability,
}

impl<'c, R: Rng<'static>> RngComponent<'c, R> {
    /// Serves apps from `source`.
    pub fn new(
        kernel: &'static Kernel,
        source: &'static R,
        memory_allocation: &'c dyn MemoryAllocationCapability,
    ) -> Self {
        Self {
            kernel,
            source,
            memory_allocation,
        }
    }
}

impl<R: Rng<'static>> Component for RngComponent<'_, R> {
    type StaticInput = &'static mut MaybeUninit<RngDriver<'static, R>>;
    type Output = &'static RngDriver<'static, R>;

    fn finalize(self, memory: Self::StaticInput) -> Self::Output {
        let grant = self
            .kernel
            .create_grant(rng::DRIVER_NUM, self.memory_allocation);
        let driver = memory.write(RngDriver::new(self.source, grant));
        self.source.set_client(driver);
        driver
    }
}
