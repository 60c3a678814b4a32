// SPDX-License-Identifier: Apache-2.0 OR MIT

use core::cell::{Cell, RefCell};
use std::vec::Vec;

use kernel::ErrorCode;

use super::*;
use crate::devices::{Progress, VirtIODeviceDriver, VirtIODeviceType};
use crate::queues::split_queue::VirtqueueBuffer;
use crate::queues::{BufferQueue, Virtqueue};
use crate::testing::barriers::{Kind, Probe};
use crate::testing::leak;
use crate::testing::mmio_device::{FAILED, MmioDevice, NEEDS_RESET, STARTED};
use crate::testing::queue_rig::{Collector, TestQueue, queue, writable};
use crate::transports::configuration::{Configuration, ConfigurationError, Field};
use crate::transports::{Polled, VirtIOInitializationError as Error, VirtIOTransport};

mod features;
mod interrupts;
mod legacy;
mod order;
mod recovery;
mod sharing;

type Transport = VirtIOMMIODevice<&'static MmioDevice, Probe>;

const USED: u32 = 1;
const CONFIGURATION: u32 = 2;

const CALLS_OF_AN_INITIALIZATION: [&str; 5] = [
    "examine",
    "negotiate",
    "configure",
    "before start",
    "after start",
];

/// A driver that answers as told and notes when it is called.
struct Driver {
    transport: &'static Transport,
    queue: &'static TestQueue<4>,
    wants: Cell<Option<u64>>,
    offered: Cell<u64>,
    configure: Cell<Result<(), ErrorCode>>,
    before_start: Cell<Result<(), ErrorCode>>,
    after_start: Cell<Result<(), ErrorCode>>,
    /// How many buffers to post before the start.
    posts: Cell<usize>,
    /// Which queues to notify before it, by whatever number.
    notifies: Cell<&'static [u32]>,
    calls: RefCell<Vec<&'static str>>,
    first_configuration_byte: Cell<u8>,
    progress: Cell<Progress>,
    agreed: Cell<u64>,
    /// What three fields of different features read at each look at the configuration space.
    fields: RefCell<Vec<[Result<u8, ConfigurationError>; 3]>>,
}

impl Driver {
    fn called(&self, what: &'static str) {
        self.calls.borrow_mut().push(what);
    }

    fn look_at(&self, configuration: &Configuration<'_>) {
        let fields = [1, 1 << 50, 4].into_iter().zip(0..);
        let mut fields = fields.map(|(feature, at)| Field::with(feature, at));
        let fields = [(); 3].map(|()| configuration.read_u8(fields.next().unwrap()));
        self.fields.borrow_mut().push(fields);
    }
}

impl VirtIODeviceDriver for Driver {
    fn negotiate_features(&self, offered_features: u64) -> Option<u64> {
        self.called("negotiate");
        self.offered.set(offered_features);
        self.wants.get()
    }

    fn device_type(&self) -> VirtIODeviceType {
        VirtIODeviceType::BlockDevice
    }

    fn pre_device_initialization(&self) -> Result<(), ErrorCode> {
        self.called("before start");
        for context in 0..self.posts.get() {
            let mut chain: [Option<VirtqueueBuffer<'static>>; 1] = [Some(writable(4))];
            self.queue.provide(&mut chain, context).unwrap();
            self.queue.publish();
            self.queue.notify();
        }
        for queue in self.notifies.get() {
            self.transport.queue_notify(*queue);
        }
        self.before_start.get()
    }

    fn device_initialized(&self) -> Result<(), ErrorCode> {
        self.called("after start");
        self.after_start.get()
    }

    fn examine(&self, _offered_features: u64, configuration: &Configuration<'_>) {
        self.look_at(configuration);
        self.called("examine");
    }

    fn configure(&self, configuration: &Configuration<'_>) -> Result<(), ErrorCode> {
        self.look_at(configuration);
        self.called("configure");
        self.configure.get()
    }

    fn configuration_changed(&self, configuration: &Configuration<'_>) {
        self.look_at(configuration);
        self.called("changed");
        self.first_configuration_byte
            .set(configuration.read_u8(0).unwrap());
    }

    fn features_agreed(&self, features: u64) {
        self.agreed.set(features);
    }

    fn device_stopped(&self) {
        self.called("stopped");
    }

    fn check_progress(&self) -> Progress {
        self.called("progress");
        self.progress.get()
    }
}

/// A transport, the device behind it, and a driver with one queue in front.
struct Rig {
    device: &'static MmioDevice,
    transport: &'static Transport,
    driver: &'static Driver,
    queue: &'static TestQueue<4>,
    client: &'static Collector,
    queues: &'static [&'static dyn Virtqueue],
    probe: Probe,
}

impl Rig {
    fn new() -> Self {
        Self::on(|transport| transport)
    }

    /// With a transport that is prepared in some way.
    fn on(prepare: impl FnOnce(Transport) -> Transport) -> Self {
        let probe = Probe::new();
        let device = MmioDevice::new(2);
        let transport = prepare(VirtIOMMIODevice::with_parts(device, probe));
        let transport: &'static Transport = leak(transport);
        let queue = queue::<4>(Probe::new());
        let client: &'static Collector = leak(Collector::default());
        queue.set_client(client);
        queue.set_transport(transport);
        let driver: &'static Driver = leak(Driver {
            transport,
            queue,
            wants: Cell::new(Some(0)),
            offered: Cell::new(0),
            configure: Cell::new(Ok(())),
            before_start: Cell::new(Ok(())),
            after_start: Cell::new(Ok(())),
            posts: Cell::new(0),
            notifies: Cell::new(&[]),
            calls: RefCell::default(),
            first_configuration_byte: Cell::new(0),
            progress: Cell::new(Progress::Idle),
            agreed: Cell::new(0),
            fields: RefCell::default(),
        });
        let queues = leak([queue as &'static dyn Virtqueue]);
        Self {
            device,
            transport,
            driver,
            queue,
            client,
            queues,
            probe,
        }
    }

    fn initialize(&self) -> Result<VirtIODeviceType, Error> {
        self.transport.initialize(self.driver, self.queues)
    }

    fn running() -> Self {
        let rig = Self::new();
        assert_eq!(rig.initialize(), Ok(VirtIODeviceType::BlockDevice));
        rig.device.reads.take();
        rig.device.writes.take();
        rig
    }

    /// Expects an error after the acknowledgement, which must fail the device.
    fn assert_fails(&self, error: Error) {
        assert_eq!(self.initialize(), Err(error));
        assert_eq!(self.device.status.get() & FAILED, FAILED);
        assert_eq!(self.device.status.get() & 3, 3, "no bit is cleared");
        assert!(!self.transport.is_running());
        self.transport.queue_notify(0);
        assert_eq!(self.device.notifications(), []);
    }

    /// Expects an error before the device is touched.
    fn assert_untouched(&self, error: Error) {
        assert_eq!(self.initialize(), Err(error));
        assert!(self.device.writes.borrow().is_empty());
    }

    fn interrupt(&self, causes: u32) {
        self.device.raise(causes);
        self.transport.handle_interrupt();
    }
}

#[test]
fn initialization_takes_the_steps_in_order() {
    let rig = Rig::new();
    assert_eq!(rig.initialize(), Ok(VirtIODeviceType::BlockDevice));
    assert_eq!(
        rig.device.written(Writable::Status),
        [0, 1, 1 | 2, 1 | 2 | 8, STARTED]
    );
    assert_eq!(rig.driver.calls.take(), CALLS_OF_AN_INITIALIZATION);
    let order: Vec<_> = rig.device.writes.borrow().iter().map(|w| w.0).collect();
    let at = |register| order.iter().position(|r| *r == register).unwrap();
    assert!(at(Writable::QueueSel) < at(Writable::QueueNum));
    assert!(at(Writable::QueueNum) < at(Writable::QueueDescLow));
    assert!(at(Writable::QueueDeviceHigh) < at(Writable::QueueReady));
    assert!(rig.transport.is_running());
}

#[test]
fn only_the_magic_number_and_the_version_are_read_of_what_may_be_no_device() {
    let rig = Rig::new();
    rig.device.version.set(3);
    assert!(rig.transport.identify().is_err());
    assert_eq!(
        rig.device.reads.take(),
        [Readable::MagicValue, Readable::Version]
    );
    rig.device.magic.set(0);
    assert!(rig.transport.identify().is_err());
    assert_eq!(rig.device.reads.take(), [Readable::MagicValue]);
}

#[test]
fn nothing_else_is_read_of_an_empty_slot() {
    let rig = Rig::new();
    rig.device.device_id.set(0);
    assert!(rig.initialize().is_err());
    assert_eq!(
        rig.device.reads.take(),
        [Readable::MagicValue, Readable::Version, Readable::DeviceId]
    );
    assert!(rig.device.writes.borrow().is_empty());
}

#[test]
fn a_wrong_magic_number_is_not_a_device() {
    let rig = Rig::new();
    rig.device.magic.set(0xFFFF_FFFF);
    rig.assert_untouched(Error::NotAVirtIODevice);
    assert_eq!(rig.transport.query(), Err(0));
}

#[test]
fn an_unknown_register_layout_is_left_alone() {
    for version in [0, 3, u32::MAX] {
        let rig = Rig::new();
        rig.device.version.set(version);
        rig.assert_untouched(Error::InvalidTransportVersion);
        assert_eq!(rig.transport.query(), Err(0));
    }
}

#[test]
fn an_empty_slot_is_empty_in_every_version() {
    let rig = Rig::new();
    rig.device.device_id.set(0);
    for version in [1, 2] {
        rig.device.version.set(version);
        rig.assert_untouched(Error::UnknownDeviceType(0));
    }
    assert_eq!(rig.transport.query(), Err(0));
}

#[test]
fn unknown_types_are_reported_by_number() {
    let rig = Rig::new();
    rig.device.device_id.set(77);
    rig.assert_untouched(Error::UnknownDeviceType(77));
    assert_eq!(rig.transport.query(), Err(77));
}

#[test]
fn a_device_of_another_type_is_left_alone() {
    let rig = Rig::new();
    rig.device.device_id.set(1);
    rig.assert_untouched(Error::IncompatibleDriverDeviceType(
        VirtIODeviceType::NetworkCard,
    ));
    assert_eq!(rig.transport.query(), Ok(VirtIODeviceType::NetworkCard));
}

#[test]
fn a_reset_that_never_completes_is_given_up() {
    let rig = Rig::new();
    rig.device.status.set(STARTED);
    rig.device.reset_hangs.set(true);
    assert_eq!(rig.initialize(), Err(Error::DeviceError));
    assert_eq!(rig.device.written(Writable::Status), [0]);
    assert!(rig.driver.calls.borrow().is_empty());
}

#[test]
fn a_halted_device_is_reset_without_a_word_to_its_driver() {
    let rig = Rig::new();
    rig.initialize().unwrap();
    rig.driver.calls.borrow_mut().clear();
    assert!(rig.transport.halt());
    assert_eq!(rig.device.status.get(), 0);
    assert!(!rig.transport.is_running());
    assert!(rig.driver.calls.borrow().is_empty());
    rig.device.status.set(STARTED);
    rig.device.reset_hangs.set(true);
    assert!(!rig.transport.halt());
}

#[test]
fn a_configuration_the_driver_refuses_fails_the_device() {
    let rig = Rig::new();
    rig.driver.configure.set(Err(ErrorCode::INVAL));
    rig.assert_fails(Error::DriverPreInitializationError(ErrorCode::INVAL));
}

#[test]
fn a_queue_the_device_does_not_have_fails_it() {
    let rig = Rig::new();
    rig.device.number_of_queues.set(0);
    rig.assert_fails(Error::VirtqueueNotAvailable(0));
}

#[test]
fn a_queue_that_is_in_use_fails_the_device() {
    let rig = Rig::new();
    rig.device.queues_in_use.set(true);
    rig.assert_fails(Error::VirtqueueNotAvailable(0));
    let writes = rig.device.writes.borrow();
    let selected = (Writable::QueueSel, 0);
    let at = writes.iter().position(|write| *write == selected).unwrap();
    let after: Vec<_> = writes[at + 1..].iter().map(|write| write.0).collect();
    assert_eq!(after, [Writable::Status], "the queue was left alone");
}

#[test]
fn queues_get_the_largest_size_both_sides_can_do() {
    for (max, size) in [(1, 1), (3, 2), (4, 4), (1024, 4), (u32::MAX, 4)] {
        let rig = Rig::new();
        rig.device.queue_num_max.set(max);
        assert!(rig.initialize().is_ok());
        assert_eq!(rig.device.written(Writable::QueueNum), [size]);
        assert_eq!(rig.queue.size(), size as usize);
    }
}

#[test]
fn an_error_before_the_start_fails_the_device_and_reaches_the_caller() {
    let rig = Rig::new();
    rig.driver.posts.set(2);
    rig.driver.before_start.set(Err(ErrorCode::NOMEM));
    rig.assert_fails(Error::DriverPreInitializationError(ErrorCode::NOMEM));
    // The device may know them until the next poll resets it.
    assert!(rig.client.take().is_empty());
    rig.transport.poll();
    assert_eq!(rig.client.contexts(), [0, 1]);
    assert_eq!(rig.queue.free(), 4);
}

#[test]
fn an_error_after_the_start_reaches_the_caller_and_the_device_runs_on() {
    let rig = Rig::new();
    rig.driver.after_start.set(Err(ErrorCode::BUSY));
    assert_eq!(
        rig.initialize(),
        Err(Error::DriverInitializationError(
            VirtIODeviceType::BlockDevice,
            ErrorCode::BUSY
        ))
    );
    assert_eq!(rig.device.status.get(), STARTED);
    assert!(rig.transport.is_running());
}

#[test]
fn a_device_that_needs_a_reset_at_once_fails() {
    let rig = Rig::new();
    rig.device.fails_at_start.set(true);
    rig.assert_fails(Error::DeviceError);
}

#[test]
fn buffers_posted_before_the_start_are_notified_once_after_it() {
    let rig = Rig::new();
    rig.driver.posts.set(3);
    assert!(rig.initialize().is_ok());
    assert_eq!(rig.device.notifications(), [0]);
    let order = rig.device.writes.borrow();
    let started = (Writable::Status, STARTED);
    let at = |write| order.iter().position(|w| *w == write).unwrap();
    assert!(at(started) < at((Writable::QueueNotify, 0)));
    assert_eq!(rig.device.queue(0).available_index(), 3);
}

#[test]
fn queues_that_are_notified_before_the_start_hear_of_it_once_after_it() {
    let rig = Rig::new();
    rig.driver.notifies.set(&[3, 31, 3, 0, 32, u32::MAX]);
    assert!(rig.initialize().is_ok());
    assert_eq!(rig.device.notifications(), [0, 3, 31]);
}

#[test]
fn notifications_of_a_start_that_failed_are_forgotten() {
    let rig = Rig::new();
    rig.driver.notifies.set(&[0, 3]);
    rig.driver.before_start.set(Err(ErrorCode::NOMEM));
    assert!(rig.initialize().is_err());
    rig.driver.notifies.set(&[1]);
    rig.driver.before_start.set(Ok(()));
    rig.initialize().unwrap();
    assert_eq!(rig.device.notifications(), [1]);
}

#[test]
fn as_many_queues_are_taken_as_can_be_told_apart() {
    fn queues<const N: usize>() -> &'static [&'static dyn Virtqueue] {
        leak([(); N].map(|()| queue::<4>(Probe::new()) as &'static dyn Virtqueue))
    }
    let mut rig = Rig::new();
    rig.device.number_of_queues.set(40);
    rig.queues = queues::<32>();
    assert!(rig.initialize().is_ok());
    let mut rig = Rig::new();
    rig.device.number_of_queues.set(40);
    rig.queues = queues::<33>();
    rig.assert_untouched(Error::VirtqueueNotAvailable(32));
}

#[test]
fn status_bits_that_the_device_sets_stay() {
    let rig = Rig::new();
    rig.device.sets_status.set(FAILED);
    assert!(rig.initialize().is_ok());
    rig.device.refuses_features.set(true);
    rig.assert_fails(Error::FeatureNegotiationFailed {
        offered: 1 << 32,
        accepted: Some(1 << 32),
    });
}

#[test]
fn nothing_posted_means_nothing_notified() {
    let rig = Rig::new();
    assert!(rig.initialize().is_ok());
    assert_eq!(rig.device.notifications(), []);
}

#[test]
fn a_transport_that_is_down_notifies_nobody() {
    let rig = Rig::new();
    rig.transport.queue_notify(0);
    rig.transport.queue_notify(u32::MAX);
    assert!(rig.device.writes.borrow().is_empty());
}

#[test]
fn the_doorbell_rings_after_its_barrier() {
    let rig = Rig::running();
    rig.probe.take_log();
    let device = rig.device;
    rig.probe
        .watch(move |_| assert_eq!(device.notifications(), []));
    rig.transport.queue_notify(0);
    assert_eq!(rig.probe.take_log(), [Kind::Doorbell]);
    assert_eq!(rig.device.notifications(), [0]);
}

#[test]
fn a_device_that_asks_for_it_is_reset_and_gives_everything_back() {
    let rig = Rig::running();
    rig.driver.calls.take();
    for context in [1, 2] {
        rig.queue
            .provide(&mut [Some(writable(4))], context)
            .unwrap();
    }
    rig.queue.publish();
    rig.queue.notify();
    rig.device.status.set(rig.device.status.get() | NEEDS_RESET);
    rig.interrupt(USED | CONFIGURATION);
    assert_eq!(rig.client.contexts(), [1, 2]);
    assert!(rig.client.take().iter().all(|chain| chain.reclaimed));
    assert_eq!(rig.driver.calls.take(), ["stopped"]);
    assert_eq!(rig.device.status.get(), 0);
    assert!(!rig.transport.is_running());
}

#[test]
fn a_broken_queue_has_the_device_reset() {
    let rig = Rig::running();
    rig.driver.calls.take();
    rig.queue.provide(&mut [Some(writable(4))], 7).unwrap();
    rig.queue.publish();
    rig.queue.notify();
    rig.device.queue(0).return_used(3, 0);
    rig.interrupt(USED);
    assert_eq!(rig.client.contexts(), [7]);
    assert_eq!(rig.driver.calls.take(), ["stopped"]);
    assert_eq!(rig.device.status.get(), 0);
    // It can be put into service again.
    assert!(rig.initialize().is_ok());
    assert_eq!(rig.queue.violation(), None);
}

#[test]
fn buffers_stay_away_while_a_reset_does_not_complete() {
    let rig = Rig::running();
    rig.queue.provide(&mut [Some(writable(4))], 7).unwrap();
    rig.queue.publish();
    rig.queue.notify();
    rig.device.queue(0).return_used(3, 0);
    rig.device.reset_hangs.set(true);
    rig.interrupt(USED);
    assert_eq!(rig.client.contexts(), []);
    assert_eq!(rig.initialize(), Err(Error::DeviceError));
    assert_eq!(rig.client.contexts(), []);
    rig.device.reset_hangs.set(false);
    assert!(rig.initialize().is_ok());
    assert_eq!(rig.client.contexts(), [7]);
}

#[test]
fn initializing_again_gives_back_what_the_first_run_left() {
    let rig = Rig::running();
    rig.driver.posts.set(1);
    rig.queue.provide(&mut [Some(writable(4))], 50).unwrap();
    rig.queue.publish();
    rig.queue.notify();
    assert!(rig.initialize().is_ok());
    assert_eq!(rig.client.contexts(), [50]);
    assert_eq!(rig.device.queue(0).available_index(), 1);
}

#[test]
fn an_initialization_that_ends_no_service_stops_nobody() {
    let rig = Rig::running();
    rig.driver.calls.take();
    rig.initialize().unwrap();
    assert_eq!(rig.driver.calls.take(), CALLS_OF_AN_INITIALIZATION);
    let rig = Rig::new();
    rig.device.refuses_features.set(true);
    assert!(rig.initialize().is_err());
    assert!(!rig.driver.calls.borrow().contains(&"stopped"));
}
