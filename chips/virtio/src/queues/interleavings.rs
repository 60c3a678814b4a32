// SPDX-License-Identifier: Apache-2.0 OR MIT

//! No notification is lost, whatever the order in which the driver and the device take their steps:
//! small queues run in every one of them (VirtIO 1.2, 2.7.7.1, 2.7.13.4 and 2.8.21).
//!
//! A lost notification shows as both sides asleep with work left to do.

use core::cell::Cell;
use core::mem::MaybeUninit;
use std::vec::Vec;

use super::split_queue::VirtqueueBuffer;
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

struct Driver<const N: usize> {
    queue: &'static EitherQueue<N>,
    client: &'static Collector,
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
        let client: &'static Collector = leak(Collector::default());
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

    fn collect(&mut self) -> usize {
        let returned = self.client.take();
        let chains = returned.len();
        let buffers = returned.into_iter().flat_map(|chain| chain.buffers);
        self.spare
            .extend(buffers.map(|buffer| buffer.virtqueue_buffer));
        chains
    }

    /// Prepares everything just as it was before the first run.
    fn restart(&mut self, scenario: Scenario) -> &'static StepDevice {
        // SAFETY: the device of the last run is not used any more.
        unsafe { self.queue.device_was_reset() };
        self.collect();
        self.spare.sort_unstable_by_key(address);
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

    /// Sends chains until all are back, sleeping in between. Says whether they all came back.
    fn run(&mut self, scenario: Scenario, explorer: &Explorer, device: &StepDevice) -> bool {
        let (mut to_provide, mut missing) = (scenario.chains, scenario.chains);
        while missing != 0 {
            for _ in 0..scenario.batch {
                if to_provide != 0 && self.spare.len() >= scenario.links {
                    let rest = self.spare.len() - scenario.links;
                    let mut chain: Vec<_> = self.spare.drain(rest..).map(Some).collect();
                    assert_eq!(self.queue.provide(&mut chain, to_provide), Ok(()));
                    to_provide -= 1;
                }
            }
            self.queue.publish();
            self.queue.notify();
            if device.interrupted.take() {
                if scenario.gives_itself {
                    let served = self.queue.serve_for(self.client, self.queue);
                    assert_ne!(served, Served::Broken);
                } else {
                    self.queue.used_interrupt();
                }
                missing -= self.collect();
            } else if (to_provide == 0 || self.spare.len() < scenario.links) && !explorer.sleep() {
                return false;
            }
        }
        assert_eq!(self.queue.violation(), None);
        true
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
fn without_full_barriers_notifications_are_lost() {
    if cfg!(miri) {
        return;
    }
    for scenario in each_layout(PLAIN) {
        let scenario = Scenario {
            full_barriers: false,
            ..scenario
        };
        assert!(!explore::<2>(scenario).1, "{scenario:?}");
    }
}
