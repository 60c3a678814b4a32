// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Policies and schedulers over a process table of processes that run no code.

mod policies;
mod schedulers;
