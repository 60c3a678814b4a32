// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Tests of the kernel as a whole.

mod abi;
mod other_processes;
