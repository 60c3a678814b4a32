// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Random numbers for apps (driver 0x40001), from any source behind the `Rng` interface or, with
//! fewer copies, the `RandomBytes` interface.

use core::marker::PhantomData;
use core::mem::MaybeUninit;

use capsules_core::rng::{self, RngDriver, Slices, Words};
use kernel::Kernel;
use kernel::capabilities::MemoryAllocationCapability;
use kernel::component::Component;
use kernel::hil::rng::Rng;
use kernel::hil::rng_bytes::RandomBytes;

/// Memory for [`RngComponent`]: takes the type of the source, and `Slices` for one by slice.
#[macro_export]
macro_rules! rng_component_static {
    ($R:ty $(,)?) => {
        $crate::static_memory!(capsules_core::rng::RngDriver<'static, $R>)
    };
    ($R:ty, Slices $(,)?) => {
        $crate::static_memory!(
            capsules_core::rng::RngDriver<'static, $R, capsules_core::rng::Slices>
        )
    };
}

/// Builds the driver, the only client of its source.
pub struct RngComponent<'c, R: 'static, S = Words> {
    kernel: &'static Kernel,
    source: &'static R,
    memory_allocation: &'c dyn MemoryAllocationCapability,
    form: PhantomData<S>,
}

impl<'c, R: Rng<'static>> RngComponent<'c, R> {
    /// Serves apps from `source`, word by word.
    pub fn new(
        kernel: &'static Kernel,
        source: &'static R,
        memory_allocation: &'c dyn MemoryAllocationCapability,
    ) -> Self {
        Self {
            kernel,
            source,
            memory_allocation,
            form: PhantomData,
        }
    }
}

impl<'c, R: RandomBytes<'static>> RngComponent<'c, R, Slices> {
    /// Serves apps from the stock of `source`.
    pub fn by_slice(
        kernel: &'static Kernel,
        source: &'static R,
        memory_allocation: &'c dyn MemoryAllocationCapability,
    ) -> Self {
        Self {
            kernel,
            source,
            memory_allocation,
            form: PhantomData,
        }
    }
}

impl<R, S> RngComponent<'_, R, S> {
    fn grant(&self) -> rng::RngGrant {
        self.kernel
            .create_grant(rng::DRIVER_NUM, self.memory_allocation)
    }
}

/// Memory for a driver whose source gives random bytes in the form `S`.
type Memory<R, S> = &'static mut MaybeUninit<RngDriver<'static, R, S>>;

impl<R: Rng<'static>> Component for RngComponent<'_, R, Words> {
    type StaticInput = Memory<R, Words>;
    type Output = &'static RngDriver<'static, R, Words>;

    fn finalize(self, memory: Self::StaticInput) -> Self::Output {
        let driver = memory.write(RngDriver::new(self.source, self.grant()));
        self.source.set_client(driver);
        driver
    }
}

impl<R: RandomBytes<'static>> Component for RngComponent<'_, R, Slices> {
    type StaticInput = Memory<R, Slices>;
    type Output = &'static RngDriver<'static, R, Slices>;

    fn finalize(self, memory: Self::StaticInput) -> Self::Output {
        let driver = memory.write(RngDriver::by_slice(self.source, self.grant()));
        self.source.set_bytes_client(driver);
        driver
    }
}
