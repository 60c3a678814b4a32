// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Origin: a binary runs if one of the board's keys has signed it (ECDSA on NIST P-256, FIPS 186-5).
//!
//! A credential is the two numbers of the signature, r and s, each in 32 bytes, most significant
//! byte first. The signature is over the SHA-256 digest of the binary.

use kernel::process_checker::{CheckResult, CheckResultAcceptMetadata};
use p256::ecdsa::signature::hazmat::PrehashVerifier;
use p256::ecdsa::{Signature, VerifyingKey};
use tock_tbf::types::TbfFooterV2CredentialsType;

use crate::digest_policy::{Digest, DigestPolicy, Judge};

/// Bytes of a public key: the coordinates x and y of a point, each most significant byte first.
pub const KEY_BYTES: usize = 64;

/// Accepts binaries that one of the board's keys has signed.
///
/// The number of the key, counted from zero, is in the metadata of the accepted credential. A
/// signature that fits no key is passed over, because a binary can carry those of several vendors.
pub type AppCheckerSignature = DigestPolicy<'static, KeyRing>;

/// The public keys of a board.
pub struct KeyRing {
    keys: &'static [PublicKey],
}

/// A public key: a point of the curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    /// Reads a key. `None` if the bytes are no point of the curve.
    pub fn from_bytes(bytes: &[u8; KEY_BYTES]) -> Option<Self> {
        // The encoding of an uncompressed point (SEC 1, 2.3.3).
        let mut encoded = [4; KEY_BYTES + 1];
        encoded.get_mut(1..)?.copy_from_slice(bytes);
        VerifyingKey::from_sec1_bytes(&encoded).ok().map(Self)
    }

    /// Tells whether the key has signed what has this digest.
    fn has_signed(&self, digest: &Digest, signature: &Signature) -> bool {
        self.0.verify_prehash(digest, signature).is_ok()
    }
}

impl AppCheckerSignature {
    /// Creates the policy for a board with these keys. It takes a deferred call.
    ///
    /// Each signature is verified with one key after the other, in a deferred call each. That is the
    /// longest piece of work of a check.
    pub fn new(keys: &'static [PublicKey]) -> Self {
        Self::with_judge(KeyRing { keys })
    }
}

impl Judge for KeyRing {
    const FORMAT: TbfFooterV2CredentialsType = TbfFooterV2CredentialsType::EcdsaNistP256;

    /// Tries one key at a time.
    fn judge(&self, attempt: usize, digest: &Digest, data: &[u8]) -> Option<CheckResult> {
        let (Some(key), Ok(signature)) = (self.keys.get(attempt), Signature::from_slice(data))
        else {
            return Some(CheckResult::Pass);
        };
        let accept = CheckResult::Accept(Some(CheckResultAcceptMetadata { metadata: attempt }));
        key.has_signed(digest, &signature).then_some(accept)
    }
}
