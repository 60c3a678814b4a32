// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The console driver, as processes use it, over a shared serial port.

use crate::support::uart::FakeUart;
use crate::support::{Tries, run_deferred_calls, start};
use capsules_core::console::{Console, DEFAULT_BUF_SIZE, DRIVER_NUM};
use capsules_core::late_upcalls::LateUpcalls;
use capsules_core::virtualizers::virtual_uart::{MuxUart, RX_BUF_LEN, UartDevice};
use kernel::ErrorCode;
use kernel::deferred_call::DeferredCallClient;
use kernel::hil::uart::{Receive, Transmit};
use kernel::syscall::SyscallDriver;
use kernel::testing::{FakeProcess, Host, Memory, forever};

struct Bench<const N: usize> {
    uart: &'static FakeUart,
    console: &'static Console<'static>,
    processes: [&'static FakeProcess; N],
}

fn bench<const N: usize>() -> Bench<N> {
    start();
    let host = Host::new();
    let uart = FakeUart::leaked();
    let rx = Box::leak(Box::new([0; RX_BUF_LEN]));
    let mux: &'static MuxUart<'static> = forever(MuxUart::new(uart, rx, 115_200));
    mux.register();
    mux.initialize();
    let device: &'static UartDevice<'static> = forever(UartDevice::new(mux, true));
    device.setup();
    let console = forever(Console::new(
        device,
        Box::leak(Box::new([0; DEFAULT_BUF_SIZE])),
        Box::leak(Box::new([0; DEFAULT_BUF_SIZE])),
        host.grant(DRIVER_NUM),
    ));
    device.set_transmit_client(console);
    device.set_receive_client(console);
    Bench {
        uart,
        console,
        processes: host.processes,
    }
}

impl<const N: usize> Bench<N> {
    fn share_text(&self, process: &FakeProcess, text: &[u8]) {
        process.allow_ro((self.console, DRIVER_NUM), 1, Memory::of(text));
    }

    fn share_room(&self, process: &FakeProcess, len: usize) -> Memory {
        let memory = Memory::zeroed(len);
        process.allow_rw((self.console, DRIVER_NUM), 1, memory);
        memory
    }

    fn write(&self, process: &FakeProcess, text: &[u8]) {
        self.share_text(process, text);
        let answer = self.console.command(1, text.len(), 0, process.id());
        assert!(answer.is_success());
    }

    fn read(&self, process: &FakeProcess, len: usize) -> Result<(), ErrorCode> {
        let answer = self.console.command(2, len, 0, process.id());
        answer.get_failure().map_or(Ok(()), Err)
    }

    fn abort(&self, process: &FakeProcess) {
        assert!(self.console.command(3, 0, 0, process.id()).is_success());
        run_deferred_calls();
    }
}

const WRITTEN: usize = 1;
const READ: usize = 2;

#[test]
fn a_long_text_goes_out_whole_and_is_reported_once() {
    let bench = bench::<1>();
    let [process] = bench.processes;
    let text: String = (0..100).map(|n| format!("{n:03} ")).collect();
    bench.write(process, text.as_bytes());
    assert_eq!(process.upcalls(), []);
    assert_eq!(bench.uart.drain(), text);
    assert_eq!(process.upcalls(), [(WRITTEN, (400, 0, 0))]);
}

#[test]
fn a_write_is_limited_by_count_and_buffer() {
    let bench = bench::<1>();
    let [process] = bench.processes;
    bench.share_text(process, b"abcdef");
    for (count, expected) in [
        (4, "abcd"),
        (6, "abcdef"),
        (100, "abcdef"),
        (usize::MAX, "abcdef"),
    ] {
        bench.console.command(1, count, 0, process.id());
        assert_eq!(bench.uart.drain(), expected);
        assert_eq!(process.upcalls(), [(WRITTEN, (expected.len(), 0, 0))]);
    }
}

#[test]
fn writes_of_processes_do_not_mix_and_take_turns() {
    let bench = bench::<3>();
    let [a, b, c] = bench.processes;
    bench.write(b, &[b'b'; 100]);
    bench.write(c, &[b'c'; 100]);
    bench.write(a, &[b'a'; 100]);
    bench.uart.finish_tx();
    bench.uart.finish_tx();
    // `b` has ended and comes again, behind those who wait.
    assert_eq!(b.upcalls(), [(WRITTEN, (100, 0, 0))]);
    bench.write(b, b"again");
    let expected = "b".repeat(100) + &"c".repeat(100) + &"a".repeat(100) + "again";
    assert_eq!(bench.uart.drain(), expected);
}

#[test]
fn a_write_of_nothing_completes_at_once_even_behind_another() {
    let bench = bench::<2>();
    let [busy, process] = bench.processes;
    bench.write(busy, &[b'x'; 100]);
    bench.console.command(1, 0, 0, process.id());
    assert_eq!(process.upcalls(), [(WRITTEN, (0, 0, 0))]);
    // No buffer at all.
    bench.console.command(1, 10, 0, process.id());
    assert_eq!(process.upcalls(), [(WRITTEN, (0, 0, 0))]);
    bench.uart.drain();
    assert_eq!(process.upcalls(), []);
    assert_eq!(busy.upcalls(), [(WRITTEN, (100, 0, 0))]);
}

#[test]
fn a_second_write_replaces_the_first() {
    let bench = bench::<1>();
    let [process] = bench.processes;
    bench.write(process, &[b'1'; 200]);
    bench.write(process, b"second");
    assert_eq!(bench.uart.drain(), "1".repeat(64) + "second");
    assert_eq!(process.upcalls(), [(WRITTEN, (6, 0, 0))]);
    bench.write(process, &[b'3'; 100]);
    bench.console.command(1, 0, 0, process.id());
    assert_eq!(process.upcalls(), [(WRITTEN, (0, 0, 0))]);
    assert_eq!(bench.uart.drain(), "3".repeat(64));
    assert_eq!(process.upcalls(), []);
}

#[test]
fn a_buffer_that_shrinks_ends_the_write() {
    let bench = bench::<1>();
    let [process] = bench.processes;
    bench.write(process, &[b'x'; 200]);
    bench.share_text(process, b"short");
    assert_eq!(bench.uart.drain(), "x".repeat(64));
    assert_eq!(process.upcalls(), [(WRITTEN, (64, 0, 0))]);
}

#[test]
fn the_end_of_a_writer_lets_the_next_one_write() {
    let bench = bench::<2>();
    let [a, b] = bench.processes;
    bench.write(a, &[b'a'; 500]);
    bench.write(b, b"after");
    a.restart();
    assert_eq!(bench.uart.drain(), "a".repeat(64) + "after");
    assert_eq!(a.upcalls(), []);
    bench.write(a, b"anew");
    assert_eq!(bench.uart.drain(), "anew");
}

#[test]
fn a_port_that_refuses_ends_the_write() {
    let bench = bench::<1>();
    let [process] = bench.processes;
    bench.uart.refuse_tx.set(Some(ErrorCode::OFF));
    bench.write(process, b"lost");
    assert_eq!(process.upcalls(), [(WRITTEN, (0, 0, 0))]);
    bench.uart.refuse_tx.set(None);
    bench.write(process, b"found");
    assert_eq!(bench.uart.drain(), "found");
}

#[test]
fn a_read_ends_with_the_last_byte_and_not_before() {
    let bench = bench::<1>();
    let [process] = bench.processes;
    let memory = bench.share_room(process, 8);
    bench.read(process, 5).unwrap();
    bench.uart.arrive(b"hell");
    assert_eq!(process.upcalls(), []);
    bench.uart.arrive(b"o world");
    assert_eq!(process.upcalls(), [(READ, (0, 5, 0))]);
    assert_eq!(memory.bytes(), b"hello\0\0\0");
    bench.read(process, 6).unwrap();
    bench.uart.deliver();
    assert_eq!(process.upcalls(), [(READ, (0, 6, 0))]);
    assert_eq!(&memory.bytes()[..6], b" world");
}

#[test]
fn reads_are_checked() {
    let bench = bench::<2>();
    let [a, b] = bench.processes;
    bench.share_room(a, 100);
    bench.share_room(b, 100);
    assert_eq!(bench.read(a, 65), Err(ErrorCode::INVAL));
    assert_eq!(bench.read(a, 0), Ok(()));
    assert_eq!(a.upcalls(), [(READ, (0, 0, 0))]);
    assert_eq!(bench.read(a, 64), Ok(()));
    assert_eq!(bench.read(a, 1), Err(ErrorCode::BUSY));
    assert_eq!(bench.read(b, 1), Err(ErrorCode::BUSY));
    bench.uart.arrive(&[b'z'; 64]);
    assert_eq!(bench.read(b, 1), Ok(()));
}

#[test]
fn an_aborted_read_reports_what_came() {
    let bench = bench::<1>();
    let [process] = bench.processes;
    let memory = bench.share_room(process, 8);
    bench.abort(process);
    assert_eq!(process.upcalls(), []);
    bench.read(process, 8).unwrap();
    bench.uart.arrive(b"abc");
    bench.abort(process);
    assert_eq!(
        process.upcalls(),
        [(READ, (usize::from(ErrorCode::CANCEL), 3, 0))]
    );
    assert_eq!(&memory.bytes()[..3], b"abc");
    bench.read(process, 1).unwrap();
    bench.uart.arrive(b"d");
    assert_eq!(process.upcalls(), [(READ, (0, 1, 0))]);
}

#[test]
fn only_the_reader_can_abort() {
    let bench = bench::<2>();
    let [a, b] = bench.processes;
    bench.share_room(a, 2);
    bench.read(a, 2).unwrap();
    bench.abort(b);
    bench.uart.arrive(b"ok");
    assert_eq!(a.upcalls(), [(READ, (0, 2, 0))]);
}

#[test]
fn a_buffer_that_went_away_or_shrank_is_reported() {
    let bench = bench::<1>();
    let [process] = bench.processes;
    bench.share_room(process, 8);
    bench.read(process, 4).unwrap();
    let memory = bench.share_room(process, 3);
    bench.uart.arrive(b"abcd");
    assert_eq!(
        process.upcalls(),
        [(READ, (usize::from(ErrorCode::SIZE), 3, 0))]
    );
    assert_eq!(memory.bytes(), b"abc");
    bench.read(process, 3).unwrap();
    bench.share_room(process, 0);
    bench.uart.arrive(b"efg");
    assert_eq!(
        process.upcalls(),
        [(READ, (usize::from(ErrorCode::NOMEM), 0, 0))]
    );
}

#[test]
fn a_line_error_fails_the_read() {
    let bench = bench::<1>();
    let [process] = bench.processes;
    bench.share_room(process, 8);
    bench.read(process, 4).unwrap();
    bench.uart.arrive(b"ab");
    bench.uart.break_line();
    assert_eq!(
        process.upcalls(),
        [(READ, (usize::from(ErrorCode::FAIL), 0, 0))]
    );
    bench.read(process, 1).unwrap();
}

#[test]
fn the_read_of_a_process_that_ended_gives_way() {
    let bench = bench::<2>();
    let [a, b] = bench.processes;
    bench.share_room(a, 32);
    bench.read(a, 32).unwrap();
    bench.uart.arrive(b"x");
    a.end();
    let memory = bench.share_room(b, 2);
    bench.read(b, 2).unwrap();
    run_deferred_calls();
    bench.uart.arrive(b"yz");
    assert_eq!(b.upcalls(), [(READ, (0, 2, 0))]);
    assert_eq!(memory.bytes(), b"yz");
}

#[test]
fn unknown_commands_are_refused() {
    let bench = bench::<1>();
    let [process] = bench.processes;
    assert!(bench.console.command(0, 0, 0, process.id()).is_success());
    assert_eq!(
        bench.console.command(4, 0, 0, process.id()).get_failure(),
        Some(ErrorCode::NOSUPPORT)
    );
}

#[test]
fn ends_that_find_the_queue_full_come_later() {
    let bench = bench::<1>();
    let [process] = bench.processes;
    let tries = forever(Tries::default());
    bench.console.retry_with(tries);
    bench.write(process, b"text");
    let memory = bench.share_room(process, 2);
    bench.read(process, 2).unwrap();
    process.fill_queue();
    assert_eq!(bench.uart.drain(), "text");
    assert_eq!(tries.0.get(), 1);
    bench.uart.arrive(b"ab");
    run_deferred_calls();
    assert_eq!(tries.0.get(), 2);
    assert!(bench.console.try_again());
    assert_eq!(process.upcalls(), []);
    assert!(!bench.console.try_again());
    assert_eq!(process.upcalls(), [(WRITTEN, (4, 0, 0)), (READ, (0, 2, 0))]);
    assert_eq!(memory.bytes(), b"ab");
    assert!(!bench.console.try_again());
    assert_eq!((process.upcalls(), tries.0.get()), (vec![], 2));
}
