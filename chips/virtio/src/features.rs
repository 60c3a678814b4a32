// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Feature bits and whose they are (VirtIO 1.2, 2.2 and 6).

/// Bits that belong to the type of device, and are the device driver's to accept: 0 to 23 and 50 up.
pub const DEVICE_TYPE: u64 = !0 << 50 | 0x00FF_FFFF;

/// The device takes headers and data in any arrangement of buffers. Legacy only: later devices do.
pub const ANY_LAYOUT: u64 = 1 << 27;

/// The device places descriptor tables of its own in one descriptor.
pub const INDIRECT_DESC: u64 = 1 << 28;

/// Notifications are asked for by ring index.
pub const EVENT_IDX: u64 = 1 << 29;

/// The device follows version 1 of the standard or a later one.
pub const VERSION_1: u64 = 1 << 32;

/// The device sees memory as the platform lets it: the addresses that it is given may be translated.
pub const ACCESS_PLATFORM: u64 = 1 << 33;

/// Queues are laid out as one ring of descriptors (2.8).
pub const RING_PACKED: u64 = 1 << 34;

/// The device orders its memory accesses as the platform does for hardware, not for other cores.
pub const ORDER_PLATFORM: u64 = 1 << 36;

/// What a transport accepts by itself. The barriers used here are those for real hardware, so
/// [`ORDER_PLATFORM`] costs nothing.
pub(crate) const TRANSPORT: u64 = VERSION_1 | ORDER_PLATFORM;

/// What a transport accepts from a legacy device.
pub(crate) const LEGACY_TRANSPORT: u64 = ANY_LAYOUT;

/// Bits that queues may ask for, through [`crate::queues::Virtqueue::features`].
pub(crate) const QUEUE: u64 = INDIRECT_DESC | EVENT_IDX | RING_PACKED;
