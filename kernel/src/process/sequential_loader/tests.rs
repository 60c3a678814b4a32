// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Loading of applications with and without credentials, good and bad.

use core::cell::{Cell, RefCell};
use core::num::NonZeroU32;
use std::string::String;
use std::vec::Vec;

use super::*;
use crate::deferred_call::initialize_deferred_call_state;
use crate::process::fake_tbf::{Tbf, padding, seal};
use crate::process::fakes::{Everything, FakeChip, FakePolicy, POOL, SLOTS, memory};
use crate::process::{FaultAction, ProcessArray, ProcessStandard};
use crate::process_checker::fakes::{ACCEPT, FAIL, Obedient, PASS, REJECT, order};
use crate::process_checker::{AppCredentialsPolicy, AppUniqueness, Compress};
use crate::storage_permissions::StoragePermissions;
use crate::testing::{TestCapability, TestThread, forever};

/// Binaries that the loader can keep.
const PLACES: usize = 4;

/// Applications are the same if their names are; the first letter is the short identifier, but
/// those with `u` have none.
struct ByName;

impl AppUniqueness for ByName {
    fn different_identifier(&self, a: &ProcessBinary, b: &ProcessBinary) -> bool {
        a.header.get_package_name() != b.header.get_package_name()
    }

    fn different_identifier_process(&self, a: &ProcessBinary, b: &dyn Process) -> bool {
        a.header.get_package_name() != Some(b.get_process_name())
    }

    fn different_identifier_processes(&self, a: &dyn Process, b: &dyn Process) -> bool {
        a.get_process_name() != b.get_process_name()
    }
}

impl Compress for ByName {
    fn to_short_id(&self, process: &ProcessBinary) -> ShortId {
        let name = process.header.get_package_name().unwrap_or_default();
        let letter = name.bytes().next().filter(|&letter| letter != b'u');
        letter
            .and_then(|letter| NonZeroU32::new(letter.into()))
            .into()
    }
}

/// Gives what the header of an application asks for.
struct AsHeadersSay;

impl ProcessStandardStoragePermissionsPolicy<FakeChip, ()> for AsHeadersSay {
    fn get_permissions(&self, process: &ProcessStandard<FakeChip, ()>) -> StoragePermissions {
        match (
            process.short_app_id(),
            process.get_tbf_storage_permissions(),
        ) {
            (ShortId::Fixed(id), Some((write, read_count, read, modify_count, modify))) => {
                StoragePermissions::new_fixed_size(
                    id,
                    write,
                    false,
                    read_count,
                    read,
                    modify_count,
                    modify,
                    &TestCapability,
                )
            }
            _ => StoragePermissions::new_null(),
        }
    }
}

/// A name, and what became of the application.
type Outcome = (Option<&'static str>, Result<(), ProcessLoadError>);

/// What the loader said.
#[derive(Default)]
struct Log {
    reports: RefCell<Vec<Outcome>>,
    lines: RefCell<Vec<String>>,
    results: RefCell<Vec<Result<(), ProcessLoadError>>>,
    finished: Cell<usize>,
}

impl ProcessLoadReporter for Log {
    fn report(&self, report: &ProcessLoadReport) {
        let outcome = report.outcome.map(|_| ());
        self.reports.borrow_mut().push((report.name(), outcome));
        self.lines.borrow_mut().push(std::format!("{report}"));
    }
}

impl ProcessLoadingAsyncClient for Log {
    fn process_loaded(&self, result: Result<(), ProcessLoadError>) {
        self.results.borrow_mut().push(result);
    }

    fn process_loading_finished(&self) {
        self.finished.set(self.finished.get() + 1);
    }
}

struct Board {
    kernel: &'static Kernel,
    loader: &'static SequentialProcessLoaderMachine<'static, FakeChip, ()>,
    policy: &'static Obedient,
    flash: &'static [u8],
    /// What was said about loading at boot.
    boot: &'static Log,
    /// What was said about loading at run time; reports go to the other.
    run_time: &'static Log,
}

/// A board that has not loaded anything.
fn board(flash: &[u8], required: bool, at_once: bool) -> Board {
    initialize_deferred_call_state::<TestThread>();
    let place = memory(flash.len());
    place.copy_from_slice(flash);
    let place: &'static [u8] = place;
    let table: &'static ProcessArray<SLOTS> = forever(ProcessArray::new());
    let kernel = forever(Kernel::new(table.as_slice()));
    let policy = Obedient::new(required, at_once);
    let checker = forever(ProcessCheckerMachine::new(policy));
    policy.set_client(checker);
    let binaries: [Option<ProcessBinary>; PLACES] = [const { None }; PLACES];
    let loader: &'static SequentialProcessLoaderMachine<'static, FakeChip, ()> =
        forever(SequentialProcessLoaderMachine::new(
            checker,
            std::boxed::Box::leak(std::boxed::Box::new(binaries)),
            kernel,
            forever(FakeChip::default()),
            place,
            memory(POOL),
            forever(FakePolicy {
                action: Cell::new(FaultAction::Stop),
            }),
            &AsHeadersSay,
            &(),
            &Everything,
        ));
    checker.set_client(loader);
    loader.register();
    let (boot, run_time): (&'static Log, &'static Log) =
        (forever(Log::default()), forever(Log::default()));
    loader.set_policy(&ByName);
    loader.set_client(boot);
    loader.set_runtime_client(run_time);
    loader.set_reporter(boot);
    Board {
        kernel,
        loader,
        policy,
        flash: place,
        boot,
        run_time,
    }
}

impl Board {
    /// Does everything there is to do; returns the number of deferred calls it took.
    fn run(&self) -> usize {
        let mut calls = 0;
        while DeferredCall::service_next_pending().is_some() || self.policy.work() {
            calls += 1;
            assert!(calls < 10_000, "the loader does not come to an end");
        }
        calls
    }

    /// Names and short identifiers of the processes, by slot.
    fn processes(&self) -> Vec<(&'static str, ShortId)> {
        self.kernel
            .get_process_iter()
            .map(|process| (process.get_process_name(), process.short_app_id()))
            .collect()
    }

    fn names(&self) -> Vec<&'static str> {
        self.processes().iter().map(|(name, _)| *name).collect()
    }

    fn outcome(&self, name: &str) -> Result<(), ProcessLoadError> {
        let reports = self.boot.reports.borrow();
        let mut about = reports.iter().filter(|(found, _)| *found == Some(name));
        let (_, outcome) = about.next().unwrap();
        assert!(about.next().is_none(), "more than one line about {name}");
        *outcome
    }
}

/// An application of a version, with orders to the policy as its credentials.
fn app(name: &'static str, version: u32, orders: &[u8]) -> Vec<u8> {
    let mut tbf = Tbf::new(name);
    tbf.version = version;
    let footers: Vec<u8> = orders.iter().flat_map(|&one| order(one)).collect();
    tbf.with_footers(&footers)
}

/// A board that has loaded these objects, however the policy answers.
fn boot(objects: &[Vec<u8>]) -> [Board; 2] {
    [true, false].map(|at_once| {
        let board = board(&objects.concat(), true, at_once);
        board.loader.start();
        board.run();
        assert_eq!(board.boot.finished.get(), 1);
        let said = board.boot.reports.borrow();
        let told = board.boot.results.borrow();
        assert!(said.iter().map(|(_, outcome)| outcome).eq(told.iter()));
        drop((said, told));
        board
    })
}

const NOT_ACCEPTED: Result<(), ProcessLoadError> = Err(ProcessLoadError::CheckError(
    ProcessCheckError::CredentialsNotAccepted,
));
const SUPERSEDED: Result<(), ProcessLoadError> = Err(ProcessLoadError::BinaryError(
    ProcessBinaryError::Superseded,
));
const TAKEN: Result<(), ProcessLoadError> = Err(ProcessLoadError::BinaryError(
    ProcessBinaryError::IdentityTaken,
));

#[test]
fn accepted_applications_become_processes_in_the_order_of_flash() {
    for board in boot(&[app("b", 1, &[ACCEPT]), app("a", 1, &[PASS, ACCEPT])]) {
        let [(first, first_id), (second, second_id)] = board.processes()[..] else {
            panic!("{:?}", board.names())
        };
        assert_eq!((first, second), ("b", "a"));
        assert!(first_id == ShortId::from(NonZeroU32::new(b'b'.into())));
        assert!(second_id == ShortId::from(NonZeroU32::new(b'a'.into())));
        assert_eq!(*board.boot.results.borrow(), [Ok(()), Ok(())]);
        assert!(
            board.kernel.process_slots()[0]
                .get()
                .unwrap()
                .get_credential()
                .is_some()
        );
    }
}

#[test]
fn only_those_that_the_policy_accepts_run() {
    let objects = [
        app("unsigned", 1, &[]),
        app("good", 1, &[ACCEPT]),
        app("passed", 1, &[PASS, PASS]),
        app("rejected", 1, &[PASS, REJECT, ACCEPT]),
        app("failed", 1, &[FAIL, ACCEPT]),
        app("last", 1, &[ACCEPT]),
    ];
    for board in boot(&objects) {
        assert_eq!(board.names(), ["good", "last"]);
        let check = |error| Err(ProcessLoadError::CheckError(error));
        assert_eq!(board.outcome("unsigned"), NOT_ACCEPTED);
        assert_eq!(board.outcome("passed"), NOT_ACCEPTED);
        let rejected = check(ProcessCheckError::CredentialsRejected(1));
        assert_eq!(board.outcome("rejected"), rejected);
        let internal = check(ProcessCheckError::InternalError);
        assert_eq!(board.outcome("failed"), internal);
        let lines = board.boot.lines.borrow();
        for reason in ["no credential was accepted", "a credential was rejected"] {
            assert!(lines.iter().any(|line| line.contains(reason)), "{lines:?}");
        }
    }
}

#[test]
fn a_policy_that_requires_nothing_lets_all_but_the_rejected_run() {
    let objects = [app("plain", 1, &[]), app("rejected", 1, &[REJECT])];
    let board = board(&objects.concat(), false, false);
    board.loader.start();
    board.run();
    assert_eq!(board.names(), ["plain"]);
}

#[test]
fn the_highest_version_of_an_application_runs_wherever_it_stands() {
    for versions in [[1, 2, 3], [3, 2, 1], [2, 3, 1]] {
        let objects = versions.map(|version| app("same", version, &[ACCEPT]));
        for board in boot(&objects) {
            assert_eq!(board.names(), ["same"]);
            let expected = versions.map(|version| if version == 3 { Ok(()) } else { SUPERSEDED });
            assert_eq!(*board.boot.results.borrow(), expected);
            let process = board.kernel.process_slots()[0].get().unwrap();
            let version = NonZeroU32::new(3).map(crate::process::BinaryVersion::new);
            assert_eq!(process.binary_version(), version);
        }
    }
}

#[test]
fn of_equal_versions_the_first_in_flash_runs() {
    let objects = [app("same", 7, &[ACCEPT]), app("same", 7, &[ACCEPT])];
    for board in boot(&objects) {
        assert_eq!(*board.boot.results.borrow(), [Ok(()), SUPERSEDED]);
    }
}

#[test]
fn a_newer_version_without_credentials_does_not_displace_an_accepted_one() {
    for orders in [&[][..], &[REJECT], &[PASS]] {
        let objects = [app("same", 2, orders), app("same", 1, &[ACCEPT])];
        for board in boot(&objects) {
            assert_eq!(board.names(), ["same"]);
            assert_eq!(board.boot.results.borrow()[1], Ok(()));
        }
    }
}

#[test]
fn of_two_with_the_same_short_identifier_the_first_runs() {
    for board in boot(&[app("two", 1, &[ACCEPT]), app("three", 2, &[ACCEPT])]) {
        assert_eq!(*board.boot.results.borrow(), [Ok(()), TAKEN]);
    }
    for board in boot(&[app("up", 1, &[ACCEPT]), app("under", 2, &[ACCEPT])]) {
        assert_eq!(board.names(), ["up", "under"]);
    }
}

#[test]
fn without_an_identity_policy_all_run() {
    let objects = [app("same", 1, &[ACCEPT]), app("same", 2, &[ACCEPT])];
    let board = board(&objects.concat(), true, true);
    board.loader.set_policy(&());
    board.loader.start();
    board.run();
    assert_eq!(board.names(), ["same", "same"]);
}

#[test]
fn what_does_not_fit_is_told_and_the_others_run() {
    let count = PLACES + 2;
    let names = ["a", "b", "c", "d", "e", "f"];
    assert_eq!(names.len(), count);
    let objects: Vec<_> = names.iter().map(|name| app(name, 1, &[ACCEPT])).collect();
    for board in boot(&objects) {
        assert_eq!(board.names().len(), SLOTS);
        let no_slot = Err(ProcessLoadError::NoProcessSlot);
        let results = board.boot.results.borrow();
        assert_eq!(
            results.iter().filter(|result| **result == no_slot).count(),
            count - SLOTS
        );
    }
}

#[test]
fn what_is_wrong_with_an_object_is_told_as_by_the_other_loader() {
    let mut corrupt = app("corrupt", 1, &[ACCEPT]);
    corrupt[12] ^= 1;
    let mut disabled = Tbf::new("off");
    disabled.enabled = false;
    let mut unknown = app("odd", 1, &[ACCEPT]);
    unknown[0] = 9;
    seal(&mut unknown);
    let objects = [
        padding(64),
        corrupt,
        disabled.with_footers(&order(ACCEPT)),
        app("good", 1, &[ACCEPT]),
        unknown,
        app("lost", 1, &[ACCEPT]),
    ];
    for board in boot(&objects) {
        assert_eq!(board.names(), ["good"]);
        let binary = |error| Err(ProcessLoadError::BinaryError(error));
        assert_eq!(board.outcome("off"), binary(ProcessBinaryError::Disabled));
        assert_eq!(board.boot.reports.borrow().len(), 4);
    }
    for board in boot(&[]) {
        assert!(board.boot.reports.borrow().is_empty());
    }
}

#[test]
fn loading_takes_a_call_for_each_object_and_starts_with_none() {
    let objects = [app("a", 1, &[ACCEPT]), app("b", 1, &[ACCEPT]), padding(64)];
    let board = board(&objects.concat(), true, false);
    board.loader.start();
    assert!(board.boot.results.borrow().is_empty() && board.policy.asked.borrow().is_empty());
    // Three objects, the end of flash, two answers, two processes, the end of the list.
    assert_eq!(board.run(), 9);
    assert_eq!(board.boot.finished.get(), 1);
}

#[test]
fn starting_twice_changes_nothing() {
    let board = board(&app("a", 1, &[ACCEPT]), true, false);
    board.loader.start();
    DeferredCall::service_next_pending();
    board.loader.start();
    board.run();
    assert_eq!(board.names(), ["a"]);
    assert_eq!(board.boot.finished.get(), 1);
}

#[test]
fn an_application_that_comes_later_is_checked_and_loaded() {
    let objects = [app("a", 1, &[ACCEPT]), app("b", 1, &[])];
    let board = board(
        &[&objects[0][..], &[0; 64], &objects.concat()].concat(),
        true,
        false,
    );
    board.loader.start();
    board.run();
    assert_eq!(board.names(), ["a"]);

    let start = board.flash.as_ptr().addr();
    let size = objects[0].len();
    let same = start + size + 64;
    // All bytes of the same application, a newer one of which would have to wait for the next boot.
    board.loader.load_new_process_binary(same, size).unwrap();
    let busy = board.loader.load_new_process_binary(same, size);
    assert_eq!(busy, Err(ProcessLoadError::InternalError));
    board.run();
    let other = same + size;
    board
        .loader
        .load_new_process_binary(other, objects[1].len())
        .unwrap();
    board.run();
    assert_eq!(*board.run_time.results.borrow(), [TAKEN, NOT_ACCEPTED]);
    assert_eq!(board.run_time.finished.get(), 2);
    assert_eq!(board.boot.results.borrow().len(), 1);
}

#[test]
fn a_range_that_does_not_hold_the_application_is_refused() {
    let object = app("late", 1, &[ACCEPT]);
    let board = board(&[&[0; 64][..], &object, &object].concat(), true, true);
    board.loader.start();
    board.run();
    let start = board.flash.as_ptr().addr();
    let end = start + board.flash.len();
    let outside = Err(ProcessLoadError::BinaryError(
        ProcessBinaryError::BadOffsets,
    ));
    for (address, size) in [
        (start.wrapping_sub(1), 8),
        (start, board.flash.len() + 1),
        (end, 1),
        (start + 64, usize::MAX),
        (0, 64),
        (usize::MAX, usize::MAX),
    ] {
        assert_eq!(board.loader.load_new_process_binary(address, size), outside);
    }
    let load = |address, size| {
        board.loader.load_new_process_binary(address, size).unwrap();
        board.run();
        board.run_time.results.borrow().last().copied()
    };
    let late = start + 64;
    assert!(matches!(load(late, object.len() - 4), Some(Err(_))));
    // Nothing is there, so nothing is said about it.
    let said = board.run_time.results.borrow().len();
    load(start, 64);
    load(end, 0);
    assert_eq!(board.run_time.results.borrow().len(), said);
    // What is behind the application in the range is left alone.
    assert_eq!(load(late, 2 * object.len()), Some(Ok(())));
    assert_eq!(board.names(), ["late"]);
}

#[test]
fn damaged_flash_never_harms_the_loader() {
    let good = [
        app("one", 1, &[PASS, ACCEPT]),
        app("two", 2, &[REJECT]),
        app("one", 3, &[]),
    ]
    .concat();
    // A small generator will do: the point is many different damages.
    let mut random = 0x1234_5677u32;
    let mut next = || {
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        random as usize
    };
    let images = if cfg!(miri) { 10 } else { 1000 };
    let mut flash = Vec::new();
    for _ in 0..images {
        let mut image = good.clone();
        for _ in 0..=next() % 4 {
            let place = next() % image.len();
            image[place] = next() as u8;
        }
        let size = usize::from(u16::from_le_bytes([image[2], image[3]]));
        if next() % 2 == 0 && (16..=image.len()).contains(&size) {
            seal(&mut image);
        }
        flash.extend(image);
    }
    let board = board(&flash, true, true);
    let start = board.flash.as_ptr().addr();
    for image in 0..images {
        let address = start + image * good.len();
        board
            .loader
            .load_new_process_binary(address, good.len())
            .unwrap();
        board.run();
    }
    assert_eq!(board.run_time.finished.get(), images);
    assert!(board.names().len() <= SLOTS);
}

#[test]
fn the_policy_of_the_board_decides_what_a_process_may_store() {
    let object = |name, storage| {
        let mut tbf = Tbf::new(name);
        tbf.storage = storage;
        tbf.with_footers(&order(ACCEPT))
    };
    let asks = |write| Some((write, std::vec![8, 9], std::vec![10]));
    for board in boot(&[
        object("writes", asks(7)),
        object("reads", asks(0)),
        object("unnamed", asks(7)),
    ]) {
        let rights = |slot: usize| {
            let process = board.kernel.process_slots()[slot].get().unwrap();
            let permissions = process.processid().get_storage_permissions().unwrap();
            (
                permissions.get_write_id(),
                [8, 9, 10].map(|id| permissions.check_read_permission(id)),
                [8, 9, 10].map(|id| permissions.check_modify_permission(id)),
            )
        };
        let listed = ([true, true, false], [false, false, true]);
        // Short identifiers are first letters here, and `u` stands for none.
        assert_eq!(rights(0), (Some(u32::from(b'w')), listed.0, listed.1));
        assert_eq!(rights(1), (None, listed.0, listed.1));
        assert_eq!(rights(2), (None, [false; 3], [false; 3]));
    }
}
