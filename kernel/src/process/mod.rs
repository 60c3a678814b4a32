// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Processes: what they are, how they are loaded, and what the kernel keeps about each.
//!
//! A process owns an image in flash and one block of RAM. It is not trusted: what comes from it
//! is checked before use, and whatever it does harms itself at most. `process_trait` is what the
//! rest of the kernel sees of it.

mod addresses;
mod binary;
mod breaks;
mod debug_info;
mod error;
#[cfg(test)]
pub(crate) mod fake_tbf;
#[cfg(test)]
pub(crate) mod fakes;
mod flash_walk;
mod grant_table;
mod id;
mod layout;
mod load_error;
mod loader;
mod loading;
mod policy;
mod printer;
mod process_trait;
mod ram;
mod sequential_loader;
mod shared_regions;
mod shown_name;
mod slot;
mod standard;
mod state;
mod task;
mod task_queue;

pub use crate::process_checker::{
    AcceptedCredential, ProcessCheckError, ProcessCheckerMachine, ProcessCheckerMachineClient,
};
pub use addresses::{ProcessAddresses, ProcessSizes};
pub use binary::ProcessBinary;
pub use debug_info::{ProcessStandardDebug, ProcessStandardDebugFull};
pub use error::Error;
pub use grant_table::EnteredGrant;
pub(crate) use grant_table::Exit;
pub use id::{BinaryVersion, ProcessId, ShortId};
pub use load_error::{ProcessBinaryError, ProcessLoadError};
pub use loader::{
    DebugLoadReporter, ProcessLoadReport, ProcessLoadReporter, load_processes,
    load_processes_reporting,
};
pub use loading::{ProcessLoadingAsync, ProcessLoadingAsyncClient};
pub use policy::{FaultAction, ProcessFaultPolicy};
pub use printer::{ProcessPrinter, ProcessPrinterContext};
pub use process_trait::{Process, ProcessCustomGrantIdentifier};
pub use sequential_loader::SequentialProcessLoaderMachine;
pub use slot::{ProcessArray, ProcessSlot};
pub use standard::{ProcessStandard, ProcessStandardStoragePermissionsPolicy};
pub use state::{State, StoppedExecutingReason, StoppedState};
pub use task::{FunctionCall, FunctionCallSource, ReturnArguments, Task};
