// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A configuration space that is a plain run of bytes.

use std::vec::Vec;

use crate::transports::configuration::ConfigurationWindow;

/// Bytes that never change.
pub(crate) struct Bytes(Vec<u8>);

impl Bytes {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }

    fn field<const LEN: usize>(&self, offset: usize) -> [u8; LEN] {
        self.0[offset..offset + LEN].try_into().unwrap()
    }
}

impl ConfigurationWindow for Bytes {
    fn len_bytes(&self) -> usize {
        self.0.len()
    }

    fn byte(&self, offset: usize) -> u8 {
        self.0[offset]
    }

    fn half(&self, offset: usize) -> u16 {
        u16::from_le_bytes(self.field(offset))
    }

    fn word(&self, offset: usize) -> u32 {
        u32::from_le_bytes(self.field(offset))
    }

    fn generation(&self) -> Option<u32> {
        Some(0)
    }
}
