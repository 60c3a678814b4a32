// SPDX-License-Identifier: Apache-2.0 OR MIT

//! How many upcalls and buffers a driver has, as types.

/// A number of upcalls.
pub trait UpcallSize {
    /// The number.
    const COUNT: u8;
}

/// A number of read-only buffers.
pub trait AllowRoSize {
    /// The number.
    const COUNT: u8;
}

/// A number of read-write buffers.
pub trait AllowRwSize {
    /// The number.
    const COUNT: u8;
}

/// `NUM` upcalls, with subscribe numbers from 0.
pub struct UpcallCount<const NUM: u8>;

/// `NUM` read-only buffers, with allow numbers from 0.
pub struct AllowRoCount<const NUM: u8>;

/// `NUM` read-write buffers, with allow numbers from 0.
pub struct AllowRwCount<const NUM: u8>;

impl<const NUM: u8> UpcallSize for UpcallCount<NUM> {
    const COUNT: u8 = NUM;
}

impl<const NUM: u8> AllowRoSize for AllowRoCount<NUM> {
    const COUNT: u8 = NUM;
}

impl<const NUM: u8> AllowRwSize for AllowRwCount<NUM> {
    const COUNT: u8 = NUM;
}
