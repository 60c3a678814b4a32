// SPDX-License-Identifier: Apache-2.0 OR MIT

//! An entropy device with its driver, and a client that draws bytes.

use std::cell::{Cell, RefCell};

use kernel::ErrorCode;
use kernel::deferred_call::DeferredCallClient;
use kernel::hil::rng_bytes::{RandomBytes, RandomBytesClient};
use queue_model::Coherent;
use virtio::devices::virtio_rng::VirtIORng;

use crate::half::Chain;
use crate::machine::{Machine, Queue, keep};
use crate::registers::Identity;

/// How many buffers the driver has.
pub const DEPTH: usize = 4;

/// The byte that the device gives at a position: random enough to pass for it, and known.
fn byte(position: u32) -> u8 {
    let mut word = u64::from(position / 4).wrapping_add(1);
    word = (word ^ word << 31).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    word = (word ^ word >> 29).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    (word >> (24 + 8 * (position % 4))) as u8
}

/// How many bytes tell where in the sequence they are.
const TELLING: usize = 8;

/// The length of each, odd so that words cross from one to the next.
const BUFFER_LEN: usize = 61;

type Driver = VirtIORng<'static, 'static, Coherent, DEPTH, Queue<DEPTH>>;

/// Who draws.
#[derive(Default)]
struct Desk {
    driver: Cell<Option<&'static Driver>>,
    /// Whether a call is owed.
    waiting: Cell<bool>,
    answered: Cell<usize>,
    refused: Cell<usize>,
    /// How many bytes each call draws.
    appetite: Cell<usize>,
    drawn: RefCell<Vec<u8>>,
}

impl Desk {
    fn draw(&self, count: usize) -> usize {
        let driver = self.driver.get().expect("a driver");
        driver.draw(count, &mut |bytes| {
            self.drawn.borrow_mut().extend_from_slice(bytes);
        })
    }
}

impl RandomBytesClient for Desk {
    fn bytes_available(&self, outcome: Result<(), ErrorCode>) {
        assert!(self.waiting.replace(false), "a call that nobody asked for");
        if outcome.is_ok() {
            self.answered.set(self.answered.get() + 1);
            self.draw(self.appetite.get());
        } else {
            self.refused.set(self.refused.get() + 1);
        }
    }
}

/// The device, its driver and the client.
pub struct Entropy {
    /// What both stand on.
    pub machine: Machine,
    queue: &'static Queue<DEPTH>,
    driver: &'static Driver,
    desk: &'static Desk,
    /// The position of the next byte that the device gives.
    next: Cell<u32>,
    /// The position of the next byte that the client should get.
    expected: Cell<u32>,
    /// How often bytes may be missing before it.
    gaps: Cell<usize>,
}

impl Entropy {
    /// What a well-behaved device of this kind is.
    #[must_use]
    pub fn identity() -> Identity {
        Identity {
            device_id: 4,
            version: 2,
            offered: 1 << 36 | 1 << 32 | 1 << 29 | 1 << 28,
            queue_num_max: 1024,
            queues: 1,
            configuration: Vec::new(),
        }
    }

    /// Plugs one in, with nothing initialized yet.
    #[must_use]
    pub fn new() -> Entropy {
        let mut machine = Machine::new(Entropy::identity());
        let queue = machine.queue::<DEPTH>();
        let buffers = [(); DEPTH].map(|()| &mut machine.buffer::<BUFFER_LEN>()[..]);
        let driver: &'static Driver = keep(VirtIORng::new(queue, buffers));
        let desk: &'static Desk = keep(Desk::default());
        driver.register();
        driver.set_bytes_client(desk);
        desk.driver.set(Some(driver));
        queue.set_client(driver);
        machine.drive(driver, [queue as _]);
        Entropy {
            machine,
            queue,
            driver,
            desk,
            next: Cell::new(0),
            expected: Cell::new(0),
            gaps: Cell::new(0),
        }
    }

    /// Asks for `count` bytes; says whether the client will be called.
    pub fn ask(&self, count: usize) -> bool {
        self.desk.appetite.set(count);
        let asked = self.driver.request_bytes().is_ok();
        self.desk.waiting.set(self.desk.waiting.get() || asked);
        asked
    }

    /// Gives up asking.
    pub fn withdraw(&self) {
        self.desk.waiting.set(false);
        let withdrawn = self.driver.cancel_request();
        withdrawn.expect("a request can always be withdrawn");
    }

    /// Draws what is in stock.
    pub fn draw(&self, count: usize) -> usize {
        self.desk.draw(count)
    }

    /// How many chains of the device's queue were returned.
    #[must_use]
    pub fn used(&self) -> u32 {
        use virtio::queues::BufferQueue;
        self.queue.counters().used
    }

    /// Says that bytes may be missing before the next ones to come.
    pub fn allow_gap(&self) {
        self.gaps.set(self.gaps.get() + 1);
    }

    /// Takes the next chain, filled with the next bytes.
    pub fn pop(&self, len: usize) -> Option<(Chain, u32)> {
        self.machine.registers.with_half(0, |half| {
            let chain = half.pop()?;
            let len = len.clamp(1, chain.writable().max(1));
            let first = self.next.get();
            self.next.set(first.wrapping_add(len as u32));
            let bytes: Vec<u8> = (first..).take(len).map(byte).collect();
            let written = half.fill(&chain, &bytes);
            Some((chain, written))
        })?
    }

    /// Returns every available chain with at most `len` bytes each, by the rules. Says how many.
    pub fn serve(&self, len: usize) -> usize {
        let mut served = 0;
        loop {
            let before = served;
            while let Some((chain, written)) = self.pop(len) {
                self.machine
                    .registers
                    .with_half(0, |half| half.give_back(&chain, written));
                served += 1;
            }
            if self.machine.registers.with_half(0, |half| half.listen()) != Some(true)
                || served == before
            {
                break;
            }
        }
        if served != 0 {
            self.machine.announce(0);
        }
        served
    }

    /// Checks that the client drew what the device gave, in order and as far as it should.
    ///
    /// # Panics
    ///
    /// It did not.
    pub fn check_order(&self) {
        let drawn = self.desk.drawn.take();
        let mut expected = self.expected.get();
        for (at, &got) in drawn.iter().enumerate() {
            if byte(expected) != got {
                let gaps = self.gaps.get().checked_sub(1);
                self.gaps.set(gaps.expect("bytes are missing"));
                let telling = drawn[at..].iter().take(TELLING);
                let goes_on = |from: &u32| {
                    telling
                        .clone()
                        .copied()
                        .eq((*from..).take(telling.len()).map(byte))
                };
                let found = (expected..self.next.get()).find(goes_on);
                expected = found.expect("bytes that the device never gave, or gave before");
            }
            expected = expected.wrapping_add(1);
        }
        self.expected.set(expected);
    }

    /// Serves until the driver's health tests believe the device again: it takes a window of them after
    /// bytes that did not vary.
    fn convince(&self) {
        let answered = self.desk.answered.get();
        for _ in 0..1_000 {
            if self.desk.answered.get() != answered {
                break;
            }
            if !self.desk.waiting.get() {
                assert!(self.ask(1), "requests are accepted");
            }
            self.machine.run();
            self.serve(usize::MAX);
        }
        assert_ne!(self.desk.answered.get(), answered, "never believed again");
        while self.draw(usize::MAX) != 0 {}
        self.desk.drawn.take();
        self.expected.set(self.next.get());
    }

    /// With an honest device in service: every buffer is there, and the client is served.
    ///
    /// # Panics
    ///
    /// Something is missing.
    pub fn check_service(&self) {
        self.withdraw();
        while self.draw(usize::MAX) != 0 {}
        self.desk.drawn.take();
        self.expected.set(self.next.get());
        self.gaps.set(0);
        // All buffers are empty: one after the other the device gets them all.
        self.machine.initialize().expect("an honest device");
        let mut chains = Vec::new();
        while let Some(chain) = self.pop(usize::MAX) {
            chains.push(chain);
        }
        assert_eq!(chains.len(), DEPTH, "a buffer was lost");
        for (chain, written) in chains {
            self.machine
                .registers
                .with_half(0, |half| half.give_back(&chain, written));
        }
        self.machine.announce(0);
        self.convince();
        for count in [1, BUFFER_LEN, 3 * BUFFER_LEN + 2, 5, 4 * BUFFER_LEN] {
            let answered = self.desk.answered.get();
            assert!(self.ask(count), "requests are accepted");
            for _ in 0..8 {
                self.machine.run();
                self.serve(usize::MAX);
            }
            assert_eq!(self.desk.answered.get(), answered + 1, "one answer");
            assert!(!self.desk.waiting.get());
        }
        assert!(!self.desk.drawn.borrow().is_empty());
        self.check_order();
        assert_eq!(self.queue.violation(), None);
    }
}

impl Default for Entropy {
    fn default() -> Self {
        Entropy::new()
    }
}
