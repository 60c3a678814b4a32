// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Inter-process communication.

/// Driver number of inter-process communication.
pub const DRIVER_NUM: usize = 0x10000;

/// Which side of a conversation an upcall is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IPCUpcallType {
    /// The process offers the service.
    Service,
    /// The process uses the service.
    Client,
}
