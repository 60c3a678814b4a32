// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The choice of flash and RAM addresses for apps.
//!
//! Pure arithmetic. The kernel hands out RAM in the order in which it finds objects in flash, so
//! ascending flash order has to be ascending RAM order. Binaries built elsewhere come with their
//! addresses and are admitted or refused; our own apps are then linked for the gaps between them.

use std::ops::Range;

use crate::memory_map::{FLASH, PAGE, RAM, page_up};

/// Smallest object that can stand between two apps: a bare header.
pub const PADDING_MINIMUM: u32 = 16;

/// What a binary occupies whose addresses are not ours to choose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Occupied {
    /// Name used in messages.
    pub name: String,
    /// The whole object, headers included.
    pub flash: Range<u32>,
    /// The app's RAM with the kernel's share.
    pub ram: Range<u32>,
}

/// What one of our own apps needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Demand {
    /// Name used in messages.
    pub name: String,
    /// Size of the object, headers included.
    pub flash_bytes: u32,
    /// The app's RAM with the kernel's share.
    pub ram_bytes: u32,
}

/// Where one of our own apps goes. Both addresses lie on a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// First byte of the object.
    pub object_start: u32,
    /// First byte of the app's RAM.
    pub ram_start: u32,
}

/// Why a set of apps cannot be placed, or a binary not be admitted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlacementError {
    /// No gap offers this much flash.
    #[error(
        "app {name} needs {needed} bytes of flash, {} more than the largest free gap: run fewer apps or make it smaller",
        needed - free
    )]
    Flash {
        /// The app that does not fit.
        name: String,
        /// Bytes it needs.
        needed: u32,
        /// Bytes in the largest gap that is left.
        free: u32,
    },
    /// No gap offers this much RAM.
    #[error(
        "app {name} needs {needed} bytes of RAM, {} more than the largest free gap: run fewer apps or give it a smaller stack or heap",
        needed - free
    )]
    Ram {
        /// The app that does not fit.
        name: String,
        /// Bytes it needs.
        needed: u32,
        /// Bytes in the largest gap that is left.
        free: u32,
    },
    /// Flash is free in one place and RAM in another, but order ties the two together.
    #[error(
        "app {name} finds no gap with both {flash_bytes} bytes of flash and {ram_bytes} bytes of RAM between the given binaries: leave one of them out"
    )]
    Scattered {
        /// The app that does not fit.
        name: String,
        /// Bytes of flash it needs.
        flash_bytes: u32,
        /// Bytes of RAM it needs.
        ram_bytes: u32,
    },
    /// The object would lie outside app flash.
    #[error("its object at {:#010x}..{:#010x} is outside app flash {:#010x}..{:#010x}: relink it", object.start, object.end, FLASH.start, FLASH.end)]
    OutsideFlash {
        /// The object.
        object: Range<u32>,
    },
    /// The RAM would lie outside app RAM.
    #[error("its RAM at {:#010x}..{:#010x} is outside app RAM {:#010x}..{:#010x}: relink it", ram.start, ram.end, RAM.start, RAM.end)]
    OutsideRam {
        /// The RAM, the kernel's share included.
        ram: Range<u32>,
    },
    /// Two binaries want the same flash.
    #[error("it overlaps {other} in flash: leave one out or relink it")]
    FlashOverlap {
        /// The one that was there first.
        other: String,
    },
    /// Two binaries want the same RAM.
    #[error("it overlaps {other} in RAM: leave one out or relink it")]
    RamOverlap {
        /// The one that was there first.
        other: String,
    },
    /// Flash order and RAM order of two binaries differ.
    #[error(
        "it and {other} are in one order in flash and in the other in RAM, which the kernel cannot load: relink one of them"
    )]
    Order {
        /// The one that was there first.
        other: String,
    },
    /// Between two binaries there is room, but not for the object that has to fill it.
    #[error(
        "only {bytes} bytes lie between it and {other} in flash, too few for a padding object: relink one of them"
    )]
    Sliver {
        /// The neighbour.
        other: String,
        /// Bytes in between.
        bytes: u32,
    },
    /// An object does not start or end on a whole word.
    #[error("its object at {:#010x}..{:#010x} does not begin and end on a multiple of 4: convert it anew", object.start, object.end)]
    Unaligned {
        /// The object.
        object: Range<u32>,
    },
}

/// Decides whether `candidate` can be loaded beside those `admitted` before.
///
/// # Errors
///
/// The first rule it breaks; the message completes "NAME: refused: ...".
pub fn admit(admitted: &[Occupied], candidate: &Occupied) -> Result<(), PlacementError> {
    let (flash, ram) = (&candidate.flash, &candidate.ram);
    if flash.start < FLASH.start || flash.end > FLASH.end || flash.is_empty() {
        return Err(PlacementError::OutsideFlash {
            object: flash.clone(),
        });
    }
    if ram.start < RAM.start || ram.end > RAM.end || ram.is_empty() {
        return Err(PlacementError::OutsideRam { ram: ram.clone() });
    }
    if !flash.start.is_multiple_of(4) || !flash.end.is_multiple_of(4) {
        return Err(PlacementError::Unaligned {
            object: flash.clone(),
        });
    }
    // The kernel finds the first object only at the very start of flash.
    if is_sliver(flash.start - FLASH.start) {
        let (other, bytes) = ("the start of flash".to_owned(), flash.start - FLASH.start);
        return Err(PlacementError::Sliver { other, bytes });
    }
    for neighbour in admitted {
        let other = neighbour.name.clone();
        if overlap(flash, &neighbour.flash) {
            return Err(PlacementError::FlashOverlap { other });
        }
        if overlap(ram, &neighbour.ram) {
            return Err(PlacementError::RamOverlap { other });
        }
        if (flash.start < neighbour.flash.start) != (ram.start < neighbour.ram.start) {
            return Err(PlacementError::Order { other });
        }
        let bytes = if flash.start < neighbour.flash.start {
            neighbour.flash.start - flash.end
        } else {
            flash.start - neighbour.flash.end
        };
        if is_sliver(bytes) {
            return Err(PlacementError::Sliver { other, bytes });
        }
    }
    Ok(())
}

/// Chooses addresses for `demands` in the gaps that the `admitted` binaries leave.
///
/// The result has one place for each demand, in the same order. Apps share no page, in flash or in
/// RAM, with each other or with an admitted binary before them.
///
/// # Errors
///
/// Names the first app that finds no room, and how much is missing.
pub fn place(admitted: &[Occupied], demands: &[Demand]) -> Result<Vec<Place>, PlacementError> {
    let mut gaps = gaps_between(admitted);
    let mut places = Vec::with_capacity(demands.len());
    for demand in demands {
        let place = gaps.iter_mut().find_map(|gap| gap.take(demand));
        places.push(place.ok_or_else(|| no_room(&gaps, demand))?);
    }
    Ok(places)
}

/// Free flash and free RAM between two neighbours; each `start` is the first free byte.
struct Gap {
    flash: Range<u32>,
    ram: Range<u32>,
    /// Whether an object follows at `flash.end`, so that what is left has to be padded.
    closed: bool,
}

impl Gap {
    /// Free flash from the first page that can hold an object.
    fn free_flash(&self) -> Range<u32> {
        let aligned = page_up(self.flash.start).and_then(|start| {
            if is_sliver(start - self.flash.start) {
                start.checked_add(PAGE)
            } else {
                Some(start)
            }
        });
        aligned.unwrap_or(self.flash.end)..self.flash.end
    }

    fn free_ram(&self) -> Range<u32> {
        page_up(self.ram.start).unwrap_or(self.ram.end)..self.ram.end
    }

    fn take(&mut self, demand: &Demand) -> Option<Place> {
        let (flash, ram) = (self.free_flash(), self.free_ram());
        let object_end = flash.start.checked_add(demand.flash_bytes)?;
        let ram_end = ram.start.checked_add(demand.ram_bytes)?;
        if object_end > flash.end || ram_end > ram.end {
            return None;
        }
        if self.closed && is_sliver(flash.end - object_end) {
            return None;
        }
        self.flash.start = object_end;
        self.ram.start = ram_end;
        Some(Place {
            object_start: flash.start,
            ram_start: ram.start,
        })
    }
}

fn gaps_between(admitted: &[Occupied]) -> Vec<Gap> {
    let mut sorted: Vec<&Occupied> = admitted.iter().collect();
    sorted.sort_by_key(|occupied| occupied.flash.start);
    let (mut flash_start, mut ram_start) = (FLASH.start, RAM.start);
    let mut gaps = Vec::with_capacity(sorted.len() + 1);
    for occupied in sorted {
        gaps.push(Gap {
            flash: flash_start..occupied.flash.start,
            ram: ram_start..occupied.ram.start,
            closed: true,
        });
        (flash_start, ram_start) = (occupied.flash.end, occupied.ram.end);
    }
    gaps.push(Gap {
        flash: flash_start..FLASH.end,
        ram: ram_start..RAM.end,
        closed: false,
    });
    gaps
}

fn no_room(gaps: &[Gap], demand: &Demand) -> PlacementError {
    let largest = |free: fn(&Gap) -> Range<u32>| {
        let bytes = gaps
            .iter()
            .map(|gap| free(gap).end.saturating_sub(free(gap).start));
        bytes.max().unwrap_or(0)
    };
    let (name, flash, ram) = (
        demand.name.clone(),
        largest(Gap::free_flash),
        largest(Gap::free_ram),
    );
    let (flash_bytes, ram_bytes) = (demand.flash_bytes, demand.ram_bytes);
    if flash_bytes > flash {
        PlacementError::Flash {
            name,
            needed: flash_bytes,
            free: flash,
        }
    } else if ram_bytes > ram {
        PlacementError::Ram {
            name,
            needed: ram_bytes,
            free: ram,
        }
    } else {
        PlacementError::Scattered {
            name,
            flash_bytes,
            ram_bytes,
        }
    }
}

fn is_sliver(bytes: u32) -> bool {
    bytes > 0 && bytes < PADDING_MINIMUM
}

fn overlap(one: &Range<u32>, other: &Range<u32>) -> bool {
    one.start < other.end && other.start < one.end
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn occupied(name: &str, flash: Range<u32>, ram: Range<u32>) -> Occupied {
        Occupied {
            name: name.to_owned(),
            flash,
            ram,
        }
    }

    fn demand(name: &str, flash_bytes: u32, ram_bytes: u32) -> Demand {
        Demand {
            name: name.to_owned(),
            flash_bytes,
            ram_bytes,
        }
    }

    #[test]
    fn first_app_gets_the_addresses_that_apps_are_linked_for_by_default() {
        let places = place(&[], &[demand("hello", 5000, 9000)]);
        assert_eq!(
            places,
            Ok(vec![Place {
                object_start: FLASH.start,
                ram_start: RAM.start
            }])
        );
    }

    #[test]
    fn our_apps_go_around_a_given_binary() {
        let given = occupied("c", 0x8010_0000..0x8010_3000, 0x8030_0000..0x8030_2800);
        assert_eq!(admit(&[], &given), Ok(()));
        let places = place(&[given], &[demand("a", 4096, 4096)]);
        let expected = Place {
            object_start: 0x8010_3000,
            ram_start: 0x8030_3000,
        };
        assert_eq!(places, Ok(vec![expected]));
    }

    #[test]
    fn a_gap_before_a_given_binary_is_used_only_while_flash_and_ram_both_last() {
        let given = occupied("c", 0x8010_2000..0x8010_3000, 0x8030_1000..0x8030_2000);
        let demands = [demand("a", 4096, 4096), demand("b", 4096, 4096)];
        let expected = vec![
            Place {
                object_start: 0x8010_0000,
                ram_start: 0x8030_0000,
            },
            Place {
                object_start: 0x8010_3000,
                ram_start: 0x8030_2000,
            },
        ];
        assert_eq!(place(&[given], &demands), Ok(expected));
    }

    #[test]
    fn too_large_an_app_is_named_with_what_is_missing() {
        let demands = [demand("small", 4096, 4096), demand("big", 1 << 20, 4096)];
        let error = place(&[], &demands).expect_err("flash holds less than both");
        let expected = PlacementError::Flash {
            name: "big".into(),
            needed: 1 << 20,
            free: (1 << 20) - 4096,
        };
        assert_eq!(error, expected);
        assert!(
            error
                .to_string()
                .contains("app big needs 1048576 bytes of flash, 4096 more")
        );
        let error = place(&[], &[demand("greedy", 4096, (1 << 20) + 1)]);
        let expected = PlacementError::Ram {
            name: "greedy".into(),
            needed: (1 << 20) + 1,
            free: 1 << 20,
        };
        assert_eq!(error, Err(expected));
    }

    #[test]
    fn given_binaries_that_cannot_be_loaded_together_are_refused() {
        let first = occupied("first", 0x8010_1000..0x8010_2000, 0x8031_0000..0x8031_1000);
        let cases = [
            (
                0x8000_0000..0x8000_1000,
                0x8030_0000..0x8030_1000,
                "outside app flash",
            ),
            (
                0x801F_F000..0x8020_1000,
                0x8032_0000..0x8032_1000,
                "outside app flash",
            ),
            (
                0x8010_4000..0x8010_5000,
                0x803F_F000..0x8040_1000,
                "outside app RAM",
            ),
            (
                0x8010_4000..0x8010_5000,
                0x8020_0000..0x8020_1000,
                "outside app RAM",
            ),
            (
                0x8010_1800..0x8010_2800,
                0x8032_0000..0x8032_1000,
                "overlaps first in flash",
            ),
            (
                0x8010_4000..0x8010_5000,
                0x8031_0800..0x8032_1000,
                "overlaps first in RAM",
            ),
            (0x8010_4000..0x8010_5000, 0x8030_0000..0x8030_1000, "order"),
            (
                0x8010_2008..0x8010_3000,
                0x8032_0000..0x8032_1000,
                "only 8 bytes",
            ),
            (
                0x8010_4002..0x8010_5000,
                0x8032_0000..0x8032_1000,
                "multiple of 4",
            ),
        ];
        for (flash, ram, reason) in cases {
            let candidate = occupied("second", flash, ram);
            let refusal = admit(std::slice::from_ref(&first), &candidate)
                .expect_err("the candidate breaks a rule")
                .to_string();
            assert!(refusal.contains(reason), "{candidate:?}: {refusal}");
        }
    }

    prop_compose! {
        fn any_given()(pages in prop::collection::vec((0u32..40, 1u32..20, 0u32..40, 1u32..20), 0..6),
                       trim in 0u32..20)
            -> Vec<Occupied> {
            let (mut flash, mut ram) = (FLASH.start, RAM.start);
            let mut admitted = Vec::new();
            for (index, (flash_gap, flash_pages, ram_gap, ram_pages)) in pages.into_iter().enumerate() {
                flash += flash_gap * 1024;
                ram += ram_gap * 1024;
                let candidate = occupied(&index.to_string(),
                    flash..flash + flash_pages * 1024 - trim * 4,
                    ram..ram + ram_pages * 1024);
                (flash, ram) = (candidate.flash.end, candidate.ram.end);
                if admit(&admitted, &candidate).is_ok() {
                    admitted.push(candidate);
                }
            }
            admitted
        }
    }

    proptest! {
        #[test]
        fn whatever_is_placed_obeys_every_rule_for_given_binaries(
            mut admitted in any_given(),
            sizes in prop::collection::vec((1u32..60_000, 1u32..60_000), 0..12),
        ) {
            let demands: Vec<Demand> = sizes.iter()
                .map(|&(flash, ram)| demand("app", flash.next_multiple_of(4), ram))
                .collect();
            if let Ok(places) = place(&admitted, &demands) {
                prop_assert_eq!(places.len(), demands.len());
                for (place, demand) in places.iter().zip(&demands) {
                    prop_assert!(place.object_start.is_multiple_of(PAGE));
                    prop_assert!(place.ram_start.is_multiple_of(PAGE));
                    let candidate = occupied("placed",
                        place.object_start..place.object_start + demand.flash_bytes,
                        place.ram_start..place.ram_start + demand.ram_bytes);
                    prop_assert_eq!(admit(&admitted, &candidate), Ok(()));
                    admitted.push(candidate);
                }
            }
        }
    }
}
