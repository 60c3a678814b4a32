// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Driver numbers of the system call interface.

/// The drivers of this project that have a number of their own.
///
/// Each capsule repeats its number as `DRIVER_NUM`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum NUM {
    /// Alarms.
    Alarm = 0x0,
    /// Text in and out.
    Console = 0x1,
    /// Numbers printed without any set-up.
    LowLevelDebug = 0x8,
    /// Messages and shared memory between processes.
    Ipc = 0x1_0000,
    /// Raw Ethernet frames.
    EthernetTap = 0x3_0007,
    /// Random numbers.
    Rng = 0x4_0001,
}
