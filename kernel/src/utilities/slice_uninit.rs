// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Initialised memory where uninitialised memory would do.

use core::mem::MaybeUninit;

/// Views initialised elements as slots that need not be, such as the storage of a
/// [`RingBuffer`](crate::collections::ring_buffer::RingBuffer).
///
/// The elements are borrowed and read again later, so the slots must stay initialised: write
/// values to them, never `MaybeUninit::uninit()`. The signature cannot enforce that.
pub fn mut_slice_as_maybeuninit<T>(slice: &mut [T]) -> &mut [MaybeUninit<T>] {
    // SAFETY: `MaybeUninit<T>` has the layout of `T`, and the result borrows `slice`. That no slot
    // is made uninitialised is left to the caller, as documented.
    unsafe { &mut *(core::ptr::from_mut(slice) as *mut [MaybeUninit<T>]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_to_the_view_reach_the_original() {
        let mut bytes = [1u8, 2];
        mut_slice_as_maybeuninit(&mut bytes)[1].write(9);
        assert_eq!(bytes, [1, 9]);
    }
}
