// SPDX-License-Identifier: Apache-2.0 OR MIT

//! One hardware alarm, shared by kernel users, one of which serves apps.

use core::mem::MaybeUninit;

use capsules_core::alarm::{self, AlarmDriver};
use capsules_core::virtualizers::virtual_alarm::{MuxAlarm, VirtualMuxAlarm};
use kernel::Kernel;
use kernel::capabilities::MemoryAllocationCapability;
use kernel::component::Component;
use kernel::hil::time::Alarm;

/// Memory for [`AlarmMuxComponent`].
#[macro_export]
macro_rules! alarm_mux_component_static {
    ($A:ty $(,)?) => {
        $crate::static_memory!(capsules_core::virtualizers::virtual_alarm::MuxAlarm<'static, $A>)
    };
}

/// Memory for [`AlarmDriverComponent`].
#[macro_export]
macro_rules! alarm_component_static {
    ($A:ty $(,)?) => {
        (
            $crate::static_memory!(
                capsules_core::virtualizers::virtual_alarm::VirtualMuxAlarm<'static, $A>
            ),
            $crate::static_memory!(
                capsules_core::alarm::AlarmDriver<
                    'static,
                    capsules_core::virtualizers::virtual_alarm::VirtualMuxAlarm<'static, $A>,
                >
            ),
        )
    };
}

/// Makes a share of `mux`, whose client is yet to be set. Boards have many, so by a call.
#[inline(never)]
pub fn share<A: Alarm<'static>>(
    mux: &'static MuxAlarm<'static, A>,
    memory: &'static mut MaybeUninit<VirtualMuxAlarm<'static, A>>,
) -> &'static VirtualMuxAlarm<'static, A> {
    let share = memory.write(VirtualMuxAlarm::new(mux));
    share.setup();
    share
}

/// Lets several users share one alarm.
pub struct AlarmMuxComponent<A: Alarm<'static> + 'static> {
    alarm: &'static A,
}

impl<A: Alarm<'static>> AlarmMuxComponent<A> {
    /// Shares `alarm`, which has no other client.
    pub fn new(alarm: &'static A) -> Self {
        Self { alarm }
    }
}

impl<A: Alarm<'static>> Component for AlarmMuxComponent<A> {
    type StaticInput = &'static mut MaybeUninit<MuxAlarm<'static, A>>;
    type Output = &'static MuxAlarm<'static, A>;

    fn finalize(self, memory: Self::StaticInput) -> Self::Output {
        let mux = memory.write(MuxAlarm::new(self.alarm));
        self.alarm.set_alarm_client(mux);
        mux
    }
}

/// The alarm of apps (driver 0x0).
pub struct AlarmDriverComponent<'c, A: Alarm<'static> + 'static> {
    kernel: &'static Kernel,
    mux: &'static MuxAlarm<'static, A>,
    memory_allocation: &'c dyn MemoryAllocationCapability,
}

impl<'c, A: Alarm<'static>> AlarmDriverComponent<'c, A> {
    /// Takes a share of `mux` for apps.
    pub fn new(
        kernel: &'static Kernel,
        mux: &'static MuxAlarm<'static, A>,
        memory_allocation: &'c dyn MemoryAllocationCapability,
    ) -> Self {
        Self {
            kernel,
            mux,
            memory_allocation,
        }
    }
}

impl<A: Alarm<'static>> Component for AlarmDriverComponent<'_, A> {
    type StaticInput = (
        &'static mut MaybeUninit<VirtualMuxAlarm<'static, A>>,
        &'static mut MaybeUninit<AlarmDriver<'static, VirtualMuxAlarm<'static, A>>>,
    );
    type Output = &'static AlarmDriver<'static, VirtualMuxAlarm<'static, A>>;

    fn finalize(self, memory: Self::StaticInput) -> Self::Output {
        let share = share(self.mux, memory.0);
        let grant = self
            .kernel
            .create_grant(alarm::DRIVER_NUM, self.memory_allocation);
        let driver = memory.1.write(AlarmDriver::new(share, grant));
        share.set_alarm_client(driver);
        driver
    }
}
