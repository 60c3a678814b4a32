// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Random numbers fit for security, in 32-bit words.
//!
//! Chips implement [`Rng`]; capsules ask it for words and are called back as a [`Client`]. A source
//! whose bits still have to be conditioned implements [`crate::hil::entropy`] instead. [`Random`] is
//! for generators that answer at once and promise less.

use crate::ErrorCode;

/// A client's answer to what it was just given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Continue {
    /// The client wants more: it is called again when there is more, without another `get`.
    More,
    /// The client is served: no further call until its next `get`.
    Done,
}

/// A source of random words that answers by a callback.
pub trait Rng<'a> {
    /// Asks for random words.
    ///
    /// `Ok` promises a call of [`Client::randomness_available`], made after this function has
    /// returned. Asking again while that call is outstanding succeeds and changes nothing.
    ///
    /// # Errors
    ///
    /// There will be no callback:
    ///
    /// - `OFF`: the source is not switched on.
    /// - `FAIL`: the source is there and does not work.
    fn get(&self) -> Result<(), ErrorCode>;

    /// Withdraws the last request.
    ///
    /// After `Ok` the client is not called until it asks again. Cancelling when nothing is asked
    /// for is `Ok` too.
    ///
    /// # Errors
    ///
    /// - `FAIL`: the request cannot be stopped, so the callback still comes.
    fn cancel(&self) -> Result<(), ErrorCode>;

    /// Names who is called with random words.
    fn set_client(&'a self, client: &'a dyn Client);
}

/// The receiver of random words.
pub trait Client {
    /// Hands over random words, or the reason why there are none.
    ///
    /// `randomness` may end before the client has enough: answer [`Continue::More`] and the rest
    /// follows in a later call. Words left in the iterator stay with the source. With an `Err` the
    /// iterator is empty and the request is over, whatever the answer.
    fn randomness_available(
        &self,
        randomness: &mut dyn Iterator<Item = u32>,
        error: Result<(), ErrorCode>,
    ) -> Continue;
}

/// A generator that answers at once, from its state alone.
///
/// Not for secrets: the sequence is only as unpredictable as the last seed and the algorithm.
pub trait Random<'a> {
    /// Makes the generator usable; called once, before anything else.
    fn initialize(&'a self);

    /// Mixes in a new seed.
    fn reseed(&self, seed: u32);

    /// Draws the next word.
    fn random(&self) -> u32;
}
