// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Device types by number (VirtIO 1.2, section 5).

/// Declares the types once, with the number and a short name for each.
macro_rules! device_types {
    ($($(#[$about:meta])* $variant:ident = $id:literal, $name:literal;)+) => {
        /// A type of VirtIO device that this crate knows by name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        #[repr(u32)]
        pub enum VirtIODeviceType {
            $($(#[$about])* $variant = $id,)+
        }

        impl VirtIODeviceType {
            /// Names the type with a number, or `None` if this crate does not know it.
            pub const fn from_device_id(device_id: u32) -> Option<VirtIODeviceType> {
                match device_id {
                    $($id => Some(VirtIODeviceType::$variant),)+
                    _ => None,
                }
            }

            /// Returns the standard's number of a type.
            pub const fn to_device_id(device_type: VirtIODeviceType) -> u32 {
                device_type as u32
            }

            /// A short name for people, in lower case.
            pub const fn name(self) -> &'static str {
                match self {
                    $(VirtIODeviceType::$variant => $name,)+
                }
            }
        }
    };
}

device_types! {
    /// Network card (5.1).
    NetworkCard = 1, "network card";
    /// Block device (5.2).
    BlockDevice = 2, "block device";
    /// Console (5.3).
    Console = 3, "console";
    /// Entropy source (5.4).
    EntropySource = 4, "entropy source";
    /// Memory balloon, the original interface (5.5).
    TraditionalMemoryBallooning = 5, "traditional memory balloon";
    /// I/O memory.
    IoMemory = 6, "I/O memory";
    /// Remote processor messaging.
    RPMSG = 7, "rpmsg";
    /// SCSI host (5.6).
    SCSIHost = 8, "SCSI host";
    /// 9P transport.
    Transport9P = 9, "9P transport";
    /// IEEE 802.11 network card.
    Mac80211Wlan = 10, "WLAN card";
    /// Remote processor serial line.
    RPROCSerial = 11, "rproc serial";
    /// CAIF modem.
    VirtIOCAIF = 12, "CAIF";
    /// Memory balloon.
    MemoryBalloon = 13, "memory balloon";
    /// GPU (5.7).
    GPUDevice = 16, "GPU";
    /// Timer or clock.
    TimerClockDevice = 17, "timer";
    /// Input device (5.8).
    InputDevice = 18, "input device";
    /// Socket (5.10).
    SocketDevice = 19, "socket";
    /// Crypto device (5.9).
    CryptoDevice = 20, "crypto device";
    /// Signal distribution module.
    SignalDistributionModule = 21, "signal distribution";
    /// Pstore.
    PstoreDevice = 22, "pstore";
    /// IOMMU (5.13).
    IOMMUDevice = 23, "IOMMU";
    /// Memory (5.15).
    MemoryDevice = 24, "memory";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twenty_two_numbers_name_a_type_and_lead_back() {
        let known = (0..=64)
            .filter_map(|id| Some((id, VirtIODeviceType::from_device_id(id)?)))
            .inspect(|&(id, device)| assert_eq!(VirtIODeviceType::to_device_id(device), id))
            .count();
        assert_eq!(known, 22);
    }

    #[test]
    fn numbers_without_a_type_are_refused() {
        for id in [0, 14, 15, 25, 63, u32::MAX] {
            assert_eq!(VirtIODeviceType::from_device_id(id), None);
        }
    }
}
