// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The random number driver: any system calls of three processes, and a source that is dry, refuses or
//! fails at any time.

use std::cell::Cell;

use arbitrary::{Result, Unstructured};
use capsules_core::late_upcalls::{LateUpcalls, Retry};
use capsules_core::rng::{DRIVER_NUM, Form, RngDriver, Slices, Words};
use kernel::ErrorCode;
use kernel::hil::rng::{Client, Continue, Rng};
use kernel::hil::rng_bytes::{RandomBytes, RandomBytesClient};
use kernel::syscall::SyscallDriver;
use kernel::testing::{FakeProcess, Host, Memory, forever};
use kernel::utilities::cells::OptionalCell;

const APPS: usize = 3;

/// The longest buffer: more than two quanta.
const LONGEST: usize = 700;

/// Bytes that a process has for grants.
const ROOM: usize = 4096;

/// What each random byte is. Memory of processes is full of zeros.
const RANDOM: u8 = 0xA5;

/// A source in either form. Its client is called by its world alone.
#[derive(Default)]
struct Source {
    words: OptionalCell<&'static dyn Client>,
    bytes: OptionalCell<&'static dyn RandomBytesClient>,
    asked: Cell<bool>,
    refuse: Cell<Option<ErrorCode>>,
    stock: Cell<usize>,
    /// Bytes handed out.
    drawn: Cell<usize>,
}

impl Source {
    fn ask(&self) -> std::result::Result<(), ErrorCode> {
        match self.refuse.get() {
            Some(code) => Err(code),
            None => {
                self.asked.set(true);
                Ok(())
            }
        }
    }

    /// Takes up to `count` bytes off the stock.
    fn take(&self, count: usize) -> usize {
        let taken = count.min(self.stock.get());
        self.stock.set(self.stock.get() - taken);
        self.drawn.set(self.drawn.get() + taken);
        taken
    }

    /// Makes the call that the source owes, if it does, and has anything to say.
    fn answer(&self, outcome: std::result::Result<(), ErrorCode>) {
        if outcome.is_ok() && self.stock.get() < 4 || !self.asked.replace(false) {
            return;
        }
        if let Some(client) = self.bytes.get() {
            client.bytes_available(outcome);
        } else if let Some(client) = self.words.get() {
            let mut words = core::iter::from_fn(|| {
                (outcome.is_ok() && self.take(4) == 4).then_some(u32::from_ne_bytes([RANDOM; 4]))
            });
            if client.randomness_available(&mut words, outcome) == Continue::More {
                self.asked.set(true);
            }
        }
    }
}

impl Rng<'static> for Source {
    fn get(&self) -> std::result::Result<(), ErrorCode> {
        self.ask()
    }

    fn cancel(&self) -> std::result::Result<(), ErrorCode> {
        Err(ErrorCode::FAIL)
    }

    fn set_client(&'static self, client: &'static dyn Client) {
        self.words.set(client);
    }
}

impl RandomBytes<'static> for Source {
    fn draw(&self, count: usize, take: &mut dyn FnMut(&[u8])) -> usize {
        let count = self.take(count);
        vec![RANDOM; count].chunks(7).for_each(take);
        count
    }

    fn request_bytes(&self) -> std::result::Result<(), ErrorCode> {
        self.ask()
    }

    fn cancel_request(&self) -> std::result::Result<(), ErrorCode> {
        Err(ErrorCode::FAIL)
    }

    fn set_bytes_client(&self, client: &'static dyn RandomBytesClient) {
        self.bytes.set(client);
    }
}

/// Whether the driver wants another try at an upcall.
#[derive(Default)]
struct Wish(Cell<bool>);

impl Retry for Wish {
    fn soon(&self) {
        self.0.set(true);
    }
}

/// A driver, whichever form its source has.
trait Driver: SyscallDriver + LateUpcalls {}

impl<S: Form<'static, Source>> Driver for RngDriver<'static, Source, S> {}

/// What is known of a process.
#[derive(Default)]
struct Knowledge {
    alive: bool,
    /// The length of its buffer.
    shared: usize,
    /// Requests without an upcall.
    requests: usize,
    /// Whether no upcall came since the last request.
    waits: bool,
    /// Whether a request may have taken the place of another one, about which no upcall comes.
    replaced: bool,
    /// The length of the longest buffer during the last requests.
    reach: usize,
}

struct World {
    source: &'static Source,
    driver: &'static dyn Driver,
    wish: &'static Wish,
    processes: [&'static FakeProcess; APPS],
    rooms: [Memory; APPS],
    known: [Knowledge; APPS],
    /// Bytes that processes were told of.
    told: usize,
}

impl World {
    fn new(
        attach: impl FnOnce(&'static Source, &Host<APPS>, &'static Wish) -> &'static dyn Driver,
    ) -> Self {
        let host = Host::new();
        let (source, wish) = (forever(Source::default()), forever(Wish::default()));
        World {
            source,
            driver: attach(source, &host, wish),
            wish,
            processes: host.processes,
            rooms: core::array::from_fn(|_| Memory::zeroed(LONGEST)),
            known: core::array::from_fn(|_| Knowledge {
                alive: true,
                ..Knowledge::default()
            }),
            told: 0,
        }
    }

    fn step(&mut self, input: &mut Unstructured<'_>) -> Result<()> {
        let kind = input.arbitrary::<u8>()?;
        let app = usize::from(kind / 32) % APPS;
        match kind % 32 {
            0..8 => {
                let count = match input.arbitrary::<u8>()? {
                    0..8 => usize::MAX,
                    8..128 => input.int_in_range(0..=16)?,
                    _ => input.int_in_range(0..=1000)?,
                };
                self.get(app, count);
            }
            8..12 => {
                let len = input.int_in_range(0..=LONGEST)?;
                self.share(app, len);
            }
            12 => {
                let number = input.arbitrary::<usize>()?;
                let (driver, process) = (self.driver, self.processes[app].id());
                let answer = driver.command(if number == 1 { 2 } else { number }, 9, 9, process);
                assert_eq!(answer.is_success(), number == 0);
            }
            13..17 => self.take_upcalls(app),
            17 => {
                self.take_upcalls(app);
                self.processes[app].fill_queue();
            }
            18 => {
                self.take_upcalls(app);
                self.processes[app].end();
                self.known[app] = Knowledge::default();
                if input.arbitrary()? {
                    self.processes[app].restart();
                    self.known[app].alive = true;
                }
            }
            19..24 => {
                let more = input.int_in_range(0..=300)?;
                self.source.stock.set(self.source.stock.get() + more);
            }
            24..28 => self.source.answer(Ok(())),
            28 => {
                let owed = self.source.asked.get();
                self.source.answer(Err(ErrorCode::FAIL));
                if owed {
                    self.expect_all_told();
                }
            }
            29 => self
                .source
                .refuse
                .set(input.arbitrary::<bool>()?.then_some(ErrorCode::OFF)),
            _ => self.try_again(),
        }
        Ok(())
    }

    fn try_again(&self) {
        self.wish.0.set(false);
        if self.driver.try_again() {
            self.wish.0.set(true);
        }
    }

    fn share(&mut self, app: usize, len: usize) {
        let known = &mut self.known[app];
        if known.alive {
            let memory = self.rooms[app].first(len);
            self.processes[app].allow_rw((self.driver, DRIVER_NUM), 0, memory);
            known.shared = len;
            known.reach = known.reach.max(len);
        }
    }

    /// Asks for bytes, into a buffer that is cleared unless something else is still on its way there.
    fn get(&mut self, app: usize, count: usize) {
        self.take_upcalls(app);
        let known = &mut self.known[app];
        if !known.alive {
            return;
        }
        if known.requests == 0 {
            self.rooms[app].write(0, &[0; LONGEST]);
            known.reach = known.shared;
        }
        let answer = self.driver.command(1, count, 0, self.processes[app].id());
        assert!(answer.is_success());
        known.replaced |= known.requests != 0;
        known.requests += 1;
        known.waits = true;
    }

    fn take_upcalls(&mut self, app: usize) {
        let known = &mut self.known[app];
        let upcalls = self.processes[app].upcalls();
        assert!(upcalls.len() <= known.requests, "more ends than requests");
        known.requests -= upcalls.len();
        known.waits &= upcalls.is_empty();
        known.replaced &= known.requests != 0;
        for (number, (status, count, third)) in upcalls {
            assert_eq!((number, third), (0, 0));
            assert!(count <= known.reach, "{count} bytes in {}", known.reach);
            let bytes = self.rooms[app].bytes();
            assert!(bytes[..count].iter().all(|byte| *byte == RANDOM));
            // Nothing was written beyond what was shared.
            assert!(bytes[known.reach..].iter().all(|byte| *byte == 0));
            assert!(status <= ErrorCode::NOACK as usize);
            self.told += count;
        }
        assert!(self.told <= self.source.drawn.get(), "bytes from nowhere");
    }

    /// Expects that no request is left, once queues have room.
    fn expect_all_told(&mut self) {
        (0..APPS).for_each(|app| self.take_upcalls(app));
        self.try_again();
        (0..APPS).for_each(|app| self.take_upcalls(app));
        for known in &self.known {
            assert!(!known.waits, "nobody tells a process that waits");
            assert!(known.requests == 0 || known.replaced, "an end was not told");
        }
    }

    /// Lets everything come to its end: each process that asked was told so.
    fn settle(&mut self) {
        self.source.refuse.set(None);
        for _ in 0..2 {
            for app in 0..APPS {
                let known = &mut self.known[app];
                if !known.alive {
                    self.processes[app].restart();
                    known.alive = true;
                }
                self.take_upcalls(app);
            }
            self.source.stock.set(100_000);
            self.source.answer(Ok(()));
            while self.wish.0.get() {
                self.try_again();
                (0..APPS).for_each(|app| self.take_upcalls(app));
            }
        }
        assert!(!self.source.asked.get(), "bytes for nobody");
        self.expect_all_told();
        for app in 0..APPS {
            // A process that asks now gets all that it asked for.
            self.processes[app].room.set(ROOM);
            self.processes[app].restart();
            self.known[app] = Knowledge {
                alive: true,
                ..Knowledge::default()
            };
            self.share(app, LONGEST);
            self.get(app, LONGEST);
            self.source.answer(Ok(()));
            assert_eq!(self.processes[app].upcalls(), [(0, (0, LONGEST, 0))]);
            assert_eq!(self.rooms[app].bytes(), [RANDOM; LONGEST]);
            self.processes[app].restart();
            self.known[app] = Knowledge {
                alive: true,
                ..Knowledge::default()
            };
        }
        self.source.stock.set(0);
        self.source.drawn.set(0);
        self.told = 0;
    }
}

type Kept = Cell<Option<Box<World>>>;

std::thread_local! {
    /// Kept from run to run, but for one in which a run failed.
    static BY_WORD: Kept = const { Cell::new(None) };
    static BY_SLICE: Kept = const { Cell::new(None) };
}

fn run(input: &[u8], kept: &Kept, new: impl FnOnce() -> World) {
    let mut world = kept.take().unwrap_or_else(|| Box::new(new()));
    let mut input = Unstructured::new(input);
    while !input.is_empty() && world.step(&mut input).is_ok() {}
    world.settle();
    kept.set(Some(world));
}

/// Runs the events of `input` over a source of words.
///
/// No call may panic; a process is told no more often than it asked, of no more bytes than fit, which are
/// there, and which the source gave; and in the end everybody is told, and served.
///
/// # Panics
///
/// One of these does not hold.
pub fn rng_by_word(input: &[u8]) {
    BY_WORD.with(|kept| {
        run(input, kept, || {
            World::new(|source, host, wish| {
                let driver: RngDriver<'static, Source, Words> =
                    RngDriver::new(source, host.grant(DRIVER_NUM));
                let driver = forever(driver);
                source.set_client(driver);
                driver.retry_with(wish);
                driver
            })
        });
    });
}

/// As [`rng_by_word`], over a source with a stock of bytes.
///
/// # Panics
///
/// As there.
pub fn rng_by_slice(input: &[u8]) {
    BY_SLICE.with(|kept| {
        run(input, kept, || {
            World::new(|source, host, wish| {
                let driver: RngDriver<'static, Source, Slices> =
                    RngDriver::by_slice(source, host.grant(DRIVER_NUM));
                let driver = forever(driver);
                source.set_bytes_client(driver);
                driver.retry_with(wish);
                driver
            })
        });
    });
}
