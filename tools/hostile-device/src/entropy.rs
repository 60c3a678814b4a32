// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The entropy device (VirtIO 1.2, 5.4). What it returns is a sequence that tests can tell from zeros.

use virtio_queue::Queue;
use vm_memory::GuestMemoryMmap;

use crate::deception::{Chain, complete};
use crate::error::Error;
use crate::lie::{Lie, Script};

/// Serves every available chain. Says which lies were told, and whether a chain was returned.
pub fn serve(
    queue: &mut Queue,
    memory: &GuestMemoryMmap,
    script: &Script,
    told: &mut Vec<Lie>,
) -> Result<bool, Error> {
    let mut served = false;
    while let Some(chain) = Chain::pop(queue, memory)? {
        let count = chain.writable() as usize;
        let bytes: Vec<u8> = (1..=u8::MAX).cycle().take(count).collect();
        let len = chain.fill(memory, &bytes)?;
        let lie = script.next();
        complete(queue, memory, &chain, len, lie)?;
        told.extend(lie);
        served = true;
    }
    Ok(served)
}
