// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What parsing gives: headers, footers and errors.

mod error;
mod footer;
mod header;

pub use error::{InitialTbfParseError, TbfParseError};
pub use footer::{TbfFooterV2Credentials, TbfFooterV2CredentialsType};
pub use header::{CommandPermissions, TbfHeader};

#[cfg(test)]
mod header_tests;
