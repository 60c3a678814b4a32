// SPDX-License-Identifier: Apache-2.0 OR MIT

//! HTTP/1.1 (RFC 9112) for a small server: requests in, the board's status out.
//!
//! Everything here is pure: bytes go in, bytes come out, and time and sockets are the caller's. The
//! bytes of a request are hostile; nothing in them leads to a panic or past a fixed buffer.

#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::unreachable
    )
)]

pub mod bitmap;
pub mod head;
pub mod inbox;
pub mod page;
pub mod response;
pub mod server;
