// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Processes: what they are, how they are loaded, and what the kernel keeps about each.
//!
//! A process owns an image in flash and one block of RAM. It is not trusted: what comes from it
//! is checked before use, and whatever it does harms itself at most.

mod addresses;
mod error;
mod id;
mod state;
mod task;

pub use addresses::{ProcessAddresses, ProcessSizes};
pub use error::Error;
pub use id::{BinaryVersion, ProcessId, ShortId};
pub use state::{State, StoppedExecutingReason, StoppedState};
pub use task::{FunctionCall, FunctionCallSource, ReturnArguments, Task};
