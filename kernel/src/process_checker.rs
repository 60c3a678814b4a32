// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Whether an application may run, and who it is.
//!
//! Two policies of the board decide. An [`AppCredentialsPolicy`] says what an application's
//! credentials are worth; it may take its time. An [`AppIdPolicy`] says which binaries are the same
//! application and what its short identifier is. Cryptography is in neither place here but in the
//! policies' crates.

#[cfg(test)]
pub(crate) mod fakes;
mod identity;
mod machine;

use tock_tbf::types::TbfFooterV2Credentials;

use crate::errorcode::ErrorCode;

pub use identity::{AppIdPolicy, AppUniqueness, Compress};
pub use machine::{ProcessCheckerMachine, ProcessCheckerMachineClient};

/// What a policy makes of one credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckResult {
    /// The application may run; no other credential is looked at.
    Accept(Option<CheckResultAcceptMetadata>),
    /// This credential says nothing; the next one decides.
    Pass,
    /// The application must not run, whatever other credentials it has.
    Reject,
}

/// Something that a credential policy wants to remember about a credential it accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckResultAcceptMetadata {
    /// The policy's own number, for example an index into its keys.
    pub metadata: usize,
}

/// A credential that a policy accepted.
#[derive(Clone, Copy)]
pub struct AcceptedCredential {
    /// The credential, as found in the application's footers.
    pub credential: TbfFooterV2Credentials,
    /// What the policy wants to remember about it.
    pub metadata: Option<CheckResultAcceptMetadata>,
}

/// Why the check of a binary's credentials did not end in permission to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcessCheckError {
    /// The policy wants a credential, and accepted none of them.
    CredentialsNotAccepted,
    /// The policy rejected the binary at the footer with this number, counted from zero.
    CredentialsRejected(u32),
    /// The checker could not do its work.
    InternalError,
}

/// Decides what credentials are worth.
pub trait AppCredentialsPolicy<'a> {
    /// Sets who receives results.
    fn set_client(&self, client: &'a dyn AppCredentialsPolicyClient<'a>);

    /// Tells whether an application runs only with a credential that was accepted.
    fn require_credentials(&self) -> bool;

    /// Starts to check one credential of an application.
    ///
    /// `integrity_region` is what credentials vouch for: the object from its first byte to the end
    /// of the binary, which is where the footers begin. `Ok` promises one call of
    /// [`check_done`](AppCredentialsPolicyClient::check_done), which may come before this returns.
    ///
    /// # Errors
    ///
    /// There will be no result. [`ErrorCode::NOSUPPORT`] passes the credential over; any other
    /// error keeps the application from running.
    fn check_credentials(
        &self,
        credentials: TbfFooterV2Credentials,
        integrity_region: &'a [u8],
    ) -> Result<(), (ErrorCode, TbfFooterV2Credentials, &'a [u8])>;
}

/// Receives what a policy found out about a credential.
pub trait AppCredentialsPolicyClient<'a> {
    /// Takes the result for the credential and the region that the policy was given.
    ///
    /// An error means that the policy could not tell; the application does not run.
    fn check_done(
        &self,
        result: Result<CheckResult, ErrorCode>,
        credentials: TbfFooterV2Credentials,
        integrity_region: &'a [u8],
    );
}

#[cfg(test)]
mod tests;
