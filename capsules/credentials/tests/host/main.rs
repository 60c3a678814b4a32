// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The policies behind the deferred calls of a host, with credentials made for them.

mod ecdsa_p256;
mod sha256;
mod support;
