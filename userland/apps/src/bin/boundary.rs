// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Makes every system call with arguments at and beyond the edges of what is allowed, and compares the
//! answers with those of the ABI (TRD 104). Prints WRONG for each one that differs.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use tock_app::trespass::calls::{
    Caller, YIELD_NO_WAIT, YIELD_WAIT_FOR,
    class::{
        ALLOW_READ_ONLY, ALLOW_READ_WRITE, ALLOW_USERSPACE_READABLE, COMMAND, EXIT, MEMOP,
        SUBSCRIBE, YIELD,
    },
};
use tock_app::{ErrorCode, println};

tock_app::entry!(main, stack = 4096, heap = ARENA);

const ARENA: usize = 4096;

const CONSOLE: usize = 0x1;
const TAP: usize = 0x30007;
const RNG: usize = 0x40001;
const ABSENT: usize = 0x7777_7777;
const TOP: usize = usize::MAX;

/// What memory holds that nobody is to write to.
const UNTOUCHED: u8 = 0xA5;

const FAIL: usize = 1;
const INVALID: usize = 6;
const SIZE: usize = 7;
const NOMEM: usize = 9;
const NOSUPPORT: usize = 10;
const NODEVICE: usize = 11;

/// An answer that the ABI calls for.
#[derive(Clone, Copy)]
enum Expected {
    Success,
    /// Success with one value.
    Value(usize),
    /// Success with two values.
    Pair(usize, usize),
    /// Failure with the code alone.
    Failure(usize),
    /// Failure with the code and the two last arguments.
    Refused(usize),
}

use Expected::{Failure, Pair, Refused, Success, Value};

/// Makes calls and counts.
struct Checker {
    caller: Caller,
    checks: u32,
    wrong: u32,
}

impl Checker {
    fn check(&mut self, class: usize, arguments: [usize; 4], expected: Expected) {
        let [_, _, third, fourth] = arguments;
        let (variant, values): (usize, &[usize]) = match &expected {
            Success => (128, &[]),
            Value(value) => (129, &[*value]),
            Pair(first, second) => (130, &[*first, *second]),
            Failure(code) => (0, &[*code]),
            Refused(code) => (2, &[*code, third, fourth]),
        };
        self.checks += 1;
        let answer = self.caller.call(class, arguments);
        let right = answer.is_some_and(|answer| {
            answer.registers[0] == variant && answer.values(arguments) == Some(values)
        });
        if !right {
            self.wrong += 1;
            println!("WRONG: class {class} {arguments:x?}: {answer:x?}");
        }
    }

    /// Expects an upcall with these arguments, which has to come.
    fn check_upcall(&mut self, driver: usize, number: usize, expected: [usize; 3]) {
        self.checks += 1;
        let arguments = [YIELD_WAIT_FOR, driver, number, 0];
        let answer = self.caller.call(YIELD, arguments);
        if answer.is_none_or(|answer| answer.registers[..3] != expected) {
            self.wrong += 1;
            println!("WRONG: upcall {number} of {driver:x}, not {expected:x?}: {answer:x?}");
        }
    }

    /// Expects an upcall that says how much was done, of `most` at most.
    fn check_end(&mut self, driver: usize, number: usize, most: usize) {
        self.checks += 1;
        let arguments = [YIELD_WAIT_FOR, driver, number, 0];
        let done = self.caller.call(YIELD, arguments);
        let right = done.is_some_and(|done| {
            let [first, second, ..] = done.registers;
            // The console tells the length first, the source of random numbers the status.
            first.max(second) <= most && first.min(second) == 0
        });
        if !right {
            self.wrong += 1;
            println!("WRONG: the end of {number} of {driver:x}: {done:x?}");
        }
    }

    /// Expects nothing new in the first bytes of the arena, but for `length` bytes at `offset`.
    fn check_untouched(&mut self, offset: usize, length: usize) {
        self.checks += 1;
        let mut bytes = [0; 1024];
        let loaded = self.caller.load(0, &mut bytes);
        let mut others = bytes.iter().enumerate();
        let right =
            others.all(|(at, byte)| *byte == UNTOUCHED || (offset..offset + length).contains(&at));
        if !right || loaded.is_err() {
            self.wrong += 1;
            println!("WRONG: a write beyond the {length} bytes at {offset}");
        }
    }

    /// Expects a call without a return variant to leave all registers alone.
    fn check_unchanged(&mut self, class: usize, arguments: [usize; 4]) {
        self.checks += 1;
        let answer = self.caller.call(class, arguments);
        if answer.is_none_or(|answer| answer.registers != arguments) {
            self.wrong += 1;
            println!("WRONG: class {class} {arguments:x?}: {answer:x?}");
        }
    }
}

fn main() -> Result<(), ErrorCode> {
    let mut checker = Checker {
        caller: Caller::new(ARENA)?,
        checks: 0,
        wrong: 0,
    };
    // The console's data is in place from here on, and does not move the border of the grants later.
    println!("boundary: begins");
    allow(&mut checker);
    unallow_during_use(&mut checker);
    random(&mut checker);
    tap(&mut checker)?;
    subscribe(&mut checker);
    command(&mut checker);
    memop(&mut checker);
    exit_and_yield(&mut checker);
    println!(
        "boundary: {} checks, {} wrong",
        checker.checks, checker.wrong
    );
    Ok(())
}

fn allow(checker: &mut Checker) {
    let arena = checker.caller.arena();
    let (start, end, half) = (arena.start, arena.end, ARENA / 2);
    let (ram, flash) = (checker.caller.ram(), checker.caller.flash());
    // What neither class may share.
    for (address, length) in [
        (0, 1),
        (0, TOP),
        (TOP, 1),
        (TOP, 2),
        (TOP, TOP),
        (start, TOP),
        (start, 0usize.wrapping_sub(start)),
        (start, ARENA + 1),
        (end, 1),
        (end - 1, 2),
        (ram.start - 1, 1),
        (ram.start - 1, 2),
        (ram.end - 4, 4),
        (ram.end, 1),
        (ram.start, ram.end - ram.start),
        (0x8000_0000, 64),
        (0x8020_0000, 64),
        (0x1000_0000, 1),
        (0x0C00_0000, 4),
        (flash.start, 4),
        (flash.start, flash.end - flash.start),
        (flash.end, 1),
        (flash.end - 1, 2),
        (flash.start - 1, 1),
    ] {
        for class in [ALLOW_READ_WRITE, ALLOW_READ_ONLY, ALLOW_USERSPACE_READABLE] {
            checker.check(class, [CONSOLE, 1, address, length], Refused(INVALID));
        }
    }
    // Flash can be shared for reading only.
    checker.check(
        ALLOW_READ_WRITE,
        [CONSOLE, 1, flash.end - 4, 4],
        Refused(INVALID),
    );
    checker.check(ALLOW_READ_ONLY, [CONSOLE, 1, flash.end - 4, 4], Pair(0, 0));
    let (header, rest) = (0x80, flash.end - flash.start - 0x80);
    checker.check(
        ALLOW_READ_ONLY,
        [CONSOLE, 1, flash.start + header, rest],
        Pair(flash.end - 4, 4),
    );
    checker.check(
        ALLOW_READ_ONLY,
        [CONSOLE, 1, flash.start + header - 1, rest],
        Refused(INVALID),
    );
    checker.check(
        ALLOW_READ_ONLY,
        [CONSOLE, 1, 0, 0],
        Pair(flash.start + header, rest),
    );
    // Buffers may overlap within and across classes and drivers, and come back as they were.
    checker.check(ALLOW_READ_WRITE, [CONSOLE, 1, start, ARENA], Pair(0, 0));
    checker.check(ALLOW_READ_ONLY, [CONSOLE, 1, start, ARENA], Pair(0, 0));
    checker.check(ALLOW_READ_WRITE, [RNG, 0, start + half, half], Pair(0, 0));
    checker.check(
        ALLOW_READ_WRITE,
        [CONSOLE, 1, start + 1, half],
        Pair(start, ARENA),
    );
    checker.check(
        ALLOW_READ_WRITE,
        [RNG, 0, start + 1, half],
        Pair(start + half, half),
    );
    checker.check(
        ALLOW_READ_WRITE,
        [CONSOLE, 1, end - 1, 1],
        Pair(start + 1, half),
    );
    // Empty buffers are kept with any address at all.
    for (address, before) in [
        (TOP, (end - 1, 1)),
        (0x8000_0000, (TOP, 0)),
        (end, (0x8000_0000, 0)),
        (0, (end, 0)),
    ] {
        checker.check(
            ALLOW_READ_WRITE,
            [CONSOLE, 1, address, 0],
            Pair(before.0, before.1),
        );
    }
    checker.check(ALLOW_READ_ONLY, [CONSOLE, 1, TOP, 0], Pair(start, ARENA));
    checker.check(ALLOW_READ_ONLY, [CONSOLE, 1, 0, 0], Pair(TOP, 0));
    checker.check(ALLOW_READ_WRITE, [RNG, 0, 0, 0], Pair(start + 1, half));
    // Numbers and drivers that do not exist.
    for class in [ALLOW_READ_WRITE, ALLOW_READ_ONLY] {
        for number in [2, 0xFF, 0x100, 0x1_0001, TOP] {
            checker.check(class, [CONSOLE, number, start, 16], Refused(NOSUPPORT));
        }
        checker.check(class, [ABSENT, 0, start, 16], Refused(NODEVICE));
        checker.check(class, [ABSENT, 0, TOP, TOP], Refused(NODEVICE));
        checker.check(class, [TOP, TOP, start, 16], Refused(NODEVICE));
    }
    checker.check(
        ALLOW_USERSPACE_READABLE,
        [CONSOLE, 1, start, 16],
        Refused(NOSUPPORT),
    );
    checker.check(
        ALLOW_USERSPACE_READABLE,
        [ABSENT, 1, start, 16],
        Refused(NODEVICE),
    );
}

/// Takes buffers away, or cuts them, while the driver is at work on them.
fn unallow_during_use(checker: &mut Checker) {
    let start = checker.caller.arena().start;
    for (address, length) in [(0, 0), (start, 1), (start + 64, 500)] {
        checker.check(ALLOW_READ_WRITE, [RNG, 0, start, 512], Pair(0, 0));
        checker.check(COMMAND, [RNG, 1, 512, 0], Success);
        checker.check(
            ALLOW_READ_WRITE,
            [RNG, 0, address, length],
            Pair(start, 512),
        );
        // The request ends all the same, and writes to nothing that was taken away.
        let _ = checker.caller.store(0, &[UNTOUCHED; 1024]);
        checker.check_end(RNG, 0, 512);
        checker.check_untouched(address.saturating_sub(start), length);
        checker.check(ALLOW_READ_WRITE, [RNG, 0, 0, 0], Pair(address, length));

        checker.check(ALLOW_READ_ONLY, [CONSOLE, 1, start, 512], Pair(0, 0));
        checker.check(COMMAND, [CONSOLE, 1, 512, 0], Success);
        checker.check(
            ALLOW_READ_ONLY,
            [CONSOLE, 1, address, length],
            Pair(start, 512),
        );
        checker.check_end(CONSOLE, 1, 512);
        checker.check(ALLOW_READ_ONLY, [CONSOLE, 1, 0, 0], Pair(address, length));
    }
    println!();
}

/// Asks for none, and for more random bytes than there is room for.
fn random(checker: &mut Checker) {
    let start = checker.caller.arena().start;
    for (shared, count, filled) in [
        (0, 0, 0),
        (0, 16, 0),
        (0, TOP, 0),
        (16, 0, 0),
        (16, TOP, 16),
        (512, TOP, 512),
    ] {
        checker.check(ALLOW_READ_WRITE, [RNG, 0, start, shared], Pair(0, 0));
        checker.check(COMMAND, [RNG, 1, count, 0], Success);
        checker.check_upcall(RNG, 0, [0, filled, 0]);
        checker.check(ALLOW_READ_WRITE, [RNG, 0, 0, 0], Pair(start, shared));
    }
}

/// Lengths and places of frames. The far end of the cable gets those that are accepted, and no others.
fn tap(checker: &mut Checker) -> Result<(), ErrorCode> {
    const SINGLE: usize = 3;
    const BATCH: usize = 0x106;
    const AT_ONCE: usize = 0x107;
    const SHARED: usize = 2048;
    /// A length and one that differs from it beyond 16 bits.
    const TOO_LONG: [usize; 5] = [1519, 65535, 65536 + 60, 0x8000_003C, TOP];

    let start = checker.caller.arena().start;
    checker.check(COMMAND, [TAP, 0, TOP, TOP], Success);
    for number in [4, 0xFF, 0x108, 0xFFFF, 0x8000_0003, TOP] {
        checker.check(COMMAND, [TAP, number, 60, 0], Failure(NOSUPPORT));
    }
    // Nothing is shared.
    for length in [14, 60, 1514, 1518].into_iter().chain(TOO_LONG) {
        for command in [SINGLE, AT_ONCE, BATCH] {
            checker.check(COMMAND, [TAP, command, length, 0], Failure(SIZE));
        }
    }
    for buffer in [0, 1] {
        checker.check(ALLOW_READ_ONLY, [TAP, buffer, start, SHARED], Pair(0, 0));
    }
    for length in [0, 13].into_iter().chain(TOO_LONG) {
        checker.check(COMMAND, [TAP, SINGLE, length, 0], Failure(SIZE));
        checker.check(COMMAND, [TAP, AT_ONCE, length, 0], Failure(SIZE));
    }
    for offset in [SHARED - 59, SHARED, 0x8000_0000, TOP - 59, TOP] {
        checker.check(COMMAND, [TAP, AT_ONCE, 60, offset], Failure(SIZE));
    }
    for (length, id) in [(14, 0), (1514, TOP)] {
        checker.check(COMMAND, [TAP, SINGLE, length, id], Success);
        checker.check_upcall(TAP, 1, [0, length, id]);
    }
    checker.check(COMMAND, [TAP, AT_ONCE, 60, SHARED - 60], Success);
    for (length, bytes, code) in [
        (14, 0, INVALID),
        (14, 1, INVALID),
        (14, 15, INVALID),
        (14, 17, INVALID),
        (13, 15, SIZE),
        (1519, 1521, SIZE),
        (65535, 2048, SIZE),
        (14, SHARED + 1, SIZE),
        (14, 65536 + 16, SIZE),
        (14, TOP, SIZE),
    ] {
        checker.caller.store(0, &u16::to_ne_bytes(length))?;
        checker.check(COMMAND, [TAP, BATCH, bytes, 0], Failure(code));
    }
    checker.caller.store(0, &u16::to_ne_bytes(61))?;
    checker.check(COMMAND, [TAP, BATCH, 63, 0], Success);
    checker.check_upcall(TAP, 3, [0, 1, 63]);
    checker.check(COMMAND, [TAP, 2, TOP, TOP], Pair(4, 14 + 1514 + 60 + 61));
    // Claims, filters with an ethertype, groups to join and to leave, drops.
    for (command, first, second) in [
        (0x101, 2, 0),
        (0x101, TOP, 0),
        (0x102, 0x20, 0),
        (0x102, TOP, 0),
        (0x102, 0x10, 0x1_0000),
        (0x103, 0, 0),
        (0x103, 0x0000_0002, 0),
        (0x103, TOP, 0xFFFF),
        (0x103, 0x0000_0001, 0x1_0000),
        (0x104, 0x0000_0001, 0),
        (0x105, 2, 0),
        (0x105, TOP, 0),
    ] {
        checker.check(COMMAND, [TAP, command, first, second], Failure(INVALID));
    }
    for buffer in [0, 1] {
        checker.check(ALLOW_READ_ONLY, [TAP, buffer, 0, 0], Pair(start, SHARED));
    }
    for buffer in [2, 0xFF, TOP] {
        for class in [ALLOW_READ_WRITE, ALLOW_READ_ONLY] {
            checker.check(class, [TAP, buffer, start, 16], Refused(NOSUPPORT));
        }
    }
    Ok(())
}

fn subscribe(checker: &mut Checker) {
    let (ram, flash) = (checker.caller.ram(), checker.caller.flash());
    let (arena, upcall) = (checker.caller.arena(), checker.caller.upcall());
    for function in [
        1,
        TOP,
        TOP - 3,
        flash.start,
        flash.start + 0x7C,
        flash.end - 3,
        flash.end,
        ram.start - 1,
        ram.end - 4,
        arena.end - 3,
        arena.end,
        0x8000_0000,
        0x8020_0000,
    ] {
        checker.check(SUBSCRIBE, [CONSOLE, 1, function, 7], Refused(INVALID));
        // The pointer is looked at before the driver.
        checker.check(SUBSCRIBE, [ABSENT, 1, function, 7], Refused(INVALID));
    }
    for function in [flash.start + 0x80, flash.end - 4, arena.end - 4, ram.start] {
        checker.check(SUBSCRIBE, [CONSOLE, 1, function, TOP], Pair(0, 0));
    }
    checker.check(SUBSCRIBE, [CONSOLE, 1, upcall, 7], Pair(0, 0));
    checker.check(SUBSCRIBE, [CONSOLE, 1, 1, 8], Refused(INVALID));
    checker.check(SUBSCRIBE, [CONSOLE, 1, 0, 9], Pair(upcall, 7));
    checker.check(SUBSCRIBE, [CONSOLE, 1, 0, 0], Pair(0, 9));
    for number in [3, 0xFF, 0x101, TOP] {
        checker.check(SUBSCRIBE, [CONSOLE, number, upcall, 7], Refused(NOSUPPORT));
    }
    checker.check(SUBSCRIBE, [ABSENT, 0, upcall, 7], Refused(NODEVICE));
    checker.check(SUBSCRIBE, [TOP, TOP, 0, 0], Refused(NODEVICE));
}

fn command(checker: &mut Checker) {
    for driver in [0x0, CONSOLE, 0x8, TAP, RNG, 0x10000] {
        checker.check(COMMAND, [driver, 0, TOP, TOP], Success);
        for number in [99, 0xFFFF, 0x8000_0000, TOP] {
            checker.check(COMMAND, [driver, number, 0, 0], Failure(NOSUPPORT));
        }
    }
    for driver in [ABSENT, TOP, 0x8000_0001, 0x2, 0x10001] {
        for number in [0, 1, TOP] {
            checker.check(COMMAND, [driver, number, 0, 0], Failure(NODEVICE));
        }
    }
    // The driver number has 32 bits, the class only eight.
    checker.check(0x1_0000 | COMMAND, [CONSOLE, 0, 0, 0], Success);
    checker.check(COMMAND, [0x10000, 2, TOP, 0], Failure(INVALID));
    checker.check(COMMAND, [0x10000, 3, 8, 0], Failure(INVALID));
}

fn memop(checker: &mut Checker) {
    let (ram, flash) = (checker.caller.ram(), checker.caller.flash());
    let arena = checker.caller.arena();
    for (operation, value) in [
        (1, arena.end),
        (2, ram.start),
        (3, ram.end),
        (4, flash.start),
        (5, flash.end),
        (7, 0),
    ] {
        checker.check(MEMOP, [operation, 0, TOP, TOP], Value(value));
    }
    for new in [
        0,
        1,
        ram.start - 1,
        ram.end,
        ram.end - 4,
        ram.end + 1,
        TOP,
        0x8020_0000,
    ] {
        checker.check(MEMOP, [0, new, 0, 0], Failure(NOMEM));
    }
    // Increments are signed and do not wrap around.
    for increment in [0x8000_0000, 0x7FFF_FFFF, ram.end, ram.end - ram.start] {
        checker.check(MEMOP, [1, increment, 0, 0], Failure(NOMEM));
    }
    // All of the arena was shared, which holds the break up.
    checker.check(MEMOP, [1, TOP, 0, 0], Failure(NOMEM));
    checker.check(MEMOP, [0, arena.end, 0, 0], Success);
    checker.check(MEMOP, [1, 5, 0, 0], Value(arena.end));
    checker.check(MEMOP, [1, TOP - 4, 0, 0], Value(arena.end + 5));
    checker.check(MEMOP, [1, 0, 0, 0], Value(arena.end));
    for index in [0, 1, TOP] {
        checker.check(MEMOP, [8, index, 0, 0], Failure(FAIL));
        checker.check(MEMOP, [9, index, 0, 0], Failure(FAIL));
    }
    for address in [0, TOP, 0x8000_0000] {
        checker.check(MEMOP, [10, address, 0, 0], Success);
        checker.check(MEMOP, [11, address, 0, 0], Success);
    }
    for operation in [12, 0x100, 0x8000_0000, TOP] {
        checker.check(MEMOP, [operation, 0, 0, 0], Failure(NOSUPPORT));
    }
}

fn exit_and_yield(checker: &mut Checker) {
    for which in [2, 0x100, 0x8000_0000, TOP] {
        checker.check(EXIT, [which, 0, 0, 0], Failure(NOSUPPORT));
    }
    for which in [3, 0x100, TOP] {
        checker.check_unchanged(YIELD, [which, 1, 2, 3]);
    }
    let (ram, flash) = (checker.caller.ram(), checker.caller.flash());
    let arena = checker.caller.arena();
    // The flag is written where the process may write, and nowhere else.
    for address in [
        arena.end - 1,
        arena.end,
        ram.end - 1,
        ram.end,
        flash.end - 1,
        0,
        TOP,
        0x8020_0000,
    ] {
        checker.check_unchanged(YIELD, [YIELD_NO_WAIT, address, 2, 3]);
    }
}
