// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The entropy device (VirtIO 1.2, 5.4). What it returns looks random to the driver's health tests.

use virtio_queue::{Queue, QueueT};
use vm_memory::GuestMemoryMmap;

use crate::deception::{Chain, complete};
use crate::error::Error;
use crate::lie::{Lie, Script};

/// Bytes without a pattern, other ones after each chain.
struct Sequence(u64);

impl Sequence {
    fn after(chains: u16) -> Sequence {
        Sequence((u64::from(chains) << 32 | 1).wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut next = || {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 >> 24) as u8
        };
        (0..count).map(|_| next()).collect()
    }
}

/// Serves every available chain. Says which lies were told, and whether a chain was returned.
pub fn serve(
    queue: &mut Queue,
    memory: &GuestMemoryMmap,
    script: &Script,
    told: &mut Vec<Lie>,
) -> Result<bool, Error> {
    let mut random = Sequence::after(queue.next_used());
    let mut served = false;
    while let Some(chain) = Chain::pop(queue, memory)? {
        let count = chain.writable() as usize;
        let bytes = random.bytes(count);
        let len = chain.fill(memory, &bytes)?;
        let lie = script.next();
        complete(queue, memory, &chain, len, lie)?;
        told.extend(lie);
        served = true;
    }
    Ok(served)
}
