// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What each operation may cost, and what it costs in upstream Tock.
//!
//! Upstream's figures are those of its QEMU board at commit 65608d71 in release mode (optimised for
//! size), counted with apps of the same shape.

use crate::cost::Cost;
use crate::result::{EVENT_TOLERANCE, Measured};

/// Which figure of a result.
#[derive(Clone, Copy, Debug)]
pub enum Figure {
    /// Of the cost of the operation with the target's name.
    Operation(fn(&Cost) -> f64),
    /// The same, of what happens a few times in an operation at most: one more or less at the border
    /// of a window is chance.
    Events(fn(&Cost) -> f64),
    /// Instructions of the operation with the target's name beyond those of `shorter`, for each of
    /// the `bytes` that it has more.
    PerByte {
        /// The operation on fewer bytes.
        shorter: &'static str,
        /// The difference.
        bytes: f64,
    },
    /// Size of the part of the image with the target's name.
    Size,
}

/// A figure with its limits.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Which figure.
    pub figure: Figure,
    /// Name of the operation or part.
    pub name: &'static str,
    /// What it is, for people.
    pub title: &'static str,
    /// Must not be exceeded.
    pub limit: Option<f64>,
    /// Should be reached.
    pub aim: Option<f64>,
    /// Upstream's figure.
    pub upstream: Option<f64>,
}

/// Stands for a number that there is not.
const NONE: f64 = f64::NAN;

const fn row(
    figure: Figure,
    name: &'static str,
    title: &'static str,
    [limit, aim, upstream]: [f64; 3],
) -> Target {
    const fn given(number: f64) -> Option<f64> {
        if number.is_nan() { None } else { Some(number) }
    }
    Target {
        figure,
        name,
        title,
        limit: given(limit),
        aim: given(aim),
        upstream: given(upstream),
    }
}

const INSTRUCTIONS: Figure = Figure::Operation(|cost| cost.instructions);
const PMP_WRITES: Figure = Figure::Operation(|cost| cost.pmp_writes);
const REGISTERS: Figure = Figure::Events(|cost| cost.mmio);
const NOTIFICATIONS: Figure = Figure::Events(|cost| cost.notifications);
const INTERRUPTS: Figure = Figure::Events(|cost| cost.interrupts);

const fn per_byte(shorter: &'static str, bytes: f64) -> Figure {
    Figure::PerByte { shorter, bytes }
}

/// The rows of the table, in sections with a heading each: limit, aim, upstream.
#[rustfmt::skip]
pub const SECTIONS: &[(&str, &[Target])] = &[
    ("instructions per operation", &[
        row(INSTRUCTIONS, "command-0", "command 0 of the console", [300.0, 250.0, 2614.0]),
        row(INSTRUCTIONS, "command-absent", "command to an absent driver", [250.0, 200.0, 2274.0]),
        row(INSTRUCTIONS, "yield-no-wait", "yield-no-wait, nothing pending", [220.0, 180.0, 2067.0]),
        row(INSTRUCTIONS, "memop-2", "memop 2", [220.0, 180.0, 2329.0]),
        row(INSTRUCTIONS, "sbrk-0", "sbrk(0)", [300.0, 250.0, 2474.0]),
        row(INSTRUCTIONS, "allow-ro", "read-only allow, swap", [350.0, 300.0, 2615.0]),
        row(INSTRUCTIONS, "allow-rw", "read-write allow, swap", [350.0, 300.0, 2589.0]),
        row(INSTRUCTIONS, "subscribe", "subscribe, swap", [350.0, 300.0, 2697.0]),
        row(INSTRUCTIONS, "upcall", "upcall round trip (write of 0 bytes)", [900.0, 700.0, 5929.0]),
        row(INSTRUCTIONS, "alarm-due", "alarm due at once", [NONE, 750.0, 6380.0]),
        row(INSTRUCTIONS, "alarm-sleep", "alarm with sleep", [1300.0, 1000.0, 7777.0]),
        row(INSTRUCTIONS, "console-1", "console write, 1 byte", [NONE, 1000.0, 7820.0]),
        row(INSTRUCTIONS, "console-64", "console write, 64 bytes", [NONE, 1700.0, 8955.0]),
        row(INSTRUCTIONS, "console-flash-1", "console write, 1 byte of app flash", [NONE; 3]),
        row(INSTRUCTIONS, "rng-4", "random bytes, 4", [1000.0, 800.0, 8159.0]),
        row(INSTRUCTIONS, "rng-32", "random bytes, 32", [1100.0, 900.0, 8789.0]),
        row(INSTRUCTIONS, "rng-256", "random bytes, 256", [1900.0, 1400.0, 18200.0]),
        row(INSTRUCTIONS, "rng-1024", "random bytes, 1024", [4500.0, 3000.0, 52898.0]),
        row(INSTRUCTIONS, "words-256", "random bytes by words, 256", [3000.0, NONE, 18200.0]),
        row(INSTRUCTIONS, "words-1024", "random bytes by words, 1024", [9000.0, NONE, 52898.0]),
        row(INSTRUCTIONS, "transmit-60", "transmit a frame of 60 bytes", [1300.0, 1000.0, 9815.0]),
        row(INSTRUCTIONS, "transmit-512", "transmit a frame of 512 bytes", [1600.0, 1300.0, 12526.0]),
        row(INSTRUCTIONS, "transmit-1514", "transmit a frame of 1514 bytes", [2300.0, 1900.0, 18527.0]),
        row(INSTRUCTIONS, "batch-60", "transmit 60 bytes in a batch of 8", [NONE; 3]),
        row(INSTRUCTIONS, "receive-60", "receive 60 bytes", [NONE; 3]),
        row(INSTRUCTIONS, "receive-1514", "receive 1514 bytes", [NONE; 3]),
        row(INSTRUCTIONS, "receive-burst", "receive 60 bytes in a burst of 100", [NONE; 3]),
        row(INSTRUCTIONS, "echo-60-window-1", "echo 60 bytes, window 1", [2900.0, 2200.0, 22596.0]),
        row(INSTRUCTIONS, "echo-60-window-8", "echo 60 bytes, window 8", [2200.0, 1700.0, 17617.0]),
        row(INSTRUCTIONS, "echo-1514-window-1", "echo 1514 bytes, window 1", [5500.0, 4500.0, 61862.0]),
        row(INSTRUCTIONS, "echo-1514-window-8", "echo 1514 bytes, window 8", [4800.0, 4000.0, 56822.0]),
        row(INSTRUCTIONS, "start", "reset to the first app instruction", [45000.0, 25000.0, 120_020.0]),
    ]),
    ("instructions per byte", &[
        row(per_byte("console-1", 63.0), "console-64", "console write", [NONE; 3]),
        row(per_byte("rng-256", 768.0), "rng-1024", "random bytes", [NONE; 3]),
        row(per_byte("transmit-60", 1454.0), "transmit-1514", "transmit", [1.0, NONE, 6.0]),
        row(per_byte("receive-60", 1454.0), "receive-1514", "receive", [1.0, NONE, 21.0]),
    ]),
    ("PMP registers written per operation", &[
        row(PMP_WRITES, "command-0", "command 0 of the console", [0.0, NONE, 6.0]),
        row(PMP_WRITES, "command-absent", "command of an absent driver", [0.0, NONE, 6.0]),
        row(PMP_WRITES, "yield-no-wait", "yield-no-wait, nothing pending", [0.0, NONE, 6.0]),
        row(PMP_WRITES, "memop-2", "memop 2", [0.0, NONE, 6.0]),
        row(PMP_WRITES, "sbrk-0", "sbrk(0)", [0.0, NONE, 6.0]),
        row(PMP_WRITES, "allow-ro", "read-only allow, swap", [0.0, NONE, 6.0]),
        row(PMP_WRITES, "allow-rw", "read-write allow, swap", [0.0, NONE, 6.0]),
        row(PMP_WRITES, "subscribe", "subscribe, swap", [0.0, NONE, 6.0]),
        row(PMP_WRITES, "console-flash-1", "console write, 1 byte of app flash", [2.0, NONE, NONE]),
    ]),
    ("VirtIO registers accessed per operation", &[
        row(REGISTERS, "rng-4", "random bytes, 4", [0.1, NONE, 3.0]),
        row(REGISTERS, "rng-1000", "random bytes, 1000", [6.0, NONE, 48.0]),
        row(REGISTERS, "transmit-60", "transmit, one at a time", [NONE, NONE, 3.0]),
        row(REGISTERS, "batch-60", "transmit, batches of 8", [0.5, NONE, NONE]),
        row(REGISTERS, "receive-60", "receive, one at a time", [2.0, NONE, 3.0]),
        row(REGISTERS, "receive-burst", "receive, bursts of 100", [0.25, NONE, 1.12]),
    ]),
    ("notifications per operation", &[
        row(NOTIFICATIONS, "transmit-60", "transmit, one at a time", [1.0, NONE, 1.0]),
        row(NOTIFICATIONS, "batch-60", "transmit, batches of 8", [0.15, NONE, NONE]),
        row(NOTIFICATIONS, "receive-60", "receive, one at a time", [0.0, NONE, 1.0]),
        row(NOTIFICATIONS, "echo-60-window-8", "echo 60 bytes, window 8", [0.6, NONE, 2.0]),
    ]),
    ("interrupts per operation", &[
        row(INTERRUPTS, "rng-1000", "random bytes, 1000", [2.0, NONE, 16.0]),
        row(INTERRUPTS, "transmit-60", "transmit, one at a time", [0.5, NONE, 1.0]),
        row(INTERRUPTS, "batch-60", "transmit, batches of 8", [0.1, NONE, NONE]),
        row(INTERRUPTS, "receive-60", "receive, one at a time", [1.0, NONE, 1.0]),
        row(INTERRUPTS, "echo-60-window-8", "echo 60 bytes, window 8", [0.7, NONE, 2.0]),
    ]),
    ("bytes of the kernel", &[
        row(Figure::Size, "text", "text and constants", [120_000.0, 95_000.0, 103_980.0]),
        row(Figure::Size, "chips/virtio", "code of chips/virtio in it", [NONE; 3]),
        row(Figure::Size, "data", "initialised data", [NONE; 3]),
        row(Figure::Size, "bss", "other static RAM, stack included", [80_000.0, NONE, 109_832.0]),
        row(Figure::Size, "ram_of_entropy_device", "RAM of an entropy device, if there is one", [3_072.0, NONE, NONE]),
        row(Figure::Size, "ram_of_network_card", "RAM of a network card, if there is one", [32_768.0, NONE, NONE]),
        row(Figure::Size, "ram_of_ethernet_tap", "RAM to let apps use the card", [14_336.0, NONE, NONE]),
    ]),
];

impl Target {
    /// The figure in a result, if it has it.
    #[must_use]
    pub fn figure_in(&self, measured: &Measured) -> Option<f64> {
        let operation = |name: &str| measured.operations.get(name);
        match self.figure {
            Figure::Operation(figure) | Figure::Events(figure) => operation(self.name).map(figure),
            Figure::PerByte { shorter, bytes } => {
                let more = operation(self.name)?.instructions;
                Some((more - operation(shorter)?.instructions) / bytes)
            }
            Figure::Size => measured.bytes.get(self.name).map(|size| *size as f64),
        }
    }

    /// How far above its limit a figure may be by chance.
    #[must_use]
    pub fn tolerance(&self) -> f64 {
        match self.figure {
            // One event more or less is chance; a limit of a few hundredths is not to be doubled by it.
            Figure::Events(_) => EVENT_TOLERANCE.min(self.limit.unwrap_or(0.0) * EVENT_TOLERANCE),
            _ => 0.0,
        }
    }

    /// One word on a measured value.
    #[must_use]
    pub fn verdict(&self, measured: f64) -> &'static str {
        match (self.limit, self.aim) {
            (Some(limit), _) if measured > limit => "OVER",
            (_, Some(aim)) if measured <= aim => "aim",
            (Some(_), _) => "ok",
            (None, Some(_)) => "above",
            (None, None) => "",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn verdicts_tell_limit_from_aim() {
        let target = row(INSTRUCTIONS, "x", "x", [300.0, 250.0, NONE]);
        let verdicts = [250.0, 250.1, 300.0, 300.1].map(|measured| target.verdict(measured));
        assert_eq!(verdicts, ["aim", "ok", "ok", "OVER"]);
        let target = row(INSTRUCTIONS, "x", "x", [NONE, 250.0, NONE]);
        let verdicts = [250.0, 250.1].map(|measured| target.verdict(measured));
        assert_eq!(verdicts, ["aim", "above"]);
    }

    #[test]
    fn limits_are_no_stricter_than_aims() {
        for (_, targets) in SECTIONS {
            for target in *targets {
                if let (Some(limit), Some(aim)) = (target.limit, target.aim) {
                    assert!(aim <= limit, "{}", target.title);
                }
            }
        }
    }

    #[test]
    fn cost_per_byte_is_the_slope_between_two_operations() {
        let cost = |instructions| Cost {
            instructions,
            ..Cost::default()
        };
        let measured = Measured {
            operations: BTreeMap::from([
                ("short".to_owned(), cost(500.0)),
                ("long".to_owned(), cost(700.0)),
            ]),
            ..Measured::default()
        };
        let slope = row(per_byte("short", 100.0), "long", "x", [NONE; 3]);
        assert_eq!(slope.figure_in(&measured), Some(2.0));
        assert_eq!(slope.figure_in(&Measured::default()), None);
    }
}
