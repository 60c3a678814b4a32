// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Printing a process's state in pieces that fit an output buffer.

use super::process_trait::Process;
use crate::utilities::binary_write::BinaryWrite;

/// Where a printer goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessPrinterContext {
    /// Bytes of the whole output that have been written so far.
    pub offset: usize,
}

/// Formats what is known about a process.
pub trait ProcessPrinter {
    /// Writes an overview of `process`, as much as `writer` takes.
    ///
    /// Start with `None`. A returned context means that output is left: call again with it once
    /// the writer has room. `None` means that all is written.
    fn print_overview(
        &self,
        process: &dyn Process,
        writer: &mut dyn BinaryWrite,
        context: Option<ProcessPrinterContext>,
    ) -> Option<ProcessPrinterContext>;
}
