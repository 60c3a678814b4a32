// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The network card (VirtIO 1.2, 5.1), alone on its cable with a host that broadcasts.

use virtio_queue::Queue;
use vm_memory::GuestMemoryMmap;

use crate::deception::{Chain, complete};
use crate::error::Error;
use crate::lie::{Lie, Script};

/// The length of the device's header with VERSION_1 (5.1.6).
pub const HEADER_LEN: usize = 12;

/// The shortest Ethernet frame, without check sequence.
const SHORTEST: usize = 60;

/// Delivers one frame, if the driver has a buffer for it. Says whether it had.
pub fn deliver(
    queue: &mut Queue,
    memory: &GuestMemoryMmap,
    script: &Script,
    told: &mut Vec<Lie>,
) -> Result<bool, Error> {
    let Some(chain) = Chain::pop(queue, memory)? else {
        return Ok(false);
    };
    let lie = script.next();
    let room = (chain.writable() as usize).saturating_sub(HEADER_LEN);
    let frame_len = if lie == Some(Lie::FrameOverlong) {
        room
    } else {
        SHORTEST
    };
    let len = chain.fill(memory, &received(frame_len, lie))?;
    complete(queue, memory, &chain, len, lie)?;
    told.extend(lie);
    Ok(true)
}

/// A header, as far as `lie` leaves it one, with a broadcast of a protocol for experiments behind.
fn received(frame_len: usize, lie: Option<Lie>) -> Vec<u8> {
    let mut header = [0; HEADER_LEN];
    // One buffer.
    header[10] = 1;
    match lie {
        Some(Lie::HeaderFlags) => header[..2].fill(u8::MAX),
        Some(Lie::HeaderBuffers) => header[10..].fill(u8::MAX),
        Some(Lie::HeaderNoBuffers) => header[10] = 0,
        Some(Lie::HeaderTwoBuffers) => header[10] = 2,
        _ => {}
    }
    let mut bytes = header.to_vec();
    bytes.extend([0xFF; 6]);
    bytes.extend([0x02, 0, 0, 0, 0, 0x01]);
    bytes.extend([0x88, 0xB5]);
    bytes.resize(HEADER_LEN + frame_len, 0);
    bytes
}

/// Swallows every frame that the driver sends. Says whether there was one.
pub fn swallow(
    queue: &mut Queue,
    memory: &GuestMemoryMmap,
    script: &Script,
    told: &mut Vec<Lie>,
) -> Result<bool, Error> {
    let mut served = false;
    while let Some(chain) = Chain::pop(queue, memory)? {
        let lie = script.next();
        complete(queue, memory, &chain, 0, lie)?;
        told.extend(lie);
        served = true;
    }
    Ok(served)
}
