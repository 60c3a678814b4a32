// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Small functions without a better home.

/// The generator polynomial of POSIX `cksum`, without its leading bit.
const POSIX_POLYNOMIAL: u32 = 0x04C1_1DB7;

/// The unsigned integer that is as wide as a `usize`.
#[cfg(target_pointer_width = "32")]
pub type NativeInteger = u32;

/// The unsigned integer that is as wide as a `usize`.
#[cfg(target_pointer_width = "64")]
pub type NativeInteger = u64;

/// Computes the CRC-32/POSIX checksum of `bytes`, most significant bit first.
///
/// Unlike the `cksum` program it covers the bytes alone, not their number.
pub fn crc32_posix(bytes: &[u8]) -> u32 {
    let remainder = bytes.iter().fold(0, |remainder, byte| {
        (0..8).fold(remainder ^ u32::from(*byte) << 24, |remainder: u32, _| {
            let carried = (remainder as i32 >> 31) as u32;
            remainder << 1 ^ carried & POSIX_POLYNOMIAL
        })
    });
    !remainder
}

/// Views a `usize` as the fixed-width integer of the same size.
pub fn usize_as_native_mut(value: &mut usize) -> &mut NativeInteger {
    const {
        assert!(size_of::<usize>() == size_of::<NativeInteger>());
        assert!(align_of::<usize>() == align_of::<NativeInteger>());
    };
    // SAFETY: both are plain integers of one size and alignment, as checked above, and the result
    // borrows `value`.
    unsafe { &mut *core::ptr::from_mut(value).cast() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_has_its_catalogued_check_value() {
        assert_eq!(crc32_posix(b"123456789"), 0x765E_7680);
        assert_eq!(crc32_posix(b""), u32::MAX);
    }

    #[test]
    fn writes_to_the_native_view_reach_the_original() {
        let mut value = 5usize;
        *usize_as_native_mut(&mut value) += 1;
        assert_eq!(value, 6);
    }
}
