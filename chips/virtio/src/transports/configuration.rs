// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The configuration space of a device (VirtIO 1.2, 2.5).
//!
//! Which fields exist, and whether they lie inside, is checked here; the values read are the device's
//! word and for the caller to judge.

/// How often a changing configuration space is read again before giving up.
const ATTEMPTS: usize = 8;

/// Why a field of the configuration space could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigurationError {
    /// The field does not lie inside the window of the transport.
    OutOfRange {
        /// Where the field starts.
        offset: usize,
        /// Its length in bytes.
        len: usize,
    },
    /// The offset is not a multiple of the width of the field.
    Misaligned {
        /// Where the field starts.
        offset: usize,
    },
    /// The device changed the space at each of several attempts to read it.
    Unstable,
    /// The field exists only with one of these features, and none of them is in use.
    FeatureMissing {
        /// The features, one of which it takes.
        features: u64,
    },
}

/// A field of the configuration space: where it is, and which features it takes to exist.
///
/// A field that every device of its type has is named by its offset alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    offset: usize,
    features: u64,
}

impl Field {
    /// Names the field at `offset`, which exists if one of `features` is in use.
    pub const fn with(features: u64, offset: usize) -> Self {
        Self { offset, features }
    }

    fn exists_with(self, features: u64) -> bool {
        self.features == 0 || self.features & features != 0
    }
}

impl From<usize> for Field {
    fn from(offset: usize) -> Self {
        Self::with(0, offset)
    }
}

/// What a transport offers for the configuration space: raw reads, of fields that lie inside.
pub trait ConfigurationWindow {
    /// The length of the window in bytes.
    fn len_bytes(&self) -> usize;

    /// Reads the byte at `offset`.
    fn byte(&self, offset: usize) -> u8;

    /// Reads the little-endian 16 bits at `offset`, a multiple of two.
    fn half(&self, offset: usize) -> u16;

    /// Reads the little-endian 32 bits at `offset`, a multiple of four.
    fn word(&self, offset: usize) -> u32;

    /// Reads the number that changes whenever the space does. Legacy devices have none.
    fn generation(&self) -> Option<u32>;
}

/// A device's configuration space, for the length of one driver call.
///
/// A field that takes a feature can be read if the device and the driver agreed on the feature or,
/// before they have, if the device offers it (2.5.1).
#[derive(Clone, Copy)]
pub struct Configuration<'a> {
    window: &'a dyn ConfigurationWindow,
    features: u64,
}

impl<'a> Configuration<'a> {
    pub(crate) fn new(window: &'a dyn ConfigurationWindow, features: u64) -> Self {
        Self { window, features }
    }

    /// Tells whether one of these features is in use, so that fields exist that take it.
    pub fn has(&self, features: u64) -> bool {
        self.features & features != 0
    }

    /// Reads a field of 8 bits.
    ///
    /// # Errors
    ///
    /// [`ConfigurationError::FeatureMissing`] or [`ConfigurationError::OutOfRange`].
    pub fn read_u8(&self, field: impl Into<Field>) -> Result<u8, ConfigurationError> {
        let offset = self.locate(field.into(), 1, 1)?;
        Ok(self.window.byte(offset))
    }

    /// Reads a field of 16 bits.
    ///
    /// # Errors
    ///
    /// As [`read_u8`](Self::read_u8), or [`ConfigurationError::Misaligned`].
    pub fn read_u16(&self, field: impl Into<Field>) -> Result<u16, ConfigurationError> {
        let offset = self.locate(field.into(), 2, 2)?;
        Ok(self.window.half(offset))
    }

    /// Reads a field of 32 bits.
    ///
    /// # Errors
    ///
    /// As [`read_u8`](Self::read_u8), or [`ConfigurationError::Misaligned`].
    pub fn read_u32(&self, field: impl Into<Field>) -> Result<u32, ConfigurationError> {
        let offset = self.locate(field.into(), 4, 4)?;
        Ok(self.window.word(offset))
    }

    /// Reads a field of 64 bits, as two halves (2.5.3): use it inside [`Self::consistently`].
    ///
    /// # Errors
    ///
    /// As [`read_u8`](Self::read_u8), or [`ConfigurationError::Misaligned`].
    pub fn read_u64(&self, field: impl Into<Field>) -> Result<u64, ConfigurationError> {
        let offset = self.locate(field.into(), 8, 4)?;
        let low = self.window.word(offset);
        let high = self.window.word(offset.wrapping_add(4));
        Ok(u64::from(high) << 32 | u64::from(low))
    }

    /// Reads a field that is an array of bytes: use it inside [`Self::consistently`].
    ///
    /// # Errors
    ///
    /// As [`read_u8`](Self::read_u8); `bytes` is unchanged then.
    pub fn read_bytes(
        &self,
        field: impl Into<Field>,
        bytes: &mut [u8],
    ) -> Result<(), ConfigurationError> {
        let offset = self.locate(field.into(), bytes.len(), 1)?;
        for (place, byte) in (offset..).zip(bytes) {
            *byte = self.window.byte(place);
        }
        Ok(())
    }

    /// Runs `read` until the space did not change meanwhile (2.5.1). If the device does not tell,
    /// until it is read twice in a row with the same result (2.5.4).
    ///
    /// # Errors
    ///
    /// [`ConfigurationError::Unstable`] after several changes in a row, else the error of `read`.
    pub fn consistently<T: PartialEq>(
        &self,
        mut read: impl FnMut(&Self) -> Result<T, ConfigurationError>,
    ) -> Result<T, ConfigurationError> {
        let mut last = None;
        for _ in 0..ATTEMPTS {
            let before = self.window.generation();
            let value = Some(read(self)?);
            let stable = match before {
                Some(_) => self.window.generation() == before,
                None => value == last,
            };
            last = value;
            if stable && let Some(value) = last {
                return Ok(value);
            }
        }
        Err(ConfigurationError::Unstable)
    }

    /// The offset of a field of `len` bytes that exists and can be read.
    fn locate(&self, field: Field, len: usize, align: usize) -> Result<usize, ConfigurationError> {
        let Field { offset, features } = field;
        if !field.exists_with(self.features) {
            return Err(ConfigurationError::FeatureMissing { features });
        }
        if !offset.is_multiple_of(align) {
            return Err(ConfigurationError::Misaligned { offset });
        }
        match offset.checked_add(len) {
            Some(end) if end <= self.window.len_bytes() => Ok(offset),
            _ => Err(ConfigurationError::OutOfRange { offset, len }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::cell::Cell;

    /// Bytes that count up, in a space that changes during the first `restless` reads.
    struct Space {
        restless: Cell<u32>,
        generation: Cell<u32>,
        legacy: bool,
    }

    impl Space {
        fn restless(times: u32) -> Self {
            Self {
                restless: Cell::new(times),
                generation: Cell::new(0),
                legacy: false,
            }
        }
    }

    impl ConfigurationWindow for Space {
        fn len_bytes(&self) -> usize {
            16
        }

        fn byte(&self, offset: usize) -> u8 {
            if self.restless.get() > 0 {
                self.restless.set(self.restless.get() - 1);
                self.generation.set(self.generation.get() + 1);
            }
            if self.legacy {
                self.generation.get() as u8
            } else {
                offset as u8
            }
        }

        fn half(&self, offset: usize) -> u16 {
            u16::from_le_bytes([self.byte(offset), self.byte(offset + 1)])
        }

        fn word(&self, offset: usize) -> u32 {
            u32::from(self.half(offset)) | u32::from(self.half(offset + 2)) << 16
        }

        fn generation(&self) -> Option<u32> {
            (!self.legacy).then(|| self.generation.get())
        }
    }

    #[test]
    fn fields_of_every_width_are_little_endian() {
        let space = Space::restless(0);
        let space = Configuration::new(&space, 0);
        assert_eq!(space.read_u8(15), Ok(15));
        assert_eq!(space.read_u16(2), Ok(0x0302));
        assert_eq!(space.read_u32(4), Ok(0x0706_0504));
        assert_eq!(space.read_u64(8), Ok(0x0F0E_0D0C_0B0A_0908));
        let mut bytes = [0; 3];
        assert_eq!(space.read_bytes(1, &mut bytes), Ok(()));
        assert_eq!(bytes, [1, 2, 3]);
    }

    #[test]
    fn fields_that_leave_the_window_are_refused() {
        let space = Space::restless(0);
        let space = Configuration::new(&space, 0);
        let outside = |offset, len| ConfigurationError::OutOfRange { offset, len };
        assert_eq!(space.read_u8(16), Err(outside(16, 1)));
        assert_eq!(space.read_u32(16), Err(outside(16, 4)));
        assert_eq!(space.read_u64(12), Err(outside(12, 8)));
        assert_eq!(space.read_u8(usize::MAX), Err(outside(usize::MAX, 1)));
        let mut bytes = [7; 4];
        assert_eq!(space.read_bytes(13, &mut bytes), Err(outside(13, 4)));
        assert_eq!(bytes, [7; 4]);
    }

    #[test]
    fn fields_of_features_that_are_not_in_use_are_refused() {
        const OTHERS: u64 = !(1 << 5 | 1 << 60);
        let field = Field::with(1 << 5 | 1 << 60, 4);
        let bytes = Space::restless(0);
        for (in_use, exists) in [(0, false), (OTHERS, false), (1 << 5, true), (1 << 60, true)] {
            let space = Configuration::new(&bytes, in_use);
            let mut array = [0; 2];
            let outcomes = [
                space.read_u8(field).map(u64::from),
                space.read_u16(field).map(u64::from),
                space.read_u32(field).map(u64::from),
                space.read_u64(field),
                space
                    .read_bytes(field, &mut array)
                    .map(|()| u16::from_le_bytes(array).into()),
            ];
            let missing = ConfigurationError::FeatureMissing {
                features: 1 << 5 | 1 << 60,
            };
            let expected: [u64; 5] = [4, 0x0504, 0x0706_0504, 0x0B0A_0908_0706_0504, 0x0504];
            assert_eq!(
                outcomes,
                expected.map(|value| if exists { Ok(value) } else { Err(missing) })
            );
            // The same place without the condition.
            assert_eq!(space.read_u8(4), Ok(4));
        }
    }

    #[test]
    fn a_field_that_ends_with_the_window_is_read() {
        let space = Space::restless(0);
        let space = Configuration::new(&space, 0);
        assert_eq!(space.read_u16(14), Ok(0x0F0E));
        assert_eq!(space.read_u32(12), Ok(0x0F0E_0D0C));
        assert_eq!(space.read_u64(8), Ok(0x0F0E_0D0C_0B0A_0908));
        assert_eq!(space.read_bytes(16, &mut []), Ok(()));
        assert_eq!(
            space.read_bytes(17, &mut []),
            Err(ConfigurationError::OutOfRange { offset: 17, len: 0 })
        );
    }

    #[test]
    fn fields_off_their_alignment_are_refused() {
        let space = Space::restless(0);
        let space = Configuration::new(&space, 0);
        assert_eq!(
            space.read_u16(3),
            Err(ConfigurationError::Misaligned { offset: 3 })
        );
        assert_eq!(
            space.read_u32(2),
            Err(ConfigurationError::Misaligned { offset: 2 })
        );
        assert_eq!(
            space.read_u64(2),
            Err(ConfigurationError::Misaligned { offset: 2 })
        );
        // Nothing is wider than 32 bits to the device (4.2.2.2).
        assert!(space.read_u64(4).is_ok());
    }

    #[test]
    fn a_change_during_the_read_leads_to_another_read() {
        let space = Space::restless(3);
        let reads = Cell::new(0);
        let value = Configuration::new(&space, 0).consistently(|space| {
            reads.set(reads.get() + 1);
            space.read_u8(5)
        });
        assert_eq!((value, reads.get()), (Ok(5), 4));
    }

    #[test]
    fn without_a_generation_the_same_has_to_be_read_twice() {
        for (restless, reads_needed) in [(0, 2), (1, 2), (2, 3), (3, 4)] {
            let space = Space {
                legacy: true,
                ..Space::restless(restless)
            };
            let reads = Cell::new(0);
            let value = Configuration::new(&space, 0).consistently(|space| {
                reads.set(reads.get() + 1);
                space.read_u8(5)
            });
            assert_eq!((value, reads.get()), (Ok(restless as u8), reads_needed));
        }
        let space = Space {
            legacy: true,
            ..Space::restless(u32::MAX)
        };
        let value = Configuration::new(&space, 0).consistently(|space| space.read_u8(5));
        assert_eq!(value, Err(ConfigurationError::Unstable));
    }

    #[test]
    fn a_space_that_never_rests_is_given_up() {
        let space = Space::restless(u32::MAX);
        let reads = Cell::new(0);
        let value = Configuration::new(&space, 0).consistently(|space| {
            reads.set(reads.get() + 1);
            space.read_u8(5)
        });
        assert_eq!(value, Err(ConfigurationError::Unstable));
        assert_eq!(reads.get(), ATTEMPTS);
    }
}
