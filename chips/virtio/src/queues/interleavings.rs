// SPDX-License-Identifier: Apache-2.0 OR MIT

//! No notification is lost, whatever the order in which the driver and the device take their steps:
//! small queues run in every one of them (VirtIO 1.2, 2.7.7.1, 2.7.13.4 and 2.8.21).
//!
//! A lost notification shows as both sides asleep with work left to do.

use core::cell::Cell;
use core::mem::MaybeUninit;
use std::vec::Vec;

use kernel::utilities::leasable_buffer::SubSliceMut;

use super::split_queue::{SplitVirtqueueClient, VirtqueueBuffer, VirtqueueReturnBuffer};
use super::{BufferQueue, DrivenQueue, Served, Virtqueue};
use crate::devices::{VirtIODeviceDriver, VirtIODeviceType};
use crate::features::{EVENT_IDX, RING_PACKED};
use crate::testing::barriers::Probe;
use crate::testing::explorer::Explorer;
use crate::testing::fence::NoFence;
use crate::testing::leak;
use crate::testing::packed_device::PackedDevice;
use crate::testing::queue_rig::{Collector, EitherQueue, writable};
use crate::testing::shared_memory;
use crate::testing::split_device::SplitDevice;
use crate::testing::step_device::{PackedHalf, SplitHalf, StepDevice};
use crate::transports::{VirtIOInitializationError, VirtIOTransport};

/// How the driver awaits chains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waits {
    /// As it always asks for interrupts.
    Steadily,
    /// Having looked itself, it asks for the next one, until chains come back: as frames that were sent
    /// are waited for.
    Reclaiming,
    /// It asks for the next one, until it has seen chains: as random bytes are waited for.
    Hurrying,
}

/// What driver and device do.
#[derive(Clone, Copy, Debug)]
struct Scenario {
    features: u64,
    chains: usize,
    /// Buffers in each chain.
    links: usize,
    /// Chains provided before they are published.
    batch: usize,
    delay: u16,
    /// Chains the device takes before it gives one back.
    hoards: usize,
    full_barriers: bool,
    /// Whether the driver gives itself when it takes chains back.
    gives_itself: bool,
    /// Chains are published and announced in one.
    announces: bool,
    /// On an interrupt the queue is looked at only if it expects one.
    selective: bool,
    /// Single buffers are lent, and lent again as they come back.
    relends: bool,
    waits: Waits,
}

const PLAIN: Scenario = Scenario {
    features: 0,
    chains: 3,
    links: 1,
    batch: 1,
    delay: 1,
    hoards: 1,
    full_barriers: true,
    gives_itself: false,
    announces: false,
    selective: false,
    relends: false,
    waits: Waits::Steadily,
};

/// As the network driver uses its queues.
const ANNOUNCED: Scenario = Scenario {
    announces: true,
    selective: true,
    ..PLAIN
};

/// Wakes the device, once it sees all that was stored before.
#[derive(Default)]
struct Doorbell(Cell<Option<&'static StepDevice>>);

impl VirtIOTransport for Doorbell {
    fn initialize(
        &self,
        _driver: &'static dyn VirtIODeviceDriver,
        _queues: &'static [&'static dyn Virtqueue],
    ) -> Result<VirtIODeviceType, VirtIOInitializationError> {
        Err(VirtIOInitializationError::NotAVirtIODevice)
    }

    fn queue_notify(&self, _queue_id: u32) {
        shared_memory::drain();
        self.0.get().expect("there is a device").notified.set(true);
    }
}

/// Keeps what comes back, or has it lent again.
#[derive(Default)]
struct Client {
    collector: Collector,
    queue: Cell<Option<&'static dyn BufferQueue<'static>>>,
    relends: Cell<bool>,
    /// Chains still to be provided.
    to_provide: Cell<usize>,
    /// Chains that came back, since somebody asked.
    came: Cell<usize>,
    /// The delay to go back to when chains have come back.
    usual_delay: Cell<Option<u16>>,
}

impl Client {
    fn queue(&self) -> &'static dyn BufferQueue<'static> {
        self.queue.get().expect("there is a queue")
    }
}

impl SplitVirtqueueClient<'static> for Client {
    fn buffer_chain_ready(
        &self,
        queue_number: u32,
        chain: &mut [Option<VirtqueueReturnBuffer<'static>>],
        bytes_used: usize,
    ) {
        self.collector
            .buffer_chain_ready(queue_number, chain, bytes_used);
    }

    fn chain_used(
        &self,
        queue_number: u32,
        context: usize,
        chain: &mut [Option<VirtqueueReturnBuffer<'static>>],
        bytes_used: usize,
    ) {
        self.came.set(self.came.get() + 1);
        self.collector
            .chain_used(queue_number, context, chain, bytes_used);
    }

    fn buffer_written(
        &self,
        queue_number: u32,
        context: usize,
        buffer: &'static mut [u8],
        written: usize,
    ) -> Option<&'static mut [u8]> {
        let to_provide = self.to_provide.get();
        if to_provide != 0 {
            self.to_provide.set(to_provide - 1);
            self.came.set(self.came.get() + 1);
            return Some(buffer);
        }
        let returned = VirtqueueReturnBuffer {
            virtqueue_buffer: VirtqueueBuffer::DeviceWriteable(SubSliceMut::new(buffer)),
            device_len: written,
        };
        self.chain_used(queue_number, context, &mut [Some(returned)], written);
        None
    }

    fn chains_served(&self, _queue_number: u32) {
        if self.relends.get() {
            self.queue().announce();
        }
        if let Some(delay) = self.usual_delay.take() {
            self.queue().delay_interrupts(delay);
        }
    }

    fn chain_reclaimed(
        &self,
        queue_number: u32,
        context: usize,
        chain: &mut [Option<VirtqueueReturnBuffer<'static>>],
    ) {
        self.collector.chain_reclaimed(queue_number, context, chain);
    }
}

struct Driver<const N: usize> {
    queue: &'static EitherQueue<N>,
    client: &'static Client,
    doorbell: &'static Doorbell,
    probe: Probe,
    spare: Vec<VirtqueueBuffer<'static>>,
}

fn address(buffer: &VirtqueueBuffer<'static>) -> usize {
    match buffer {
        VirtqueueBuffer::DeviceWriteable(buffer) => buffer.as_ptr().addr(),
        VirtqueueBuffer::DeviceReadable(_) => 0,
    }
}

impl<const N: usize> Driver<N> {
    fn new() -> Self {
        let probe = Probe::new();
        let memory = leak(MaybeUninit::uninit());
        let queue: &'static EitherQueue<N> =
            leak(EitherQueue::with_barriers(memory, NoFence, probe));
        let client: &'static Client = leak(Client::default());
        client.queue.set(Some(queue));
        let doorbell: &'static Doorbell = leak(Doorbell::default());
        queue.set_client(client);
        queue.set_transport(doorbell);
        Self {
            queue,
            client,
            doorbell,
            probe,
            spare: (0..N).map(|_| writable(1)).collect(),
        }
    }

    /// Takes the buffers that came back, and counts the chains.
    fn collect(&mut self) -> usize {
        let returned = self.client.collector.take().into_iter();
        let buffers = returned.flat_map(|chain| chain.buffers);
        self.spare
            .extend(buffers.map(|buffer| buffer.virtqueue_buffer));
        self.client.came.take()
    }

    /// Prepares everything just as it was before the first run.
    fn restart(&mut self, scenario: Scenario) -> &'static StepDevice {
        // SAFETY: the device of the last run is not used any more.
        unsafe { self.queue.device_was_reset() };
        self.collect();
        self.spare.sort_unstable_by_key(address);
        self.client.usual_delay.set(None);
        self.client.relends.set(scenario.relends);
        self.client.to_provide.set(scenario.chains);
        self.queue.set_features(scenario.features);
        self.queue.delay_interrupts(scenario.delay);
        self.queue.initialize(0, N);
        self.probe.take_log();
        let parts = self.queue.physical_addresses();
        let by_index = scenario.features & EVENT_IDX != 0;
        let device = if scenario.features & RING_PACKED != 0 {
            let half = PackedHalf {
                device: PackedDevice::new(parts, N as u16),
                by_index,
                given: Cell::new(0),
                asked_at: Cell::new(0),
            };
            StepDevice::new(half, scenario.hoards)
        } else {
            let half = SplitHalf {
                device: SplitDevice::new(parts, N as u16),
                by_index,
                asked_at: Cell::new(0),
            };
            StepDevice::new(half, scenario.hoards)
        };
        let device: &'static StepDevice = leak(device);
        self.doorbell.0.set(Some(device));
        device
    }

    /// Provides a chain, if there is one to provide and buffers for it; says whether it did.
    fn provide(&mut self, scenario: Scenario) -> bool {
        let to_provide = self.client.to_provide.get();
        if to_provide == 0 || self.spare.len() < scenario.links {
            return false;
        }
        self.client.to_provide.set(to_provide - 1);
        let rest = self.spare.len() - scenario.links;
        let mut chain: Vec<_> = self.spare.drain(rest..).map(Some).collect();
        if !scenario.relends {
            assert_eq!(self.queue.provide(&mut chain, to_provide), Ok(()));
        } else if let Some(VirtqueueBuffer::DeviceWriteable(buffer)) = chain.remove(0) {
            let lent = self.queue.provide_writable(buffer.take(), to_provide);
            assert!(lent.is_ok());
        }
        true
    }

    /// Sends chains until all are back, sleeping in between. Says whether they all came back.
    ///
    /// The device is never reminded of anything, which would hide what was lost.
    fn run(&mut self, scenario: Scenario, explorer: &Explorer, device: &StepDevice) -> bool {
        let mut missing = scenario.chains;
        while missing != 0 {
            let provided = (0..scenario.batch).all(|_| self.provide(scenario));
            if scenario.announces {
                self.queue.announce();
            } else {
                self.queue.publish();
                self.queue.notify();
            }
            let mut came = 0;
            if device.interrupted.take() {
                explorer.interrupted();
                if scenario.gives_itself {
                    let served = self.queue.serve_for(self.client, self.queue);
                    assert_ne!(served, Served::Broken);
                } else if scenario.selective {
                    self.queue.serve_expected();
                } else {
                    self.queue.used_interrupt();
                }
                came = self.collect();
            } else if !provided {
                came = self.look_once_more(scenario);
                while came == 0 && !device.interrupted.get() {
                    if !explorer.sleep() {
                        return false;
                    }
                }
            }
            if came != 0 && scenario.waits == Waits::Hurrying {
                self.queue.delay_interrupts(scenario.delay);
                came += self.collect();
            }
            missing -= came;
        }
        assert_eq!(self.queue.violation(), None);
        true
    }

    /// Prepares for sleep, and counts the chains that came back meanwhile.
    fn look_once_more(&mut self, scenario: Scenario) -> usize {
        match scenario.waits {
            Waits::Steadily => return 0,
            Waits::Hurrying => {}
            Waits::Reclaiming => {
                if scenario.gives_itself {
                    self.queue.reap_for(self.client);
                } else {
                    self.queue.reap();
                }
                let came = self.collect();
                if came != 0 {
                    return came;
                }
                self.client.usual_delay.set(Some(scenario.delay));
            }
        }
        self.queue.delay_interrupts(1);
        self.collect()
    }
}

/// Runs every order; returns how many runs that took and whether all chains came back in each.
fn explore<const N: usize>(scenario: Scenario) -> (usize, bool) {
    let explorer: &'static Explorer = leak(Explorer::default());
    let mut driver = Driver::<N>::new();
    loop {
        let device = driver.restart(scenario);
        explorer.begin(device, driver.probe, scenario.full_barriers);
        let complete = driver.run(scenario, explorer, device);
        // Under Miri a few orders have to do.
        let enough = cfg!(miri) && explorer.runs.get() == 2;
        if !explorer.next() || !complete || enough {
            shared_memory::reset();
            return (explorer.runs.get(), complete);
        }
    }
}

/// Both layouts, with and without event indices, and the one that a driver can take chains from by itself.
fn each_layout(scenario: Scenario) -> impl Iterator<Item = Scenario> {
    let layouts = [
        (0, false),
        (EVENT_IDX, false),
        (EVENT_IDX, true),
        (RING_PACKED, false),
        (RING_PACKED | EVENT_IDX, false),
    ];
    layouts
        .into_iter()
        .map(move |(features, gives_itself)| Scenario {
            features,
            gives_itself,
            ..scenario
        })
}

fn assert_nothing_is_lost<const N: usize>(scenario: Scenario) {
    for scenario in each_layout(scenario) {
        let (runs, complete) = explore::<N>(scenario);
        assert!(
            complete,
            "lost in run {runs} of a queue of {N}: {scenario:?}"
        );
    }
}

#[test]
fn a_queue_of_one_loses_no_notification() {
    assert_nothing_is_lost::<1>(PLAIN);
}

#[test]
fn a_queue_of_two_loses_no_notification() {
    for delay in [1, u16::MAX] {
        assert_nothing_is_lost::<2>(Scenario { delay, ..PLAIN });
        assert_nothing_is_lost::<2>(Scenario {
            delay,
            hoards: 2,
            batch: 2,
            ..PLAIN
        });
        assert_nothing_is_lost::<2>(Scenario {
            delay,
            links: 2,
            ..PLAIN
        });
    }
}

#[test]
fn a_queue_of_four_loses_no_notification() {
    for (delay, hoards, batch) in [(1, 1, 1), (2, 2, 1), (u16::MAX, 1, 2), (u16::MAX, 3, 3)] {
        assert_nothing_is_lost::<4>(Scenario {
            // The number of orders grows by an order of magnitude with each.
            chains: if batch == 1 { 3 } else { 4 },
            delay,
            hoards,
            batch,
            ..PLAIN
        });
    }
}

#[test]
fn chains_of_several_descriptors_lose_no_notification() {
    for (delay, hoards) in [(1, 1), (u16::MAX, 2)] {
        assert_nothing_is_lost::<4>(Scenario {
            links: 2,
            delay,
            hoards,
            ..PLAIN
        });
    }
}

#[test]
fn announced_chains_lose_no_notification() {
    assert_nothing_is_lost::<1>(ANNOUNCED);
    assert_nothing_is_lost::<2>(ANNOUNCED);
    assert_nothing_is_lost::<2>(Scenario {
        batch: 2,
        hoards: 2,
        ..ANNOUNCED
    });
}

#[test]
fn buffers_that_are_lent_again_lose_no_notification() {
    for hoards in [1, 2] {
        assert_nothing_is_lost::<2>(Scenario {
            relends: true,
            hoards,
            ..ANNOUNCED
        });
    }
}

#[test]
fn delays_that_change_lose_no_notification() {
    // The number of orders grows by an order of magnitude with each chain.
    for (delay, waits, hoards) in [
        (0, Waits::Reclaiming, 1),
        (0, Waits::Reclaiming, 2),
        (2, Waits::Hurrying, 1),
        (2, Waits::Hurrying, 2),
    ] {
        let scenario = Scenario {
            chains: 2,
            delay,
            hoards,
            waits,
            ..ANNOUNCED
        };
        assert_nothing_is_lost::<1>(scenario);
        assert_nothing_is_lost::<2>(scenario);
    }
}

#[test]
fn without_full_barriers_notifications_are_lost() {
    if cfg!(miri) {
        return;
    }
    for usual in [PLAIN, ANNOUNCED] {
        for scenario in each_layout(usual) {
            let scenario = Scenario {
                full_barriers: false,
                ..scenario
            };
            assert!(!explore::<2>(scenario).1, "{scenario:?}");
        }
    }
}
