// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What each operation may cost, and what it costs in upstream Tock.
//!
//! Upstream's figures are those of its QEMU board at commit 65608d71 in release mode (optimised for
//! size), counted the same way with apps of the same shape.

/// A figure with its limits.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Name of the window or size.
    pub name: &'static str,
    /// What is measured, for people.
    pub title: &'static str,
    /// Must not be exceeded.
    pub limit: Option<f64>,
    /// Should be reached.
    pub aim: Option<f64>,
    /// Upstream's figure.
    pub upstream: Option<f64>,
}

const fn target(
    name: &'static str,
    title: &'static str,
    limit: f64,
    aim: f64,
    upstream: f64,
) -> Target {
    Target {
        name,
        title,
        limit: Some(limit),
        aim: Some(aim),
        upstream: Some(upstream),
    }
}

const fn aim(name: &'static str, title: &'static str, aim: f64, upstream: f64) -> Target {
    Target {
        name,
        title,
        limit: None,
        aim: Some(aim),
        upstream: Some(upstream),
    }
}

/// Instructions per operation, in the order of the table.
pub const INSTRUCTIONS: &[Target] = &[
    target(
        "command-0",
        "command 0 of the console",
        300.0,
        250.0,
        2614.0,
    ),
    target(
        "command-absent",
        "command to an absent driver",
        250.0,
        200.0,
        2274.0,
    ),
    target(
        "yield-no-wait",
        "yield-no-wait, nothing pending",
        220.0,
        180.0,
        2067.0,
    ),
    target("memop-2", "memop 2", 220.0, 180.0, 2329.0),
    target("sbrk-0", "sbrk(0)", 300.0, 250.0, 2474.0),
    target("allow-ro", "read-only allow, swap", 350.0, 300.0, 2615.0),
    target("allow-rw", "read-write allow, swap", 350.0, 300.0, 2589.0),
    target("subscribe", "subscribe, swap", 350.0, 300.0, 2697.0),
    target(
        "upcall",
        "upcall round trip (write of 0 bytes)",
        900.0,
        700.0,
        5929.0,
    ),
    aim("alarm-due", "alarm due at once", 750.0, 6380.0),
    target("alarm-sleep", "alarm with sleep", 1300.0, 1000.0, 7777.0),
    aim("console-1", "console write, 1 byte", 1000.0, 7820.0),
    aim("console-64", "console write, 64 bytes", 1700.0, 8955.0),
    Target {
        name: "console-flash-1",
        title: "console write, 1 byte of app flash",
        limit: None,
        aim: None,
        upstream: None,
    },
    target("rng-4", "random bytes, 4", 1000.0, 800.0, 8159.0),
    target("rng-32", "random bytes, 32", 1100.0, 900.0, 8789.0),
    target("rng-256", "random bytes, 256", 1900.0, 1400.0, 18200.0),
    target("rng-1024", "random bytes, 1024", 4500.0, 3000.0, 52898.0),
    target(
        "transmit-60",
        "transmit a frame of 60 bytes",
        1300.0,
        1000.0,
        9815.0,
    ),
    target(
        "transmit-512",
        "transmit a frame of 512 bytes",
        1600.0,
        1300.0,
        12526.0,
    ),
    target(
        "transmit-1514",
        "transmit a frame of 1514 bytes",
        2300.0,
        1900.0,
        18527.0,
    ),
    target(
        "echo-60-window-1",
        "echo 60 bytes, window 1",
        2900.0,
        2200.0,
        22596.0,
    ),
    target(
        "echo-60-window-8",
        "echo 60 bytes, window 8",
        2200.0,
        1700.0,
        17617.0,
    ),
    target(
        "echo-1514-window-1",
        "echo 1514 bytes, window 1",
        5500.0,
        4500.0,
        61862.0,
    ),
    target(
        "echo-1514-window-8",
        "echo 1514 bytes, window 8",
        4800.0,
        4000.0,
        56822.0,
    ),
    target(
        "start",
        "reset to the first app instruction",
        45000.0,
        25000.0,
        120_020.0,
    ),
];

/// Writes to registers of the memory protection per operation.
pub const PMP_WRITES: &[Target] = &[
    target(
        "command-0",
        "PMP writes: command 0 of the console",
        0.0,
        0.0,
        6.0,
    ),
    target("allow-rw", "PMP writes: read-write allow", 0.0, 0.0, 6.0),
    Target {
        name: "console-flash-1",
        title: "PMP writes: write from app flash",
        limit: Some(2.0),
        aim: None,
        upstream: None,
    },
];

/// Bytes of the kernel image.
pub const BYTES: &[Target] = &[
    target(
        "text",
        "kernel text and constants, bytes",
        120_000.0,
        95_000.0,
        103_980.0,
    ),
    Target {
        name: "data",
        title: "initialised data, bytes",
        limit: None,
        aim: None,
        upstream: None,
    },
    Target {
        name: "bss",
        title: "other static RAM with the stack, bytes",
        limit: Some(80_000.0),
        aim: None,
        upstream: Some(109_832.0),
    },
];

impl Target {
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

    #[test]
    fn verdicts_tell_limit_from_aim() {
        let target = target("x", "x", 300.0, 250.0, 2000.0);
        let verdicts = [250.0, 250.1, 300.0, 300.1].map(|measured| target.verdict(measured));
        assert_eq!(verdicts, ["aim", "ok", "ok", "OVER"]);
    }

    #[test]
    fn limits_are_no_stricter_than_aims() {
        for target in INSTRUCTIONS.iter().chain(PMP_WRITES).chain(BYTES) {
            if let (Some(limit), Some(aim)) = (target.limit, target.aim) {
                assert!(aim <= limit, "{}", target.name);
            }
        }
    }
}
