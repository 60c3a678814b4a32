// SPDX-License-Identifier: Apache-2.0 OR MIT

//! One alarm for all drivers whose upcalls found the queue of a process full.

use core::mem::MaybeUninit;

use capsules_core::late_upcalls::UpcallRetry;
use capsules_core::virtualizers::virtual_alarm::{MuxAlarm, VirtualMuxAlarm};
use kernel::component::Component;
use kernel::hil::time::Alarm;

use crate::alarm;

/// Makes drivers try again on a share of the alarm.
pub type AlarmedRetry<A> = UpcallRetry<'static, VirtualMuxAlarm<'static, A>>;

/// Memory for [`UpcallRetryComponent`].
#[macro_export]
macro_rules! upcall_retry_component_static {
    ($A:ty $(,)?) => {
        (
            $crate::static_memory!(
                capsules_core::virtualizers::virtual_alarm::VirtualMuxAlarm<'static, $A>
            ),
            $crate::static_memory!($crate::late_upcalls::AlarmedRetry<$A>),
        )
    };
}

/// Waits for drivers: the board has each [served](UpcallRetry::serve), and tells the driver with
/// its own `retry_with`.
pub struct UpcallRetryComponent<A: Alarm<'static> + 'static> {
    mux: &'static MuxAlarm<'static, A>,
}

impl<A: Alarm<'static>> UpcallRetryComponent<A> {
    /// Takes a share of `mux`.
    pub fn new(mux: &'static MuxAlarm<'static, A>) -> Self {
        Self { mux }
    }
}

impl<A: Alarm<'static>> Component for UpcallRetryComponent<A> {
    type StaticInput = (
        &'static mut MaybeUninit<VirtualMuxAlarm<'static, A>>,
        &'static mut MaybeUninit<AlarmedRetry<A>>,
    );
    type Output = &'static AlarmedRetry<A>;

    fn finalize(self, memory: Self::StaticInput) -> Self::Output {
        let share = alarm::share(self.mux, memory.0);
        let retry = memory.1.write(UpcallRetry::new(share));
        share.set_alarm_client(retry);
        retry
    }
}
