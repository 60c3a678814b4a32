// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What the two layouts of a virtqueue have in common, as `queue_core` uses them.

use super::VirtqueueAddresses;
use super::lent::Lent;
use super::memory::RingMemory;
use crate::barriers::Barriers;

/// Descriptor flag: the chain goes on with another descriptor. The same in both layouts.
pub(super) const NEXT: u16 = 1;

/// Descriptor flag: the device writes the buffer, rather than reading it.
pub(super) const WRITE: u16 = 2;

/// Descriptor flag: the buffer is a table of descriptors.
pub(super) const INDIRECT: u16 = 4;

/// What the device says about one chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UsedElement {
    pub(super) id: u32,
    pub(super) len: u32,
}

/// A layout of the memory that driver and device share.
///
/// It writes what it is told and reads what the device says. Whether that is true is for `queue_core`
/// to find out.
pub trait Ring {
    /// The features that this layout can use.
    const FEATURES: u64;

    /// Whether the descriptors of an indirect table name their successors, rather than follow each
    /// other.
    fn links_by_index(&self) -> bool;

    /// # Safety
    ///
    /// The memory is valid to read and write for as long as the ring is used. Nothing writes it
    /// meanwhile but this ring and a device.
    unsafe fn new(memory: RingMemory) -> Self;

    /// Whether the layout is the one that these features call for.
    fn suits(&self, features: u64) -> bool;

    /// Empties the ring, before the device knows it, for `size` descriptors: a power of two, and no
    /// more than memory is there for.
    fn clear(&self, size: u16, features: u64);

    fn addresses(&self) -> VirtqueueAddresses;

    /// Writes the next descriptor of the chain being provided: the one in slot `index` of the chain
    /// table, of the chain whose first is in slot `head`.
    ///
    /// `changed` says whether it is other than what was last lent in this slot. `link` is
    /// [`lent.link()`](Lent::link), which the caller may know better than by looking.
    fn write(&self, head: u16, index: u16, lent: &Lent, link: u32, changed: bool);

    /// Ends that chain, before which `position` others were provided.
    fn close(&self, head: u16, position: u32);

    /// Shows the device all chains up to, but without, number `now`, of which it knows those up to
    /// `before`, and the first `taken` have come back.
    ///
    /// Where the device takes such wishes it is asked for a used buffer notification when it has used
    /// `delay` more of them, or all of them if they are fewer; with a delay of zero, at no other place
    /// than before, and with one at the place where [`arm`](Self::arm) has asked to be.
    fn show<B: Barriers>(&self, taken: u32, before: u32, now: u32, delay: u16, barriers: B);

    /// Whether the device wants to be told that `now` chains were shown, having been told of the first
    /// `before`. There has been a full barrier since.
    fn wants_notification(&self, before: u32, now: u32) -> bool;

    /// Looks how many chains the device has used beyond the first `taken`, at least: zero if none.
    fn look(&self, taken: u32) -> u16;

    /// As [`look`](Self::look), if it takes one look for each chain; else zero.
    fn look_on(&self) -> u16;

    /// Reads what the device says about the used chain behind the first `taken`.
    fn element(&self, taken: u32) -> UsedElement;

    /// Goes on behind a used chain of `links` descriptors.
    fn advance(&self, links: u16);

    /// Asks for no used buffer notifications, if that is possible and not implied.
    fn quiet(&self);

    /// Asks for no used buffer notifications until [`arm`](Self::arm) is called.
    fn silence(&self, taken: u32);

    /// Asks to be notified when the device has used `delay` chains beyond the first `taken`, at least
    /// one, or all the `shown` if they are fewer.
    ///
    /// Returns whether the device may have used chains before it knew: then look again, after a full
    /// barrier.
    fn arm(&self, taken: u32, shown: u32, delay: u16) -> bool;
}
