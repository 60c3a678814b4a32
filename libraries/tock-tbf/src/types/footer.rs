// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Credentials in an application's footer.

use super::TbfParseError;
use crate::bytes::{Entry, u32_at};

/// The only entry type that footers have.
const CREDENTIALS: u16 = 128;

/// How a credential's data is to be read. The numbers are part of the file format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum TbfFooterV2CredentialsType {
    /// Filler of any length.
    Reserved = 0,
    /// Public key and signature, RSA with 3072 bits: 768 bytes.
    Rsa3072Key = 1,
    /// Public key and signature, RSA with 4096 bits: 1024 bytes.
    Rsa4096Key = 2,
    /// SHA-256 digest: 32 bytes.
    SHA256 = 3,
    /// SHA-384 digest: 48 bytes.
    SHA384 = 4,
    /// SHA-512 digest: 64 bytes.
    SHA512 = 5,
    /// ECDSA signature on the curve NIST P-256: 64 bytes.
    EcdsaNistP256 = 6,
}

impl TbfFooterV2CredentialsType {
    /// Finds the format with this number, and the length that its data must have.
    fn from_number(number: u32) -> Option<(Self, Option<usize>)> {
        Some(match number {
            0 => (Self::Reserved, None),
            1 => (Self::Rsa3072Key, Some(768)),
            2 => (Self::Rsa4096Key, Some(1024)),
            3 => (Self::SHA256, Some(32)),
            4 => (Self::SHA384, Some(48)),
            5 => (Self::SHA512, Some(64)),
            6 => (Self::EcdsaNistP256, Some(64)),
            _ => return None,
        })
    }
}

/// One credential: a digest or signature over the bytes in front of the footers, or filler.
#[derive(Clone, Copy, Debug)]
pub struct TbfFooterV2Credentials {
    format: TbfFooterV2CredentialsType,
    data: &'static [u8],
}

impl TbfFooterV2Credentials {
    /// Reads an entry as a credential.
    pub(crate) fn from_entry(entry: Entry<'static>) -> Result<Self, TbfParseError> {
        let format = u32_at(entry.data, 0)
            .filter(|_| entry.kind == CREDENTIALS)
            .and_then(TbfFooterV2CredentialsType::from_number);
        match (format, entry.data.get(4..)) {
            (Some((format, length)), Some(data)) if length.is_none_or(|l| l == data.len()) => {
                Ok(Self { format, data })
            }
            _ => Err(entry.bad()),
        }
    }

    /// Returns how the data is to be read.
    pub fn format(&self) -> TbfFooterV2CredentialsType {
        self.format
    }

    /// Returns the digest, the key with its signature, or the filler.
    pub fn data(&self) -> &'static [u8] {
        self.data
    }
}
