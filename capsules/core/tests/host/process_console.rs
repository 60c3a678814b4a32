// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The prompt, over a fake serial port and a kernel without processes.

use crate::support::uart::FakeUart;
use capsules_core::process_console::{
    Board, ConsoleCommand, KernelAddresses, ProcessConsole, READ_BUF_LEN, STEP_ROOM,
};
use core::fmt::Write;
use kernel::Kernel;
use kernel::capabilities::{ProcessManagementCapability, ProcessStartCapability};
use kernel::create_capability;
use kernel::hil::uart::{Receive, Transmit};
use kernel::process::{Process, ProcessPrinter, ProcessPrinterContext};
use kernel::testing::{Host, forever};
use kernel::utilities::binary_write::BinaryWrite;

struct NoPrinter;

impl ProcessPrinter for NoPrinter {
    fn print_overview(
        &self,
        _process: &dyn Process,
        _writer: &mut dyn BinaryWrite,
        _context: Option<ProcessPrinterContext>,
    ) -> Option<ProcessPrinterContext> {
        None
    }
}

/// Prints as many lines as its argument says, a few in each part.
struct Lines;

impl ConsoleCommand for Lines {
    fn name(&self) -> &str {
        "lines"
    }

    fn help(&self) -> &str {
        "counts"
    }

    fn execute(&self, _arguments: &str, writer: &mut dyn Write) {
        let _ = writeln!(writer, "not in parts");
    }

    fn execute_part(&self, part: usize, arguments: &str, writer: &mut dyn Write) -> bool {
        let count: usize = arguments.parse().unwrap();
        for line in (part * 4..count).take(4) {
            writeln!(writer, "line number {line} of {count}").unwrap();
        }
        (part + 1) * 4 < count
    }
}

/// Prints more than any buffer holds.
struct Flood;

impl ConsoleCommand for Flood {
    fn name(&self) -> &str {
        "flood"
    }

    fn help(&self) -> &str {
        "prints without end"
    }

    fn execute(&self, _arguments: &str, writer: &mut dyn Write) {
        while writer.write_str("0123456789").is_ok() {}
    }
}

fn halt_by_reset() -> ! {
    std::panic::panic_any("reset")
}

fn halt_by_panic() -> ! {
    std::panic::panic_any("panic")
}

fn console(buffer_len: usize) -> &'static FakeUart {
    console_of(forever(Kernel::new(&[])), &NoPrinter, buffer_len)
}

fn console_of(
    kernel: &'static Kernel,
    printer: &'static dyn ProcessPrinter,
    buffer_len: usize,
) -> &'static FakeUart {
    let uart = FakeUart::leaked();
    let console = forever(ProcessConsole::new(
        uart,
        Box::leak(vec![0; buffer_len].into_boxed_slice()),
        Box::leak(Box::new([0; READ_BUF_LEN])),
        kernel,
        printer,
        Board {
            commands: &[&Lines, &Flood],
            addresses: KernelAddresses {
                text: 0x8000_0000..0x8001_2345,
                ..KernelAddresses::default()
            },
            reset: halt_by_reset,
            panic: halt_by_panic,
        },
        create_capability!(ProcessManagementCapability, ProcessStartCapability),
    ));
    uart.set_transmit_client(console);
    uart.set_receive_client(console);
    console.start();
    assert_eq!(uart.drain(), "tock$ ");
    uart
}

/// Types `line` and returns what is printed after its echo, up to the prompt.
fn answer(uart: &FakeUart, line: &str) -> String {
    uart.arrive(line.as_bytes());
    uart.arrive(b"\r");
    let all = uart.drain();
    let rest = all
        .strip_prefix(&format!("{line}\r\n"))
        .unwrap_or_else(|| panic!("echo missing in {all:?}"));
    rest.strip_suffix("tock$ ")
        .unwrap_or_else(|| panic!("prompt missing in {all:?}"))
        .to_string()
}

#[test]
fn an_empty_line_brings_the_prompt_back() {
    let uart = console(1024);
    assert_eq!(answer(uart, ""), "");
    assert_eq!(answer(uart, "   "), "");
}

#[test]
fn help_shows_every_command() {
    let help = answer(console(1024), "help");
    for name in [
        "help",
        "status",
        "list",
        "stop NAME",
        "start NAME",
        "fault NAME",
        "boot NAME",
        "terminate NAME",
        "process NAME",
        "kernel",
        "reset",
        "panic",
        "lines",
        "flood",
    ] {
        assert!(
            help.lines()
                .any(|line| line.starts_with(&format!("{name} "))),
            "{name} in {help}"
        );
    }
}

#[test]
fn a_small_buffer_loses_no_text() {
    assert_eq!(
        answer(console(STEP_ROOM), "help"),
        answer(console(4096), "help")
    );
    assert_eq!(
        answer(console(STEP_ROOM), "kernel"),
        answer(console(4096), "kernel")
    );
}

#[test]
fn list_shows_the_columns() {
    let header = answer(console(1024), "list");
    let columns: Vec<_> = header.split_whitespace().collect();
    assert_eq!(
        columns,
        [
            "PID", "ShortID", "Name", "Quanta", "Syscalls", "Restarts", "Grants", "State"
        ]
    );
}

#[test]
fn status_counts_no_process() {
    assert_eq!(
        answer(console(1024), "status"),
        "Processes: 0\r\nActive: 0\r\nInactive: 0\r\nTimeslice expirations: 0\r\n"
    );
}

#[test]
fn kernel_shows_version_and_places() {
    let text = answer(console(1024), "kernel");
    assert!(text.starts_with("Kernel version: 2.3.0-dev1\r\n"), "{text}");
    assert!(
        text.contains("text    0x80000000 to 0x80012345, 74565 bytes\r\n"),
        "{text}"
    );
}

#[test]
fn a_name_is_asked_for_and_looked_up() {
    let uart = console(1024);
    for command in ["stop", "start", "fault", "boot", "terminate", "process"] {
        assert_eq!(answer(uart, command), format!("Usage: {command} NAME\r\n"));
        assert_eq!(
            answer(uart, &format!("{command} ghost")),
            "No process named ghost\r\n"
        );
    }
}

#[test]
fn an_unknown_word_is_named() {
    assert_eq!(
        answer(console(1024), "hlep me"),
        "Unknown command: hlep. Try help.\r\n"
    );
}

#[test]
fn a_command_of_the_board_prints_part_by_part() {
    let uart = console(STEP_ROOM);
    let expected: String = (0..30)
        .map(|n| format!("line number {n} of 30\r\n"))
        .collect();
    assert_eq!(answer(uart, "lines 30"), expected);
}

#[test]
fn a_flood_is_cut_and_says_so() {
    let text = answer(console(STEP_ROOM), "flood");
    assert!(text.ends_with("\r\n(output cut)\r\n"), "{text}");
    assert!(text.len() <= STEP_ROOM);
    assert!(text.starts_with("01234567890123456789"));
}

#[test]
fn erasing_shows_on_the_terminal() {
    let uart = console(1024);
    uart.arrive(b"lx\x7fist\r");
    assert!(uart.drain().starts_with("lx\x08 \x08ist\r\nPID"));
}

#[test]
fn a_line_that_is_too_long_is_not_run() {
    let uart = console(1024);
    uart.arrive("help".repeat(100).as_bytes());
    let echo = uart.drain();
    assert_eq!(echo, "help".repeat(20));
    uart.arrive(b"\r");
    assert_eq!(uart.drain(), "\r\nLine too long, ignored.\r\ntock$ ");
    assert_eq!(answer(uart, ""), "");
}

#[test]
fn what_is_typed_during_output_waits_in_the_port() {
    let uart = console(STEP_ROOM);
    uart.arrive(b"help\r");
    let typed = "status\r".repeat(40);
    uart.arrive(typed.as_bytes());
    assert!(uart.backlog() > 0);
    let text = uart.drain();
    assert_eq!(uart.backlog(), 0);
    assert_eq!(text.matches("Timeslice expirations: 0").count(), 40);
}

#[test]
fn hostile_bytes_leave_the_console_usable() {
    let uart = console(1024);
    let mut seed = 12345u32;
    for _ in 0..50_000 {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let byte = (seed >> 24) as u8;
        uart.arrive(&[byte]);
        uart.drain();
    }
    uart.break_line();
    uart.arrive(b"\x18\x03");
    uart.drain();
    assert_eq!(answer(uart, "stop"), "Usage: stop NAME\r\n");
}

#[test]
fn reset_and_panic_run_once_the_text_is_out() {
    for (command, words) in [("reset", "reset\r\nResetting.\r\n"), ("panic", "panic\r\n")] {
        let uart = console(1024);
        uart.arrive(command.as_bytes());
        uart.arrive(b"\r");
        let caught =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| while uart.finish_tx() {}));
        let reason = *caught.unwrap_err().downcast::<&str>().unwrap();
        assert_eq!(reason, command);
        assert_eq!(uart.drain(), words);
    }
}

/// Prints numbered lines, as many as fit at a time.
struct LongPrinter;

impl ProcessPrinter for LongPrinter {
    fn print_overview(
        &self,
        process: &dyn Process,
        writer: &mut dyn BinaryWrite,
        context: Option<ProcessPrinterContext>,
    ) -> Option<ProcessPrinterContext> {
        let text: String = (0..50)
            .map(|n| format!("{} line {n}\r\n", process.get_process_name()))
            .collect();
        let start = context.map_or(0, |context| context.offset);
        let written = writer.write_buffer(&text.as_bytes()[start..]).unwrap();
        let offset = start + written;
        (offset < text.len()).then_some(ProcessPrinterContext { offset })
    }
}

/// Never gets anywhere.
struct StuckPrinter;

impl ProcessPrinter for StuckPrinter {
    fn print_overview(
        &self,
        _process: &dyn Process,
        _writer: &mut dyn BinaryWrite,
        _context: Option<ProcessPrinterContext>,
    ) -> Option<ProcessPrinterContext> {
        Some(ProcessPrinterContext { offset: 0 })
    }
}

#[test]
fn list_shows_every_process_in_its_columns() {
    let host = Host::<3>::new();
    host.processes[1].stop();
    for buffer_len in [STEP_ROOM, 4096] {
        let text = answer(console_of(host.kernel, &NoPrinter, buffer_len), "list");
        let rows: Vec<Vec<_>> = text
            .lines()
            .skip(1)
            .map(|line| line.split_whitespace().collect())
            .collect();
        assert_eq!(
            rows,
            [
                ["0", "Unique", "first", "3", "7", "0", "0/0", "Yielded"],
                [
                    "1",
                    "Unique",
                    "second",
                    "3",
                    "7",
                    "0",
                    "0/0",
                    "Stopped(Yielded)"
                ],
                ["2", "Unique", "third", "3", "7", "0", "0/0", "Yielded"],
            ]
        );
    }
}

#[test]
fn status_counts_processes_by_state() {
    let host = Host::<3>::new();
    host.processes[0].end();
    let text = answer(console_of(host.kernel, &NoPrinter, 1024), "status");
    assert!(text.starts_with("Processes: 3\r\n"), "{text}");
    assert!(text.contains("Timeslice expirations: 9\r\n"), "{text}");
}

#[test]
fn a_process_is_led_through_its_states() {
    let host = Host::<2>::new();
    let uart = console_of(host.kernel, &NoPrinter, 1024);
    let refused = "Not booted: terminate it first.\r\n";
    for (line, words, state) in [
        ("stop second", "", "PID 1): Stopped(Yielded)"),
        ("boot second", refused, "PID 1): Stopped(Yielded)"),
        ("start second", "", "PID 1): Yielded"),
        ("boot second", refused, "PID 1): Yielded"),
        ("terminate second", "", "PID 1): Terminated"),
        ("boot second", "", "PID 2): Yielded"),
        ("fault  second ", "", "PID 2): Faulted"),
        ("boot second", refused, "PID 2): Faulted"),
    ] {
        let expected = format!("{words}Process second ({state}\r\n");
        assert_eq!(answer(uart, line), expected);
    }
    assert_eq!(host.processes[0].id().id(), 0);
}

#[test]
fn a_description_longer_than_the_buffer_comes_whole() {
    let host = Host::<2>::new();
    let uart = console_of(host.kernel, &LongPrinter, STEP_ROOM);
    let expected: String = (0..50).map(|n| format!("second line {n}\r\n")).collect();
    assert_eq!(answer(uart, "process second"), expected);
}

#[test]
fn a_printer_that_gets_nowhere_does_not_hang_the_prompt() {
    let host = Host::<1>::new();
    let uart = console_of(host.kernel, &StuckPrinter, STEP_ROOM);
    assert_eq!(answer(uart, "process first"), "");
    assert_eq!(answer(uart, ""), "");
}
