// SPDX-License-Identifier: Apache-2.0 OR MIT

//! How a board builds a driver.

/// The recipe for one driver: what it is configured with, the memory it needs and what comes out.
///
/// A component is made and finalized once, at boot. Its memory comes from the board, usually
/// through a macro beside the component that expands to [`static_buf!`](crate::static_buf) calls.
pub trait Component {
    /// The memory that the finished driver lives in.
    type StaticInput;

    /// The finished driver.
    type Output;

    /// Builds the driver in `static_memory` and connects it to its neighbours.
    fn finalize(self, static_memory: Self::StaticInput) -> Self::Output;
}
