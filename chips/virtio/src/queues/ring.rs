// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What the two layouts of a virtqueue have in common, as `queue_core` uses them.

use super::VirtqueueAddresses;
use super::lent::Lent;
use super::memory::RingMemory;
use super::split_queue::SplitRing;
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

/// How a ring asks for used buffer notifications, the usual ways first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Style {
    /// For the next chain, by its index.
    Each,
    /// For none, which is implied.
    Never,
    /// For a later chain, by its index.
    Later,
    /// Otherwise.
    Other,
}

/// A descriptor to be written.
pub struct Entry<'l> {
    /// Its slot in the chain table.
    pub(super) index: u16,
    /// The record of what is lent there.
    pub(super) lent: &'l Lent,
    /// [`lent.link()`](Lent::link), which the caller may know better than by looking.
    pub(super) link: u32,
    /// Whether this is other than what was last lent there.
    pub(super) changed: bool,
}

/// A layout of the memory that driver and device share.
///
/// It writes what it is told and reads what the device says. Whether that is true is for `queue_core`
/// to find out.
pub trait Ring {
    /// The features that this layout can use.
    const FEATURES: u64;

    /// Whether this is a split queue's layout, and no other at any time.
    const IS_SPLIT: bool = false;

    /// The ring, if it is laid out as a split queue: then what is done most often is done directly.
    fn split(&self) -> Option<&SplitRing>;

    /// The part of it that is such a ring, whether or not it is in use.
    fn split_part(&self) -> Option<&SplitRing>;

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

    /// Writes the next descriptor of the chain being provided, whose first is in slot `head`.
    fn write(&self, head: u16, entry: Entry<'_>);

    /// Ends that chain, before which `position` others were provided.
    fn close(&self, head: u16, position: u32);

    /// Takes note of how many chains the device is to use before it notifies; zero if it should not.
    /// Takes effect with the next wish.
    fn set_delay(&self, delay: u16);

    /// How used buffer notifications are asked for, since the last of the two calls above.
    fn style(&self) -> Style;

    /// Shows the device all chains up to, but without, number `now`, of which it knows those up to
    /// `before`, and the first `taken` have come back.
    ///
    /// Where the device takes such wishes it is asked for a used buffer notification when it has used
    /// as many more of them as the delay says, or all of them if they are fewer; with a delay of zero, at
    /// no other place than before, and with one at the place where [`arm`](Self::arm) has asked to be.
    fn show<B: Barriers>(&self, taken: u32, before: u32, now: u32, barriers: B);

    /// As [`show`](Self::show), in the first two styles, where the device's wish does not move.
    fn show_only<B: Barriers>(&self, now: u32, barriers: B);

    /// Whether the device wants to be told that `now` chains were shown, having been told of the first
    /// `before`. There has been a full barrier since.
    fn wants_notification(&self, before: u32, now: u32) -> bool;

    /// As [`wants_notification`](Self::wants_notification), in any style but the last.
    fn wants_by_index(&self, before: u32, now: u32) -> bool;

    /// Looks how many chains the device has used beyond the first `taken`, at least: zero if none.
    fn look(&self, taken: u32) -> u32;

    /// As [`look`](Self::look), if it takes one look for each chain; else zero.
    fn look_on(&self) -> u32;

    /// Reads what the device says about the used chain behind the first `taken`.
    fn element(&self, taken: u32) -> UsedElement;

    /// Whether the length in that means something for a chain of which the device could write nothing.
    fn has_length(&self) -> bool;

    /// Goes on behind a used chain of `links` descriptors.
    fn advance(&self, links: u16);

    /// Asks for no used buffer notifications, if that is possible and not implied.
    fn quiet(&self);

    /// Asks for no used buffer notifications until [`arm`](Self::arm) is called.
    fn silence(&self, taken: u32);

    /// Asks to be notified when the device has used as many chains beyond the first `taken` as the delay
    /// says, or all the `shown` if they are fewer; with a delay of zero not at all.
    ///
    /// Returns whether the device may have used chains before it knew: then look again, after a full
    /// barrier.
    fn arm(&self, taken: u32, shown: u32) -> bool;

    /// As [`arm`](Self::arm), in the first style.
    fn arm_next(&self, taken: u32, shown: u32) -> bool;
}
