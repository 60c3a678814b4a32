// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Makes system calls at random, over all classes, drivers and edges, and checks of each answer what
//! the ABI says about every answer. The seed and the number of calls are typed on the console, eight
//! hexadecimal digits each; a seed always stands for the same calls.
//!
//! Left out is what would end this process or hurt it (`Caller` sees to that), and waiting for what may
//! never come.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use core::fmt::Write;
use tock_app::trespass::calls::{
    Answer, Caller, YIELD_NO_WAIT, YIELD_WAIT, YIELD_WAIT_FOR,
    class::{
        ALLOW_READ_ONLY, ALLOW_READ_WRITE, ALLOW_USERSPACE_READABLE, COMMAND, EXIT, MEMOP,
        SUBSCRIBE, YIELD,
    },
};
use tock_app::{ErrorCode, LineBuffer, console};

tock_app::entry!(main, stack = 4096, heap = ROOM);

const ARENA: usize = 4096;
/// Room for the break to move around in, too.
const ROOM: usize = ARENA + 4096;

const ALARM: usize = 0x0;
const CONSOLE: usize = 0x1;
const LOW_LEVEL_DEBUG: usize = 0x8;
const IPC: usize = 0x10000;
const TAP: usize = 0x30007;
const RNG: usize = 0x40001;

/// Every driver with the number of its upcalls.
const DRIVERS: [(usize, usize); 6] = [
    (ALARM, 1),
    (CONSOLE, 3),
    (LOW_LEVEL_DEBUG, 0),
    (IPC, 8),
    (TAP, 3),
    (RNG, 1),
];

const BRK: usize = 0;
const GRANT_START: usize = 6;

/// Calls between two lines about progress.
const REPORT: u32 = 1 << 17;

/// Xorshift: any state but zero, each once.
struct Random(u32);

impl Random {
    fn next(&mut self) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0 as usize
    }

    fn below(&mut self, limit: usize) -> usize {
        self.next() % limit
    }

    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }
}

struct Fuzzer {
    random: Random,
    caller: Caller,
    calls: u32,
    left_out: u32,
    checksum: u32,
    /// Where addresses of interest lie.
    edges: [usize; 16],
}

fn main() -> Result<(), ErrorCode> {
    let mut digits = [0; 16];
    console::ask(b"syscall-fuzz: seed and calls?\n", &mut digits)?;
    let (seed, calls) = digits.split_at(8);
    let (seed, calls) = (number(seed)?, number(calls)?);

    let caller = Caller::new(ARENA)?;
    let (ram, flash, arena) = (caller.ram(), caller.flash(), caller.arena());
    let edges = [
        0,
        flash.start,
        flash.start + 0x80,
        flash.end,
        ram.start,
        ram.end,
        arena.start,
        arena.start + ARENA / 2,
        arena.end,
        arena.end + 0x800,
        caller.upcall(),
        0x1000_0000,
        0x8000_0000,
        0x8020_0000,
        0x8040_0000,
        usize::MAX,
    ];
    let mut fuzzer = Fuzzer {
        random: Random(seed.max(1)),
        caller,
        calls: 0,
        left_out: 0,
        checksum: 0,
        edges,
    };
    // What sleeping and reporting need comes first. Every other seed leaves drivers no memory besides.
    fuzzer.subscribe_all(&DRIVERS[..2], 0);
    if seed.is_multiple_of(2) {
        fuzzer.fill_memory();
    }
    while fuzzer.calls < calls {
        if fuzzer.calls.is_multiple_of(REPORT) {
            fuzzer.report("so far");
        }
        fuzzer.step();
    }
    fuzzer.report("in all");
    Ok(())
}

/// Reads hexadecimal digits.
fn number(digits: &[u8]) -> Result<u32, ErrorCode> {
    digits.iter().try_fold(0u32, |sum, digit| {
        let digit = char::from(*digit).to_digit(16).ok_or(ErrorCode::Invalid)?;
        Ok(sum << 4 | digit)
    })
}

impl Fuzzer {
    /// Makes one call.
    fn step(&mut self) {
        let class = self.random.of(&[
            YIELD,
            YIELD,
            SUBSCRIBE,
            COMMAND,
            COMMAND,
            COMMAND,
            ALLOW_READ_WRITE,
            ALLOW_READ_WRITE,
            ALLOW_READ_ONLY,
            ALLOW_READ_ONLY,
            ALLOW_USERSPACE_READABLE,
            MEMOP,
            MEMOP,
            EXIT,
        ]);
        let arguments = match class {
            YIELD => match self.yield_arguments() {
                Some(arguments) => arguments,
                None => return self.sleep(),
            },
            SUBSCRIBE => {
                let (driver, number) = self.target();
                [driver, number, self.function(), self.any()]
            }
            COMMAND => self.command(),
            MEMOP => [self.small(13), self.address(), self.any(), self.any()],
            EXIT => [self.any(), self.any(), self.any(), self.any()],
            _ => {
                let (driver, number) = self.target();
                let (address, length) = self.buffer();
                [driver, number, address, length]
            }
        };
        // The kernel looks at eight bits of the class.
        let class = match self.random.below(16) {
            0 => class | self.random.next() & !0xFF,
            _ => class,
        };
        self.call(class, arguments);
    }

    /// Makes a call and checks its answer as far as one can without knowing what it was about.
    fn call(&mut self, class: usize, arguments: [usize; 4]) {
        self.calls += 1;
        let [first, second, third, fourth] = arguments;
        for word in [class, first, second, third, fourth] {
            self.checksum = self.checksum.rotate_left(5) ^ word as u32;
        }
        match self.caller.call(class, arguments) {
            None => self.left_out += 1,
            Some(answer) if is_sound(class & 0xFF, arguments, answer) => {}
            Some(answer) => {
                self.subscribe_all(&DRIVERS, 0);
                print(format_args!(
                    "\nsyscall-fuzz: WRONG answer to call {} of class {class:#x} {arguments:x?}: {answer:x?}\n",
                    self.calls
                ));
            }
        }
    }

    /// Mostly yields that do not sleep; `None` asks for one that sleeps.
    fn yield_arguments(&mut self) -> Option<[usize; 4]> {
        match self.random.below(32) {
            0 => None,
            1 => Some([
                3 + self.any() % 0xFFFF_0000,
                self.any(),
                self.any(),
                self.any(),
            ]),
            _ => Some([YIELD_NO_WAIT, self.address(), self.any(), self.any()]),
        }
    }

    /// Sleeps until an alarm that is certain to fire, with or without upcalls on the way.
    fn sleep(&mut self) {
        let (function, which) = match self.random.below(3) {
            0 => (0, YIELD_WAIT_FOR),
            1 => (self.caller.upcall(), YIELD_WAIT_FOR),
            _ => (self.caller.upcall(), YIELD_WAIT),
        };
        self.subscribe_all(&DRIVERS, function);
        let ticks = self.random.below(100);
        self.call(COMMAND, [ALARM, 5, ticks, 0]);
        self.call(YIELD, [which, ALARM, 0, self.calls as usize]);
    }

    /// Subscribes to everything of these drivers anew, which removes all of it that is queued.
    fn subscribe_all(&mut self, drivers: &[(usize, usize)], function: usize) {
        for (driver, upcalls) in drivers {
            for number in 0..*upcalls {
                self.caller.call(SUBSCRIBE, [*driver, number, function, 0]);
            }
        }
    }

    /// Moves the break up to where the kernel's part begins.
    fn fill_memory(&mut self) {
        let border = self.caller.call(MEMOP, [GRANT_START, 0, 0, 0]);
        if let Some(answer) = border {
            self.caller.call(MEMOP, [BRK, answer.registers[1], 0, 0]);
        }
    }

    fn command(&mut self) -> [usize; 4] {
        let driver = self.driver();
        let number = match driver {
            TAP => {
                let block = self.random.of(&[0, 0x100]);
                block + self.small(8)
            }
            _ => self.small(8),
        };
        let number = if self.random.below(16) == 0 {
            self.any()
        } else {
            number
        };
        [driver, number, self.length(), self.any()]
    }

    fn driver(&mut self) -> usize {
        match self.random.below(16) {
            0 => self.any(),
            1 => self.small(0x10),
            _ => self.random.of(&DRIVERS).0,
        }
    }

    /// A driver with the number of an upcall or a buffer.
    fn target(&mut self) -> (usize, usize) {
        (self.driver(), self.small(4))
    }

    /// Most often a number below `limit`.
    fn small(&mut self, limit: usize) -> usize {
        match self.random.below(16) {
            0 => self.any(),
            _ => self.random.below(limit),
        }
    }

    fn function(&mut self) -> usize {
        match self.random.below(4) {
            0 => 0,
            1 => self.address(),
            _ => self.caller.upcall(),
        }
    }

    /// An address at an edge, in the arena, or anywhere.
    fn address(&mut self) -> usize {
        match self.random.below(8) {
            0 => self.any(),
            1..4 => {
                let edge = self.random.of(&self.edges);
                edge.wrapping_add(self.random.below(9)).wrapping_sub(4)
            }
            _ => self.caller.arena().start + self.random.below(ARENA),
        }
    }

    /// A buffer in the arena, or any two numbers.
    fn buffer(&mut self) -> (usize, usize) {
        if self.random.below(2) == 0 {
            return (self.address(), self.length());
        }
        let offset = self.random.below(ARENA);
        let length = self.random.below(ARENA - offset + 1);
        (self.caller.arena().start + offset, length)
    }

    fn length(&mut self) -> usize {
        match self.random.below(8) {
            0 => self.any(),
            1 => self.address(),
            2 => 0usize.wrapping_sub(self.address()),
            3 => self.random.of(&[0, 1, 4, 63, 64, 65, 1518, ARENA]),
            _ => self.random.below(128),
        }
    }

    fn any(&mut self) -> usize {
        match self.random.below(4) {
            0 => self
                .random
                .of(&[0, 1, 2, 0x7FFF_FFFF, 0x8000_0000, usize::MAX]),
            1 => self.random.below(0x1_0000),
            _ => self.random.next(),
        }
    }

    fn report(&mut self, what: &str) {
        // An event left over from a call would be taken for the end of this write.
        self.subscribe_all(&DRIVERS, 0);
        print(format_args!(
            "\nsyscall-fuzz: {} calls {what}, {} left out, {} upcalls, checksum {:08x}\n",
            self.calls,
            self.left_out,
            self.caller.upcalls(),
            self.checksum
        ));
    }
}

fn print(text: core::fmt::Arguments) {
    let mut line = LineBuffer::<192, _>::new(|text| {
        let _ = console::write(text);
    });
    let _ = line.write_fmt(text);
    line.flush();
}

/// Tells whether an answer is one that a call of this class can get.
fn is_sound(class: usize, arguments: [usize; 4], answer: Answer) -> bool {
    let variant = answer.registers[0];
    if class == YIELD {
        return match arguments[0] {
            // What an upcall leaves in these registers is its own affair.
            YIELD_NO_WAIT | YIELD_WAIT => true,
            YIELD_WAIT_FOR => answer.intact && answer.registers[3] == arguments[3],
            _ => answer.intact && answer.registers == arguments,
        };
    }
    let Some(values) = answer.values(arguments) else {
        return false;
    };
    let is_code = values.first().is_some_and(|code| (1..14).contains(code));
    match class {
        _ if variant == 0 => is_code,
        SUBSCRIBE | ALLOW_READ_WRITE | ALLOW_READ_ONLY | ALLOW_USERSPACE_READABLE => {
            variant == 130 || variant == 2 && is_code && values[1..] == arguments[2..]
        }
        COMMAND => variant >= 128 || is_code,
        MEMOP => variant == 128 || variant == 129,
        _ => false,
    }
}
