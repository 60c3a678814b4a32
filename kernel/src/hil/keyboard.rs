// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Keyboards, as a source of key events.

use crate::ErrorCode;

/// A keyboard.
pub trait Keyboard<'a> {
    /// Names the client to be told.
    fn set_client(&self, client: &'a dyn KeyboardClient);
}

/// A user of a keyboard.
pub trait KeyboardClient {
    /// Keys went down or up.
    ///
    /// Each entry is a key code, in the numbering of Linux input events, and whether that key is
    /// now down; entries are in the order in which it happened. After an error in `result`, keys
    /// may have been missed.
    fn keys_pressed(&self, keys: &[(u16, bool)], result: Result<(), ErrorCode>);
}
