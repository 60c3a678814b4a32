// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What is plugged into a machine's VirtIO slots.
//!
//! Probing reads three registers of each slot and changes nothing, so a slot may hold anything.

use core::fmt;

use virtio::devices::VirtIODeviceType;
use virtio::transports::VirtIOInitializationError;
use virtio::transports::mmio::VirtIOMMIODevice;

/// What one slot holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Nothing.
    Empty,
    /// A device of a known type.
    Device(VirtIODeviceType),
    /// A device of a type with this number, for which there is no name.
    UnknownType(u32),
    /// A device with a register layout that the driver does not know, newer than itself.
    UnsupportedLayout,
    /// Something that does not answer as a VirtIO device does.
    NotVirtIO,
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Content::Empty => "empty",
            Content::Device(device_type) => device_type.name(),
            Content::UnknownType(id) => return write!(f, "unknown device type {id}"),
            Content::UnsupportedLayout => "device with an unknown register layout, not used",
            Content::NotVirtIO => "not a VirtIO device",
        })
    }
}

/// One slot and what it holds.
#[derive(Clone, Copy)]
pub struct Slot {
    /// Its number, counted from the lowest address.
    pub number: usize,
    /// The transport to the device.
    pub device: &'static VirtIOMMIODevice,
    /// What was found in it.
    pub content: Content,
}

/// The slots of a machine, in order of address.
#[derive(Clone, Copy)]
pub struct Slots<const N: usize> {
    devices: &'static [VirtIOMMIODevice; N],
    contents: [Content; N],
}

/// Looks into every slot.
pub fn probe<const N: usize>(devices: &'static [VirtIOMMIODevice; N]) -> Slots<N> {
    Slots {
        devices,
        contents: devices.each_ref().map(content_of),
    }
}

impl<const N: usize> Slots<N> {
    /// Lists the slots that hold something.
    pub fn occupied(&self) -> impl Iterator<Item = Slot> {
        self.devices
            .iter()
            .zip(&self.contents)
            .enumerate()
            .map(|(number, (device, content))| Slot {
                number,
                device,
                content: *content,
            })
            .filter(|slot| slot.content != Content::Empty)
    }

    /// Lists the devices of a type.
    pub fn of_type(&self, device_type: VirtIODeviceType) -> impl Iterator<Item = Slot> {
        self.occupied()
            .filter(move |slot| slot.content == Content::Device(device_type))
    }
}

/// Finds what a board uses of several devices of a kind: what `look` sees in the `preferred` slot, or else
/// in the first one in which it sees anything.
pub fn find_preferred<'s, S, T>(
    slots: &'s [S],
    preferred: Option<usize>,
    look: impl FnMut(&'s S) -> Option<T>,
) -> Option<T> {
    let preferred = preferred.and_then(|number| slots.get(number));
    preferred.into_iter().chain(slots).find_map(look)
}

fn content_of(device: &VirtIOMMIODevice) -> Content {
    match device.identify() {
        Ok(device_type) => Content::Device(device_type),
        Err(VirtIOInitializationError::UnknownDeviceType(0)) => Content::Empty,
        Err(VirtIOInitializationError::UnknownDeviceType(id)) => Content::UnknownType(id),
        Err(VirtIOInitializationError::InvalidTransportVersion) => Content::UnsupportedLayout,
        Err(_) => Content::NotVirtIO,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy)]
    enum Service {
        Empty,
        Failed,
        Rng,
        Net(char),
    }
    use Service::{Empty, Failed, Net, Rng};

    fn card(slots: &[Service], preferred: Option<usize>) -> Option<char> {
        find_preferred(slots, preferred, |service| match service {
            Net(name) => Some(*name),
            _ => None,
        })
    }

    #[test]
    fn without_a_preference_the_first_card_is_used() {
        assert_eq!(
            card(&[Empty, Rng, Failed, Net('a'), Net('b')], None),
            Some('a')
        );
        assert_eq!(card(&[Empty, Rng, Failed], None), None);
        assert_eq!(card(&[], None), None);
    }

    #[test]
    fn the_preferred_card_is_used_wherever_it_is() {
        let slots = [Net('a'), Net('b'), Rng, Net('c')];
        for (number, name) in [(0, 'a'), (1, 'b'), (3, 'c')] {
            assert_eq!(card(&slots, Some(number)), Some(name));
        }
    }

    #[test]
    fn a_preferred_slot_without_a_card_in_service_leaves_the_first_card() {
        let slots = [Empty, Net('a'), Failed, Rng, Net('b')];
        for number in [0, 2, 3, 5, usize::MAX] {
            assert_eq!(card(&slots, Some(number)), Some('a'), "{number}");
        }
        assert_eq!(card(&[Empty, Failed], Some(1)), None);
    }
}
