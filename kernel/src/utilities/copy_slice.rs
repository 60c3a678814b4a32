// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Slice copies that report a length mismatch instead of panicking.

use crate::ErrorCode;

/// A slice that can be copied into from one of the same length.
pub trait CopyOrErr {
    /// Copies all of `other` into this slice.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::SIZE`] if the lengths differ; nothing was copied then.
    fn copy_from_slice_or_err(&mut self, other: &Self) -> Result<(), ErrorCode>;
}

impl<T: Copy> CopyOrErr for [T] {
    fn copy_from_slice_or_err(&mut self, other: &Self) -> Result<(), ErrorCode> {
        if self.len() != other.len() {
            return Err(ErrorCode::SIZE);
        }
        self.copy_from_slice(other);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_must_agree() {
        let mut words = [1u32, 2, 3];
        assert_eq!(words[..2].copy_from_slice_or_err(&[7, 8]), Ok(()));
        assert_eq!(words[..].copy_from_slice_or_err(&[9]), Err(ErrorCode::SIZE));
        assert_eq!(words, [7, 8, 3]);
    }
}
