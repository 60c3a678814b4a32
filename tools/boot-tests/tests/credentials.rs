// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Kernels that check credentials: apps in order run, and each of the others gets a line.

use board_runner::credential::Maker;
use board_runner::flash_image::{self, PlacedObject};
use board_runner::tbf_object::seal;
use board_runner::workspace::Workspace;
use boot_tests::{Board, Guest, app_objects, each_qemu, header_entry};
use p256::ecdsa::SigningKey;

const NAME: u16 = 3;
const PROGRAM: u16 = 9;

/// What is done to an app before it is put into flash.
type Treatment<'a> = (&'a str, &'a dyn Fn(&mut Vec<u8>));

/// Builds the apps and treats each.
fn treated(apps: &[Treatment]) -> Vec<PlacedObject> {
    let names: Vec<&str> = apps.iter().map(|(name, _)| *name).collect();
    let mut objects = app_objects(&names);
    for ((_, treat), object) in apps.iter().zip(&mut objects) {
        treat(&mut object.bytes);
    }
    objects
}

/// Boots a kernel that wants what `maker` makes, and calls `judge` when the last app has run a while.
fn boot(maker: &Maker, objects: Vec<PlacedObject>, judge: impl Fn(&Guest, &str)) {
    let kernel = Workspace::of_this_tool()
        .build_checking_kernel(maker)
        .unwrap_or_else(|error| panic!("{error}"));
    let image = flash_image::build(objects).expect("treatment keeps the size");
    each_qemu(|qemu| {
        let mut guest = Board::on(qemu)
            .kernel(kernel.clone())
            .image(image.clone())
            .boot();
        let printed = guest.expect("ticker: 3");
        judge(&guest, &printed);
    });
}

/// Fails unless exactly one line is about `app`, and has all of `words`.
fn expect_line_about(guest: &Guest, printed: &str, app: &str, words: &str) {
    let start = format!("App {app} at ");
    let lines: Vec<&str> = printed
        .lines()
        .filter(|line| line.contains(&start))
        .collect();
    if lines.len() != 1 || !lines[0].contains(words) {
        guest.fail_with(&format!("not one line about {app} with \"{words}\""));
    }
}

/// Fails if an app ran that should not have.
fn expect_silence(guest: &Guest, printed: &str) {
    for words in ["Hello from Tock", "crash: reading", "random: ", "peek: "] {
        if printed.contains(words) {
            guest.fail_with(&format!("an app ran and printed \"{words}\""));
        }
    }
}

fn add(maker: &Maker, object: &mut [u8]) {
    maker
        .add_to(object)
        .expect("apps have room for credentials");
}

/// Changes a byte of the binary.
fn tamper(object: &mut [u8]) {
    object[0x100] ^= 0x10;
}

#[test]
fn digests_keep_damaged_apps_from_running() {
    let digest = Maker::Sha256;
    let objects = treated(&[
        ("hello", &|_| {}),
        ("crash", &|object| {
            add(&digest, object);
            tamper(object);
        }),
        ("random", &|object| {
            // The digest of another binary, as a tool might leave it there.
            tamper(object);
            add(&digest, object);
            tamper(object);
        }),
        ("ticker", &|object| add(&digest, object)),
    ]);
    boot(&digest, objects, |guest, printed| {
        expect_line_about(guest, printed, "hello", "no credential was accepted");
        expect_line_about(guest, printed, "crash", "a credential was rejected");
        expect_line_about(guest, printed, "random", "a credential was rejected");
        expect_line_about(guest, printed, "ticker", "loaded");
        expect_silence(guest, printed);
    });
}

#[test]
fn only_apps_signed_by_a_key_of_the_board_run() {
    let key = |fill: u8| {
        let key = SigningKey::from_slice(&[fill; 32]).expect("a number below the order");
        Maker::EcdsaP256(key)
    };
    let (ours, foreign) = (key(0x21), key(0x22));
    let objects = treated(&[
        ("hello", &|_| {}),
        ("crash", &|object| add(&foreign, object)),
        ("random", &|object| {
            add(&ours, object);
            tamper(object);
        }),
        ("echo", &|object| add(&Maker::Sha256, object)),
        ("ticker", &|object| add(&ours, object)),
    ]);
    boot(&ours, objects, |guest, printed| {
        for app in ["hello", "crash", "random", "echo"] {
            expect_line_about(guest, printed, app, "no credential was accepted");
        }
        expect_line_about(guest, printed, "ticker", "loaded");
        expect_silence(guest, printed);
    });
}

#[test]
fn of_two_versions_of_an_app_the_newer_runs() {
    let digest = Maker::Sha256;
    let version = |object: &mut Vec<u8>, version: u32| {
        // Both have a name of five letters; from now on it is the same.
        let name = header_entry(object, NAME);
        object[name..name + 5].copy_from_slice(b"hello");
        let program = header_entry(object, PROGRAM);
        object[program + 16..program + 20].copy_from_slice(&version.to_le_bytes());
        seal(object);
        add(&digest, object);
    };
    let objects = treated(&[
        ("crash", &|object| version(object, 1)),
        ("hello", &|object| version(object, 2)),
        ("ticker", &|object| add(&digest, object)),
    ]);
    boot(&digest, objects, |guest, printed| {
        let about: Vec<&str> = printed
            .lines()
            .filter(|line| line.contains("App hello at "))
            .collect();
        match about[..] {
            [old, new]
                if old.contains("another binary of the application runs instead")
                    && new.contains("loaded")
                    && printed.contains("Hello from Tock")
                    && !printed.contains("crash: reading") => {}
            _ => guest.fail_with("the older version was not left out"),
        }
    });
}
