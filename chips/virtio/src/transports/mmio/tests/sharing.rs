// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Queues that are given to more than one transport, or more than once: safe code can do that, and must
//! not thereby get hold of a buffer that a device still has.

use super::*;

/// A queue that notes what a transport does with it, and says yes to everything.
#[derive(Default)]
struct Witness {
    initialized: Cell<usize>,
    reset: Cell<usize>,
}

impl Virtqueue for Witness {
    fn negotiate_queue_size(&self, device_max_elements: usize) -> usize {
        device_max_elements.min(2)
    }

    fn initialize(&self, _queue_number: u32, _queue_elements: usize) {
        self.initialized.set(self.initialized.get() + 1);
    }

    fn physical_addresses(&self) -> crate::queues::VirtqueueAddresses {
        crate::queues::VirtqueueAddresses {
            descriptor_area: 0,
            driver_area: 64,
            device_area: 128,
        }
    }

    fn used_interrupt(&self) {}

    unsafe fn device_was_reset(&self) {
        self.reset.set(self.reset.get() + 1);
    }
}

/// Two transports to different devices, of which the first runs with a queue that both are given.
fn two_with_one_queue(posts: usize) -> (Rig, Rig) {
    let first = Rig::new();
    first.driver.posts.set(posts);
    first.initialize().unwrap();
    let mut second = Rig::new();
    second.queues = first.queues;
    (first, second)
}

#[test]
fn a_queue_that_another_device_has_is_refused_and_stays_with_it() {
    for posts in [0, 3] {
        let (first, second) = two_with_one_queue(posts);
        second.assert_fails(Error::VirtqueueNotAvailable(0));
        // Each attempt resets the second device, which says nothing about the first.
        second.assert_fails(Error::VirtqueueNotAvailable(0));
        assert!(second.transport.halt());
        assert!(first.client.take().is_empty());
        assert!(first.transport.is_running());
        let device = first.device.queue(0);
        assert_eq!(usize::from(device.available_index()), posts);
        // It still works.
        let mut chain = [Some(writable(4))];
        first.queue.provide(&mut chain, 40).unwrap();
        first.queue.publish();
        let chain = device.pop().unwrap();
        device.return_used(chain.head.into(), chain.fill(b"fine"));
        first.interrupt(USED);
        assert_eq!(first.client.take()[0].written(), [b"fine"]);
    }
}

#[test]
fn a_queue_may_move_to_another_device_when_the_first_was_reset() {
    let (first, second) = two_with_one_queue(2);
    first.device.status.set(STARTED | NEEDS_RESET);
    first.interrupt(CONFIGURATION);
    assert_eq!(first.client.take().len(), 2);
    second.driver.posts.set(0);
    second.initialize().unwrap();
    // The first one does not get it back, nor does its reset give the second one's buffers back.
    let mut chain = [Some(writable(4))];
    first.queue.provide(&mut chain, 40).unwrap();
    first.driver.posts.set(0);
    assert_eq!(first.initialize(), Err(Error::VirtqueueNotAvailable(0)));
    assert_eq!(first.initialize(), Err(Error::VirtqueueNotAvailable(0)));
    assert!(first.client.take().is_empty());
    assert!(second.transport.is_running());
}

#[test]
fn a_queue_that_is_given_twice_fails_the_device() {
    let mut rig = Rig::new();
    rig.queues = leak([rig.queue as &'static dyn Virtqueue; 2]);
    rig.assert_fails(Error::VirtqueueNotAvailable(1));
    rig.queues = leak([rig.queue as &'static dyn Virtqueue]);
    rig.initialize().unwrap();
}

#[test]
fn only_queues_that_were_set_up_are_told_of_a_reset() {
    let rig = Rig::new();
    let queues: &'static [Witness; 3] = leak([(); 3].map(|()| Witness::default()));
    let list: &'static [&'static dyn Virtqueue] = leak(queues.each_ref().map(|queue| queue as _));
    let resets = || queues.each_ref().map(|queue| queue.reset.get());
    // The device has two, so the third fails it.
    for round in 0..3 {
        assert_eq!(
            rig.transport.initialize(rig.driver, list),
            Err(Error::VirtqueueNotAvailable(2))
        );
        assert_eq!(resets(), [round, round, 0]);
    }
    // A reset that is not completed tells nobody, and the next one still knows whom to tell.
    rig.device.reset_hangs.set(true);
    assert!(rig.transport.initialize(rig.driver, list).is_err());
    assert_eq!(resets(), [2, 2, 0]);
    rig.device.reset_hangs.set(false);
    rig.initialize().unwrap();
    assert_eq!(resets(), [3, 3, 0]);
    rig.initialize().unwrap();
    assert_eq!(resets(), [3, 3, 0]);
    assert_eq!(queues[2].initialized.get(), 0);
}

#[test]
fn two_transports_to_one_device_give_back_only_what_it_has_forgotten() {
    let first = Rig::new();
    first.driver.posts.set(2);
    first.initialize().unwrap();
    let second = Rig::new();
    let transport: &'static Transport =
        leak(VirtIOMMIODevice::with_parts(first.device, first.probe));
    second.queue.set_transport(transport);
    second.driver.posts.set(1);
    // This resets the device that the first transport takes for its own.
    transport.initialize(second.driver, second.queues).unwrap();
    assert!(first.client.take().is_empty());
    // So does this, which gives the first one's buffers back and leaves the second one's where they are.
    first.driver.posts.set(0);
    first.initialize().unwrap();
    assert_eq!(first.client.take().len(), 2);
    assert!(second.client.take().is_empty());
    transport.initialize(second.driver, second.queues).unwrap();
    assert_eq!(second.client.take().len(), 1);
}

/// The calls of an initialization from which another one is tried.
const MOMENTS: [&str; 7] = [
    "type",
    "examine",
    "negotiate",
    "agreed",
    "configure",
    "uses",
    "before start",
];

/// A driver that starts the device, in the middle of its own initialization, with other queues.
struct Impatient {
    transport: &'static Transport,
    moment: &'static str,
    uses: bool,
    other: Option<(&'static Impatient, &'static [&'static dyn Virtqueue])>,
    outcomes: RefCell<Vec<Result<VirtIODeviceType, Error>>>,
}

impl Impatient {
    fn now(&self, moment: &str) {
        if let Some((driver, queues)) = self.other
            && moment == self.moment
        {
            let outcome = self.transport.initialize(driver, queues);
            self.outcomes.borrow_mut().push(outcome);
        }
    }
}

impl VirtIODeviceDriver for Impatient {
    fn negotiate_features(&self, _offered_features: u64) -> Option<u64> {
        self.now("negotiate");
        Some(0)
    }

    fn device_type(&self) -> VirtIODeviceType {
        self.now("type");
        VirtIODeviceType::BlockDevice
    }

    fn uses_queue(&self, _number: usize) -> bool {
        self.now("uses");
        self.uses
    }

    fn pre_device_initialization(&self) -> Result<(), ErrorCode> {
        self.now("before start");
        Ok(())
    }

    fn examine(&self, _offered_features: u64, _configuration: &Configuration<'_>) {
        self.now("examine");
    }

    fn features_agreed(&self, _features: u64) {
        self.now("agreed");
    }

    fn configure(&self, _configuration: &Configuration<'_>) -> Result<(), ErrorCode> {
        self.now("configure");
        Ok(())
    }
}

#[test]
fn a_device_is_not_started_in_the_middle_of_its_initialization() {
    for moment in MOMENTS {
        let running = Rig::new();
        running.driver.posts.set(2);
        running.initialize().unwrap();
        let rig = Rig::new();
        let driver = |moment, uses, other| -> &'static Impatient {
            leak(Impatient {
                transport: rig.transport,
                moment,
                uses,
                other,
                outcomes: RefCell::default(),
            })
        };
        let inner = driver("never", false, None);
        let outer = driver(moment, true, Some((inner, running.queues)));
        let outcome = rig.transport.initialize(outer, rig.queues);
        assert_eq!(outcome, Ok(VirtIODeviceType::BlockDevice), "{moment}");
        assert_eq!(outer.outcomes.take(), [Err(Error::DeviceError)], "{moment}");
        // Its reset would say of the queues given in between that their device has forgotten them.
        rig.transport.initialize(outer, rig.queues).unwrap();
        assert!(running.client.take().is_empty(), "{moment}");
        assert!(running.transport.is_running());
    }
}
