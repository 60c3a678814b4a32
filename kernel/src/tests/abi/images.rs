// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What the kernel does with each kind of object that it finds in flash, between two applications.

use std::vec;
use std::vec::Vec;

use crate::process::fake_tbf::{Tbf, padding, seal};
use crate::process::fakes::World;

/// What follows from an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    /// It becomes a process, and so does what follows.
    Runs,
    /// It does not, what follows does.
    Skipped,
    /// Nothing behind it is looked at.
    Ends,
}

use Then::{Ends, Runs, Skipped};

/// A kind of object.
type Row = (&'static str, fn() -> Vec<u8>, Then);

fn app() -> Tbf {
    Tbf::new("middle")
}

/// An application with another value for this half word or word of its base header, and a checksum
/// that is right all the same.
fn with_half(offset: usize, value: u16) -> Vec<u8> {
    let mut object = app().build();
    object[offset..offset + 2].copy_from_slice(&value.to_le_bytes());
    if offset != 2 {
        seal(&mut object);
    }
    object
}

fn with_word(offset: usize, value: u32) -> Vec<u8> {
    let mut object = app().build();
    object[offset..offset + 4].copy_from_slice(&value.to_le_bytes());
    seal(&mut object);
    object
}

/// An application with another word in its program entry, counted from the end of the header.
fn with_program(words_before_end: usize, value: u32) -> Vec<u8> {
    let end = app().header_size();
    with_word(end - 4 * words_before_end, value)
}

fn with(change: impl FnOnce(&mut Tbf)) -> Vec<u8> {
    let mut tbf = app();
    change(&mut tbf);
    tbf.build()
}

const OBJECTS: &[Row] = &[
    ("an application", || app().build(), Runs),
    (
        "sticky, and flags that nobody knows",
        || with_word(8, 0xFFFF_FFFF),
        Runs,
    ),
    (
        "a size that is no power of two",
        || with(|tbf| tbf.footer = 1236),
        Runs,
    ),
    (
        "a footer, which nobody checks here",
        || app().with_footers(&[0xFF; 64]),
        Runs,
    ),
    (
        "fewer than eight bytes",
        || vec![2, 0, 16, 0, 0, 1, 0],
        Ends,
    ),
    ("version 0", || with_half(0, 0), Ends),
    ("version 1", || with_half(0, 1), Ends),
    ("version 3", || with_half(0, 3), Ends),
    ("erased flash", || vec![0xFF; 256], Ends),
    ("zeros", || vec![0; 256], Ends),
    ("a total size of 0", || with_word(4, 0), Ends),
    ("a total size below a header's", || with_word(4, 12), Ends),
    ("a header size of 0", || with_half(2, 0), Skipped),
    ("a header size below 16", || with_half(2, 12), Skipped),
    (
        "a header size beyond the object",
        || with_half(2, 0xFFFC),
        Skipped,
    ),
    (
        "a total size beyond the flash",
        || with_word(4, 0x7FFF_FFF0),
        Ends,
    ),
    (
        "a wrong checksum",
        || {
            let mut object = app().build();
            object[12] ^= 1;
            object
        },
        Skipped,
    ),
    (
        "an entry that runs past the header",
        || with_half(18, 0x7FFF),
        Skipped,
    ),
    ("padding: a header alone", || padding(64), Skipped),
    (
        "padding: no main and no program entry",
        || {
            let mut object = padding(64);
            object[2] = 24;
            object[16..24].copy_from_slice(&[3, 0, 4, 0, b'n', b'a', b'm', b'e']);
            seal(&mut object);
            object
        },
        Skipped,
    ),
    ("not enabled", || with(|tbf| tbf.enabled = false), Skipped),
    (
        "no kernel version",
        || with(|tbf| tbf.kernel = None),
        Skipped,
    ),
    (
        "a lower major version",
        || with(|tbf| tbf.kernel = Some((1, 0))),
        Skipped,
    ),
    (
        "a higher major version",
        || with(|tbf| tbf.kernel = Some((3, 0))),
        Skipped,
    ),
    (
        "a minor version that runs",
        || with(|tbf| tbf.kernel = Some((2, 0))),
        Runs,
    ),
    (
        "the running minor version",
        || with(|tbf| tbf.kernel = Some((2, 3))),
        Runs,
    ),
    (
        "a higher minor version",
        || with(|tbf| tbf.kernel = Some((2, 4))),
        Skipped,
    ),
    (
        "a binary that ends beyond the object",
        || with_program(2, 0x1_0000),
        Skipped,
    ),
    (
        "a binary that ends before it starts",
        || with_program(2, 20),
        Skipped,
    ),
    (
        "a trailer beyond the binary",
        || with_program(4, 0xFFFF_FFF0),
        Skipped,
    ),
    (
        "an entry point beyond the binary",
        || with_program(5, 0xFFFF_FFF0),
        Skipped,
    ),
    (
        "another fixed address in flash",
        || with(|tbf| tbf.fixed = Some((u32::MAX, 0x8010_0080))),
        Skipped,
    ),
    (
        "no fixed address",
        || with(|tbf| tbf.fixed = Some((u32::MAX, u32::MAX))),
        Runs,
    ),
    (
        "a fixed address in RAM that is gone",
        || with(|tbf| tbf.fixed = Some((4, u32::MAX))),
        Skipped,
    ),
    (
        "more RAM than there is",
        || with(|tbf| tbf.ram = 0x1000_0000),
        Skipped,
    ),
    (
        "more RAM than there could be",
        || with(|tbf| tbf.ram = u32::MAX),
        Skipped,
    ),
];

#[test]
fn each_kind_of_object_leads_to_what_the_table_says() {
    let mut wrong = Vec::new();
    for (kind, object, then) in OBJECTS.iter().step_by(super::stride(12)) {
        let mut flash = Tbf::new("first").build();
        flash.extend(object());
        // What is cut off has nothing behind it.
        if *kind != "fewer than eight bytes" {
            flash.extend(Tbf::new("last").build());
        }
        let world = World::with_flash(&flash);
        let names: Vec<_> = world
            .kernel
            .process_slots()
            .iter()
            .filter_map(|slot| Some(slot.get()?.get_process_name()))
            .collect();
        let expected: &[&str] = match then {
            Runs => &["first", "middle", "last"],
            Skipped => &["first", "last"],
            Ends => &["first"],
        };
        if names != expected {
            wrong.push((kind, names));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn loading_ends_with_the_process_table() {
    let apps = ["one", "two", "three", "four"].map(Tbf::new);
    let world = World::with_apps(&apps);
    assert_eq!(world.kernel.get_process_iter().count(), 3);
}
