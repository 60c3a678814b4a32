// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Binaries with and without names, numbers and credentials.

use std::vec::Vec;

use kernel::process_checker::AcceptedCredential;
use kernel::utilities::cells::OptionalCell;
use tock_tbf::parse::{parse_tbf_footer, parse_tbf_header};

use super::*;

/// A binary whose header has these entries besides that of a program.
fn binary(name: Option<&str>, number: Option<u32>, accepted: bool) -> ProcessBinary {
    let mut words = std::vec![0x0014_0009u32, 0, 0, 1024, 128, 1];
    let mut entries: Vec<u8> = Vec::new();
    if let Some(name) = name {
        entries.extend(3u16.to_le_bytes());
        entries.extend(u16::try_from(name.len()).unwrap().to_le_bytes());
        entries.extend(name.as_bytes());
        entries.resize(entries.len().next_multiple_of(4), 0);
    }
    if let Some(number) = number {
        words.extend([0x0004_000A, number]);
    }
    entries.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    let size = u16::try_from(16 + entries.len()).unwrap();
    let mut object: Vec<u8> = Vec::new();
    object.extend(2u16.to_le_bytes());
    object.extend(size.to_le_bytes());
    object.extend([128, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
    object.extend(entries);
    let sum = object.chunks_exact(4).fold(0, |sum, word| {
        sum ^ u32::from_le_bytes(word.try_into().unwrap())
    });
    object[12..16].copy_from_slice(&sum.to_le_bytes());
    object.resize(128, 0);
    let flash: &'static [u8] = object.leak();
    let credential = OptionalCell::empty();
    if accepted {
        static FOOTER: [u8; 8] = [128, 0, 4, 0, 0, 0, 0, 0];
        credential.set(AcceptedCredential {
            credential: parse_tbf_footer(&FOOTER).unwrap().0,
            metadata: None,
        });
    }
    ProcessBinary {
        header: parse_tbf_header(flash, 2).unwrap(),
        flash,
        footers: &[],
        credential,
    }
}

/// The number, which is zero for applications without one.
fn number(id: ShortId) -> u32 {
    match id {
        ShortId::Fixed(number) => number.get(),
        ShortId::LocallyUnique => 0,
    }
}

#[test]
fn the_number_in_the_header_counts_once_a_credential_was_accepted() {
    let policy = AppIdAssignerTbfHeader;
    for (in_header, accepted, expected) in [
        (Some(7), true, 7),
        (Some(7), false, 0),
        (Some(0), true, 0),
        (None, true, 0),
        (Some(u32::MAX), true, u32::MAX),
    ] {
        let binary = binary(Some("app"), in_header, accepted);
        assert_eq!(number(policy.to_short_id(&binary)), expected);
    }
}

#[test]
fn equal_numbers_make_the_same_application_only_if_both_are_accepted() {
    let policy = AppIdAssignerTbfHeader;
    let one = |number, accepted| binary(Some("app"), number, accepted);
    let same = |a, b| !policy.different_identifier(&a, &b);
    assert!(same(one(Some(7), true), one(Some(7), true)));
    assert!(!same(one(Some(7), true), one(Some(8), true)));
    assert!(!same(one(Some(7), true), one(Some(7), false)));
    assert!(!same(one(Some(7), false), one(Some(7), false)));
    assert!(!same(one(None, true), one(None, true)));
}

#[test]
fn names_make_applications_and_their_numbers() {
    let policy = AppIdAssignerNames;
    let one = |name| binary(name, Some(7), false);
    let id = |name| number(policy.to_short_id(&one(name)));
    // The start of the SHA-256 digest of "abc" (FIPS 180-4).
    assert_eq!(id(Some("abc")), 0xbf16_78ba);
    assert_ne!(id(Some("abd")), id(Some("abc")));
    assert_eq!((id(Some("")), id(None)), (0, 0));
    let same = |a, b| !policy.different_identifier(&one(a), &one(b));
    assert!(same(Some("abc"), Some("abc")));
    assert!(!same(Some("abc"), Some("ab")));
    assert!(!same(Some(""), Some("")));
    assert!(!same(None, None));
    assert!(!same(None, Some("")));
}

#[test]
fn processes_without_a_name_are_applications_of_their_own() {
    assert!(!different_names(Some("abc"), Some("abc")));
    assert!(different_names(Some("abc"), Some("")));
    assert!(different_names(Some(""), Some("")));
}
