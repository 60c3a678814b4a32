// SPDX-License-Identifier: Apache-2.0 OR MIT

use super::*;
use core::cell::Cell;
use proptest::prelude::*;
use std::vec;
use std::vec::Vec;

const CARD: Address = Address(0x0052_5452_5452);

fn heading(destination: Address) -> Heading {
    Heading {
        destination,
        ethertype: 0x0800,
    }
}

fn claimed(address: u64) -> Port {
    Port {
        claim: Some(Address(address)),
        filter: Filter::WITH_CLAIM,
        ..Port::NEW
    }
}

fn numbered(ports: &[Port]) -> impl Iterator<Item = (usize, &Port)> + Clone {
    ports.iter().enumerate()
}

#[test]
fn a_heading_is_read_from_the_first_fourteen_bytes() {
    let frame: Vec<u8> = (1..=14).collect();
    let heading = Heading::of(&frame).unwrap();
    assert_eq!(heading.destination.number(), 0x0605_0403_0201);
    assert_eq!(heading.destination.octets(), [1, 2, 3, 4, 5, 6]);
    assert_eq!(heading.ethertype, 0x0D0E);
    assert_eq!(Heading::of(&frame[..13]), None);
}

#[test]
fn sets_of_ports_hand_out_each_number_once() {
    let mut set = Ports::NONE;
    for number in [31, 0, 7, 7, 32, 99] {
        set.insert(number);
    }
    assert_eq!(set.into_iter().collect::<Vec<_>>(), [0, 7, 31]);
    set.remove(Ports::only(7));
    assert!(!set.contains(7) && set.contains(31) && !set.contains(32));
    assert!(Ports::NONE.is_empty() && !set.is_empty());
}

#[test]
fn an_address_is_bumped_until_it_is_free() {
    let first = address_for(u32::MAX, Some(CARD), |_| false).unwrap();
    assert_eq!(first.octets()[2..], [0xFF; 4]);
    let next = address_for(u32::MAX, Some(CARD), |address| address == first).unwrap();
    assert_eq!(next.octets()[2..], [0; 4]);
    assert!(!next.is_group() && next.octets()[0] & 2 != 0);
    // Boards whose cards differ do not meet.
    let other = address_for(u32::MAX, Some(Address(CARD.0 + 1)), |_| false).unwrap();
    assert_ne!(other, first);
}

#[test]
fn the_search_for_an_address_ends() {
    let tries = Cell::new(0);
    let none = address_for(7, Some(CARD), |_| {
        tries.set(tries.get() + 1);
        true
    });
    assert_eq!((none, tries.get()), (None, 33));
    // As many as there can be: those of all other ports, and the card's.
    let mut taken: Vec<Address> = Vec::new();
    for _ in 0..32 {
        let free = address_for(7, Some(CARD), |address| taken.contains(&address));
        taken.push(free.unwrap());
    }
    let last = address_for(7, Some(CARD), |address| taken.contains(&address)).unwrap();
    assert_eq!(last.octets()[2..], [0, 0, 0, 7 + 32]);
}

#[test]
fn each_bit_of_a_cards_address_makes_other_claims() {
    for card in [CARD, Address::BROADCAST, Address::NONE] {
        let claim = |card| address_for(7, Some(card), |_| false);
        for bit in 0..48 {
            assert_ne!(claim(Address(card.0 ^ 1 << bit)), claim(card), "{bit}");
        }
    }
}

/// A few addresses, so that they meet: two that are claimed, the card's, one elsewhere, groups.
fn any_address() -> impl Strategy<Value = Address> {
    prop_oneof![
        (1u64..5).prop_map(|number| Address(number << 1)),
        Just(CARD),
        Just(Address(0x8888)),
        Just(Address::BROADCAST),
        (0u64..3).prop_map(|number| Address(number << 8 | 1)),
    ]
}

prop_compose! {
    fn any_port(claims: bool)(
        claim in prop::option::of(1u64..5),
        bits in 0usize..32,
        ethertype in prop::sample::select(vec![0x0800u16, 0x0806]),
        groups in prop::collection::vec(0u64..3, 0..3),
    ) -> Port {
        let mut port = Port {
            claim: claim.filter(|_| claims).map(|number| Address(number << 1)),
            filter: Filter::from_bits(bits).unwrap(),
            ethertype,
            ..Port::NEW
        };
        for group in groups {
            port.join(Address(group << 8 | 1));
        }
        port
    }
}

/// Ports of which no two claim the same address.
fn any_ports() -> impl Strategy<Value = Vec<Port>> {
    prop::collection::vec(any_port(true), 1..8).prop_map(|mut ports| {
        let mut seen = Vec::new();
        for port in &mut ports {
            if seen.contains(&port.claim) {
                port.claim = None;
            }
            seen.push(port.claim);
        }
        ports
    })
}

/// Which ports a frame should reach, port by port, from the rules as they are written down.
fn should_get(ports: &[Port], index: usize, origin: Origin, heading: Heading) -> bool {
    let port = &ports[index];
    let to = heading.destination;
    let owner = ports.iter().position(|port| port.claim == Some(to));
    let owner = owner.filter(|_| !to.is_group());
    if origin == Origin::Port(index) {
        return false;
    }
    if port.filter.has(Filter::ETHERTYPE) && port.ethertype != heading.ethertype {
        return false;
    }
    let everything = port.filter.has(Filter::EVERYTHING);
    if to == Address::BROADCAST {
        return everything || port.filter.has(Filter::BROADCAST);
    }
    if to.is_group() {
        let joined = port.groups().contains(&to);
        return everything || joined || port.filter.has(Filter::MULTICAST);
    }
    if owner == Some(index) {
        return everything || port.filter.has(Filter::OWN);
    }
    match origin {
        Origin::Card => everything && (owner.is_none() || port.claim.is_none()),
        Origin::Port(_) => everything && owner.is_none() && to == CARD && port.claim.is_none(),
    }
}

proptest! {
    #[test]
    fn every_port_gets_what_the_rules_say(
        ports in any_ports(),
        to in any_address(),
        from in 0usize..9,
        ethertype in prop::sample::select(vec![0x0800u16, 0x0806]),
    ) {
        let origin = if from < ports.len() { Origin::Port(from) } else { Origin::Card };
        let heading = Heading { destination: to, ethertype };
        let route = route(origin, heading, Some(CARD), numbered(&ports));
        for index in 0..ports.len() {
            let expected = should_get(&ports, index, origin, heading);
            prop_assert_eq!(route.to.contains(index), expected, "port {}", index);
        }
        prop_assert!(!route.to.meets(route.filtered));
        // What goes out on the wire, and what stays.
        let owner = ports.iter().any(|port| port.claim == Some(to));
        let others = |port: &(usize, &Port)| Origin::Port(port.0) != origin;
        let shared = to == CARD
            && numbered(&ports).filter(others).any(|(_, port)| port.claim.is_none());
        let stays = !to.is_group() && (owner || shared);
        prop_assert_eq!(route.wire, origin != Origin::Card && !stays);
    }

    #[test]
    fn one_that_claimed_gets_no_unicast_to_the_claim_of_another(
        ports in any_ports(),
        to in 1u64..5,
        from in 0usize..9,
    ) {
        let to = Address(to << 1);
        let origin = if from < ports.len() { Origin::Port(from) } else { Origin::Card };
        let route = route(origin, heading(to), Some(CARD), numbered(&ports));
        let owner = ports.iter().position(|port| port.claim == Some(to));
        if let Some(owner) = owner {
            prop_assert!(!route.wire);
            for other in route.to.filter(|number| *number != owner) {
                prop_assert_eq!(ports[other].claim, None);
                prop_assert_eq!(origin, Origin::Card);
            }
        }
    }

    #[test]
    fn ports_without_claims_and_filters_see_all_the_card_hears(
        count in 1usize..8,
        to in any_address(),
    ) {
        let ports = vec![Port::NEW; count];
        let route = route(Origin::Card, heading(to), Some(CARD), numbered(&ports));
        prop_assert_eq!(route.to.count(), count);
        prop_assert!(!route.wire);
    }

    #[test]
    fn what_a_port_gets_from_the_card_is_among_what_the_card_is_asked_for(
        ports in any_ports(),
        to in any_address(),
    ) {
        let mut filter = GatheredFilter::LEAST;
        ports.iter().for_each(|port| port.add_wants_to(&mut filter));
        let route = route(Origin::Card, heading(to), Some(CARD), numbered(&ports));
        let asked_for = filter.passes(to.octets(), CARD.octets());
        prop_assert!(asked_for || route.to.is_empty());
    }

    #[test]
    fn groups_are_joined_once_and_left_at_will(calls in prop::collection::vec((any::<bool>(), 0u64..12), 0..60)) {
        let mut port = Port::NEW;
        let mut model: Vec<Address> = Vec::new();
        for (join, number) in calls {
            let group = Address(number << 8 | 1);
            let known = model.contains(&group);
            if join {
                let expected = known || model.len() < GROUPS;
                prop_assert_eq!(port.join(group), expected);
                if expected && !known {
                    model.push(group);
                }
            } else {
                prop_assert_eq!(port.leave(group), known);
                model.retain(|joined| *joined != group);
            }
            prop_assert_eq!(port.groups().len(), model.len());
            prop_assert!(model.iter().all(|group| port.groups().contains(group)));
        }
    }
}

#[test]
fn own_frames_do_not_come_back() {
    let ports = [claimed(2), Port::NEW];
    for to in [Address(2), Address::BROADCAST, CARD] {
        for number in 0..2 {
            let route = route(
                Origin::Port(number),
                heading(to),
                Some(CARD),
                numbered(&ports),
            );
            assert!(!route.to.contains(number));
        }
    }
}
