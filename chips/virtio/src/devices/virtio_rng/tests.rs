// SPDX-License-Identifier: Apache-2.0 OR MIT

use core::cell::RefCell;
use std::vec::Vec;

use super::*;
use crate::features::EVENT_IDX;
use crate::queues::Virtqueue;
use crate::testing::barriers::Probe;
use crate::testing::fence::NoFence;
use crate::testing::mmio_device::{MmioDevice, NEEDS_RESET};
use crate::testing::queue_rig::{TestQueue, queue};
use crate::testing::split_device::{DeviceChain, SplitDevice};
use crate::testing::{leak, run_deferred_calls, with_deferred_calls};
use crate::transports::mmio::VirtIOMMIODevice;
use crate::transports::{POLLS_IN_A_SECOND, Polled, VirtIOTransport};

pub(super) const DEPTH: usize = 4;
pub(super) const LEN: usize = 8;

pub(super) type Driver = VirtIORng<'static, 'static, NoFence, DEPTH, TestQueue<DEPTH>>;
type Transport = VirtIOMMIODevice<&'static MmioDevice, Probe>;

/// A client that takes a given number of words at each call.
#[derive(Default)]
struct Words {
    takes: Cell<usize>,
    answers_more: Cell<bool>,
    got: RefCell<Vec<u32>>,
    calls: RefCell<Vec<Result<(), ErrorCode>>>,
    /// Asks again from inside the callback.
    asks: Cell<Option<&'static Driver>>,
}

impl Client for Words {
    fn randomness_available(
        &self,
        randomness: &mut dyn Iterator<Item = u32>,
        error: Result<(), ErrorCode>,
    ) -> Continue {
        self.calls.borrow_mut().push(error);
        self.got
            .borrow_mut()
            .extend(randomness.take(self.takes.get()));
        if let Some(driver) = self.asks.take() {
            assert_eq!(driver.get(), Ok(()));
        }
        if self.answers_more.get() {
            Continue::More
        } else {
            Continue::Done
        }
    }
}

pub(super) struct Rig {
    pub(super) device: &'static MmioDevice,
    pub(super) transport: &'static Transport,
    pub(super) driver: &'static Driver,
    pub(super) queue: &'static TestQueue<DEPTH>,
    client: &'static Words,
    pub(super) half: SplitDevice,
    counter: Cell<u8>,
}

impl Rig {
    fn new() -> Self {
        Self::new_with(0)
    }

    /// With a device that offers more than it must.
    pub(super) fn new_with(features: u64) -> Self {
        with_deferred_calls();
        let device = MmioDevice::new(4);
        device.offered.set(device.offered.get() | features);
        let transport: &'static Transport =
            leak(VirtIOMMIODevice::with_parts(device, Probe::new()));
        let queue = queue::<DEPTH>(Probe::new());
        let buffers = core::array::from_fn(|_| &mut leak([0xCC; LEN])[..]);
        let driver: &'static Driver = leak(VirtIORng::new(queue, buffers));
        driver.register();
        queue.set_client(driver);
        queue.set_transport(transport);
        let client: &'static Words = leak(Words::default());
        client.takes.set(usize::MAX);
        driver.set_client(client);
        assert_eq!(driver.get(), Err(ErrorCode::OFF));
        let queues = leak([queue as &'static dyn Virtqueue]);
        transport.initialize(driver, queues).unwrap();
        Self {
            device,
            transport,
            driver,
            queue,
            client,
            half: device.queue(0),
            counter: Cell::new(0),
        }
    }

    /// Fills the next buffer with `len` bytes that count up, and interrupts.
    pub(super) fn deliver(&self, len: usize) {
        let bytes: Vec<u8> = (0..len)
            .map(|_| {
                self.counter.set(self.counter.get() + 1);
                self.counter.get()
            })
            .collect();
        let chain = self.half.pop().expect("a buffer is posted");
        self.half.return_used(chain.head.into(), chain.fill(&bytes));
        self.interrupt();
    }

    pub(super) fn interrupt(&self) {
        self.device.raise(1);
        self.transport.handle_interrupt();
    }

    fn bytes(&self) -> Vec<u8> {
        let words = self.client.got.take();
        words.into_iter().flat_map(u32::to_le_bytes).collect()
    }
}

#[test]
fn all_buffers_are_posted_at_the_start_with_one_notification() {
    let rig = Rig::new();
    assert_eq!(rig.half.available_index(), DEPTH as u16);
    assert_eq!(rig.device.notifications(), [0]);
    let chain = rig.half.pop().unwrap();
    assert_eq!((chain.buffers[0].len, chain.buffers[0].writable), (8, true));
}

#[test]
fn a_waiting_client_is_called_when_bytes_arrive() {
    let rig = Rig::new();
    assert_eq!(rig.driver.get(), Ok(()));
    run_deferred_calls();
    assert_eq!(rig.client.calls.borrow().len(), 0);
    rig.deliver(8);
    assert_eq!(rig.bytes(), [1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(rig.client.calls.take(), [Ok(())]);
}

#[test]
fn words_in_stock_come_by_deferred_call_and_never_from_inside_get() {
    let rig = Rig::new();
    rig.deliver(8);
    assert_eq!(rig.client.calls.borrow().len(), 0, "nobody asked");
    assert_eq!(rig.driver.get(), Ok(()));
    assert_eq!(rig.client.calls.borrow().len(), 0);
    run_deferred_calls();
    assert_eq!(rig.bytes(), [1, 2, 3, 4, 5, 6, 7, 8]);
}

#[test]
fn asking_again_while_waiting_is_fine_and_brings_one_callback() {
    let rig = Rig::new();
    assert_eq!(rig.driver.get(), Ok(()));
    assert_eq!(rig.driver.get(), Ok(()));
    rig.deliver(8);
    run_deferred_calls();
    assert_eq!(rig.client.calls.borrow().len(), 1);
}

#[test]
fn completions_of_any_length_keep_every_byte_in_order() {
    let rig = Rig::new();
    rig.client.answers_more.set(true);
    assert_eq!(rig.driver.get(), Ok(()));
    for len in [1, 2, 3, 8, 5, 1, 7, 4, 6, 3] {
        rig.deliver(len);
        run_deferred_calls();
    }
    assert_eq!(rig.bytes(), (1..=40).collect::<Vec<u8>>());
}

#[test]
fn a_device_that_gives_one_byte_at_a_time_is_slow_and_nothing_worse() {
    let rig = Rig::new();
    rig.client.answers_more.set(true);
    assert_eq!(rig.driver.get(), Ok(()));
    (0..64).for_each(|_| rig.deliver(1));
    assert_eq!(rig.bytes(), (1..=64).collect::<Vec<u8>>());
}

#[test]
fn a_client_that_is_done_leaves_the_rest_for_later() {
    let rig = Rig::new();
    rig.client.takes.set(1);
    assert_eq!(rig.driver.get(), Ok(()));
    rig.deliver(8);
    run_deferred_calls();
    assert_eq!(rig.bytes(), [1, 2, 3, 4]);
    assert_eq!(rig.driver.get(), Ok(()));
    run_deferred_calls();
    assert_eq!(rig.bytes(), [5, 6, 7, 8]);
}

#[test]
fn a_client_that_wants_more_is_called_until_the_stock_is_out() {
    let rig = Rig::new();
    rig.client.takes.set(1);
    rig.client.answers_more.set(true);
    rig.deliver(8);
    rig.deliver(8);
    assert_eq!(rig.driver.get(), Ok(()));
    run_deferred_calls();
    assert_eq!(rig.bytes(), (1..=16).collect::<Vec<u8>>());
}

#[test]
fn a_client_that_wants_more_and_takes_nothing_is_not_called_for_ever() {
    let rig = Rig::new();
    rig.client.takes.set(0);
    rig.client.answers_more.set(true);
    rig.deliver(8);
    assert_eq!(rig.driver.get(), Ok(()));
    run_deferred_calls();
    assert_eq!(rig.client.calls.take(), [Ok(())]);
    rig.client.takes.set(9);
    rig.deliver(8);
    assert_eq!(rig.bytes(), (1..=16).collect::<Vec<u8>>());
}

#[test]
fn asking_from_inside_the_callback_counts() {
    let rig = Rig::new();
    rig.client.takes.set(1);
    rig.client.asks.set(Some(rig.driver));
    rig.deliver(8);
    assert_eq!(rig.driver.get(), Ok(()));
    run_deferred_calls();
    assert_eq!(rig.client.calls.borrow().len(), 2);
    assert_eq!(rig.bytes(), (1..=8).collect::<Vec<u8>>());
}

#[test]
fn cancel_delivers_nothing_and_loses_nothing() {
    let rig = Rig::new();
    assert_eq!(rig.driver.get(), Ok(()));
    assert_eq!(rig.driver.cancel(), Ok(()));
    rig.deliver(8);
    run_deferred_calls();
    assert_eq!(rig.client.calls.borrow().len(), 0);
    assert_eq!(rig.driver.get(), Ok(()));
    run_deferred_calls();
    assert_eq!(rig.bytes(), [1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(rig.driver.cancel(), Ok(()), "nothing to cancel is fine");
}

#[test]
fn emptied_buffers_go_back_erased() {
    let rig = Rig::new();
    assert_eq!(rig.driver.get(), Ok(()));
    let chains = [rig.half.pop().unwrap(), rig.half.pop().unwrap()];
    for (number, chain) in chains.iter().enumerate() {
        let bytes = [0xAB, 0xAB, 0xAB, 1, 0xAB, 0xAB, 0xAB, 2].map(|byte| byte ^ number as u8);
        rig.half.return_used(chain.head.into(), chain.fill(&bytes));
    }
    rig.interrupt();
    (2..DEPTH).for_each(|_| drop(rig.half.pop().unwrap()));
    for _ in &chains {
        let again = rig.half.pop().unwrap();
        let came_before =
            |chain: &DeviceChain| chain.buffers[0].address == again.buffers[0].address;
        assert!(chains.iter().any(came_before));
        assert_eq!(again.buffers[0].read(), [0; 8]);
    }
}

#[test]
fn a_stock_is_filled_up_in_batches_with_one_interrupt_each() {
    let rig = Rig::new_with(EVENT_IDX);
    assert_eq!(rig.half.used_event(), 1, "at the second of four");
    rig.device.writes.take();
    for _ in 0..DEPTH {
        rig.deliver(LEN);
    }
    rig.half.set_available_event(rig.half.next_available());
    rig.client.takes.set(1);
    let mut words = 0;
    // As many words as three buffers hold.
    for _ in 0..3 * LEN / 4 {
        assert_eq!(rig.driver.get(), Ok(()));
        run_deferred_calls();
        words += rig.client.got.take().len();
    }
    assert_eq!(words, 3 * LEN / 4);
    assert_eq!(
        rig.device.notifications(),
        [0],
        "two buffers went back together"
    );
    assert_eq!(rig.half.available_index(), DEPTH as u16 + 2);
}

#[test]
fn one_empty_buffer_is_kept_until_there_is_another_or_somebody_waits() {
    let rig = Rig::new();
    assert_eq!(rig.driver.get(), Ok(()));
    rig.deliver(LEN);
    assert_eq!(rig.client.calls.take(), [Ok(())]);
    assert_eq!(rig.half.available_index(), DEPTH as u16);
    assert_eq!(rig.driver.get(), Ok(()));
    assert_eq!(rig.half.available_index(), DEPTH as u16 + 1);
}

#[test]
fn a_client_that_waits_has_the_next_buffer_announced() {
    let rig = Rig::new_with(EVENT_IDX);
    assert_eq!(rig.half.used_event(), 1);
    assert_eq!(rig.driver.get(), Ok(()));
    run_deferred_calls();
    assert_eq!(rig.half.used_event(), 0);
    rig.deliver(LEN);
    assert_eq!(rig.client.calls.take(), [Ok(())]);
}

#[test]
fn bytes_beyond_the_used_length_reach_nobody() {
    let rig = Rig::new();
    assert_eq!(rig.driver.get(), Ok(()));
    let chain = rig.half.pop().unwrap();
    chain.fill(&[9; 8]);
    rig.half.return_used(chain.head.into(), 4);
    rig.interrupt();
    assert_eq!(rig.bytes(), [9; 4]);
}

#[test]
fn an_empty_completion_is_an_error_to_a_waiting_client() {
    let rig = Rig::new();
    assert_eq!(rig.driver.get(), Ok(()));
    rig.deliver(0);
    assert_eq!(rig.client.calls.take(), [Err(ErrorCode::FAIL)]);
    run_deferred_calls();
    assert_eq!(rig.client.calls.take(), []);
    assert_eq!(rig.driver.counters().empty, 1);
    assert_eq!(
        rig.half.available_index(),
        DEPTH as u16,
        "no ping-pong with the device"
    );
    // The next request gives the device another chance.
    assert_eq!(rig.driver.get(), Ok(()));
    assert_eq!(rig.half.available_index(), DEPTH as u16 + 1);
    rig.deliver(4);
    assert_eq!(rig.bytes(), [1, 2, 3, 4]);
}

#[test]
fn a_source_that_is_stuck_is_reported_and_not_handed_out() {
    let rig = Rig::new();
    rig.client.answers_more.set(true);
    let stuck = |len: usize| {
        let chain = rig.half.pop().expect("a buffer is posted");
        let written = chain.fill(&[0x42; LEN][..len]);
        rig.half.return_used(chain.head.into(), written);
        rig.interrupt();
    };
    assert_eq!(rig.driver.get(), Ok(()));
    // One word may be an accident, but no more comes out.
    stuck(4);
    assert_eq!(rig.client.calls.take(), [Ok(())]);
    assert_eq!(rig.bytes(), [0x42; 4]);
    for count in 1..20 {
        stuck([4, 8, 5, 8, 3][count % 5]);
        assert_eq!(rig.client.calls.take(), [Err(ErrorCode::FAIL)]);
        assert_eq!(rig.bytes(), []);
        assert_eq!(rig.driver.counters().unhealthy, count as u32);
        // The next request gives the device another chance.
        assert_eq!(rig.driver.get(), Ok(()));
    }
    assert_eq!(rig.driver.counters().failures, 19);
    assert_eq!(rig.driver.counters().filled, 1);
}

#[test]
fn a_source_that_varies_again_is_used_again() {
    let rig = Rig::new();
    rig.client.answers_more.set(true);
    assert_eq!(rig.driver.get(), Ok(()));
    let chain = rig.half.pop().unwrap();
    rig.half
        .return_used(chain.head.into(), chain.fill(&[0x42; 8]));
    rig.interrupt();
    assert_eq!(rig.client.calls.take(), [Err(ErrorCode::FAIL)]);
    assert_eq!(rig.driver.get(), Ok(()));
    // A device may look into a buffer while it is lent, no earlier.
    let again = core::iter::from_fn(|| rig.half.pop())
        .find(|next| next.buffers == chain.buffers)
        .expect("the buffer is posted again");
    assert_eq!(again.buffers[0].read(), [0; 8], "thrown away");
    rig.half
        .return_used(again.head.into(), again.fill(&[1, 2, 3, 4, 5, 6, 7, 8]));
    rig.interrupt();
    assert_eq!(rig.client.calls.take(), [Ok(())]);
    assert_eq!(rig.bytes(), [1, 2, 3, 4, 5, 6, 7, 8]);
}

#[test]
fn words_come_as_entropy_too() {
    use kernel::hil::entropy::{Client32, Entropy32};

    #[derive(Default)]
    struct Conditioner {
        got: RefCell<Vec<u32>>,
        calls: RefCell<Vec<Result<(), ErrorCode>>>,
    }
    impl Client32 for Conditioner {
        fn entropy_available(
            &self,
            entropy: &mut dyn Iterator<Item = u32>,
            error: Result<(), ErrorCode>,
        ) -> entropy::Continue {
            self.calls.borrow_mut().push(error);
            self.got.borrow_mut().extend(entropy);
            match self.got.borrow().len() {
                0..=2 => entropy::Continue::More,
                _ => entropy::Continue::Done,
            }
        }
    }
    let rig = Rig::new();
    let client: &'static Conditioner = leak(Conditioner::default());
    Entropy32::set_client(rig.driver, client);
    assert_eq!(Entropy32::get(rig.driver), Ok(()));
    rig.deliver(8);
    assert_eq!(client.calls.take(), [Ok(())]);
    rig.deliver(8);
    assert_eq!(client.calls.take(), [Ok(())]);
    let bytes =
        |words: Vec<u32>| -> Vec<u8> { words.into_iter().flat_map(u32::to_le_bytes).collect() };
    assert_eq!(bytes(client.got.take()), (1..=16).collect::<Vec<u8>>());
    rig.deliver(4);
    assert_eq!(client.calls.take(), [], "it has enough");
    assert_eq!(Entropy32::get(rig.driver), Ok(()));
    assert_eq!(Entropy32::cancel(rig.driver), Ok(()));
    run_deferred_calls();
    assert_eq!(client.calls.take(), []);
    // An error reaches it like a client for random numbers.
    assert_eq!(Entropy32::get(rig.driver), Ok(()));
    run_deferred_calls();
    assert_eq!(bytes(client.got.take()), [17, 18, 19, 20]);
    rig.deliver(0);
    assert_eq!(client.calls.take(), [Ok(()), Err(ErrorCode::FAIL)]);
}

#[test]
fn a_lie_about_the_length_ends_the_request_with_an_error() {
    let rig = Rig::new();
    assert_eq!(rig.driver.get(), Ok(()));
    let chain = rig.half.pop().unwrap();
    rig.half.return_used(chain.head.into(), 9);
    rig.interrupt();
    assert_eq!(rig.client.calls.take(), [Err(ErrorCode::FAIL)]);
    assert_eq!(rig.driver.get(), Err(ErrorCode::FAIL));
    assert_eq!(rig.driver.spare.len(), DEPTH, "every buffer is back");
    assert_eq!(rig.queue.counters().rejected, 1);
}

#[test]
fn a_device_that_was_reset_serves_again_after_initialization() {
    let rig = Rig::new();
    assert_eq!(rig.driver.get(), Ok(()));
    rig.device.status.set(rig.device.status.get() | NEEDS_RESET);
    rig.device.raise(2);
    rig.transport.handle_interrupt();
    assert_eq!(rig.client.calls.take(), [Err(ErrorCode::FAIL)]);
    let queues = leak([rig.queue as &'static dyn Virtqueue]);
    assert!(rig.transport.initialize(rig.driver, queues).is_ok());
    let half = rig.device.queue(0);
    assert_eq!(half.available_index(), DEPTH as u16);
    assert_eq!(rig.driver.get(), Ok(()));
    let chain = half.pop().unwrap();
    half.return_used(chain.head.into(), chain.fill(&[5; 4]));
    rig.interrupt();
    assert_eq!(rig.bytes(), [5; 4]);
}

#[test]
fn a_client_that_is_never_served_is_told_after_a_second() {
    let rig = Rig::new();
    assert_eq!(rig.driver.get(), Ok(()));
    for _ in 0..POLLS_IN_A_SECOND {
        assert!(rig.transport.poll());
        assert!(rig.client.calls.borrow().is_empty());
    }
    assert!(rig.transport.poll());
    assert_eq!(rig.client.calls.take(), [Err(ErrorCode::FAIL)]);
    assert_eq!(rig.transport.counters().stalled, 1);
    while rig.transport.poll() {}
    let half = rig.device.queue(0);
    assert_eq!(half.available_index(), DEPTH as u16);
    assert_eq!(rig.driver.get(), Ok(()));
    let chain = half.pop().unwrap();
    let bytes = [5, 5, 5, 5, 6, 5, 5, 5];
    half.return_used(chain.head.into(), chain.fill(&bytes));
    rig.interrupt();
    assert_eq!(rig.bytes(), bytes);
}

#[test]
fn a_client_that_waits_over_an_initialization_is_told_too() {
    let rig = Rig::new();
    assert_eq!(rig.driver.get(), Ok(()));
    let queues = leak([rig.queue as &'static dyn Virtqueue]);
    rig.transport.initialize(rig.driver, queues).unwrap();
    for _ in 0..=POLLS_IN_A_SECOND {
        assert!(rig.transport.poll());
    }
    assert_eq!(rig.client.calls.take(), [Err(ErrorCode::FAIL)]);
}

#[test]
fn a_client_that_is_served_slowly_is_not_interrupted() {
    let rig = Rig::new();
    rig.client.answers_more.set(true);
    assert_eq!(rig.driver.get(), Ok(()));
    for _ in 0..20 {
        assert!(rig.transport.poll());
        rig.deliver(8);
    }
    assert_eq!(rig.client.calls.take(), [Ok(()); 20]);
    assert_eq!(rig.transport.counters().stalled, 0);
}

#[test]
fn a_device_that_is_not_asked_may_take_its_time() {
    let rig = Rig::new();
    assert_eq!(rig.driver.get(), Ok(()));
    assert_eq!(rig.driver.cancel(), Ok(()));
    assert!(!rig.transport.poll());
    for _ in 0..10 {
        assert!(!rig.transport.poll());
    }
    assert_eq!(rig.transport.counters().stalled, 0);
}

#[test]
fn no_byte_is_lost_or_repeated_whatever_the_lengths() {
    use proptest::prelude::{ProptestConfig, any, prop_assert_eq};

    let cases = if cfg!(miri) { 2 } else { 200 };
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases,
        failure_persistence: None,
        ..Default::default()
    });
    let steps = proptest::collection::vec((0..=LEN, 0usize..5, any::<bool>()), 1..40);
    // One driver for all cases, since deferred calls are few. What a case leaves, the next one draws.
    let rig = Rig::new();
    let (sent, drawn) = (Cell::new(0u32), Cell::new(0u32));
    // Without a period that would not pass for random.
    let next = |counter: &Cell<u32>| {
        counter.set(counter.get() + 1);
        let mixed = counter.get().wrapping_mul(0x9E37_79B1);
        (mixed ^ mixed >> 15)
            .wrapping_mul(0x85EB_CA77)
            .to_be_bytes()[0]
    };
    runner
        .run(&steps, |steps| {
            for (len, takes, more) in steps {
                rig.client.takes.set(takes);
                rig.client.answers_more.set(more);
                prop_assert_eq!(rig.driver.get(), Ok(()));
                if let Some(chain) = rig.half.pop() {
                    let bytes: Vec<u8> = (0..len).map(|_| next(&sent)).collect();
                    rig.half.return_used(chain.head.into(), chain.fill(&bytes));
                    rig.interrupt();
                }
                run_deferred_calls();
                for byte in rig.bytes() {
                    prop_assert_eq!(byte, next(&drawn));
                }
            }
            prop_assert_eq!(rig.queue.violation(), None);
            Ok(())
        })
        .unwrap();
}
