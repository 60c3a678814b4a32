// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Policies and schedulers over processes that run no code, and in the main loop.

mod main_loop;
mod policies;
mod schedulers;
