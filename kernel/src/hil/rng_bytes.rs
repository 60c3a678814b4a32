// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Random bytes that are in stock, handed out in pieces to copy from.
//!
//! [`crate::hil::rng`] gives words, one by one, and only by a callback. A source that keeps a stock
//! offers this interface besides: what is there is drawn at once, without a callback, and whole
//! pieces of it are copied to where they are needed. The bytes are as fit for security as the words
//! are.
//!
//! This file needs nothing but `ErrorCode`, so that it can be added to another tree as it is.

use crate::ErrorCode;

/// A source of random bytes with a stock.
///
/// It has one client at a time, whichever interface that uses: the one that was named last.
pub trait RandomBytes<'a> {
    /// Draws up to `count` bytes from the stock and returns how many there were.
    ///
    /// `take` is called with each piece in order, before this function returns. The pieces are
    /// never empty, and have `count` bytes at most in all. Each byte is handed out once: when
    /// `take` returns, the source has erased it. No other client is called from inside this
    /// function.
    fn draw(&self, count: usize, take: &mut dyn FnMut(&[u8])) -> usize;

    /// Asks for a call when there is something to draw.
    ///
    /// `Ok` promises one call of [`RandomBytesClient::bytes_available`], made after this function
    /// has returned; soon, if there are bytes in stock. Asking again while that call is outstanding
    /// succeeds and changes nothing.
    ///
    /// # Errors
    ///
    /// There will be no callback:
    ///
    /// - `OFF`: the source is not switched on.
    /// - `FAIL`: the source is there and does not work.
    fn request_bytes(&self) -> Result<(), ErrorCode>;

    /// Withdraws the last request; after `Ok` the client is not called until it asks again.
    ///
    /// # Errors
    ///
    /// - `FAIL`: the request cannot be withdrawn, so the callback still comes.
    fn cancel_request(&self) -> Result<(), ErrorCode>;

    /// Names who is called when there are bytes.
    fn set_bytes_client(&self, client: &'a dyn RandomBytesClient);
}

/// Who waits for random bytes.
pub trait RandomBytesClient {
    /// Ends a request: there are bytes to draw, one at least, or the reason why there are none.
    ///
    /// The client may draw, and ask again, from inside this function.
    fn bytes_available(&self, outcome: Result<(), ErrorCode>);
}
