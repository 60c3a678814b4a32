// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Buffered debug output over a serial port.
//!
//! Text goes into a ring at once and leaves it in chunks, started from a deferred call, so `debug!`
//! works anywhere, also inside the port's own callbacks. A chunk stays in the ring until the port
//! has sent it: a panic can then print all that may not have got out, at the price of printing up
//! to one chunk twice.

use core::cell::Cell;
use core::mem::MaybeUninit;

use kernel::ErrorCode;
use kernel::collections::queue::Queue;
use kernel::collections::ring_buffer::RingBuffer;
use kernel::debug::DebugWriter;
use kernel::deferred_call::{DeferredCall, DeferredCallClient};
use kernel::hil::uart::{Transmit, TransmitClient};
use kernel::utilities::cells::{MapCell, TakeCell};
use kernel::utilities::io_write::IoWrite;

/// Bytes of the ring that only an overflow message may use.
const RESERVE: usize = 64;

/// A debug writer over one serial port, usually a virtual one.
///
/// The board makes it the port's transmit client, registers its deferred call and passes it to
/// [`set_debug_writer_wrapper`](kernel::debug::set_debug_writer_wrapper).
pub struct BufferedDebugWriter<'a> {
    uart: &'a dyn Transmit<'a>,
    /// All that is taken and not known to be sent, oldest first.
    ring: MapCell<RingBuffer<'static, u8>>,
    /// Where a chunk lies while it is sent; gone meanwhile.
    chunk: TakeCell<'static, [u8]>,
    /// Text was lost and nothing was taken since, so its message is in the ring already.
    losing: Cell<bool>,
    deferred_call: DeferredCall,
}

impl<'a> BufferedDebugWriter<'a> {
    /// Creates a writer that buffers in `ring` and sends at most `chunk` at a time.
    ///
    /// 64 bytes of the ring are kept for the message that text was lost.
    pub fn new(
        uart: &'a dyn Transmit<'a>,
        ring: &'static mut [MaybeUninit<u8>],
        chunk: &'static mut [u8],
    ) -> Self {
        Self {
            uart,
            ring: MapCell::new(RingBuffer::new(ring)),
            chunk: TakeCell::new(chunk),
            losing: Cell::new(false),
            deferred_call: DeferredCall::new(),
        }
    }

    /// Sends the oldest bytes, unless a chunk is on its way already or there are none.
    ///
    /// If the port refuses, they stay in the ring for the next attempt.
    fn send_next(&self) {
        let Some(chunk) = self.chunk.take() else {
            return;
        };
        match self.ring.map_or(0, |ring| copy_oldest(ring, chunk)) {
            0 => self.chunk.put(Some(chunk)),
            length => {
                if let Err((_, chunk)) = self.uart.transmit_buffer(chunk, length) {
                    self.chunk.put(Some(chunk));
                }
            }
        }
    }
}

/// Copies the oldest bytes of `ring`, as many as fit, and returns how many that were.
fn copy_oldest(ring: &RingBuffer<'_, u8>, chunk: &mut [u8]) -> usize {
    let (front, back) = ring.as_slices();
    let mut room = chunk;
    let mut copied = 0;
    for part in [front, back].into_iter().flatten() {
        let fitting = part.len().min(room.len());
        let (Some(part), Some((place, rest))) =
            (part.get(..fitting), room.split_at_mut_checked(fitting))
        else {
            break;
        };
        place.copy_from_slice(part);
        room = rest;
        copied += fitting;
    }
    copied
}

/// Adds the bytes that fit.
fn append(ring: &mut RingBuffer<'_, u8>, bytes: &[u8]) {
    for byte in bytes {
        if !ring.enqueue(*byte) {
            break;
        }
    }
}

impl DebugWriter for BufferedDebugWriter<'_> {
    fn write(&self, bytes: &[u8], overflow_message: &[u8]) -> usize {
        let (fitting, rest) = bytes
            .split_at_checked(self.available_len())
            .unwrap_or((bytes, &[]));
        self.ring.map(|ring| {
            append(ring, fitting);
            if !fitting.is_empty() {
                self.losing.set(false);
            }
            if !rest.is_empty() && !self.losing.replace(true) {
                append(ring, overflow_message);
            }
        });
        fitting.len()
    }

    fn available_len(&self) -> usize {
        self.ring
            .map_or(0, |ring| ring.available_len().saturating_sub(RESERVE))
    }

    fn to_write_len(&self) -> usize {
        self.ring.map_or(0, |ring| ring.len())
    }

    fn publish(&self) -> usize {
        let waiting = self.to_write_len();
        if waiting > 0 {
            self.deferred_call.set();
        }
        waiting
    }

    fn flush(&self, writer: &mut dyn IoWrite) {
        self.ring.map(|ring| {
            writer.write_ring_buffer(ring);
            ring.empty();
        });
    }
}

impl DeferredCallClient for BufferedDebugWriter<'_> {
    fn handle_deferred_call(&self) {
        self.send_next();
    }

    fn register(&'static self) {
        self.deferred_call.register(self);
    }
}

impl TransmitClient for BufferedDebugWriter<'_> {
    fn transmitted_buffer(
        &self,
        tx_buffer: &'static mut [u8],
        tx_len: usize,
        rval: Result<(), ErrorCode>,
    ) {
        self.ring.map(|ring| {
            for _ in 0..tx_len.min(tx_buffer.len()) {
                ring.dequeue();
            }
        });
        self.chunk.put(Some(tx_buffer));
        // After an error the rest waits for the next message, so a broken port cannot keep the
        // kernel busy.
        if rval.is_ok() {
            self.publish();
        }
    }
}
