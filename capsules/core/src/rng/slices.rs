// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Drawing from a source with a stock of bytes, which are copied from there to the process.

use super::{Form, RngDriver, RngGrant};
use kernel::ErrorCode;
use kernel::hil::rng_bytes::{RandomBytes, RandomBytesClient};

/// The form of a source behind the `RandomBytes` interface.
pub enum Slices {}

impl<'a, R: RandomBytes<'a>> Form<'a, R> for Slices {
    type Scratch = ();

    fn ask(source: &R) -> Result<(), ErrorCode> {
        source.request_bytes()
    }

    fn draw(source: &R, count: usize, take: &mut dyn FnMut(&[u8])) {
        source.draw(count, take);
    }
}

impl<'a, R: RandomBytes<'a>> RngDriver<'a, R, Slices> {
    /// Creates the driver, which must be the client of `source` for bytes.
    pub fn by_slice(source: &'a R, grant: RngGrant) -> Self {
        Self::with_form(source, grant)
    }
}

impl<'a, R: RandomBytes<'a>> RandomBytesClient for RngDriver<'a, R, Slices> {
    fn bytes_available(&self, outcome: Result<(), ErrorCode>) {
        let served = outcome.map(|()| {
            self.serve(&mut |count, take| {
                self.source.draw(count, take);
            });
        });
        if self.conclude(served) {
            self.ask();
        }
    }
}
