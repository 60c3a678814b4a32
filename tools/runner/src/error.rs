// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What can keep the board from running, with the next step for whoever reads it.

use std::io;
use std::path::{Path, PathBuf};

use crate::credential::CredentialError;
use crate::flash_image::ImageError;
use crate::placement::PlacementError;
use crate::qemu::QemuError;

/// Any failure of this tool; the message ends with what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An app that is not in the tree.
    #[error(
        "there is no app `{name}`; known apps: {}; a new one needs a [[bin]] in userland/apps/Cargo.toml",
        known.join(" ")
    )]
    UnknownApp {
        /// Name that was asked for.
        name: String,
        /// Names that would do.
        known: Vec<String>,
    },
    /// An app named twice: both copies would have one name and, in the end, one build.
    #[error("app `{0}` is named twice: name each app once")]
    Repeated(String),
    /// A file given by the user.
    #[error("cannot read {} ({source}): check the path", path.display())]
    Input {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file of this tool's own.
    #[error("cannot {action} {} ({source}): check free space and permissions", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Cargo could not be started.
    #[error("cannot start cargo for {what} ({source}): run tools/setup.sh")]
    Cargo {
        /// What was to be built.
        what: String,
        /// What the system said.
        source: io::Error,
    },
    /// Cargo failed, after printing why.
    #[error("{what} cannot be built: see the messages above")]
    Build {
        /// What was to be built.
        what: String,
    },
    /// An app's ELF file does not become an object.
    #[error("app {app} cannot be converted: {reason}")]
    Convert {
        /// Name of the app.
        app: String,
        /// Why.
        reason: String,
    },
    /// The apps cannot be given credentials.
    #[error("{0}")]
    Credential(#[from] CredentialError),
    /// The apps find no room.
    #[error("{0}")]
    Placement(PlacementError),
    /// The sizes of apps keep changing with their places.
    #[error("the apps find no stable placement: run them in another order")]
    Unsettled,
    /// The flash image cannot be laid out.
    #[error("the flash image cannot be built: {0}")]
    Image(#[from] ImageError),
    /// QEMU is missing or of no use.
    #[error("{0}")]
    Qemu(#[from] QemuError),
    /// The forwarded port belongs to another program.
    #[error("port {port} is taken by another program: stop it, or take another with {option}")]
    PortTaken {
        /// The port.
        port: u16,
        /// The option that chooses another.
        option: String,
    },
    /// The port cannot be listened on for another reason.
    #[error("cannot listen on port {port} ({source}): take another with {option}")]
    Port {
        /// The port.
        port: u16,
        /// The option that chooses another.
        option: String,
        /// What the system said.
        source: io::Error,
    },
    /// QEMU could not be started or watched.
    #[error("cannot run {} ({source}): name a working QEMU with QEMU=path", program.display())]
    Run {
        /// The program.
        program: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Error {
    /// Describes a failed access to one of this tool's own files.
    pub fn file(action: &'static str, path: &Path, source: io::Error) -> Error {
        Error::File {
            action,
            path: path.to_owned(),
            source,
        }
    }

    /// Exit status: 2 for what the user typed, 1 for what went wrong.
    #[must_use]
    pub fn exit_status(&self) -> u8 {
        match self {
            Error::UnknownApp { .. }
            | Error::Repeated(_)
            | Error::Input { .. }
            | Error::Credential(CredentialError::Key { .. }) => 2,
            _ => 1,
        }
    }
}
