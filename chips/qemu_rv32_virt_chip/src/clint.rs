// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The machine timer (CLINT): the alarm of the kernel and the time slices of the scheduler.
//!
//! Both live on one comparator, which holds the earlier deadline. It is moved at once when a
//! deadline comes nearer; a deadline that goes away leaves it alone until it fires, because device
//! accesses are slow and time slices come and go with every turn of a process.

use crate::deadlines::{Deadlines, NEVER, alarm_time};
use crate::memory_map::CLINT_REGISTERS;
use core::cell::Cell;
use core::num::NonZeroU32;
use kernel::ErrorCode;
use kernel::hil::time::{Alarm, AlarmClient, Freq10MHz, Ticks, Ticks64, Time, Timestamp};
use kernel::platform::scheduler_timer::SchedulerTimer;
use kernel::utilities::cells::OptionalCell;
use kernel::utilities::registers::interfaces::{Readable, Writeable};
use kernel::utilities::registers::{ReadOnly, ReadWrite, register_structs};

const TICKS_PER_US: u32 = 10;

/// The longest time slice whose ticks fit 32 bits, in microseconds.
const LONGEST_SHORT_US: u32 = u32::MAX / TICKS_PER_US;

/// Converts at most as many ticks as `u32::MAX` microseconds have. In 32 bits, as nothing else on the
/// chip divides longer numbers.
fn long_time_us(ticks: u64) -> u32 {
    let sixteens = (ticks >> 4) as u32;
    let rest = sixteens % 5 * 16 + (ticks & 15) as u32;
    sixteens / 5 * 8 + rest / TICKS_PER_US
}

register_structs! {
    /// Registers for hart 0; each takes whole words.
    pub ClintRegisters {
        /// Software interrupt.
        (0x0000 => msip: ReadWrite<u32>),
        (0x0004 => _reserved0),
        /// Comparator, low half. The interrupt is pending while the time is not below it.
        (0x4000 => compare_low: ReadWrite<u32>),
        /// Comparator, high half.
        (0x4004 => compare_high: ReadWrite<u32>),
        (0x4008 => _reserved1),
        /// Time, low half.
        (0xBFF8 => time_low: ReadOnly<u32>),
        /// Time, high half.
        (0xBFFC => time_high: ReadOnly<u32>),
        (0xC000 => @END),
    }
}

/// What the driver needs of the registers.
pub trait TimerAccess {
    /// Reads the time.
    fn now(&self) -> u64;
    /// Reads the low half of the time, which is faster.
    fn now_low(&self) -> u32;
    /// Moves the comparator, which holds `old`.
    fn set_compare(&self, old: u64, at: u64);
}

/// The registers of the machine: where they are is known when this is compiled.
#[derive(Clone, Copy)]
pub struct HartTimer;

impl TimerAccess for HartTimer {
    #[inline(always)]
    fn now(&self) -> u64 {
        loop {
            let (high, low) = (CLINT_REGISTERS.time_high.get(), self.now_low());
            // The low half has not wrapped in between.
            if high == CLINT_REGISTERS.time_high.get() {
                return u64::from(high) << 32 | u64::from(low);
            }
        }
    }

    #[inline(always)]
    fn now_low(&self) -> u32 {
        CLINT_REGISTERS.time_low.get()
    }

    #[inline(always)]
    fn set_compare(&self, old: u64, at: u64) {
        let high = (at >> 32) as u32;
        if high != (old >> 32) as u32 {
            // With the low half at its largest, no mix of old and new lies before both.
            CLINT_REGISTERS.compare_low.set(u32::MAX);
            CLINT_REGISTERS.compare_high.set(high);
        }
        CLINT_REGISTERS.compare_low.set(at as u32);
    }
}

/// The machine timer.
pub struct Clint<'a, A: TimerAccess = HartTimer> {
    registers: A,
    client: OptionalCell<&'a dyn AlarmClient>,
    deadlines: Deadlines,
    /// Length of the time slice in ticks, zero if that is more than fits here, or if there is none.
    ///
    /// The low half of the time is enough to measure such a slice. A process that came back from
    /// one only after the low half has wrapped, because the machine stood still for minutes, may
    /// get the rest of its slice again.
    short_slice: Cell<u32>,
    /// What the comparator holds.
    programmed: Cell<u64>,
    /// The alarm's time given last, fired or not.
    last_alarm: Cell<u64>,
}

impl<'a, A: TimerAccess> Clint<'a, A> {
    /// Creates the driver and silences the timer, which is pending after reset.
    pub fn new(registers: A) -> Self {
        // It may hold anything, which is what a different high half stands for.
        registers.set_compare(!NEVER, NEVER);
        Clint {
            registers,
            client: OptionalCell::empty(),
            deadlines: Deadlines::none(),
            short_slice: Cell::new(0),
            programmed: Cell::new(NEVER),
            last_alarm: Cell::new(0),
        }
    }

    /// Serves the timer interrupt.
    ///
    /// The end of a time slice needs no more than being noticed: the kernel asks for the rest of
    /// the slice when the process is back.
    pub fn handle_interrupt(&self) {
        let now = self.registers.now();
        let deadlines = &self.deadlines;
        if deadlines.slice_armed.get() && deadlines.slice.get() <= now {
            deadlines.slice_armed.set(false);
        }
        if deadlines.alarm.get() <= now {
            deadlines.alarm.set(NEVER);
            self.client.map(|client| client.alarm());
        }
        // With nothing to come it fires when the low half of the time has wrapped, to no effect:
        // that spares writing the high half now and again for the next deadline.
        let wraps = now.wrapping_add(1) >> 32;
        let idle = wraps << 32 | u64::from(u32::MAX);
        self.program(deadlines.next().min(idle));
    }

    #[inline(always)]
    fn begin_slice(&self, length: u64) {
        let end = self.registers.now().wrapping_add(length);
        self.deadlines.slice.set(end);
        self.deadlines.slice_armed.set(false);
    }

    /// Begins a slice of more than seven minutes.
    #[cold]
    fn start_long(&self, us: NonZeroU32) {
        self.begin_slice(u64::from(us.get()) * u64::from(TICKS_PER_US));
        self.short_slice.set(0);
    }

    /// What is left of a slice of more than seven minutes. Of none, nothing is.
    #[cold]
    fn remaining_of_long_slice(&self) -> Option<NonZeroU32> {
        let slice = self.deadlines.slice.get();
        if slice == NEVER {
            return None;
        }
        let left = slice.checked_sub(self.registers.now())?;
        NonZeroU32::new(long_time_us(left))
    }

    fn program(&self, at: u64) {
        self.registers.set_compare(self.programmed.replace(at), at);
    }

    /// Moves the comparator to a deadline that is nearer than what it holds.
    #[inline]
    fn bring_forward(&self, deadline: u64) {
        if deadline < self.programmed.get() {
            self.program(deadline);
        }
    }
}

impl<A: TimerAccess> Time for Clint<'_, A> {
    type Frequency = Freq10MHz;
    type Ticks = Ticks64;

    #[inline]
    fn now(&self) -> Ticks64 {
        self.registers.now().into()
    }
}

impl<A: TimerAccess> Timestamp for Clint<'_, A> {}

impl<'a, A: TimerAccess> Alarm<'a> for Clint<'a, A> {
    fn set_alarm_client(&self, client: &'a dyn AlarmClient) {
        self.client.set(client);
    }

    fn set_alarm(&self, reference: Ticks64, dt: Ticks64) {
        self.last_alarm.set(reference.wrapping_add(dt).into_u64());
        let now = self.registers.now();
        let alarm = alarm_time(now, reference.into_u64(), dt.into_u64());
        self.deadlines.alarm.set(alarm);
        self.bring_forward(alarm);
    }

    fn get_alarm(&self) -> Ticks64 {
        self.last_alarm.get().into()
    }

    fn disarm(&self) -> Result<(), ErrorCode> {
        self.deadlines.alarm.set(NEVER);
        Ok(())
    }

    fn is_armed(&self) -> bool {
        self.deadlines.alarm.get() != NEVER
    }

    /// One tick: the comparator also fires for a time that has passed.
    fn minimum_dt(&self) -> Ticks64 {
        Ticks64::from(1u32)
    }
}

impl<A: TimerAccess> SchedulerTimer for Clint<'_, A> {
    #[inline(always)]
    fn start(&self, us: NonZeroU32) {
        if us.get() > LONGEST_SHORT_US {
            return self.start_long(us);
        }
        let length = us.get().wrapping_mul(TICKS_PER_US);
        self.begin_slice(u64::from(length));
        self.short_slice.set(length);
    }

    #[inline(always)]
    fn reset(&self) {
        self.deadlines.slice.set(NEVER);
        self.deadlines.slice_armed.set(false);
        self.short_slice.set(0);
    }

    #[inline]
    fn arm(&self) {
        self.deadlines.slice_armed.set(true);
        self.bring_forward(self.deadlines.slice.get());
    }

    #[inline]
    fn disarm(&self) {
        self.deadlines.slice_armed.set(false);
    }

    #[inline]
    fn get_remaining_us(&self) -> Option<NonZeroU32> {
        let length = self.short_slice.get();
        if length == 0 {
            return self.remaining_of_long_slice();
        }
        let left = (self.deadlines.slice.get() as u32).wrapping_sub(self.registers.now_low());
        // Behind the end it has wrapped, far beyond the length.
        if left > length {
            return None;
        }
        NonZeroU32::new(left / TICKS_PER_US)
    }
}

#[cfg(test)]
mod tests;
