// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The checker against a policy that says what the footers tell it to say.

use core::cell::RefCell;
use std::vec;
use std::vec::Vec;

use proptest::prelude::*;
use tock_tbf::types::TbfFooterV2CredentialsType as Format;

use super::fakes::{
    ACCEPT, BUSY, FAIL, Obedient, PASS, REJECT, REMEMBER, UNSUPPORTED, footer, order,
};
use super::machine::MAX_FOOTERS;
use super::*;
use crate::process::fake_tbf::Tbf;
use crate::process::fakes::memory;
use crate::process::{ProcessBinary, ShortId};
use crate::testing::{forever, kernel_with_process};

type Outcome = Result<Option<Option<usize>>, ProcessCheckError>;

/// Keeps what came of each binary: the metadata of the credential that was accepted.
#[derive(Default)]
struct Results(RefCell<Vec<Outcome>>);

impl ProcessCheckerMachineClient for Results {
    fn done(
        &self,
        binary: ProcessBinary,
        result: Result<Option<AcceptedCredential>, ProcessCheckError>,
    ) {
        let accepted = result.ok().flatten().map(|accepted| accepted.credential);
        let kept = binary.get_credential().map(|accepted| accepted.credential);
        assert_eq!(
            accepted.map(|credential| credential.data().as_ptr()),
            kept.map(|credential| credential.data().as_ptr())
        );
        self.0.borrow_mut().push(result.map(|accepted| {
            accepted.map(|accepted| accepted.metadata.map(|metadata| metadata.metadata))
        }));
    }
}

struct Desk {
    machine: &'static ProcessCheckerMachine,
    policy: &'static Obedient,
    results: &'static Results,
}

fn desk(required: bool, at_once: bool) -> Desk {
    let policy = Obedient::new(required, at_once);
    let results: &'static Results = forever(Results::default());
    let machine = forever(ProcessCheckerMachine::new(policy));
    machine.set_client(results);
    policy.set_client(machine);
    Desk {
        machine,
        policy,
        results,
    }
}

impl Desk {
    /// Checks a binary with these footers to the end.
    fn outcome(&self, footers: &[u8]) -> Outcome {
        self.machine.check(binary(footers)).unwrap();
        while self.policy.work() {}
        let outcome = self.results.0.borrow_mut().pop();
        outcome.expect("the check has ended")
    }
}

/// A binary with these footers.
fn binary(footers: &[u8]) -> ProcessBinary {
    let object = Tbf::new("app").with_footers(footers);
    let flash = memory(object.len());
    flash.copy_from_slice(&object);
    ProcessBinary::create(flash, 2).unwrap()
}

#[test]
fn a_binary_without_credentials_runs_only_where_none_is_required() {
    for at_once in [true, false] {
        let none_accepted = Err(ProcessCheckError::CredentialsNotAccepted);
        for footers in [Vec::new(), vec![0; 4], order(PASS), order(UNSUPPORTED)] {
            assert_eq!(desk(true, at_once).outcome(&footers), none_accepted);
            assert_eq!(desk(false, at_once).outcome(&footers), Ok(None));
        }
    }
}

#[test]
fn the_first_answer_that_decides_counts() {
    let rejected = |number| Err(ProcessCheckError::CredentialsRejected(number));
    let error = Err(ProcessCheckError::InternalError);
    for (orders, outcome) in [
        (&[PASS, ACCEPT, REJECT][..], Ok(Some(None))),
        (&[PASS, PASS, REJECT, ACCEPT], rejected(2)),
        (&[UNSUPPORTED, REMEMBER, FAIL], Ok(Some(Some(9)))),
        (&[UNSUPPORTED, FAIL, ACCEPT], error),
        (&[PASS, BUSY, ACCEPT], error),
        (&[REJECT], rejected(0)),
    ] {
        let footers: Vec<u8> = orders.iter().flat_map(|&one| order(one)).collect();
        for (required, at_once) in [(true, true), (true, false), (false, true), (false, false)] {
            assert_eq!(desk(required, at_once).outcome(&footers), outcome);
        }
    }
}

#[test]
fn the_policy_gets_the_object_up_to_the_end_of_the_binary() {
    let desk = desk(true, true);
    let tbf = Tbf::new("app");
    desk.outcome(&order(ACCEPT)).unwrap();
    let object = tbf.with_footers(&order(ACCEPT));
    let end = tbf.protected_size() + tbf.binary as usize;
    assert_eq!(*desk.policy.regions.borrow(), [&object[..end]]);
    assert_eq!(&object[end..], order(ACCEPT));
}

#[test]
fn footers_of_unknown_formats_are_passed_over_and_counted() {
    let desk = desk(true, false);
    let footers = [
        footer(128, 77, &[ACCEPT; 32]),
        footer(7, 3, &[ACCEPT; 32]),
        footer(128, 3, &[ACCEPT; 31]),
        order(REJECT),
    ]
    .concat();
    let rejected = Err(ProcessCheckError::CredentialsRejected(3));
    assert_eq!(desk.outcome(&footers), rejected);
    assert_eq!(*desk.policy.asked.borrow(), [(Format::SHA256, REJECT)]);
}

#[test]
fn no_number_of_footers_keeps_the_policy_busy_or_nests_calls() {
    let limit = MAX_FOOTERS as usize;
    for at_once in [true, false] {
        let desk = desk(true, at_once);
        let within = [order(PASS).repeat(limit - 1), order(ACCEPT)].concat();
        assert_eq!(desk.outcome(&within), Ok(Some(None)));
        let beyond = [order(PASS).repeat(limit), order(ACCEPT)].concat();
        let none_accepted = Err(ProcessCheckError::CredentialsNotAccepted);
        assert_eq!(desk.outcome(&beyond), none_accepted);
        assert_eq!(desk.outcome(&[0; 4].repeat(limit + 9)), none_accepted);
        assert_eq!(desk.policy.asked.borrow().len(), 2 * limit);
        assert!(desk.policy.deepest.get() <= 1);
    }
}

#[test]
fn answers_to_other_questions_decide_nothing() {
    let desk = desk(true, false);
    desk.machine.check(binary(&order(PASS))).unwrap();
    let (credential, region) = desk.policy.waiting.take().unwrap();
    let other = binary(&order(ACCEPT));
    let (others, _) = tock_tbf::parse::parse_tbf_footer(other.footers).unwrap();
    let accept = || Ok(CheckResult::Accept(None));
    desk.machine.check_done(accept(), others, region);
    desk.machine.check_done(accept(), credential, other.flash);
    assert_eq!(*desk.results.0.borrow(), []);
    desk.policy.answer(credential, region);
    let expected = [Err(ProcessCheckError::CredentialsNotAccepted)];
    assert_eq!(*desk.results.0.borrow(), expected);
    // One that comes too late decides nothing either.
    desk.machine.check_done(accept(), credential, region);
    assert_eq!(*desk.results.0.borrow(), expected);
}

#[test]
fn one_binary_is_checked_at_a_time() {
    let desk = desk(true, false);
    desk.machine.check(binary(&order(ACCEPT))).unwrap();
    let busy = desk.machine.check(binary(&order(ACCEPT)));
    assert_eq!(busy, Err(ProcessCheckError::InternalError));
    assert!(desk.policy.work());
    assert_eq!(*desk.results.0.borrow(), [Ok(Some(None))]);
    desk.machine.check(binary(&order(ACCEPT))).unwrap();
}

#[test]
fn another_policy_can_take_over() {
    let desk = desk(true, true);
    let generous = Obedient::new(false, true);
    desk.machine.set_policy(generous);
    assert_eq!(desk.outcome(&[]), Ok(None));
}

#[test]
fn without_a_policy_of_its_own_a_board_has_no_two_equal_applications() {
    let one = binary(&[]);
    let (_, process) = kernel_with_process();
    assert!(().different_identifier(&one, &one));
    assert!(().different_identifier_process(&one, process));
    assert!(().different_identifier_processes(process, process));
    assert!(matches!(().to_short_id(&one), ShortId::LocallyUnique));
}

/// What a footer asks for, and how the walk should take it.
#[derive(Clone, Copy, Debug)]
enum Item {
    Order(u8),
    UnknownFormat(u32),
    UnknownKind(u16),
    WrongLength(usize),
}

impl Item {
    fn bytes(self) -> Vec<u8> {
        match self {
            Item::Order(one) => order(one),
            Item::UnknownFormat(format) => footer(128, format, &[ACCEPT; 32]),
            Item::UnknownKind(kind) => footer(kind, 3, &[ACCEPT; 32]),
            Item::WrongLength(length) => footer(128, 3, &vec![ACCEPT; length]),
        }
    }
}

fn item() -> impl Strategy<Value = Item> {
    prop_oneof![
        6 => prop_oneof![Just(PASS), Just(UNSUPPORTED), ACCEPT..=BUSY].prop_map(Item::Order),
        1 => (7u32..).prop_map(Item::UnknownFormat),
        1 => (0u16..).prop_filter("credentials", |kind| *kind != 128).prop_map(Item::UnknownKind),
        1 => (0usize..80).prop_filter("right", |length| *length != 32).prop_map(Item::WrongLength),
    ]
}

/// What should come of these footers.
fn expected(items: &[Item], required: bool) -> Outcome {
    for (number, item) in items.iter().enumerate() {
        match item {
            Item::Order(ACCEPT) => return Ok(Some(None)),
            Item::Order(REMEMBER) => return Ok(Some(Some(9))),
            Item::Order(REJECT) => {
                let number = u32::try_from(number).unwrap();
                return Err(ProcessCheckError::CredentialsRejected(number));
            }
            Item::Order(FAIL | BUSY) => return Err(ProcessCheckError::InternalError),
            _ => {}
        }
    }
    if required {
        Err(ProcessCheckError::CredentialsNotAccepted)
    } else {
        Ok(None)
    }
}

/// Few cases under Miri, which is slow; else as many as the environment asks for.
fn config() -> ProptestConfig {
    let default = ProptestConfig::default();
    ProptestConfig {
        cases: if cfg!(miri) { 4 } else { default.cases },
        failure_persistence: None,
        ..default
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_footers_come_out_as_the_policy_says(
        items in prop::collection::vec(item(), 0..12),
        required in any::<bool>(),
        at_once in any::<bool>(),
    ) {
        let footers: Vec<u8> = items.iter().flat_map(|item| item.bytes()).collect();
        let outcome = desk(required, at_once).outcome(&footers);
        prop_assert_eq!(outcome, expected(&items, required));
    }

    #[test]
    fn damaged_footers_never_harm_the_checker(
        items in prop::collection::vec(item(), 0..6),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
        required in any::<bool>(),
        at_once in any::<bool>(),
    ) {
        let mut footers: Vec<u8> = items.iter().flat_map(|item| item.bytes()).collect();
        for (place, value) in damage {
            if !footers.is_empty() {
                let place = place.index(footers.len());
                footers[place] = value;
            }
        }
        footers.truncate(cut.index(footers.len() + 1));
        let desk = desk(required, at_once);
        // A policy reads its orders; one without data has none to give.
        let readable = tock_tbf::parse::tbf_footers(binary(&footers).footers)
            .flatten()
            .all(|credential| !credential.data().is_empty());
        prop_assume!(readable);
        let _ = desk.outcome(&footers);
    }
}
