// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Integrity, and what all policies about digests have in common.

use capsules_credentials::CHUNK;
use capsules_credentials::sha256::{AppCheckerSha256, DigestMatch};
use kernel::ErrorCode;
use kernel::deferred_call::DeferredCall;
use kernel::process_checker::{AppCredentialsPolicy, CheckResult};
use proptest::prelude::*;
use sha2::{Digest, Sha256};

use crate::support::{Bench, credential, flash};

#[test]
fn the_digest_is_that_of_the_standard() {
    // FIPS 180-4, the example of one block.
    let digest = [
        0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22,
        0x23, 0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00,
        0x15, 0xad,
    ];
    let bench = Bench::new(AppCheckerSha256::new);
    let accepted = Ok(CheckResult::Accept(None));
    assert_eq!(bench.check(credential(3, &digest), b"abc"), accepted);
    assert!(bench.policy.require_credentials());
}

#[test]
fn a_binary_of_any_length_with_its_own_digest_is_accepted() {
    let bench = Bench::new(AppCheckerSha256::new);
    for length in [0, 1, 63, 64, CHUNK - 1, CHUNK, CHUNK + 1, 5 * CHUNK] {
        let region = vec![0x5A; length];
        let digest = credential(3, &Sha256::digest(&region));
        let accepted = Ok(CheckResult::Accept(None));
        assert_eq!(bench.check(digest, &region), accepted);
    }
}

#[test]
fn a_change_of_any_bit_of_binary_or_digest_is_rejected() {
    let region: Vec<u8> = (0..100).collect();
    let digest: [u8; 32] = Sha256::digest(&region).into();
    let bench = Bench::new(AppCheckerSha256::new);
    for bit in 0..region.len() * 8 {
        let mut changed = region.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        let result = bench.check(credential(3, &digest), &changed);
        assert_eq!(result, Ok(CheckResult::Reject));
    }
    for bit in 0..digest.len() * 8 {
        let mut changed = digest;
        changed[bit / 8] ^= 1 << (bit % 8);
        let result = bench.check(credential(3, &changed), &region);
        assert_eq!(result, Ok(CheckResult::Reject));
    }
}

#[test]
fn other_kinds_are_not_taken() {
    let bench = Bench::new(AppCheckerSha256::new);
    for (format, length) in [(0, 32), (1, 768), (2, 1024), (4, 48), (5, 64), (6, 64)] {
        let result = bench.check(credential(format, &vec![1; length]), b"binary");
        assert_eq!(result, Err(ErrorCode::NOSUPPORT));
    }
    assert!(!DeferredCall::has_tasks());
}

#[test]
fn a_call_does_one_chunk_and_a_second_check_has_to_wait() {
    let bench = Bench::new(AppCheckerSha256::new);
    let region = flash(&[7; 3 * CHUNK + 1]);
    let digest = credential(3, &Sha256::digest(region));
    bench.start(digest, region).unwrap();
    let mut calls = 0;
    while bench.client.0.borrow().is_empty() {
        assert_eq!(bench.start(digest, region), Err(ErrorCode::BUSY));
        DeferredCall::service_next_pending().expect("the check goes on");
        calls += 1;
    }
    // Four chunks, the end of the digest, and the decision.
    assert_eq!(calls, 6);
    assert!(!DeferredCall::has_tasks());
    assert_eq!(bench.start(digest, region), Ok(()));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn only_the_digest_of_the_binary_is_accepted(
        region in prop::collection::vec(any::<u8>(), 0..3 * CHUNK),
        other in any::<[u8; 32]>(),
        right in any::<bool>(),
    ) {
        let real: [u8; 32] = Sha256::digest(&region).into();
        let (digest, expected) = if right {
            (real, CheckResult::Accept(None))
        } else {
            (other, CheckResult::Reject)
        };
        prop_assume!(right || real != other);
        // Deferred calls are few, so all cases share a bench.
        std::thread_local! {
            static BENCH: Bench<DigestMatch> = Bench::new(AppCheckerSha256::new);
        }
        let result = BENCH.with(|bench| bench.check(credential(3, &digest), &region));
        prop_assert_eq!(result, Ok(expected));
    }
}
