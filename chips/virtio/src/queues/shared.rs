// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Access to single words of memory that a device accesses at the same time: volatile, little-endian.
//!
//! Everything the rings read or write goes through here, so that tests can count it, delay it, and
//! let a device act in between.

/// A word of a ring: 16 or 32 bits, which is what every machine reads and writes in one piece.
pub(super) trait Word: Copy {
    /// Turns the machine's byte order into the ring's, or the other way round.
    fn swap(self) -> Self;

    #[cfg(test)]
    fn bits(self) -> u32;
}

macro_rules! words {
    ($($word:ty),+) => {
        $(impl Word for $word {
            #[inline(always)]
            fn swap(self) -> Self {
                self.to_le()
            }

            #[cfg(test)]
            fn bits(self) -> u32 {
                self.into()
            }
        })+
    };
}

words!(u16, u32);

/// Reads a word, once.
///
/// # Safety
///
/// `place` is aligned and valid to read. Only a device writes it meanwhile.
#[inline(always)]
pub(super) unsafe fn load<W: Word>(place: *const W) -> W {
    #[cfg(test)]
    crate::testing::shared_memory::before_load();
    // SAFETY: the caller vouches for the place.
    let value = unsafe { place.read_volatile() }.swap();
    #[cfg(test)]
    crate::testing::shared_memory::after_load(value.bits());
    value
}

/// Writes a word, once.
///
/// # Safety
///
/// `place` is aligned and valid to write. Only a device reads or writes it meanwhile.
#[inline(always)]
pub(super) unsafe fn store<W: Word>(place: *mut W, value: W) {
    #[cfg(test)]
    if crate::testing::shared_memory::delay_store(place.addr(), size_of::<W>(), value.bits()) {
        place.expose_provenance();
        return;
    }
    // SAFETY: the caller vouches for the place.
    unsafe { place.write_volatile(value.swap()) };
}
