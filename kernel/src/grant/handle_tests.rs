// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Entering grants, and iterating over them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::vec::Vec;

use crate::grant::{AllowRoCount, AllowRwCount, Grant, UpcallCount};
use crate::kernel::Kernel;
use crate::process::{Error, Process, State};
use crate::testing::{kernel_with, kernel_with_process};

const DRIVER: usize = 0x30007;

#[derive(Debug)]
struct App {
    count: usize,
}

impl Default for App {
    fn default() -> App {
        App { count: 5 }
    }
}

type AppGrant = Grant<App, UpcallCount<2>, AllowRoCount<1>, AllowRwCount<1>>;

fn grant(kernel: &'static Kernel, grant_num: usize) -> AppGrant {
    Grant::new(kernel, DRIVER + grant_num, grant_num)
}

#[test]
fn a_grant_starts_with_the_default_and_keeps_what_is_put_there() {
    let (kernel, process) = kernel_with_process();
    let (apps, id) = (grant(kernel, 0), process.processid());
    assert_eq!(process.grant_allocated_count(), Some(0));
    assert_eq!(apps.enter(id, |app, _| app.count), Ok(5));
    assert_eq!(process.grant_allocated_count(), Some(1));
    assert_eq!(process.lookup_grant_from_driver_num(DRIVER), Ok(0));
    apps.enter(id, |app, _| app.count += 1).unwrap();
    assert_eq!(apps.enter(id, |app, _| app.count), Ok(6));
}

#[test]
fn grants_of_one_process_are_apart() {
    let (kernel, process) = kernel_with_process();
    let (first, second, id) = (grant(kernel, 0), grant(kernel, 1), process.processid());
    let outcome = first.enter(id, |app, _| {
        app.count = 1;
        second.enter(id, |other, _| other.count = 2).unwrap();
        app.count
    });
    assert_eq!(outcome, Ok(1));
    assert_eq!(second.enter(id, |app, _| app.count), Ok(2));
}

#[test]
fn entering_twice_fails_inside_and_works_again_outside() {
    let (kernel, process) = kernel_with_process();
    let (apps, id) = (grant(kernel, 0), process.processid());
    let inner = apps.enter(id, |_, _| apps.enter(id, |app, _| app.count));
    assert_eq!(inner, Ok(Err(Error::AlreadyInUse)));
    assert_eq!(apps.enter(id, |app, _| app.count), Ok(5));
}

#[test]
fn a_panic_inside_leaves_the_grant() {
    let (kernel, process) = kernel_with_process();
    let (apps, id) = (grant(kernel, 0), process.processid());
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let _ = apps.enter(id, |_, _| panic!("inside"));
    }));
    assert!(outcome.is_err());
    assert_eq!(apps.enter(id, |app, _| app.count), Ok(5));
}

#[test]
fn a_process_that_runs_out_of_memory_is_told_so_and_can_try_again() {
    let (kernel, process) = kernel_with_process();
    let (apps, id) = (grant(kernel, 0), process.processid());
    process.room.set(8);
    assert_eq!(apps.enter(id, |_, _| ()), Err(Error::OutOfMemory));
    assert_eq!(process.grant_is_allocated(0), Some(false));
    process.room.set(4096);
    assert_eq!(apps.enter(id, |app, _| app.count), Ok(5));
}

#[test]
fn ended_and_restarted_processes_are_told_apart() {
    let (kernel, process) = kernel_with_process();
    let (apps, id) = (grant(kernel, 0), process.processid());
    apps.enter(id, |app, _| app.count = 9).unwrap();
    for state in [State::Faulted, State::Terminated] {
        process.state.set(state);
        assert_eq!(apps.enter(id, |_, _| ()), Err(Error::InactiveApp));
        assert_eq!(apps.iter().count(), 0);
    }
    process.restart();
    assert_eq!(apps.enter(id, |_, _| ()), Err(Error::NoSuchApp));
    assert_eq!(apps.iter().count(), 0);
    let id = process.processid();
    assert_eq!(apps.enter(id, |app, _| app.count), Ok(5));
}

#[test]
fn iteration_visits_the_processes_that_have_the_grant() {
    let (kernel, processes) = kernel_with(3);
    let apps = grant(kernel, 0);
    for process in [processes[0], processes[2]] {
        apps.enter(process.processid(), |_, _| ()).unwrap();
    }
    let visited: Vec<_> = apps.iter().map(|grant| grant.processid()).collect();
    assert_eq!(
        visited,
        [processes[0].processid(), processes[2].processid()]
    );
    apps.each(|_, app, _| app.count += 1);
    let counts: Vec<_> = apps
        .iter()
        .map(|grant| grant.enter(|app, _| app.count))
        .collect();
    assert_eq!(counts, [6, 6]);
}

#[test]
fn iteration_passes_over_what_is_entered() {
    let (kernel, processes) = kernel_with(2);
    let apps = grant(kernel, 0);
    for process in &processes {
        apps.enter(process.processid(), |_, _| ()).unwrap();
    }
    let other = processes[1].processid();
    let mut each_visited = Vec::new();
    let tried = apps.enter(processes[0].processid(), |_, _| {
        apps.each(|id, _, _| each_visited.push(id));
        let tried: Vec<_> = apps
            .iter()
            .filter_map(|grant| {
                let id = grant.processid();
                grant.try_enter(|_, _| id)
            })
            .collect();
        tried
    });
    assert_eq!(tried, Ok(std::vec![other]));
    assert_eq!(each_visited, [other]);
}

#[test]
fn entering_what_iteration_gave_panics_when_it_is_entered_already() {
    let (kernel, process) = kernel_with_process();
    let (apps, id) = (grant(kernel, 0), process.processid());
    apps.enter(id, |_, _| ()).unwrap();
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let _ = apps.enter(id, |_, _| {
            apps.iter().for_each(|grant| grant.enter(|_, _| ()))
        });
    }));
    assert!(outcome.is_err());
    assert_eq!(apps.enter(id, |app, _| app.count), Ok(5));
}

#[test]
fn a_process_that_ends_during_the_iteration_is_not_entered() {
    let (kernel, process) = kernel_with_process();
    let (apps, id) = (grant(kernel, 0), process.processid());
    apps.enter(id, |_, _| ()).unwrap();
    let found = apps.iter().next().unwrap();
    process.restart();
    apps.enter(process.processid(), |_, _| ()).unwrap();
    assert_eq!(found.try_enter(|_, _| ()), None);
}

#[test]
fn a_default_that_enters_its_own_grant_finds_it_in_use() {
    use core::cell::Cell;
    std::thread_local! {
        static GRANT: Cell<Option<&'static Grant<Curious, UpcallCount<0>, AllowRoCount<0>, AllowRwCount<0>>>> =
            const { Cell::new(None) };
        static PROCESS: Cell<Option<crate::ProcessId>> = const { Cell::new(None) };
    }
    struct Curious(Result<(), Error>);
    impl Default for Curious {
        fn default() -> Curious {
            let grant = GRANT.get().unwrap();
            Curious(grant.enter(PROCESS.get().unwrap(), |_, _| ()))
        }
    }
    let (kernel, process) = kernel_with_process();
    let grant = crate::testing::forever(Grant::new(kernel, DRIVER, 0));
    GRANT.set(Some(grant));
    PROCESS.set(Some(process.processid()));
    let found = grant.enter(process.processid(), |curious, _| curious.0);
    assert_eq!(found, Ok(Err(Error::AlreadyInUse)));
}
