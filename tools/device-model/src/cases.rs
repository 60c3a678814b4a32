// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The fuzz targets, as functions of bytes. Each panics if the driver does something it must not.

mod events;
mod queue;

use std::cell::OnceCell;

use crate::{Entropy, Network};

pub use queue::{packed_rings, rings};

std::thread_local! {
    static ENTROPY: OnceCell<Entropy> = const { OnceCell::new() };
    static NETWORK: OnceCell<Network> = const { OnceCell::new() };
}

/// Any register reads anything at any time, with either driver.
pub fn registers(input: &[u8]) {
    match input.split_first() {
        Some((kind, input)) if kind % 2 == 0 => {
            ENTROPY.with(|rig| {
                let rig = rig.get_or_init(Entropy::new);
                events::lying_registers(&rig.machine, input, Entropy::identity(), |event| {
                    events::of_entropy(rig, event);
                });
                rig.check_service();
            });
        }
        Some((_, input)) => {
            NETWORK.with(|rig| {
                let rig = rig.get_or_init(Network::new);
                events::lying_registers(&rig.machine, input, Network::identity(), |event| {
                    events::of_network(rig, event);
                });
                rig.check_service();
            });
        }
        None => {}
    }
}

/// An entropy device with honest registers returns chains that it should not, and writes to its queue
/// whatever it likes.
pub fn entropy(input: &[u8]) {
    ENTROPY.with(|rig| {
        let rig = rig.get_or_init(Entropy::new);
        events::honest_registers(&rig.machine, input, Entropy::identity(), |event| {
            events::of_entropy(rig, event);
        });
        rig.check_service();
    });
}

/// A network card with honest registers delivers what is no frame, and lies about what it did.
pub fn network(input: &[u8]) {
    NETWORK.with(|rig| {
        let rig = rig.get_or_init(Network::new);
        events::honest_registers(&rig.machine, input, Network::identity(), |event| {
            events::of_network(rig, event);
        });
        rig.check_service();
    });
}
