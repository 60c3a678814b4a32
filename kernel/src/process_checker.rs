// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What a check of an application's credentials can say.

use tock_tbf::types::TbfFooterV2Credentials;

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
    /// The policy rejected the binary at the credential with this number.
    CredentialsRejected(u32),
    /// The checker could not do its work.
    InternalError,
}
