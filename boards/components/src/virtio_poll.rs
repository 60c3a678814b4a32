// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Time and interrupt masking for VirtIO transports.
//!
//! Without it, a device that fails stays out of service, and nobody notices a request that it never
//! completes. The alarm is armed only while a device has something to wait for.

use core::mem::MaybeUninit;

use capsules_core::virtualizers::virtual_alarm::{MuxAlarm, VirtualMuxAlarm};
use kernel::component::Component;
use kernel::hil::time::Alarm;
use virtio::transports::mmio::VirtIOMMIODevice;
use virtio::transports::{InterruptLine, Poller};

use crate::alarm;

/// The poller.
pub type VirtIOPoller<A> = Poller<'static, VirtualMuxAlarm<'static, A>, VirtIOMMIODevice>;

/// Memory for [`VirtIOPollComponent`]; takes the type of the alarm, the type of an interrupt line and
/// the number of slots.
#[macro_export]
macro_rules! virtio_poll_component_static {
    ($A:ty, $L:ty, $N:expr $(,)?) => {
        (
            $crate::static_memory!(
                capsules_core::virtualizers::virtual_alarm::VirtualMuxAlarm<'static, $A>
            ),
            $crate::static_memory!($crate::virtio_poll::VirtIOPoller<$A>),
            $crate::static_memory!([$L; $N]),
        )
    };
}

/// Looks after the devices in all slots.
pub struct VirtIOPollComponent<A: Alarm<'static> + 'static, L: 'static, const N: usize> {
    mux: &'static MuxAlarm<'static, A>,
    devices: &'static [VirtIOMMIODevice; N],
    lines: [L; N],
}

impl<A: Alarm<'static>, L: InterruptLine, const N: usize> VirtIOPollComponent<A, L, N> {
    /// Polls `devices` by a share of `mux`, and masks their interrupts with `lines`.
    pub fn new(
        mux: &'static MuxAlarm<'static, A>,
        devices: &'static [VirtIOMMIODevice; N],
        lines: [L; N],
    ) -> Self {
        Self {
            mux,
            devices,
            lines,
        }
    }
}

impl<A: Alarm<'static>, L: InterruptLine, const N: usize> Component
    for VirtIOPollComponent<A, L, N>
{
    type StaticInput = (
        &'static mut MaybeUninit<VirtualMuxAlarm<'static, A>>,
        &'static mut MaybeUninit<VirtIOPoller<A>>,
        &'static mut MaybeUninit<[L; N]>,
    );
    type Output = &'static VirtIOPoller<A>;

    fn finalize(self, memory: Self::StaticInput) -> Self::Output {
        let alarm = alarm::share(self.mux, memory.0);
        let poller = memory.1.write(Poller::new(alarm, self.devices));
        alarm.set_alarm_client(poller);
        let lines: &'static [L; N] = memory.2.write(self.lines);
        for (device, line) in self.devices.iter().zip(lines) {
            device.set_interrupt_line(line);
            device.set_poller(poller);
        }
        poller
    }
}
