// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Policies about applications' credentials, with the cryptography that they take.
//!
//! A board that wants none of this leaves the crate out and loads its processes without checks.
//! `digest_policy` has the work that all credentials share; `sha256` and `ecdsa_p256` say what a
//! digest is worth; `app_id` has the policies about identities.

#![no_std]
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

#[cfg(test)]
extern crate std;

pub mod app_id;
mod digest_policy;
pub mod ecdsa_p256;
pub mod sha256;

pub use digest_policy::{CHUNK, Digest, DigestPolicy, Judge};
