// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A split queue by itself, whose rings are anybody's to write.

use queue_model::{Driver, Random, SharedMemory};
use virtio::features::{EVENT_IDX, INDIRECT_DESC};
use virtio::queues::Virtqueue;
use vm_memory::{Bytes, GuestAddress};

const SIZE: usize = 8;

/// The bytes of the rings of a queue of this size, descriptors first.
const AREAS: [usize; 3] = [16 * SIZE, 6 + 2 * SIZE, 6 + 8 * SIZE];

/// Writes anything into any word of the rings, between any two steps of the driver.
///
/// Whatever the device does, a chain comes back at most once, as it was lent; when the queue says that the
/// rules were broken, it returns nothing more until the reset, which returns the rest.
///
/// # Panics
///
/// One of these does not hold.
pub fn rings(input: &[u8]) {
    let Some((&choice, steps)) = input.split_first() else {
        return;
    };
    let features = [0, EVENT_IDX, INDIRECT_DESC, EVENT_IDX | INDIRECT_DESC];
    let mut random = Random::new(choice.into());
    let mut memory = SharedMemory::map(1 << 14);
    let driver = Driver::<SIZE>::new(&mut memory, features[usize::from(choice) % 4]);
    driver.distrust();
    let queue = driver.queue();
    let addresses = queue.physical_addresses();
    let starts = [
        addresses.descriptor_area,
        addresses.driver_area,
        addresses.device_area,
    ];
    let guest = memory.guest();
    for step in steps.chunks_exact(4) {
        let [what, place, low, high] = *step else {
            continue;
        };
        match what % 8 {
            0 | 1 => drop(driver.provide(&mut random)),
            2 => drop(driver.publish()),
            3 => queue.used_interrupt(),
            // The used ring more often than the others.
            area => {
                let area = usize::from(area - 4).min(2);
                let offset = usize::from(place) % (AREAS[area] / 2) * 2;
                let address = GuestAddress(starts[area] + offset as u64);
                let written = guest.write_slice(&[low, high], address);
                written.expect("a word of the rings");
            }
        }
    }
    // SAFETY: this function is the device, and has stopped.
    unsafe { queue.device_was_reset() };
    assert_eq!(driver.outstanding(), 0, "every chain came back");
}
