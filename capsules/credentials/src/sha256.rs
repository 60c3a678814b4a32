// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Integrity: a binary runs if it carries its own SHA-256 digest.
//!
//! This finds damage, not forgery, since whoever changes a binary can compute the digest anew.

use kernel::process_checker::CheckResult;
use tock_tbf::types::TbfFooterV2CredentialsType;

use crate::digest_policy::{Digest, DigestPolicy, Judge};

/// Accepts binaries that carry their digest, and rejects those that carry another one.
pub type AppCheckerSha256 = DigestPolicy<'static, DigestMatch>;

/// Compares the digest in a credential with the real one.
pub struct DigestMatch;

impl AppCheckerSha256 {
    /// Creates the policy. It takes a deferred call.
    pub fn new() -> Self {
        Self::with_judge(DigestMatch)
    }
}

impl Default for AppCheckerSha256 {
    fn default() -> Self {
        Self::new()
    }
}

impl Judge for DigestMatch {
    const FORMAT: TbfFooterV2CredentialsType = TbfFooterV2CredentialsType::SHA256;

    /// Another digest means that the binary is damaged, whatever else vouches for it.
    fn judge(&self, _attempt: usize, digest: &Digest, data: &[u8]) -> Option<CheckResult> {
        Some(if data == digest {
            CheckResult::Accept(None)
        } else {
            CheckResult::Reject
        })
    }
}
