// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Returning a chain to the driver, by the rules or against them.

use virtio_queue::desc::split::Descriptor;
use virtio_queue::{DescriptorChain, Queue, QueueOwnedT, QueueT};
use vm_memory::{Bytes, GuestMemoryMmap};

use crate::error::Error;
use crate::lie::Lie;
use crate::used_ring::RawQueue;

/// What a buffer that was returned is filled with by a device that should not.
const AFTERTHOUGHT: [u8; 64] = [0xA5; 64];

/// A chain that the driver made available, read once.
pub struct Chain {
    pub head: u16,
    descriptors: Vec<Descriptor>,
    /// The index of the second descriptor, if there is one in the table.
    second: Option<u16>,
}

impl Chain {
    /// Takes the next available chain.
    pub fn pop(queue: &mut Queue, memory: &GuestMemoryMmap) -> Result<Option<Chain>, Error> {
        let next = queue.iter(memory)?.next();
        Ok(next.map(Chain::read))
    }

    fn read(chain: DescriptorChain<&GuestMemoryMmap>) -> Chain {
        let head = chain.head_index();
        let descriptors: Vec<_> = chain.collect();
        let second = descriptors
            .first()
            .filter(|first| first.has_next())
            .map(Descriptor::next);
        Chain {
            head,
            descriptors,
            second,
        }
    }

    /// Counts the bytes that the device may write.
    pub fn writable(&self) -> u32 {
        self.parts().map(Descriptor::len).sum()
    }

    /// Writes `bytes` to the device-writable part, as far as they fit, and says how many did.
    pub fn fill(&self, memory: &GuestMemoryMmap, bytes: &[u8]) -> Result<u32, Error> {
        let mut written = 0;
        for part in self.parts() {
            let rest = &bytes[written..];
            let count = rest.len().min(part.len() as usize);
            memory.write_slice(&rest[..count], part.addr())?;
            written += count;
        }
        Ok(written as u32)
    }

    /// Reads the device-readable part.
    pub fn contents(&self, memory: &GuestMemoryMmap) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        for part in self.descriptors.iter().filter(|part| !part.is_write_only()) {
            let begin = bytes.len();
            bytes.resize(begin + part.len() as usize, 0);
            memory.read_slice(&mut bytes[begin..], part.addr())?;
        }
        Ok(bytes)
    }

    fn parts(&self) -> impl Iterator<Item = &Descriptor> {
        self.descriptors.iter().filter(|part| part.is_write_only())
    }
}

/// Returns `chain`, of which `len` bytes were written, as `lie` says.
pub fn complete(
    queue: &mut Queue,
    memory: &GuestMemoryMmap,
    chain: &Chain,
    len: u32,
    lie: Option<Lie>,
) -> Result<(), Error> {
    let raw = RawQueue::new(queue, memory);
    let head = u32::from(chain.head);
    let size = queue.size();
    let position = queue.next_used();
    let mut lying = |id, len, index: u16| {
        raw.set_used(position, id, len)?;
        // An index that did not move is one that the honest part of the device still believes in.
        queue.set_next_used(index);
        raw.set_used_index(index)
    };
    let next = position.wrapping_add(1);
    let over = chain.writable().wrapping_add(1);
    match lie {
        Some(Lie::IdBeyondTable) => lying(size.into(), len, next),
        Some(Lie::IdTooWide) => lying(head | 0x1_0000, len, next),
        Some(Lie::IdInsideChain) => lying(chain.second.unwrap_or(u16::MAX).into(), len, next),
        Some(Lie::IdNeverIssued) => {
            lying(u32::from((chain.head + size / 2) % size.max(1)), len, next)
        }
        Some(Lie::IdTwice) => {
            raw.set_used(next, head, len)?;
            lying(head, len, position.wrapping_add(2))
        }
        Some(Lie::IndexJump) => lying(head, len, position.wrapping_add(size).wrapping_add(1)),
        Some(Lie::IndexBack) => lying(head, len, position.wrapping_sub(1)),
        Some(Lie::LenZero) => lying(head, 0, next),
        Some(Lie::LenShort) => lying(head, 11, next),
        Some(Lie::LenOver) => lying(head, over, next),
        Some(Lie::LenMax) => lying(head, u32::MAX, next),
        Some(Lie::ScribbleDescriptors) => {
            raw.fill_descriptors(0xA5)?;
            lying(head, len, next)
        }
        Some(Lie::ScribbleAvailable) => {
            raw.fill_available(0xA5)?;
            lying(head, len, next)
        }
        Some(Lie::ScribbleWishes) => {
            let noise = next.wrapping_mul(0x9E37);
            lying(head, len, next)?;
            raw.set_wishes(noise, !noise)
        }
        Some(Lie::WriteAfterReturn) => {
            lying(head, len, next)?;
            chain.fill(memory, &AFTERTHOUGHT).map(|_| ())
        }
        Some(Lie::Silence | Lie::Vanish) => Ok(()),
        Some(
            Lie::FrameOverlong
            | Lie::HeaderBuffers
            | Lie::HeaderNoBuffers
            | Lie::HeaderTwoBuffers
            | Lie::HeaderFlags
            | Lie::Storm,
        )
        | None => {
            // A head out of range was read from a ring that this device has scribbled over.
            if chain.head < size {
                queue.add_used(memory, chain.head, len)?;
            }
            Ok(())
        }
    }
}
