// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A queue by itself, in either layout, whose rings are anybody's to write.

use std::cell::OnceCell;
use std::thread::LocalKey;

use queue_model::{Driver, Random, SharedMemory};
use virtio::features::{EVENT_IDX, INDIRECT_DESC, RING_PACKED};
use vm_memory::{Bytes, GuestAddress};

const SIZE: usize = 8;

/// The bytes of the rings of a split queue of this size, descriptors first.
const SPLIT_AREAS: [usize; 3] = [16 * SIZE, 6 + 2 * SIZE, 6 + 8 * SIZE];

/// The bytes of the descriptor ring of a packed queue, and of both event areas.
const PACKED_AREAS: [usize; 3] = [16 * SIZE, 4, 4];

/// Features of which one combination is in use.
const FEATURES: [u64; 4] = [0, EVENT_IDX, INDIRECT_DESC, EVENT_IDX | INDIRECT_DESC];

/// A queue and the memory that it is in. Each is used again and again, since it stays to the end.
type Rig = OnceCell<(SharedMemory, Driver<SIZE>)>;

std::thread_local! {
    static SPLIT: Rig = const { OnceCell::new() };
    static PACKED: Rig = const { OnceCell::new() };
}

/// What a step is.
enum Step {
    Provide,
    Publish,
    Serve,
    /// Asks for interrupts otherwise, and looks without one.
    Delay,
    /// Writes a word of an area.
    Write(usize),
}

/// Writes anything into any word of the rings of a split queue, between any two steps of the driver.
///
/// Whatever the device does, a chain comes back at most once, as it was lent; when the queue says that the
/// rules were broken, it returns nothing more until the reset, which returns the rest.
///
/// # Panics
///
/// One of these does not hold.
pub fn rings(input: &[u8]) {
    run(input, &SPLIT, 0, SPLIT_AREAS, |what, _| match what % 8 {
        0 | 1 => Step::Provide,
        2 => Step::Publish,
        3 => Step::Serve,
        // The used ring more often than the others.
        area => Step::Write(usize::from(area - 4).min(2)),
    });
}

/// As [`rings`], for any word of the descriptor ring of a packed queue, and of its event areas.
///
/// Returns how many chains came back before the reset.
///
/// # Panics
///
/// As there.
pub fn packed_rings(input: &[u8]) -> usize {
    run(
        input,
        &PACKED,
        RING_PACKED,
        PACKED_AREAS,
        |what, place| match what % 8 {
            0 | 1 => Step::Provide,
            2 => Step::Publish,
            3 => Step::Serve,
            4 => Step::Delay,
            5 => Step::Write(1 + usize::from(place / 2 % 2)),
            _ => Step::Write(0),
        },
    )
}

/// Takes the steps of an input, of four bytes each; the byte before them chooses features.
fn run(
    input: &[u8],
    rig: &'static LocalKey<Rig>,
    layout: u64,
    areas: [usize; 3],
    step_of: impl Fn(u8, u8) -> Step,
) -> usize {
    let Some((&choice, steps)) = input.split_first() else {
        return 0;
    };
    let features = layout | FEATURES[usize::from(choice) % 4];
    rig.with(|rig| {
        let (memory, driver) = rig.get_or_init(|| {
            let mut memory = SharedMemory::map(1 << 14);
            let driver = Driver::new(&mut memory, features);
            (memory, driver)
        });
        // SAFETY: the device is the function below, which is not running.
        unsafe { driver.restart(features) };
        take_steps(memory, driver, choice, steps, areas, step_of)
    })
}

fn take_steps(
    memory: &SharedMemory,
    driver: &Driver<SIZE>,
    choice: u8,
    steps: &[u8],
    areas: [usize; 3],
    step_of: impl Fn(u8, u8) -> Step,
) -> usize {
    let mut random = Random::new(choice.into());
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
        let before = (queue.violation(), driver.returned());
        match step_of(what, place) {
            Step::Provide => drop(driver.provide(&mut random)),
            Step::Publish => drop(driver.publish()),
            Step::Serve => queue.used_interrupt(),
            Step::Delay => {
                queue.delay_interrupts([0, 1, 3, u16::MAX][usize::from(place) % 4]);
                queue.reap();
            }
            Step::Write(area) => {
                let offset = usize::from(place) % (areas[area] / 2) * 2;
                let address = GuestAddress(starts[area] + offset as u64);
                let written = guest.write_slice(&[low, high], address);
                written.expect("a word of the rings");
            }
        }
        if before.0.is_some() {
            let after = (queue.violation(), driver.returned());
            assert_eq!(after, before, "a broken queue returned something");
        }
    }
    let returned = driver.returned();
    // SAFETY: this function is the device, and has stopped.
    unsafe { queue.device_was_reset() };
    assert_eq!(driver.outstanding(), 0, "every chain came back");
    returned
}
