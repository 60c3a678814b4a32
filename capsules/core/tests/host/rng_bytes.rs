// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The random number driver over a source with a stock of bytes.

use capsules_core::rng::{DRIVER_NUM, RngDriver, Slices};
use core::cell::{Cell, RefCell};
use kernel::ErrorCode;
use kernel::hil::rng_bytes::{RandomBytes, RandomBytesClient};
use kernel::syscall::SyscallDriver;
use kernel::testing::{FakeProcess, Host, Memory, forever};
use kernel::utilities::cells::OptionalCell;
use std::collections::VecDeque;

/// A source whose bytes are 1, 2, 3, ..., in pieces of at most five.
#[derive(Default)]
struct Stock {
    client: OptionalCell<&'static dyn RandomBytesClient>,
    bytes: RefCell<VecDeque<u8>>,
    filled: Cell<u8>,
    asked: Cell<bool>,
    asks: Cell<usize>,
    refuse: Cell<Option<ErrorCode>>,
}

impl RandomBytes<'static> for Stock {
    fn draw(&self, count: usize, take: &mut dyn FnMut(&[u8])) -> usize {
        let mut stock = self.bytes.borrow_mut();
        let count = count.min(stock.len());
        let drawn: Vec<u8> = stock.drain(..count).collect();
        drop(stock);
        drawn.chunks(5).for_each(take);
        count
    }

    fn request_bytes(&self) -> Result<(), ErrorCode> {
        if let Some(code) = self.refuse.get() {
            return Err(code);
        }
        self.asked.set(true);
        self.asks.set(self.asks.get() + 1);
        Ok(())
    }

    fn cancel_request(&self) -> Result<(), ErrorCode> {
        Err(ErrorCode::FAIL)
    }

    fn set_bytes_client(&self, client: &'static dyn RandomBytesClient) {
        self.client.set(client);
    }
}

impl Stock {
    /// Adds bytes, and calls a client that asked.
    fn add(&self, count: usize) {
        for _ in 0..count {
            self.filled.set(self.filled.get().wrapping_add(1));
            self.bytes.borrow_mut().push_back(self.filled.get());
        }
        self.answer(Ok(()));
    }

    fn answer(&self, outcome: Result<(), ErrorCode>) {
        if self.asked.replace(false) {
            self.client.get().unwrap().bytes_available(outcome);
        }
    }
}

type Driver = RngDriver<'static, Stock, Slices>;

fn bench<const N: usize>() -> (&'static Stock, &'static Driver, [&'static FakeProcess; N]) {
    let host = Host::new();
    let stock: &'static Stock = forever(Stock::default());
    let driver = forever(RngDriver::by_slice(stock, host.grant(DRIVER_NUM)));
    stock.set_bytes_client(driver);
    (stock, driver, host.processes)
}

fn share(driver: &Driver, process: &FakeProcess, len: usize) -> Memory {
    let memory = Memory::zeroed(len);
    process.allow_rw((driver, DRIVER_NUM), 0, memory);
    memory
}

fn get(driver: &Driver, process: &FakeProcess, count: usize) {
    assert!(driver.command(1, count, 0, process.id()).is_success());
}

fn counting(from: usize, to: usize) -> Vec<u8> {
    (from..=to).map(|n| n as u8).collect()
}

fn filled(memory: Memory) -> usize {
    memory.bytes().iter().filter(|byte| **byte != 0).count()
}

#[test]
fn a_request_that_the_stock_covers_is_done_in_the_command() {
    let (stock, driver, [process]) = bench();
    stock.add(100);
    let memory = share(driver, process, 16);
    get(driver, process, 13);
    assert_eq!(process.upcalls(), [(0, (0, 13, 0))]);
    assert_eq!(memory.bytes(), [counting(1, 13), vec![0; 3]].concat());
    get(driver, process, 16);
    assert_eq!(process.upcalls(), [(0, (0, 16, 0))]);
    assert_eq!(memory.bytes(), counting(14, 29));
    assert_eq!(stock.asks.get(), 0);
    assert_eq!(stock.bytes.borrow().len(), 100 - 29);
}

#[test]
fn a_request_beyond_the_stock_goes_on_where_it_stopped() {
    let (stock, driver, [process]) = bench();
    stock.add(7);
    let memory = share(driver, process, 20);
    get(driver, process, 20);
    assert_eq!(process.upcalls(), []);
    stock.add(1);
    stock.add(11);
    assert_eq!(process.upcalls(), []);
    stock.add(11);
    assert_eq!(process.upcalls(), [(0, (0, 20, 0))]);
    assert_eq!(memory.bytes(), counting(1, 20));
    assert_eq!(stock.bytes.borrow().len(), 10);
    assert!(!stock.asked.get());
    assert_eq!(stock.asks.get(), 3);
}

#[test]
fn a_request_for_nothing_completes_at_once() {
    let (stock, driver, [process]) = bench();
    stock.add(10);
    get(driver, process, 10);
    share(driver, process, 8);
    get(driver, process, 0);
    assert_eq!(process.upcalls(), [(0, (0, 0, 0)), (0, (0, 0, 0))]);
    assert_eq!(stock.bytes.borrow().len(), 10);
}

#[test]
fn those_who_wait_are_served_before_a_newcomer() {
    let (stock, driver, [waiting, newcomer]) = bench();
    share(driver, waiting, 300);
    get(driver, waiting, 300);
    let memory = share(driver, newcomer, 4);
    stock.bytes.borrow_mut().extend(counting(1, 8));
    get(driver, newcomer, 4);
    assert_eq!(newcomer.upcalls(), []);
    assert_eq!(filled(memory), 0);
    stock.add(248);
    assert_eq!(newcomer.upcalls(), []);
    stock.add(4);
    assert_eq!(newcomer.upcalls(), [(0, (0, 4, 0))]);
    assert_eq!(waiting.upcalls(), []);
    stock.add(44);
    assert_eq!(waiting.upcalls(), [(0, (0, 300, 0))]);
    assert!(stock.bytes.borrow().is_empty());
}

#[test]
fn large_requests_of_several_processes_progress_together() {
    let (stock, driver, processes) = bench::<3>();
    let memories = processes.map(|process| {
        let memory = share(driver, process, 2000);
        get(driver, process, 2000);
        memory
    });
    for _ in 0..30 {
        // No multiple of the quantum.
        stock.add(100);
        let shares = memories.map(filled);
        let (most, least) = (shares.iter().max(), shares.iter().min());
        assert!(most.unwrap() - least.unwrap() <= 260, "{shares:?}");
    }
    stock.add(3000);
    for process in processes {
        assert_eq!(process.upcalls(), [(0, (0, 2000, 0))]);
    }
    assert!(!stock.asked.get());
}

#[test]
fn a_new_request_replaces_the_pending_one() {
    let (stock, driver, [process]) = bench();
    let memory = share(driver, process, 100);
    stock.add(3);
    get(driver, process, 100);
    get(driver, process, 4);
    assert_eq!(stock.asks.get(), 1);
    stock.add(10);
    assert_eq!(process.upcalls(), [(0, (0, 4, 0))]);
    assert_eq!(memory.bytes()[..4], counting(4, 7));
}

#[test]
fn an_error_of_the_source_reaches_every_waiting_process() {
    let (stock, driver, [a, b, idle]) = bench();
    stock.add(8);
    for process in [a, b] {
        share(driver, process, 100);
        get(driver, process, 100);
    }
    share(driver, idle, 4);
    stock.answer(Err(ErrorCode::OFF));
    let off = usize::from(ErrorCode::OFF);
    assert_eq!(a.upcalls(), [(0, (off, 8, 0))]);
    assert_eq!(b.upcalls(), [(0, (off, 0, 0))]);
    assert_eq!(idle.upcalls(), []);
    get(driver, a, 4);
    stock.add(4);
    assert_eq!(a.upcalls(), [(0, (0, 4, 0))]);
}

#[test]
fn a_refusal_reaches_the_process_and_the_next_request_works() {
    let (stock, driver, [process]) = bench();
    share(driver, process, 4);
    stock.add(1);
    stock.refuse.set(Some(ErrorCode::FAIL));
    get(driver, process, 4);
    let fail = usize::from(ErrorCode::FAIL);
    assert_eq!(process.upcalls(), [(0, (fail, 1, 0))]);
    stock.refuse.set(None);
    stock.add(4);
    get(driver, process, 4);
    assert_eq!(process.upcalls(), [(0, (0, 4, 0))]);
}

#[test]
fn a_refusal_while_a_request_is_served_ends_it() {
    let (stock, driver, [process]) = bench();
    share(driver, process, 10);
    get(driver, process, 10);
    stock.refuse.set(Some(ErrorCode::OFF));
    stock.add(6);
    let off = usize::from(ErrorCode::OFF);
    assert_eq!(process.upcalls(), [(0, (off, 6, 0))]);
}

#[test]
fn a_process_that_ended_or_took_its_buffer_back_takes_no_byte() {
    let (stock, driver, [ended, other]) = bench();
    share(driver, ended, 100);
    get(driver, ended, 100);
    share(driver, other, 100);
    get(driver, other, 100);
    ended.restart();
    share(driver, other, 0);
    stock.add(50);
    assert_eq!(other.upcalls(), [(0, (0, 0, 0))]);
    assert_eq!(stock.bytes.borrow().len(), 50);
    assert!(!stock.asked.get());
    share(driver, other, 5);
    get(driver, other, 5);
    assert_eq!(other.upcalls(), [(0, (0, 5, 0))]);
}
