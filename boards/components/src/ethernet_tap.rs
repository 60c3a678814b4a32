// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Raw Ethernet frames for apps (driver 0x30007), over any adapter.
//!
//! An adapter behind `hil::ethernet` is used frame by frame. One behind `hil::ethernet_adapter` gets
//! several transmit buffers, and a timer by which frames wait for apps without room.

use core::mem::MaybeUninit;

use capsules_core::virtualizers::virtual_alarm::{MuxAlarm, VirtualMuxAlarm};
use capsules_extra::ethernet_tap::{self, EthernetTapDriver, Extended, RetryAlarm};
use kernel::Kernel;
use kernel::capabilities::MemoryAllocationCapability;
use kernel::component::Component;
use kernel::hil::ethernet::EthernetAdapterDatapath;
use kernel::hil::ethernet_adapter::EthernetAdapter;
use kernel::hil::time::Alarm;
use kernel::utilities::boot_memory::BootMemory;

use crate::alarm;

/// How many frames of apps can be on their way out at a time.
pub const TRANSMIT_BUFFERS: usize = 8;

/// A transmit buffer begins at a word, as the buffers of most apps do.
const TRANSMIT_BUFFER_LEN: usize = ethernet_tap::MAX_MTU.next_multiple_of(4);
const ALL_BUFFERS_LEN: usize = TRANSMIT_BUFFERS * TRANSMIT_BUFFER_LEN;

/// The driver over an adapter of type `E`, for up to `PROCESSES` apps.
pub type ExtendedTap<E, const PROCESSES: usize> =
    EthernetTapDriver<'static, E, Extended, PROCESSES>;

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

/// What [`ExtendedTapComponent`] needs.
pub struct ExtendedTapMemory<
    E: EthernetAdapter<'static> + 'static,
    A: Alarm<'static> + 'static,
    const PROCESSES: usize,
> {
    /// The driver.
    pub driver: &'static mut MaybeUninit<ExtendedTap<E, PROCESSES>>,
    /// The transmit buffers, whatever they hold.
    pub buffers: [&'static mut [u8]; TRANSMIT_BUFFERS],
    /// Its share of the alarm.
    pub alarm: &'static mut MaybeUninit<VirtualMuxAlarm<'static, A>>,
    /// What its share of the alarm wakes.
    pub retry: &'static mut MaybeUninit<RetryAlarm<'static, VirtualMuxAlarm<'static, A>>>,
}

impl<E: EthernetAdapter<'static>, A: Alarm<'static>, const PROCESSES: usize>
    ExtendedTapMemory<E, A, PROCESSES>
{
    /// How many bytes that is, but for gaps between its parts.
    pub const BYTES: usize = size_of::<ExtendedTap<E, PROCESSES>>()
        + ALL_BUFFERS_LEN
        + size_of::<VirtualMuxAlarm<'static, A>>()
        + size_of::<RetryAlarm<'static, VirtualMuxAlarm<'static, A>>>();

    /// Takes the memory, once there is an adapter. `None` if there is not enough.
    pub fn reserve(memory: &mut BootMemory) -> Option<Self> {
        Some(Self {
            driver: memory.place()?,
            buffers: memory
                .bytes::<ALL_BUFFERS_LEN>()?
                .as_chunks_mut::<TRANSMIT_BUFFER_LEN>()
                .0
                .as_mut_array()?
                .each_mut()
                .map(|buffer| &mut buffer[..]),
            alarm: memory.place()?,
            retry: memory.place()?,
        })
    }
}

/// Builds the driver over an adapter behind `hil::ethernet_adapter`, as its only client, and starts
/// reception.
pub struct ExtendedTapComponent<
    'c,
    E: EthernetAdapter<'static> + 'static,
    A: Alarm<'static> + 'static,
    const PROCESSES: usize,
> {
    kernel: &'static Kernel,
    adapter: &'static E,
    alarms: &'static MuxAlarm<'static, A>,
    memory_allocation: &'c dyn MemoryAllocationCapability,
    holds_frames: bool,
}

impl<'c, E: EthernetAdapter<'static>, A: Alarm<'static>, const PROCESSES: usize>
    ExtendedTapComponent<'c, E, A, PROCESSES>
{
    /// Lets apps send and receive through `adapter`, with a share of `alarms`.
    pub fn new(
        kernel: &'static Kernel,
        adapter: &'static E,
        alarms: &'static MuxAlarm<'static, A>,
        memory_allocation: &'c dyn MemoryAllocationCapability,
    ) -> Self {
        Self {
            kernel,
            adapter,
            alarms,
            memory_allocation,
            holds_frames: true,
        }
    }

    /// Drops frames for apps without room instead of letting them wait in the adapter: for an adapter
    /// that users within the kernel share, who would wait too.
    pub fn without_holding(mut self) -> Self {
        self.holds_frames = false;
        self
    }
}

impl<E: EthernetAdapter<'static>, A: Alarm<'static>, const PROCESSES: usize> Component
    for ExtendedTapComponent<'_, E, A, PROCESSES>
{
    type StaticInput = ExtendedTapMemory<E, A, PROCESSES>;
    type Output = &'static ExtendedTap<E, PROCESSES>;

    fn finalize(self, memory: Self::StaticInput) -> Self::Output {
        let grant = self
            .kernel
            .create_grant(ethernet_tap::DRIVER_NUM, self.memory_allocation);
        let driver: Self::Output = memory.driver.write(EthernetTapDriver::with_pool(
            self.adapter,
            grant,
            memory.buffers,
        ));
        let alarm = alarm::share(self.alarms, memory.alarm);
        let retry = memory.retry.write(RetryAlarm::new(alarm));
        alarm.set_alarm_client(retry);
        retry.set_client(driver);
        driver.set_retry(retry);
        if !self.holds_frames {
            driver.drop_when_full();
        }
        self.adapter.set_adapter_client(driver);
        driver.initialize();
        driver
    }
}
