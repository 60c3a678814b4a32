// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Credentials for apps: what a kernel that checks them wants to find behind the binary.
//!
//! A credential takes its bytes from a reserved footer, so the object keeps its size and its header,
//! over which credentials vouch as well.

use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use p256::ecdsa::signature::Signer;
use p256::ecdsa::{Signature, SigningKey};
use p256::pkcs8::DecodePrivateKey;
use sha2::{Digest, Sha256};

use crate::tbf_object::{FOOTER_CREDENTIALS, FOOTER_HEAD_BYTES, ObjectError, binary_end};

const RESERVED: u32 = 0;
const SHA256: u32 = 3;
const ECDSA_P256: u32 = 6;
/// Bytes of type and length of a footer.
const TYPE_AND_LENGTH: usize = 4;

/// Why an app gets no credential, or a key is of no use.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// The object cannot be read.
    #[error("{0}")]
    Object(#[from] ObjectError),
    /// There is no reserved footer that is long enough.
    #[error("no room for a credential: convert the app with --minimum-footer-size 80")]
    NoRoom,
    /// The key file is of no use.
    #[error(
        "{}: {reason}: make a key with openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256",
        path.display()
    )]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

/// Which credentials apps get, and whose absence keeps them from running.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Credentials {
    /// None; all apps run.
    #[default]
    None,
    /// A digest.
    Sha256,
    /// A signature by the private key in this PEM file (PKCS #8).
    EcdsaP256(PathBuf),
}

impl FromStr for Credentials {
    type Err = String;

    fn from_str(text: &str) -> Result<Credentials, String> {
        match text.split_once(':') {
            None if text == "none" => Ok(Credentials::None),
            None if text == "sha256" => Ok(Credentials::Sha256),
            Some(("ecdsa-p256", path)) if !path.is_empty() => {
                Ok(Credentials::EcdsaP256(path.into()))
            }
            _ => Err("give none, sha256 or ecdsa-p256:KEY.pem".to_owned()),
        }
    }
}

impl Credentials {
    /// Reads what it takes to make the credentials; `None` if there are to be none.
    ///
    /// # Errors
    ///
    /// The key file cannot be read, or holds no key of the right kind.
    pub fn load(&self) -> Result<Option<Maker>, CredentialError> {
        Ok(match self {
            Credentials::None => None,
            Credentials::Sha256 => Some(Maker::Sha256),
            Credentials::EcdsaP256(path) => Some(Maker::EcdsaP256(read_key(path)?)),
        })
    }
}

fn read_key(path: &Path) -> Result<SigningKey, CredentialError> {
    let unusable = |reason: String| CredentialError::Key {
        path: path.to_owned(),
        reason,
    };
    let text = fs::read_to_string(path).map_err(|error| unusable(error.to_string()))?;
    SigningKey::from_pkcs8_pem(&text).map_err(|_| unusable("holds no private P-256 key".to_owned()))
}

/// Makes credentials.
#[derive(Clone, Debug)]
pub enum Maker {
    /// Digests.
    Sha256,
    /// Signatures.
    EcdsaP256(SigningKey),
}

impl Maker {
    /// The public key, x then y, as the board wants it; empty for digests.
    #[must_use]
    pub fn public_key(&self) -> Vec<u8> {
        match self {
            Maker::Sha256 => Vec::new(),
            Maker::EcdsaP256(key) => {
                // The first byte says that both coordinates follow.
                key.verifying_key().to_sec1_point(false).as_bytes()[1..].to_vec()
            }
        }
    }

    /// Format and data of the credential for these bytes.
    fn make(&self, covered: &[u8]) -> (u32, Vec<u8>) {
        match self {
            Maker::Sha256 => (SHA256, Sha256::digest(covered).to_vec()),
            Maker::EcdsaP256(key) => {
                let signature: Signature = key.sign(covered);
                (ECDSA_P256, signature.to_bytes().to_vec())
            }
        }
    }

    /// Puts a credential for the object into the first reserved footer that has room for it, behind
    /// the credentials that are there.
    ///
    /// # Errors
    ///
    /// The object cannot be read, or has no room.
    pub fn add_to(&self, object: &mut [u8]) -> Result<(), CredentialError> {
        let end = usize::try_from(binary_end(object)?).unwrap_or(usize::MAX);
        let covered = object.get(..end).ok_or(ObjectError::BadEntry)?;
        let (format, data) = self.make(covered);
        let credential = footer(format, &data);
        let mut place = end;
        loop {
            let (length, reserved) = footer_at(object, place).ok_or(CredentialError::NoRoom)?;
            let left = length.checked_sub(credential.len());
            if let (true, Some(left)) = (reserved, left) {
                object[place..place + credential.len()].copy_from_slice(&credential);
                let rest = place + credential.len();
                object[rest..rest + left].copy_from_slice(&filler(left));
                return Ok(());
            }
            place += length;
        }
    }
}

/// Bytes of the footer at `place` with its head, and whether it is reserved.
fn footer_at(object: &[u8], place: usize) -> Option<(usize, bool)> {
    let half = |offset: usize| {
        let bytes = object.get(place + offset..)?.first_chunk()?;
        Some(u16::from_le_bytes(*bytes))
    };
    let length = TYPE_AND_LENGTH + usize::from(half(2)?);
    let bytes = object.get(place..place + length)?;
    let format = bytes.get(TYPE_AND_LENGTH..)?.first_chunk();
    let reserved = half(0)? == FOOTER_CREDENTIALS
        && format.is_some_and(|format| u32::from_le_bytes(*format) == RESERVED);
    Some((length, reserved))
}

fn footer(format: u32, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len() + TYPE_AND_LENGTH).unwrap_or(u16::MAX);
    let mut bytes = Vec::new();
    bytes.extend(FOOTER_CREDENTIALS.to_le_bytes());
    bytes.extend(length.to_le_bytes());
    bytes.extend(format.to_le_bytes());
    bytes.extend(data);
    bytes
}

/// What is left of a reserved footer: another one if it has room for its head, else zeros.
fn filler(length: usize) -> Vec<u8> {
    match length.checked_sub(FOOTER_HEAD_BYTES as usize) {
        Some(data) => footer(RESERVED, &vec![0; data]),
        None => vec![0; length],
    }
}

#[cfg(test)]
mod tests {
    use p256::ecdsa::signature::Verifier;
    use p256::pkcs8::EncodePrivateKey;
    use p256::pkcs8::LineEnding;
    use tock_tbf::parse::tbf_footers;
    use tock_tbf::types::TbfFooterV2CredentialsType as Format;

    use super::*;
    use crate::tbf_object::{describe, padding_object, seal};

    const BINARY_END: usize = 0xBA;

    /// An app with a binary that ends at an odd place, and a reserved footer of this size.
    fn object(reserved: usize) -> Vec<u8> {
        const HEADER: usize = 0x48;
        let total = u32::try_from(BINARY_END + reserved).expect("short");
        let entry = |kind: u32, length: u32| kind | length << 16;
        let base = [entry(2, HEADER as u32), total, 1, 0];
        let trailer = 0x80 - HEADER as u32;
        let program = [entry(9, 20), 0x50, trailer, 0x104C, 0xBA, 0];
        let fixed = [entry(5, 8), 0x8030_0000, 0x8010_0080];
        let version = [entry(8, 4), entry(2, 1)];
        let name = [entry(3, 8), u32::from_le_bytes(*b"test"), 0x7070_6120];
        let words = [&base[..], &program, &fixed, &version, &name].concat();
        let mut bytes: Vec<u8> = words.into_iter().flat_map(u32::to_le_bytes).collect();
        assert_eq!(bytes.len(), HEADER);
        bytes.resize(BINARY_END, 0x13);
        bytes.extend(filler(reserved));
        seal(&mut bytes);
        describe(&bytes).expect("the object is sound");
        bytes
    }

    /// Formats of all footers, those that are none included as `None`.
    fn formats(object: &[u8]) -> Vec<Option<Format>> {
        tbf_footers(object[BINARY_END..].to_vec().leak())
            .map(|footer| footer.ok().map(|credential| credential.format()))
            .collect()
    }

    #[test]
    fn options_are_read_by_name() {
        assert_eq!("none".parse(), Ok(Credentials::None));
        assert_eq!("sha256".parse(), Ok(Credentials::Sha256));
        let ecdsa = Credentials::EcdsaP256("a/key.pem".into());
        assert_eq!("ecdsa-p256:a/key.pem".parse(), Ok(ecdsa));
        for wrong in ["", "sha512", "ecdsa-p256", "ecdsa-p256:", "none:x"] {
            assert!(Credentials::from_str(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_digest_covers_the_object_up_to_the_end_of_the_binary() {
        let mut signed = object(200);
        let before = signed.clone();
        Maker::Sha256.add_to(&mut signed).expect("there is room");
        assert_eq!(signed.len(), before.len());
        assert_eq!(signed[..BINARY_END], before[..BINARY_END]);
        assert_eq!(
            formats(&signed),
            [Some(Format::SHA256), Some(Format::Reserved)]
        );
        let digest = Sha256::digest(&signed[..BINARY_END]);
        assert_eq!(signed[BINARY_END + 8..BINARY_END + 40], digest[..]);
    }

    #[test]
    fn several_credentials_stand_behind_one_another() {
        let key = SigningKey::from_slice(&[7; 32]).expect("a number below the order");
        let mut signed = object(40 + 72 + 72 + 8);
        for maker in [
            Maker::Sha256,
            Maker::EcdsaP256(key.clone()),
            Maker::EcdsaP256(key.clone()),
        ] {
            maker.add_to(&mut signed).expect("there is room");
        }
        let ecdsa = Some(Format::EcdsaNistP256);
        let expected = [Some(Format::SHA256), ecdsa, ecdsa, Some(Format::Reserved)];
        assert_eq!(formats(&signed), expected);
        let start = BINARY_END + 40 + 8;
        let signature = Signature::from_slice(&signed[start..start + 64]).expect("a signature");
        let verified = key
            .verifying_key()
            .verify(&signed[..BINARY_END], &signature);
        assert!(verified.is_ok());
        let full = Maker::Sha256.add_to(&mut signed);
        assert!(matches!(full, Err(CredentialError::NoRoom)));
    }

    #[test]
    fn credentials_need_room() {
        for reserved in 0..120 {
            let mut signed = object(reserved);
            let added = Maker::Sha256.add_to(&mut signed);
            assert_eq!(added.is_ok(), reserved >= 40, "{reserved} bytes");
            if added.is_ok() {
                assert_eq!(formats(&signed)[0], Some(Format::SHA256));
            }
        }
        let padding = Maker::Sha256.add_to(&mut padding_object(64));
        assert!(matches!(padding, Err(CredentialError::NoRoom)));
        let text = Maker::Sha256.add_to(&mut b"no object at all".to_vec());
        assert!(matches!(text, Err(CredentialError::Object(_))));
    }

    #[test]
    fn keys_come_from_pem_files() {
        let key = SigningKey::from_slice(&[7; 32]).expect("a number below the order");
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("key.pem");
        let pem = p256::SecretKey::from(key.as_nonzero_scalar())
            .to_pkcs8_pem(LineEnding::LF)
            .expect("a key can be written");
        fs::write(&path, pem.as_bytes()).expect("a file can be written");
        let maker = Credentials::EcdsaP256(path.clone()).load().expect("a key");
        let public = maker.expect("a maker").public_key();
        assert_eq!(public.len(), 64);
        assert_eq!(
            public,
            key.verifying_key().to_sec1_point(false).as_bytes()[1..]
        );

        fs::write(&path, "no key").expect("a file can be written");
        for path in [path, directory.path().join("absent.pem")] {
            let error = Credentials::EcdsaP256(path).load().expect_err("no key");
            assert!(error.to_string().contains("openssl genpkey"), "{error}");
        }
        assert!(matches!(Credentials::None.load(), Ok(None)));
    }
}
