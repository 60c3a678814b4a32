// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What a loader that works beside the running system looks like to a board.

use super::load_error::ProcessLoadError;
use crate::process_checker::AppIdPolicy;

/// Loads processes bit by bit, so that the kernel serves interrupts in between.
pub trait ProcessLoadingAsync<'a> {
    /// Sets who learns about the outcome.
    fn set_client(&self, client: &'a dyn ProcessLoadingAsyncClient);

    /// Sets the policy that says which binaries are the same application.
    fn set_policy(&self, policy: &'a dyn AppIdPolicy);

    /// Starts to load. The client hears of everything else.
    fn start(&self);
}

/// Learns about the outcome of loading.
pub trait ProcessLoadingAsyncClient {
    /// Takes note of one application: that it became a process, or why it did not.
    fn process_loaded(&self, result: Result<(), ProcessLoadError>);

    /// Takes note that nothing more will come.
    fn process_loading_finished(&self);
}
