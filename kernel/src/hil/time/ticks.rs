// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Tick values of the usual counter widths.

use super::Ticks;

macro_rules! tick_type {
    ($(#[$doc:meta])* $name:ident, $raw:ty, $bits:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
        pub struct $name($raw);

        impl $name {
            const LARGEST: $raw = <$raw>::MAX >> (<$raw>::BITS - $bits);
        }

        impl Ticks for $name {
            #[inline(always)]
            fn width() -> u32 {
                $bits
            }

            #[inline(always)]
            fn into_u32(self) -> u32 {
                self.0 as u32
            }

            #[inline(always)]
            fn into_usize(self) -> usize {
                self.0 as usize
            }

            #[inline(always)]
            fn wrapping_add(self, other: Self) -> Self {
                $name(self.0.wrapping_add(other.0) & Self::LARGEST)
            }

            #[inline(always)]
            fn wrapping_sub(self, other: Self) -> Self {
                $name(self.0.wrapping_sub(other.0) & Self::LARGEST)
            }

            #[inline(always)]
            fn within_range(self, start: Self, end: Self) -> bool {
                self.wrapping_sub(start) < end.wrapping_sub(start)
            }

            #[inline(always)]
            fn max_value() -> Self {
                $name(Self::LARGEST)
            }

            #[inline(always)]
            fn half_max_value() -> Self {
                $name(Self::LARGEST / 2)
            }

            #[inline(always)]
            fn from_or_max(val: u64) -> Self {
                if val > Self::LARGEST as u64 { Self::max_value() } else { $name(val as $raw) }
            }

            #[inline]
            fn saturating_scale(self, numerator: u32, denominator: u32) -> u32 {
                scale(self.0 as u64, numerator, denominator)
            }
        }
    };
}

tick_type!(
    /// Ticks of a 16-bit counter.
    Ticks16, u16, 16
);
tick_type!(
    /// Ticks of a 24-bit counter.
    Ticks24, u32, 24
);
tick_type!(
    /// Ticks of a 32-bit counter.
    Ticks32, u32, 32
);
tick_type!(
    /// Ticks of a 64-bit counter.
    Ticks64, u64, 64
);

impl Ticks16 {
    /// Returns the value.
    pub fn into_u16(self) -> u16 {
        self.0
    }
}

impl Ticks24 {
    /// The bits of a `u32` that such a counter has.
    pub const MASK: u32 = Self::LARGEST;
}

impl Ticks64 {
    /// Returns the value.
    #[inline(always)]
    pub fn into_u64(self) -> u64 {
        self.0
    }
}

impl From<u16> for Ticks16 {
    fn from(value: u16) -> Self {
        Ticks16(value)
    }
}

/// Keeps the low 16 bits.
impl From<u32> for Ticks16 {
    fn from(value: u32) -> Self {
        Ticks16(value as u16)
    }
}

/// Keeps the low 24 bits.
impl From<u32> for Ticks24 {
    fn from(value: u32) -> Self {
        Ticks24(value & Self::MASK)
    }
}

impl From<u32> for Ticks32 {
    #[inline(always)]
    fn from(value: u32) -> Self {
        Ticks32(value)
    }
}

impl From<u32> for Ticks64 {
    #[inline(always)]
    fn from(value: u32) -> Self {
        Ticks64(value.into())
    }
}

impl From<u64> for Ticks64 {
    #[inline(always)]
    fn from(value: u64) -> Self {
        Ticks64(value)
    }
}

/// `value * numerator / denominator` rounded down, without a 128-bit product: the quotient and the
/// remainder are scaled apart, and the remainder's product fits 64 bits.
#[inline]
fn scale(value: u64, numerator: u32, denominator: u32) -> u32 {
    let (numerator, denominator) = (u64::from(numerator), u64::from(denominator));
    let (Some(whole), Some(rest)) = (
        value.checked_div(denominator),
        value.checked_rem(denominator),
    ) else {
        return u32::MAX;
    };
    let scaled = whole
        .saturating_mul(numerator)
        .saturating_add(rest * numerator / denominator);
    u32::try_from(scaled).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wraps_at_its_width<T: Ticks>() {
        let (zero, one) = (T::from(0), T::from(1));
        assert_eq!(T::max_value().wrapping_add(one), zero);
        assert_eq!(zero.wrapping_sub(one), T::max_value());
        let sum = T::half_max_value().wrapping_add(T::half_max_value());
        assert_eq!(sum.wrapping_add(one), T::max_value());
        assert_eq!(T::from_or_max(u64::MAX), T::max_value());
        assert_eq!(T::from_or_max(5), T::from(5));
    }

    fn ranges_are_half_open_and_wrap<T: Ticks>() {
        let start = T::max_value().wrapping_sub(T::from(2));
        let end = start.wrapping_add(T::from(5));
        for step in 0..5 {
            assert!(
                start.wrapping_add(T::from(step)).within_range(start, end),
                "step {step}"
            );
        }
        assert!(!end.within_range(start, end));
        assert!(!start.wrapping_sub(T::from(1)).within_range(start, end));
        assert!(!start.within_range(start, start));
        assert!(!T::max_value().within_range(end, start));
        assert!(T::half_max_value().within_range(end, start));
    }

    fn scaling_rounds_down_and_saturates<T: Ticks>() {
        assert_eq!(T::from(7).saturating_scale(2, 3), 4);
        assert_eq!(T::from(0).saturating_scale(u32::MAX, 1), 0);
        assert_eq!(T::from(3).saturating_scale(u32::MAX, 1), u32::MAX);
        assert_eq!(T::from(3).saturating_scale(1, 0), u32::MAX);
        assert_eq!(T::from(0xFFFF).saturating_scale(u32::MAX, u32::MAX), 0xFFFF);
    }

    fn every_rule<T: Ticks>() {
        wraps_at_its_width::<T>();
        ranges_are_half_open_and_wrap::<T>();
        scaling_rounds_down_and_saturates::<T>();
    }

    #[test]
    fn sixteen_bits() {
        every_rule::<Ticks16>();
        assert_eq!(Ticks16::width(), 16);
        assert_eq!(Ticks16::u32_padding(), 16);
        assert_eq!(Ticks16::from(0x12_3456u32).into_u16(), 0x3456);
        assert_eq!(
            Ticks16::from(0x8001u16).into_u32_left_justified(),
            0x8001_0000
        );
        assert_eq!(Ticks16::from_or_max(0x1_0000), Ticks16::max_value());
    }

    #[test]
    fn twenty_four_bits() {
        every_rule::<Ticks24>();
        assert_eq!(Ticks24::MASK, 0x00FF_FFFF);
        assert_eq!(Ticks24::u32_padding(), 8);
        assert_eq!(Ticks24::from(0x1234_5678).into_u32(), 0x34_5678);
        assert_eq!(
            Ticks24::from(0x80_0001).into_u32_left_justified(),
            0x8000_0100
        );
        assert_eq!(Ticks24::half_max_value().into_u32(), 0x7F_FFFF);
        assert_eq!(Ticks24::from_or_max(0x100_0000), Ticks24::max_value());
    }

    #[test]
    fn thirty_two_bits() {
        every_rule::<Ticks32>();
        assert_eq!(Ticks32::u32_padding(), 0);
        assert_eq!(
            Ticks32::from(0x8000_0001).into_u32_left_justified(),
            0x8000_0001
        );
        assert_eq!(Ticks32::from_or_max(1 << 32), Ticks32::max_value());
    }

    #[test]
    fn sixty_four_bits() {
        every_rule::<Ticks64>();
        assert_eq!((Ticks64::u32_padding(), Ticks64::usize_padding()), (0, 0));
        assert_eq!(Ticks64::from(0x1_2345_6789u64).into_u32(), 0x2345_6789);
        assert_eq!(Ticks64::from_or_max(1 << 40).into_u64(), 1 << 40);
    }

    #[test]
    fn scaling_64_bits_matches_wide_arithmetic() {
        let values = [
            0,
            1,
            99,
            u64::from(u32::MAX),
            1 << 40,
            0xFEDC_BA98_7654,
            u64::MAX,
        ];
        let factors = [1u32, 3, 1_000, 1_000_000, 10_000_000, u32::MAX];
        for value in values {
            for up in factors {
                for down in factors {
                    let exact = u128::from(value) * u128::from(up) / u128::from(down);
                    let expected = u32::try_from(exact).unwrap_or(u32::MAX);
                    assert_eq!(Ticks64::from(value).saturating_scale(up, down), expected);
                }
            }
        }
    }
}
