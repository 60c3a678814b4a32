// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Hardware time: clocks, counters, alarms and timers.
//!
//! A clock has a [`Frequency`] and a tick type with the counter's width, both known at compile
//! time. Ticks wrap, so no single value says "past" or "future": an alarm is always given as a
//! reference plus an interval, and [`Ticks::within_range`] decides whether it is due. The tick
//! types of the usual widths are in [`mod@ticks`].

pub mod ticks;

use crate::ErrorCode;
use core::fmt::Debug;

pub use ticks::{Ticks16, Ticks24, Ticks32, Ticks64};

/// A rate in Hz, carried by a type.
pub trait Frequency {
    /// Returns the rate in Hz.
    fn frequency() -> u32;
}

macro_rules! frequencies {
    ($($(#[$doc:meta])* $name:ident = $hz:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub enum $name {}

        impl Frequency for $name {
            #[inline(always)]
            fn frequency() -> u32 {
                $hz
            }
        }
    )*};
}

frequencies! {
    /// 600 MHz.
    Freq600MHz = 600_000_000;
    /// 100 MHz.
    Freq100MHz = 100_000_000;
    /// 16 MHz.
    Freq16MHz = 16_000_000;
    /// 10 MHz.
    Freq10MHz = 10_000_000;
    /// 1 MHz.
    Freq1MHz = 1_000_000;
    /// 32 768 Hz, the watch crystal.
    Freq32KHz = 32_768;
    /// 16 kHz.
    Freq16KHz = 16_000;
    /// 1 kHz.
    Freq1KHz = 1_000;
}

/// A number of clock ticks that wraps at the counter's width.
///
/// `Ord` compares the plain numbers; use [`within_range`](Self::within_range) for points in time.
pub trait Ticks: Copy + From<u32> + Debug + Ord + Eq {
    /// Returns the width of the counter in bits.
    fn width() -> u32;

    /// Returns the low 32 bits.
    fn into_u32(self) -> u32;

    /// Returns the low `usize::BITS` bits.
    fn into_usize(self) -> usize;

    /// Returns how many bits a `u32` has beyond the counter's width; 0 for wide counters.
    fn u32_padding() -> u32 {
        u32::BITS.saturating_sub(Self::width())
    }

    /// Returns how many bits a `usize` has beyond the counter's width; 0 for wide counters.
    fn usize_padding() -> u32 {
        usize::BITS.saturating_sub(Self::width())
    }

    /// Returns the value shifted up so that it wraps when a `u32` does.
    ///
    /// Users of 32-bit time see one wrap-around rule for every counter this way; the matching
    /// rate is [`u32_left_justified_scale_freq`](Self::u32_left_justified_scale_freq).
    fn into_u32_left_justified(self) -> u32 {
        self.into_u32() << Self::u32_padding()
    }

    /// Returns the value shifted up so that it wraps when a `usize` does.
    fn into_usize_left_justified(self) -> usize {
        self.into_usize() << Self::usize_padding()
    }

    /// Returns the rate in Hz at which a left-justified `u32` advances.
    ///
    /// Saturates for fast clocks on narrow counters, where the rate exceeds 32 bits.
    fn u32_left_justified_scale_freq<F: Frequency>() -> u32 {
        scaled_frequency(F::frequency(), Self::u32_padding())
    }

    /// Returns the rate in Hz at which a left-justified `usize` advances, saturating.
    fn usize_left_justified_scale_freq<F: Frequency>() -> u32 {
        scaled_frequency(F::frequency(), Self::usize_padding())
    }

    /// Adds, wrapping at the counter's width.
    fn wrapping_add(self, other: Self) -> Self;

    /// Subtracts, wrapping at the counter's width.
    fn wrapping_sub(self, other: Self) -> Self;

    /// Tells whether `self` lies in `[start, end)`, counting upwards from `start` with wrap.
    ///
    /// The range is empty when `start == end`.
    fn within_range(self, start: Self, end: Self) -> bool;

    /// Returns the largest value.
    fn max_value() -> Self;

    /// Returns half the largest value, rounded down.
    fn half_max_value() -> Self;

    /// Converts, giving [`max_value`](Self::max_value) when `val` does not fit.
    fn from_or_max(val: u64) -> Self;

    /// Returns `self * numerator / denominator`, rounded down, at most `u32::MAX`.
    ///
    /// A zero denominator gives `u32::MAX`.
    fn saturating_scale(self, numerator: u32, denominator: u32) -> u32;
}

fn scaled_frequency(hz: u32, padding: u32) -> u32 {
    1u32.checked_shl(padding)
        .map_or(u32::MAX, |factor| hz.saturating_mul(factor))
}

/// A clock that can be read.
pub trait Time {
    /// The clock's rate.
    type Frequency: Frequency;
    /// The clock's width.
    type Ticks: Ticks;

    /// Returns the current time.
    ///
    /// A clock that is stopped returns the same value each time.
    fn now(&self) -> Self::Ticks;
}

/// Conversion between ticks of a clock and units of time; every [`Time`] has it.
///
/// Both directions round down and saturate.
pub trait ConvertTicks<T: Ticks> {
    /// Converts seconds to ticks.
    fn ticks_from_seconds(&self, s: u32) -> T;

    /// Converts milliseconds to ticks.
    fn ticks_from_ms(&self, ms: u32) -> T;

    /// Converts microseconds to ticks.
    fn ticks_from_us(&self, us: u32) -> T;

    /// Converts ticks to whole seconds.
    fn ticks_to_seconds(&self, tick: T) -> u32;

    /// Converts ticks to whole milliseconds.
    fn ticks_to_ms(&self, tick: T) -> u32;

    /// Converts ticks to whole microseconds.
    fn ticks_to_us(&self, tick: T) -> u32;
}

impl<C: Time + ?Sized> ConvertTicks<C::Ticks> for C {
    #[inline]
    fn ticks_from_seconds(&self, s: u32) -> C::Ticks {
        ticks_in::<C>(s, 1)
    }

    #[inline]
    fn ticks_from_ms(&self, ms: u32) -> C::Ticks {
        ticks_in::<C>(ms, 1_000)
    }

    #[inline]
    fn ticks_from_us(&self, us: u32) -> C::Ticks {
        ticks_in::<C>(us, 1_000_000)
    }

    #[inline]
    fn ticks_to_seconds(&self, tick: C::Ticks) -> u32 {
        tick.saturating_scale(1, C::Frequency::frequency())
    }

    #[inline]
    fn ticks_to_ms(&self, tick: C::Ticks) -> u32 {
        tick.saturating_scale(1_000, C::Frequency::frequency())
    }

    #[inline]
    fn ticks_to_us(&self, tick: C::Ticks) -> u32 {
        tick.saturating_scale(1_000_000, C::Frequency::frequency())
    }
}

/// `amount` units, of which `per_second` make a second, in ticks of the clock `C`.
#[inline(always)]
fn ticks_in<C: Time + ?Sized>(amount: u32, per_second: u32) -> C::Ticks {
    let product = u64::from(amount) * u64::from(C::Frequency::frequency());
    C::Ticks::from_or_max(product / u64::from(per_second))
}

/// A clock whose readings are valid across the whole run: it never stops and never resets.
pub trait Timestamp: Time {}

/// Is told when a counter wraps.
pub trait OverflowClient {
    /// Runs when the counter has passed its largest value.
    fn overflow(&self);
}

/// A clock that can be started and stopped.
pub trait Counter<'a>: Time {
    /// Starts counting; does nothing when running.
    ///
    /// # Errors
    ///
    /// - `FAIL`: the counter cannot be started now.
    /// - `OFF`: its power or clock is off.
    fn start(&self) -> Result<(), ErrorCode>;

    /// Stops counting and keeps the value.
    ///
    /// # Errors
    ///
    /// - `FAIL`: the counter is shared or cannot be stopped.
    fn stop(&self) -> Result<(), ErrorCode>;

    /// Sets the value to zero.
    ///
    /// # Errors
    ///
    /// - `FAIL`: the counter is shared or cannot be reset.
    fn reset(&self) -> Result<(), ErrorCode>;

    /// Tells whether the counter advances.
    fn is_running(&self) -> bool;
}

/// Is told when an alarm fires.
pub trait AlarmClient {
    /// Runs when the alarm is due, once per [`Alarm::set_alarm`].
    fn alarm(&self);
}

/// A clock that calls back at one point in time.
pub trait Alarm<'a>: Time {
    /// Sets who is called when the alarm fires.
    fn set_alarm_client(&self, client: &'a dyn AlarmClient);

    /// Arms the alarm for `reference + dt`, replacing an earlier one.
    ///
    /// `reference` is a past or present reading of the clock. When the current time is not in
    /// `[reference, reference + dt)` the point has passed and the callback comes as soon as
    /// possible, yet never from inside this call. Intervals below
    /// [`minimum_dt`](Self::minimum_dt) may be stretched to it.
    fn set_alarm(&self, reference: Self::Ticks, dt: Self::Ticks);

    /// Returns the point in time given last, even if it has fired or was disarmed.
    fn get_alarm(&self) -> Self::Ticks;

    /// Cancels the alarm: after `Ok` the callback does not come.
    ///
    /// # Errors
    ///
    /// - `FAIL`: the hardware could not cancel it; the callback may still come.
    fn disarm(&self) -> Result<(), ErrorCode>;

    /// Tells whether a callback is still to come.
    ///
    /// False inside the callback, unless the client armed the alarm again.
    fn is_armed(&self) -> bool;

    /// Returns the shortest interval the hardware keeps without missing it.
    fn minimum_dt(&self) -> Self::Ticks;
}

/// Is told when a timer elapses.
pub trait TimerClient {
    /// Runs when the interval is over.
    fn timer(&self);
}

/// A clock that calls back after an interval, once or again and again.
pub trait Timer<'a>: Time {
    /// Sets who is called when the timer elapses.
    fn set_timer_client(&self, client: &'a dyn TimerClient);

    /// Starts one interval from now, replacing what was set; returns the interval really used.
    fn oneshot(&self, interval: Self::Ticks) -> Self::Ticks;

    /// Starts a repeated interval from now; returns the interval really used.
    fn repeating(&self, interval: Self::Ticks) -> Self::Ticks;

    /// Returns the interval in use, `None` when the timer is off.
    fn interval(&self) -> Option<Self::Ticks>;

    /// Tells whether a single interval is running.
    fn is_oneshot(&self) -> bool;

    /// Tells whether a repeated interval is running.
    fn is_repeating(&self) -> bool;

    /// Returns the ticks until the next callback, `None` when the timer is off.
    fn time_remaining(&self) -> Option<Self::Ticks>;

    /// Tells whether a callback is to come.
    fn is_enabled(&self) -> bool;

    /// Stops the timer: after `Ok` the callback does not come.
    ///
    /// # Errors
    ///
    /// - `FAIL`: the hardware could not cancel it; the callback may still come.
    fn cancel(&self) -> Result<(), ErrorCode>;
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::cell::Cell;

    struct Clock<F, T>(Cell<u32>, core::marker::PhantomData<(F, T)>);

    impl<F: Frequency, T: Ticks> Clock<F, T> {
        fn new() -> Self {
            Clock(Cell::new(7), core::marker::PhantomData)
        }
    }

    impl<F: Frequency, T: Ticks> Time for Clock<F, T> {
        type Frequency = F;
        type Ticks = T;

        fn now(&self) -> T {
            T::from(self.0.get())
        }
    }

    #[test]
    fn units_convert_to_ticks_and_back() {
        let clock = Clock::<Freq10MHz, Ticks64>::new();
        assert_eq!(clock.ticks_from_us(1).into_u64(), 10);
        assert_eq!(clock.ticks_from_ms(3).into_u64(), 30_000);
        assert_eq!(
            clock.ticks_from_seconds(u32::MAX).into_u64(),
            42_949_672_950_000_000
        );
        assert_eq!(clock.ticks_to_us(Ticks64::from(99u64)), 9);
        assert_eq!(clock.ticks_to_ms(Ticks64::from(30_000u64)), 3);
        assert_eq!(clock.ticks_to_seconds(Ticks64::from(u64::MAX)), u32::MAX);
    }

    #[test]
    fn conversion_saturates_when_the_counter_is_too_narrow() {
        let clock = Clock::<Freq16MHz, Ticks16>::new();
        assert_eq!(clock.ticks_from_ms(4).into_u32(), 64_000);
        assert_eq!(clock.ticks_from_ms(5), Ticks16::max_value());
        let clock = Clock::<Freq32KHz, Ticks24>::new();
        assert_eq!(clock.ticks_from_seconds(511).into_u32(), 511 * 32_768);
        assert_eq!(clock.ticks_from_seconds(513), Ticks24::max_value());
    }

    #[test]
    fn conversion_rounds_down() {
        let clock = Clock::<Freq32KHz, Ticks32>::new();
        assert_eq!(clock.ticks_from_us(30).into_u32(), 0);
        assert_eq!(clock.ticks_from_us(31).into_u32(), 1);
        assert_eq!(clock.ticks_to_ms(Ticks32::from(65)), 1);
    }

    #[test]
    fn left_justified_rate_matches_the_shift() {
        assert_eq!(
            Ticks24::u32_left_justified_scale_freq::<Freq32KHz>(),
            32_768 << 8
        );
        assert_eq!(
            Ticks32::u32_left_justified_scale_freq::<Freq10MHz>(),
            10_000_000
        );
        assert_eq!(
            Ticks64::u32_left_justified_scale_freq::<Freq10MHz>(),
            10_000_000
        );
        assert_eq!(
            Ticks16::u32_left_justified_scale_freq::<Freq1MHz>(),
            u32::MAX
        );
    }
}
