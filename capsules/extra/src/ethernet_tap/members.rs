// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The processes that use the tap, each with a number for as long as it runs.
//!
//! What switching needs to know of them lies here and not in their grants, because it is looked at
//! for each frame, whoever the frame is for.

use super::switching::{Address, Heading, MOST_PORTS, Origin, Port, Ports, Route, route};
use core::cell::{Cell, RefCell};
use kernel::ProcessId;
use kernel::processbuffer::ReadableProcessSlice;

/// Room for `N` processes, at most 32.
pub struct Members<const N: usize> {
    processes: [Cell<Option<ProcessId>>; N],
    ports: RefCell<[Port; N]>,
    /// Received frames that each port did not want.
    filtered: [Cell<u32>; N],
    present: Cell<Ports>,
    /// Whether every port gets all that the card takes in, as ports do by default.
    all_open: Cell<bool>,
    /// The only process if it has no claim, or [`NOBODY`](Self::NOBODY).
    lone: Cell<usize>,
    /// The only process if it has a claim, or [`NOBODY`](Self::NOBODY), and the claim's last octet.
    lone_claimant: Cell<(usize, u8)>,
}

impl<const N: usize> Members<N> {
    const NOBODY: usize = usize::MAX;

    pub(super) const fn new() -> Self {
        const {
            assert!(N <= MOST_PORTS);
            Members {
                processes: [const { Cell::new(None) }; N],
                ports: RefCell::new([Port::NEW; N]),
                filtered: [const { Cell::new(0) }; N],
                present: Cell::new(Ports::NONE),
                all_open: Cell::new(true),
                lone: Cell::new(Self::NOBODY),
                lone_claimant: Cell::new((Self::NOBODY, 0)),
            }
        }
    }

    /// Adds a process, which is not among them; none if there is no room.
    pub(super) fn add(&self, process: ProcessId) -> Option<usize> {
        let free = |place: &Cell<Option<ProcessId>>| place.get().is_none();
        let number = self.processes.iter().position(free)?;
        self.processes.get(number)?.set(Some(process));
        self.filtered.get(number)?.set(0);
        let mut present = self.present.get();
        present.insert(number);
        self.present.set(present);
        self.change(number, |port| *port = Port::NEW)?;
        Some(number)
    }

    pub(super) fn remove(&self, number: usize) {
        if let Some(place) = self.processes.get(number) {
            place.set(None);
            let mut present = self.present.get();
            present.remove(Ports::only(number));
            self.present.set(present);
            self.change(number, |port| *port = Port::NEW);
        }
    }

    #[inline]
    pub(super) fn present(&self) -> Ports {
        self.present.get()
    }

    #[inline]
    pub(super) fn process(&self, number: usize) -> Option<ProcessId> {
        self.processes.get(number)?.get()
    }

    /// The process with this identifier.
    pub(super) fn by_identifier(&self, identifier: usize) -> Option<ProcessId> {
        self.present()
            .filter_map(|number| self.process(number))
            .find(|process| process.id() == identifier)
    }

    /// Numbers in turn, beginning behind `last` and ending with it.
    pub(super) fn after(&self, last: usize) -> impl Iterator<Item = usize> + use<N> {
        let present = self.present();
        (1..=N)
            .map(move |step| last.wrapping_add(step) % N)
            .filter(move |number| present.contains(*number))
    }

    /// Reads or changes a port; none if there is no such port.
    pub(super) fn change<R>(
        &self,
        number: usize,
        change: impl FnOnce(&mut Port) -> R,
    ) -> Option<R> {
        let mut ports = self.ports.try_borrow_mut().ok()?;
        let result = ports.get_mut(number).map(change);
        self.note_change(&ports);
        result
    }

    /// Notes what frames are asked of ports that mostly change seldom.
    #[inline(never)]
    fn note_change(&self, ports: &[Port; N]) {
        let present = || self.present().filter_map(|number| ports.get(number));
        self.all_open.set(present().all(Port::is_open));
        let mut others = self.present();
        let only = others.next().filter(|_| others.is_empty());
        let only = only.unwrap_or(Self::NOBODY);
        let (lone, claimant) = match present().find_map(|port| port.claim) {
            None => (only, (Self::NOBODY, 0)),
            Some(claim) => (Self::NOBODY, (only, claim.last_octet())),
        };
        self.lone.set(lone);
        self.lone_claimant.set(claimant);
    }

    /// Whether a frame of a process can only be for somebody beyond the card, as far as two quick looks
    /// tell.
    #[inline(always)]
    pub(super) fn surely_goes_out(&self, from: usize, frame: &ReadableProcessSlice) -> bool {
        if self.lone.get() == from {
            return true;
        }
        let (claimant, own) = self.lone_claimant.get();
        claimant == from && frame.get(5).is_some_and(|octet| octet.get() != own)
    }

    /// Where each frame from the card goes, if it is the same for all.
    #[inline]
    pub(super) fn open_route(&self) -> Option<Route> {
        self.all_open.get().then(|| Route {
            to: self.present(),
            ..Route::NOWHERE
        })
    }

    /// Calls `look` with all ports.
    #[cfg(feature = "ethernet-adapter")]
    pub(super) fn with_ports<R>(
        &self,
        look: impl FnOnce(&mut dyn Iterator<Item = &Port>) -> R,
    ) -> Option<R> {
        let ports = self.ports.try_borrow().ok()?;
        let mut present = self.present().filter_map(|number| ports.get(number));
        Some(look(&mut present))
    }

    /// Whether a port other than `number` has claimed an address.
    pub(super) fn is_claimed_beside(&self, number: usize, address: Address) -> bool {
        let Ok(ports) = self.ports.try_borrow() else {
            return true;
        };
        self.present()
            .filter(|other| *other != number)
            .filter_map(|other| ports.get(other))
            .any(|port| port.claim == Some(address))
    }

    /// Decides where a frame goes.
    pub(super) fn route(&self, origin: Origin, heading: Heading, card: Option<Address>) -> Route {
        // Nobody borrows the ports for longer than it takes to look at them.
        let Ok(ports) = self.ports.try_borrow() else {
            return Route::NOWHERE;
        };
        let present = self.present();
        route(
            origin,
            heading,
            card,
            present.filter_map(|number| Some((number, ports.get(number)?))),
        )
    }

    /// Counts a frame for those whose filters it did not pass.
    #[inline]
    pub(super) fn count_filtered(&self, filtered: Ports) {
        for count in filtered.filter_map(|number| self.filtered.get(number)) {
            count.set(count.get().wrapping_add(1));
        }
    }

    pub(super) fn filtered(&self, number: usize) -> u32 {
        self.filtered.get(number).map_or(0, Cell::get)
    }
}
