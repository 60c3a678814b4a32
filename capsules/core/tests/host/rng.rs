// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The random number driver, as processes use it.

use crate::support::Tries;
use capsules_core::jitter_mix::JitterMix;
use capsules_core::late_upcalls::LateUpcalls;
use capsules_core::rng::{DRIVER_NUM, RngDriver};
use core::cell::Cell;
use kernel::ErrorCode;
use kernel::hil::rng::{Client, Continue, Rng};
use kernel::hil::time::{Freq1MHz, Ticks32, Time};
use kernel::syscall::SyscallDriver;
use kernel::testing::{FakeProcess, Host, Memory, forever};
use kernel::utilities::cells::OptionalCell;

/// A source whose words are 0x01010101, 0x02020202, ...
#[derive(Default)]
struct Source {
    client: OptionalCell<&'static dyn Client>,
    asked: Cell<bool>,
    asks: Cell<usize>,
    words: Cell<u8>,
    refuse: Cell<Option<ErrorCode>>,
}

impl Rng<'static> for Source {
    fn get(&self) -> Result<(), ErrorCode> {
        if let Some(code) = self.refuse.get() {
            return Err(code);
        }
        self.asked.set(true);
        self.asks.set(self.asks.get() + 1);
        Ok(())
    }

    fn cancel(&self) -> Result<(), ErrorCode> {
        Err(ErrorCode::FAIL)
    }

    fn set_client(&'static self, client: &'static dyn Client) {
        self.client.set(client);
    }
}

impl Source {
    /// Offers `count` words, if asked; returns how many were taken.
    fn offer(&self, count: usize) -> usize {
        if !self.asked.replace(false) {
            return 0;
        }
        let mut taken = 0;
        let mut words = (0..count).map(|_| {
            taken += 1;
            let word = self.words.get().wrapping_add(1);
            self.words.set(word);
            u32::from_ne_bytes([word; 4])
        });
        let client = self.client.get().unwrap();
        if client.randomness_available(&mut words, Ok(())) == Continue::More {
            self.asked.set(true);
        }
        taken
    }

    fn fail(&self, code: ErrorCode) {
        assert!(self.asked.replace(false));
        let client = self.client.get().unwrap();
        let answer = client.randomness_available(&mut core::iter::empty(), Err(code));
        assert_eq!(answer, Continue::Done);
    }
}

type Driver = RngDriver<'static, Source>;

fn bench<const N: usize>() -> (&'static Source, &'static Driver, [&'static FakeProcess; N]) {
    let host = Host::new();
    let source: &'static Source = forever(Source::default());
    let driver = forever(RngDriver::new(source, host.grant(DRIVER_NUM)));
    source.set_client(driver);
    (source, driver, host.processes)
}

fn share(driver: &Driver, process: &FakeProcess, len: usize) -> Memory {
    let memory = Memory::zeroed(len);
    process.allow_rw((driver, DRIVER_NUM), 0, memory);
    memory
}

fn get(driver: &Driver, process: &FakeProcess, count: usize) {
    assert!(driver.command(1, count, 0, process.id()).is_success());
}

#[test]
fn a_request_is_filled_and_reported_once() {
    let (source, driver, [process]) = bench();
    let memory = share(driver, process, 8);
    get(driver, process, 6);
    assert_eq!(process.upcalls(), []);
    assert_eq!(source.offer(10), 2);
    assert_eq!(process.upcalls(), [(0, (0, 6, 0))]);
    assert_eq!(memory.bytes(), [1, 1, 1, 1, 2, 2, 0, 0]);
    assert_eq!(source.offer(10), 0);
}

#[test]
fn a_request_for_nothing_completes_at_once() {
    let (source, driver, [process]) = bench();
    get(driver, process, 10);
    share(driver, process, 8);
    get(driver, process, 0);
    assert_eq!(process.upcalls(), [(0, (0, 0, 0)), (0, (0, 0, 0))]);
    assert_eq!(source.asks.get(), 0);
}

#[test]
fn the_count_is_limited_by_the_buffer() {
    let (source, driver, [process]) = bench();
    share(driver, process, 5);
    get(driver, process, usize::MAX);
    source.offer(100);
    assert_eq!(process.upcalls(), [(0, (0, 5, 0))]);
}

#[test]
fn a_source_with_few_words_is_asked_again() {
    let (source, driver, [process]) = bench();
    let memory = share(driver, process, 12);
    get(driver, process, 12);
    for _ in 0..3 {
        assert_eq!(process.upcalls(), []);
        assert_eq!(source.offer(1), 1);
    }
    assert_eq!(process.upcalls(), [(0, (0, 12, 0))]);
    assert_eq!(memory.bytes(), [1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3]);
}

#[test]
fn a_new_request_replaces_the_pending_one() {
    let (source, driver, [process]) = bench();
    share(driver, process, 100);
    get(driver, process, 100);
    source.offer(3);
    get(driver, process, 4);
    assert_eq!(source.asks.get(), 1);
    source.offer(100);
    assert_eq!(process.upcalls(), [(0, (0, 4, 0))]);
}

#[test]
fn an_error_of_the_source_reaches_every_waiting_process() {
    let (source, driver, [a, b, idle]) = bench();
    for process in [a, b] {
        share(driver, process, 100);
        get(driver, process, 100);
    }
    share(driver, idle, 4);
    source.offer(2);
    source.fail(ErrorCode::OFF);
    let off = usize::from(ErrorCode::OFF);
    assert_eq!(a.upcalls(), [(0, (off, 8, 0))]);
    assert_eq!(b.upcalls(), [(0, (off, 0, 0))]);
    assert_eq!(idle.upcalls(), []);
    get(driver, a, 4);
    source.offer(1);
    assert_eq!(a.upcalls(), [(0, (0, 4, 0))]);
}

#[test]
fn a_refusal_reaches_the_process_and_the_next_request_works() {
    let (source, driver, [process]) = bench();
    share(driver, process, 4);
    source.refuse.set(Some(ErrorCode::NODEVICE));
    get(driver, process, 4);
    assert_eq!(
        process.upcalls(),
        [(0, (usize::from(ErrorCode::NODEVICE), 0, 0))]
    );
    source.refuse.set(None);
    get(driver, process, 4);
    source.offer(1);
    assert_eq!(process.upcalls(), [(0, (0, 4, 0))]);
}

#[test]
fn a_small_request_does_not_wait_for_a_large_one() {
    let (source, driver, [large, small]) = bench();
    share(driver, large, 100_000);
    get(driver, large, 100_000);
    share(driver, small, 256);
    get(driver, small, 256);
    source.offer(128);
    assert_eq!(small.upcalls(), [(0, (0, 256, 0))]);
    assert_eq!(large.upcalls(), []);
}

#[test]
fn turns_are_kept_over_sparse_offers() {
    let (source, driver, [a, b]) = bench();
    let (first, second) = (share(driver, a, 512), share(driver, b, 512));
    get(driver, a, 512);
    get(driver, b, 512);
    for _ in 0..192 {
        source.offer(1);
    }
    let filled = |memory: Memory| memory.bytes().iter().filter(|byte| **byte != 0).count();
    assert_eq!((filled(first), filled(second)), (512, 256));
    assert_eq!(a.upcalls(), [(0, (0, 512, 0))]);
}

#[test]
fn a_process_that_ended_is_forgotten() {
    let (source, driver, [a, b]) = bench();
    share(driver, a, 100);
    get(driver, a, 100);
    share(driver, b, 4);
    get(driver, b, 4);
    a.restart();
    assert_eq!(source.offer(100), 1);
    assert_eq!(b.upcalls(), [(0, (0, 4, 0))]);
    assert_eq!(a.upcalls(), []);
    assert!(!source.asked.get());
}

#[test]
fn a_buffer_that_is_taken_back_ends_the_request() {
    let (source, driver, [process]) = bench();
    let memory = share(driver, process, 100);
    get(driver, process, 100);
    source.offer(5);
    share(driver, process, 0);
    source.offer(5);
    assert_eq!(process.upcalls(), [(0, (0, 0, 0))]);
    assert_eq!(memory.bytes()[20..], [0; 80]);
}

#[test]
fn unknown_commands_are_refused() {
    let (_, driver, [process]) = bench::<1>();
    assert!(driver.command(0, 0, 0, process.id()).is_success());
    assert_eq!(
        driver.command(2, 0, 0, process.id()).get_failure(),
        Some(ErrorCode::NOSUPPORT)
    );
}

#[test]
fn an_end_that_finds_the_queue_full_comes_later() {
    let (source, driver, [process]) = bench();
    let tries = forever(Tries::default());
    driver.retry_with(tries);
    share(driver, process, 8);
    get(driver, process, 8);
    process.fill_queue();
    source.offer(10);
    assert!(driver.try_again());
    assert_eq!((process.upcalls(), tries.0.get()), (vec![], 1));
    assert!(!driver.try_again());
    assert_eq!(process.upcalls(), [(0, (0, 8, 0))]);
    // So does one with an error.
    get(driver, process, 8);
    process.fill_queue();
    source.fail(ErrorCode::NODEVICE);
    assert_eq!(process.upcalls(), []);
    assert!(!driver.try_again());
    let status = ErrorCode::NODEVICE as usize;
    assert_eq!(process.upcalls(), [(0, (status, 0, 0))]);
}

/// A clock that goes on by `step` whenever it is read.
struct Steps {
    step: u32,
    now: Cell<u32>,
}

impl Time for Steps {
    type Frequency = Freq1MHz;
    type Ticks = Ticks32;

    fn now(&self) -> Ticks32 {
        self.now.set(self.now.get() + self.step);
        self.now.get().into()
    }
}

#[test]
fn a_process_gets_the_words_of_a_source_mixed_with_the_time() {
    let drawn = |step| {
        let host = Host::new();
        let [process] = host.processes;
        let source: &'static Source = forever(Source::default());
        let now = Cell::new(0);
        let mix = forever(JitterMix::new(source, forever(Steps { step, now })));
        let driver = forever(RngDriver::new(mix, host.grant(DRIVER_NUM)));
        mix.set_client(driver);
        source.set_client(mix);
        let memory = Memory::zeroed(32);
        process.allow_rw((driver, DRIVER_NUM), 0, memory);
        assert!(driver.command(1, 32, 0, process.id()).is_success());
        // The second half is asked for anew.
        assert_eq!((source.offer(4), source.offer(9)), (4, 4));
        assert_eq!(process.upcalls(), [(0, (0, 32, 0))]);
        memory.bytes()
    };
    let plain: Vec<u8> = (1..=8).flat_map(|word| [word; 4]).collect();
    let (slow, fast) = (drawn(3), drawn(2));
    assert_eq!(drawn(3), slow, "nothing but time goes in");
    for (one, other) in [(&slow, &fast), (&slow, &plain), (&fast, &plain)] {
        let pairs = one.chunks(4).zip(other.chunks(4));
        assert!(pairs.into_iter().all(|(one, other)| one != other));
    }
}
