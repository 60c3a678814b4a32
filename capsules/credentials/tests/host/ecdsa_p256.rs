// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Origin: signatures by keys of the board and by others.

use capsules_credentials::ecdsa_p256::{AppCheckerSignature, KEY_BYTES, KeyRing, PublicKey};
use kernel::ErrorCode;
use kernel::deferred_call::DeferredCall;
use kernel::process_checker::{CheckResult, CheckResultAcceptMetadata};
use p256::ecdsa::signature::Signer;
use p256::ecdsa::{Signature, SigningKey};

use crate::support::{Bench, credential};

/// The private key of the example in RFC 6979, A.2.5, and its public key.
const KEY: [u8; 32] = [
    0xC9, 0xAF, 0xA9, 0xD8, 0x45, 0xBA, 0x75, 0x16, 0x6B, 0x5C, 0x21, 0x57, 0x67, 0xB1, 0xD6, 0x93,
    0x4E, 0x50, 0xC3, 0xDB, 0x36, 0xE8, 0x9B, 0x12, 0x7B, 0x8A, 0x62, 0x2B, 0x12, 0x0F, 0x67, 0x21,
];
const PUBLIC: [u8; KEY_BYTES] = [
    0x60, 0xFE, 0xD4, 0xBA, 0x25, 0x5A, 0x9D, 0x31, 0xC9, 0x61, 0xEB, 0x74, 0xC6, 0x35, 0x6D, 0x68,
    0xC0, 0x49, 0xB8, 0x92, 0x3B, 0x61, 0xFA, 0x6C, 0xE6, 0x69, 0x62, 0x2E, 0x60, 0xF2, 0x9F, 0xB6,
    0x79, 0x03, 0xFE, 0x10, 0x08, 0xB8, 0xBC, 0x99, 0xA4, 0x1A, 0xE9, 0xE9, 0x56, 0x28, 0xBC, 0x64,
    0xF2, 0xF1, 0xB2, 0x0C, 0x2D, 0x7E, 0x9F, 0x51, 0x77, 0xA3, 0xC2, 0x94, 0xD4, 0x46, 0x22, 0x99,
];
/// The signature of "sample" with SHA-256 in the same example.
const SAMPLE: [u8; 64] = [
    0xEF, 0xD4, 0x8B, 0x2A, 0xAC, 0xB6, 0xA8, 0xFD, 0x11, 0x40, 0xDD, 0x9C, 0xD4, 0x5E, 0x81, 0xD6,
    0x9D, 0x2C, 0x87, 0x7B, 0x56, 0xAA, 0xF9, 0x91, 0xC3, 0x4D, 0x0E, 0xA8, 0x4E, 0xAF, 0x37, 0x16,
    0xF7, 0xCB, 0x1C, 0x94, 0x2D, 0x65, 0x7C, 0x41, 0xD4, 0x36, 0xC7, 0xA1, 0xB6, 0xE2, 0x9F, 0x65,
    0xF3, 0xE9, 0x00, 0xDB, 0xB9, 0xAF, 0xF4, 0x06, 0x4D, 0xC4, 0xAB, 0x2F, 0x84, 0x3A, 0xCD, 0xA8,
];

fn key(fill: u8) -> SigningKey {
    SigningKey::from_slice(&[fill; 32]).unwrap()
}

fn public(key: &SigningKey) -> PublicKey {
    let point = key.verifying_key().to_sec1_point(false);
    let bytes = point.as_bytes()[1..].try_into().unwrap();
    PublicKey::from_bytes(&bytes).unwrap()
}

fn sign(key: &SigningKey, region: &[u8]) -> Vec<u8> {
    let signature: Signature = key.sign(region);
    signature.to_bytes().to_vec()
}

fn bench(keys: &[PublicKey]) -> Bench<KeyRing> {
    let keys: &'static [PublicKey] = keys.to_vec().leak();
    Bench::new(|| AppCheckerSignature::new(keys))
}

fn accepted_by(key: usize) -> Result<CheckResult, ErrorCode> {
    let metadata = CheckResultAcceptMetadata { metadata: key };
    Ok(CheckResult::Accept(Some(metadata)))
}

#[test]
fn the_signature_is_that_of_the_standard() {
    let bench = bench(&[PublicKey::from_bytes(&PUBLIC).unwrap()]);
    assert_eq!(
        bench.check(credential(6, &SAMPLE), b"sample"),
        accepted_by(0)
    );
    let signing = SigningKey::from_slice(&KEY).unwrap();
    assert_eq!(public(&signing), PublicKey::from_bytes(&PUBLIC).unwrap());
}

#[test]
fn the_accepted_credential_names_the_key() {
    let keys = [key(1), key(2), key(3)];
    let bench = bench(&keys.each_ref().map(public));
    for (number, key) in keys.iter().enumerate() {
        let signature = sign(key, b"a binary");
        let result = bench.check(credential(6, &signature), b"a binary");
        assert_eq!(result, accepted_by(number));
    }
}

#[test]
fn a_call_tries_one_key() {
    let keys = [key(1), key(2), key(3)];
    let bench = bench(&keys.each_ref().map(public));
    let region: &'static [u8] = b"a binary";
    for (number, key) in keys.iter().enumerate() {
        let signature = sign(key, region);
        bench.start(credential(6, &signature), region).unwrap();
        let calls = std::iter::from_fn(DeferredCall::service_next_pending).count();
        // Two for the digest of so short a binary.
        assert_eq!(calls, 2 + number + 1);
        assert_eq!(bench.client.0.take()[0].0, accepted_by(number));
    }
}

#[test]
fn signatures_by_others_and_of_others_are_passed_over() {
    let pass = Ok(CheckResult::Pass);
    let (ours, other) = (key(1), key(9));
    let none = bench(&[]);
    let bench = bench(&[public(&ours), public(&key(2))]);
    let signature = sign(&ours, b"a binary");
    let of_other = sign(&other, b"a binary");
    assert_eq!(bench.check(credential(6, &of_other), b"a binary"), pass);
    assert_eq!(bench.check(credential(6, &signature), b"a binarz"), pass);
    assert_eq!(bench.check(credential(6, &signature), b""), pass);
    assert_eq!(none.check(credential(6, &signature), b"a binary"), pass);
    for bit in (0..512).step_by(7) {
        let mut changed = signature.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(bench.check(credential(6, &changed), b"a binary"), pass);
    }
}

#[test]
fn numbers_that_are_no_signature_are_passed_over() {
    let bench = bench(&[public(&key(1))]);
    // The order of the group (FIPS 186-5 and SP 800-186, 3.2.1.3); r and s are below it.
    let mut order = [0xFF; 32];
    order[4..8].fill(0);
    order[16..].copy_from_slice(&[
        0xBC, 0xE6, 0xFA, 0xAD, 0xA7, 0x17, 0x9E, 0x84, 0xF3, 0xB9, 0xCA, 0xC2, 0xFC, 0x63, 0x25,
        0x51,
    ]);
    let (zero, one, ones) = ([0; 32], [1; 32], [0xFF; 32]);
    for (r, s) in [
        (zero, zero),
        (zero, one),
        (one, zero),
        (ones, one),
        (one, order),
        (order, one),
        (one, one),
    ] {
        let data = [r, s].concat();
        let result = bench.check(credential(6, &data), b"a binary");
        assert_eq!(result, Ok(CheckResult::Pass));
    }
}

#[test]
fn other_kinds_are_not_taken() {
    let bench = bench(&[public(&key(1))]);
    for (format, length) in [(0, 64), (3, 32), (5, 64)] {
        let result = bench.check(credential(format, &vec![1; length]), b"a binary");
        assert_eq!(result, Err(ErrorCode::NOSUPPORT));
    }
}

#[test]
fn bytes_that_are_no_point_are_no_key() {
    assert_eq!(PublicKey::from_bytes(&[0; KEY_BYTES]), None);
    assert_eq!(PublicKey::from_bytes(&[0xFF; KEY_BYTES]), None);
    let mut off_curve = PUBLIC;
    off_curve[KEY_BYTES - 1] ^= 1;
    assert_eq!(PublicKey::from_bytes(&off_curve), None);
}
