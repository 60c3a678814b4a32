// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The low-level debug driver, as processes use it.

use crate::support::uart::FakeUart;
use capsules_core::low_level_debug::{BUF_LEN, DRIVER_NUM, LowLevelDebug};
use kernel::ErrorCode;
use kernel::hil::uart::Transmit;
use kernel::syscall::SyscallDriver;
use kernel::testing::{FakeProcess, Host, forever};

type Bench<const N: usize> = (
    &'static FakeUart,
    &'static LowLevelDebug<'static>,
    [&'static FakeProcess; N],
);

fn bench<const N: usize>() -> Bench<N> {
    let host = Host::new();
    let uart = FakeUart::leaked();
    let buffer = Box::leak(Box::new([0; BUF_LEN]));
    let driver = forever(LowLevelDebug::new(buffer, uart, host.grant(DRIVER_NUM)));
    uart.set_transmit_client(driver);
    (uart, driver, host.processes)
}

#[test]
fn numbers_are_printed_with_the_identifier_of_the_process() {
    let (uart, driver, [_, process]) = bench();
    driver.command(1, 2, 0, process.id());
    driver.command(2, 0x1234, 0, process.id());
    driver.command(3, 0x1234, 0x5678, process.id());
    assert_eq!(
        uart.drain(),
        "LowLevelDebug: App 0x1 alert code 0x2\n\
         LowLevelDebug: App 0x1 prints 0x1234\n\
         LowLevelDebug: App 0x1 prints 0x1234 0x5678\n"
    );
}

#[test]
fn unknown_commands_are_refused() {
    let (_, driver, [process]) = bench();
    assert!(driver.command(0, 0, 0, process.id()).is_success());
    assert_eq!(
        driver.command(4, 0, 0, process.id()).get_failure(),
        Some(ErrorCode::NOSUPPORT)
    );
}

#[test]
fn processes_take_turns_and_overflow_is_counted() {
    let (uart, driver, [loud, quiet]) = bench();
    for number in 0..7 {
        assert!(driver.command(2, number, 0, loud.id()).is_success());
    }
    driver.command(2, 0xAA, 0, quiet.id());
    assert_eq!(
        uart.drain(),
        "LowLevelDebug: App 0x0 prints 0x0\n\
         LowLevelDebug: App 0x1 prints 0xaa\n\
         LowLevelDebug: App 0x0 prints 0x1\n\
         LowLevelDebug: App 0x0 prints 0x2\n\
         LowLevelDebug: App 0x0 prints 0x3\n\
         LowLevelDebug: Dropped 0x3 entries for app 0x0\n"
    );
}

#[test]
fn entries_of_a_process_that_ended_are_not_printed() {
    let (uart, driver, [a, b]) = bench();
    driver.command(2, 1, 0, a.id());
    driver.command(2, 2, 0, a.id());
    driver.command(2, 3, 0, b.id());
    a.end();
    assert_eq!(
        uart.drain(),
        "LowLevelDebug: App 0x0 prints 0x1\nLowLevelDebug: App 0x1 prints 0x3\n"
    );
}

#[test]
fn a_port_that_refuses_loses_one_entry() {
    let (uart, driver, [process]) = bench();
    uart.refuse_tx.set(Some(ErrorCode::OFF));
    driver.command(2, 1, 0, process.id());
    uart.refuse_tx.set(None);
    driver.command(2, 2, 0, process.id());
    assert_eq!(uart.drain(), "LowLevelDebug: App 0x0 prints 0x2\n");
}
