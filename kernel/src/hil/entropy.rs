// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Raw entropy, in words or in bytes.
//!
//! Same protocol as [`crate::hil::rng`], with a weaker promise: bits may be biased or correlated, so
//! a client conditions them before it uses them as random numbers.

use crate::ErrorCode;

/// A client's answer to what it was just given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Continue {
    /// The client wants more: it is called again when there is more, without another `get`.
    More,
    /// The client is served: no further call until its next `get`.
    Done,
}

/// A source of entropy in 32-bit words.
pub trait Entropy32<'a> {
    /// Asks for entropy.
    ///
    /// `Ok` promises a call of [`Client32::entropy_available`], made after this function has
    /// returned. Asking again while that call is outstanding succeeds and changes nothing.
    ///
    /// # Errors
    ///
    /// There will be no callback:
    ///
    /// - `OFF`: the source is not switched on.
    /// - `FAIL`: the source is there and does not work.
    fn get(&self) -> Result<(), ErrorCode>;

    /// Withdraws the last request; after `Ok` the client is not called until it asks again.
    ///
    /// # Errors
    ///
    /// - `FAIL`: the request cannot be stopped, so the callback still comes.
    fn cancel(&self) -> Result<(), ErrorCode>;

    /// Names who is called with entropy.
    fn set_client(&'a self, client: &'a dyn Client32);
}

/// The receiver of entropy in words.
pub trait Client32 {
    /// Hands over entropy, or the reason why there is none.
    ///
    /// `entropy` may end before the client has enough: answer [`Continue::More`] and the rest
    /// follows in a later call. With an `Err` the iterator is empty and the request is over.
    fn entropy_available(
        &self,
        entropy: &mut dyn Iterator<Item = u32>,
        error: Result<(), ErrorCode>,
    ) -> Continue;
}

/// A source of entropy in bytes.
pub trait Entropy8<'a> {
    /// Asks for entropy, as [`Entropy32::get`] does.
    ///
    /// # Errors
    ///
    /// As there: `OFF` and `FAIL`, and no callback follows.
    fn get(&self) -> Result<(), ErrorCode>;

    /// Withdraws the last request; after `Ok` the client is not called until it asks again.
    ///
    /// # Errors
    ///
    /// - `FAIL`: the request cannot be stopped, so the callback still comes.
    fn cancel(&self) -> Result<(), ErrorCode>;

    /// Names who is called with entropy.
    fn set_client(&'a self, client: &'a dyn Client8);
}

/// The receiver of entropy in bytes.
pub trait Client8 {
    /// Hands over entropy, or the reason why there is none; see [`Client32::entropy_available`].
    fn entropy_available(
        &self,
        entropy: &mut dyn Iterator<Item = u8>,
        error: Result<(), ErrorCode>,
    ) -> Continue;
}
