// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The register window (VirtIO 1.2, 4.2.2 and 4.2.4), versions 2 and 1.

use kernel::utilities::registers::{ReadOnly, ReadWrite, WriteOnly, register_structs};

/// What [`magic_value`](VirtIOMMIODeviceRegisters) reads: "virt" in little-endian ASCII.
pub(super) const MAGIC: u32 = 0x7472_6976;

/// The version of the register layout that the standard describes.
pub(super) const VERSION: u32 = 2;

/// The version of the layout of legacy devices (4.2.4).
pub(super) const LEGACY_VERSION: u32 = 1;

/// The length of the part of the configuration space that is mapped, in bytes.
pub(super) const CONFIGURATION_LEN: usize = 0x100;

register_structs! {
    /// The registers of one device: 32 bits wide and little-endian, the configuration space apart.
    pub VirtIOMMIODeviceRegisters {
        /// A fixed number: any other means that no VirtIO device is mapped here.
        (0x000 => pub(super) magic_value: ReadOnly<u32>),
        /// Version of this layout.
        (0x004 => pub(super) version: ReadOnly<u32>),
        /// Type of device; zero for an empty slot.
        (0x008 => pub(super) device_id: ReadOnly<u32>),
        /// Maker of the device.
        (0x00C => pub(super) vendor_id: ReadOnly<u32>),
        /// The word of offered features that the next register selects.
        (0x010 => pub(super) device_features: ReadOnly<u32>),
        (0x014 => pub(super) device_features_sel: WriteOnly<u32>),
        (0x018 => _reserved0),
        /// The word of accepted features that the next register selects.
        (0x020 => pub(super) driver_features: WriteOnly<u32>),
        (0x024 => pub(super) driver_features_sel: WriteOnly<u32>),
        /// The unit of [`queue_pfn`](Self), in bytes. Legacy.
        (0x028 => pub(super) guest_page_size: WriteOnly<u32>),
        (0x02C => _reserved1),
        /// Queue that the queue registers below refer to.
        (0x030 => pub(super) queue_sel: WriteOnly<u32>),
        /// Largest size of that queue; zero if there is no such queue.
        (0x034 => pub(super) queue_num_max: ReadOnly<u32>),
        /// Size of that queue.
        (0x038 => pub(super) queue_num: WriteOnly<u32>),
        /// The alignment of the used ring of that queue. Legacy.
        (0x03C => pub(super) queue_align: WriteOnly<u32>),
        /// The page where that queue begins, zero for none. Legacy.
        (0x040 => pub(super) queue_pfn: ReadWrite<u32>),
        /// One while the device may use that queue.
        (0x044 => pub(super) queue_ready: ReadWrite<u32>),
        (0x048 => _reserved3),
        /// Number of a queue with new available buffers.
        (0x050 => pub(super) queue_notify: WriteOnly<u32>),
        (0x054 => _reserved4),
        /// Causes of the interrupt.
        (0x060 => pub(super) interrupt_status: ReadOnly<u32>),
        (0x064 => pub(super) interrupt_ack: WriteOnly<u32>),
        (0x068 => _reserved5),
        /// Progress of the initialization; writing zero resets the device.
        (0x070 => pub(super) status: ReadWrite<u32>),
        (0x074 => _reserved6),
        (0x080 => pub(super) queue_desc_low: WriteOnly<u32>),
        (0x084 => pub(super) queue_desc_high: WriteOnly<u32>),
        (0x088 => _reserved7),
        (0x090 => pub(super) queue_driver_low: WriteOnly<u32>),
        (0x094 => pub(super) queue_driver_high: WriteOnly<u32>),
        (0x098 => _reserved8),
        (0x0A0 => pub(super) queue_device_low: WriteOnly<u32>),
        (0x0A4 => pub(super) queue_device_high: WriteOnly<u32>),
        (0x0A8 => _reserved9),
        /// Changes whenever the configuration space does.
        (0x0FC => pub(super) config_generation: ReadOnly<u32>),
        /// Configuration space; each field is accessed in its own width.
        (0x100 => pub(super) configuration: [ReadWrite<u8>; CONFIGURATION_LEN]),
        (0x200 => @END),
    }
}

/// Bits of the status register (2.1).
pub(super) mod status {
    pub(crate) const ACKNOWLEDGE: u32 = 1;
    pub(crate) const DRIVER: u32 = 2;
    pub(crate) const DRIVER_OK: u32 = 4;
    pub(crate) const FEATURES_OK: u32 = 8;
    pub(crate) const DEVICE_NEEDS_RESET: u32 = 64;
    pub(crate) const FAILED: u32 = 128;
}

/// Bits of the interrupt status register (4.2.2).
pub(super) mod interrupt {
    pub(crate) const USED_BUFFER: u32 = 1;
    pub(crate) const CONFIGURATION: u32 = 2;
}
