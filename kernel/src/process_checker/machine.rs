// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Puts the credentials of a binary before a policy, one after the other.
//!
//! Footers are bytes from wherever the binary came from. Those that are no credentials, or of a
//! format that is not known, are passed over; how many are looked at is bounded, since each may
//! cost the policy a digest of the whole binary.

use core::cell::Cell;

use tock_tbf::parse::{TbfFooters, tbf_footers};
use tock_tbf::types::TbfFooterV2Credentials;

use super::{
    AcceptedCredential, AppCredentialsPolicy, AppCredentialsPolicyClient, CheckResult,
    ProcessCheckError,
};
use crate::errorcode::ErrorCode;
use crate::process::ProcessBinary;
use crate::utilities::cells::{MapCell, OptionalCell};

/// How many footers of a binary are looked at. What is behind them does not count.
pub(super) const MAX_FOOTERS: u32 = 32;

/// Receives checked binaries.
pub trait ProcessCheckerMachineClient {
    /// Takes back a binary, with the credential that was accepted.
    ///
    /// The same credential is in the binary. `Ok(None)` means that the policy wants none. This may
    /// be called before [`ProcessCheckerMachine::check`] returns.
    fn done(
        &self,
        process_binary: ProcessBinary,
        result: Result<Option<AcceptedCredential>, ProcessCheckError>,
    );
}

/// What a policy said, or is about to say, about the credential before it.
#[derive(Clone, Copy)]
enum Question {
    /// No credential is before the policy.
    None,
    /// Nothing has come yet.
    Asked(TbfFooterV2Credentials),
    /// The result, which has not been acted on.
    Answered(TbfFooterV2Credentials, Result<CheckResult, ErrorCode>),
}

/// One check under way.
struct Check {
    binary: ProcessBinary,
    /// The bytes that credentials vouch for.
    region: &'static [u8],
    footers: TbfFooters,
    /// Number of the footer that is next.
    next: u32,
}

type Verdict = Result<Option<AcceptedCredential>, ProcessCheckError>;

/// Checks the credentials of one binary at a time.
///
/// The machine is the policy's client: the board calls
/// [`set_client`](AppCredentialsPolicy::set_client) of the policy with it.
pub struct ProcessCheckerMachine {
    policy: Cell<&'static dyn AppCredentialsPolicy<'static>>,
    client: OptionalCell<&'static dyn ProcessCheckerMachineClient>,
    check: MapCell<Check>,
    question: Cell<Question>,
    /// Set while [`advance`](Self::advance) runs, which a policy that answers at once finds.
    advancing: Cell<bool>,
}

impl ProcessCheckerMachine {
    /// Creates a machine that asks `policy`.
    pub fn new(policy: &'static dyn AppCredentialsPolicy<'static>) -> ProcessCheckerMachine {
        ProcessCheckerMachine {
            policy: Cell::new(policy),
            client: OptionalCell::empty(),
            check: MapCell::empty(),
            question: Cell::new(Question::None),
            advancing: Cell::new(false),
        }
    }

    /// Sets who receives checked binaries.
    pub fn set_client(&self, client: &'static dyn ProcessCheckerMachineClient) {
        self.client.set(client);
    }

    /// Sets the policy to ask from the next credential on.
    pub fn set_policy(&self, policy: &'static dyn AppCredentialsPolicy<'static>) {
        self.policy.set(policy);
    }

    /// Starts to check a binary. `Ok` promises one call of
    /// [`done`](ProcessCheckerMachineClient::done), which may come before this returns.
    ///
    /// # Errors
    ///
    /// [`ProcessCheckError::InternalError`]: another binary is being checked, or the end of this one
    /// is not in it. The binary is dropped.
    pub fn check(&self, process_binary: ProcessBinary) -> Result<(), ProcessCheckError> {
        if self.check.is_some() {
            return Err(ProcessCheckError::InternalError);
        }
        let region = usize::try_from(process_binary.header.get_binary_end())
            .ok()
            .and_then(|end| process_binary.flash.get(..end))
            .ok_or(ProcessCheckError::InternalError)?;
        process_binary.credential.clear();
        self.question.set(Question::None);
        self.check.replace(Check {
            footers: tbf_footers(process_binary.footers),
            binary: process_binary,
            region,
            next: 0,
        });
        self.advance();
        Ok(())
    }

    /// Goes on as far as is possible without waiting for the policy.
    fn advance(&self) {
        // A policy may answer from within the call that asks it. The loop below then finds the
        // answer; to ask again from here would nest as deep as there are footers.
        if self.advancing.replace(true) {
            return;
        }
        let verdict = loop {
            match self.question.replace(Question::None) {
                waiting @ Question::Asked(_) => {
                    self.question.set(waiting);
                    break None;
                }
                Question::Answered(credential, result) => {
                    if let Some(verdict) = self.judge(credential, result) {
                        break Some(verdict);
                    }
                }
                Question::None => {}
            }
            if let Err(verdict) = self.ask() {
                break Some(verdict);
            }
        };
        self.advancing.set(false);
        if let Some(verdict) = verdict {
            self.finish(verdict);
        }
    }

    /// Puts the next credential before the policy, or says how the check ends.
    fn ask(&self) -> Result<(), Verdict> {
        let policy = self.policy.get();
        let next = self.check.and_then(|check| {
            while check.next < MAX_FOOTERS {
                let footer = check.footers.next()?;
                check.next += 1;
                if let Ok(credential) = footer {
                    return Some((credential, check.region));
                }
            }
            None
        });
        let Some((credential, region)) = next else {
            return Err(if policy.require_credentials() {
                Err(ProcessCheckError::CredentialsNotAccepted)
            } else {
                Ok(None)
            });
        };
        self.question.set(Question::Asked(credential));
        match policy.check_credentials(credential, region) {
            Ok(()) => Ok(()),
            Err((ErrorCode::NOSUPPORT, ..)) => {
                self.question.set(Question::None);
                Ok(())
            }
            Err(_) => Err(Err(ProcessCheckError::InternalError)),
        }
    }

    /// Acts on an answer; `None` if the next credential decides.
    fn judge(
        &self,
        credential: TbfFooterV2Credentials,
        result: Result<CheckResult, ErrorCode>,
    ) -> Option<Verdict> {
        match result {
            Ok(CheckResult::Accept(metadata)) => Some(Ok(Some(AcceptedCredential {
                credential,
                metadata,
            }))),
            Ok(CheckResult::Pass) => None,
            Ok(CheckResult::Reject) => {
                let number = self.check.map_or(0, |check| check.next.saturating_sub(1));
                Some(Err(ProcessCheckError::CredentialsRejected(number)))
            }
            // What cannot be checked does not run.
            Err(_) => Some(Err(ProcessCheckError::InternalError)),
        }
    }

    fn finish(&self, verdict: Verdict) {
        self.question.set(Question::None);
        let Some(Check { binary, .. }) = self.check.take() else {
            return;
        };
        if let Ok(Some(accepted)) = verdict {
            binary.credential.set(accepted);
        }
        self.client.map(|client| client.done(binary, verdict));
    }
}

/// Tells whether two slices are the same bytes in memory.
fn same(a: &'static [u8], b: &'static [u8]) -> bool {
    core::ptr::eq(a, b)
}

impl AppCredentialsPolicyClient<'static> for ProcessCheckerMachine {
    fn check_done(
        &self,
        result: Result<CheckResult, ErrorCode>,
        credentials: TbfFooterV2Credentials,
        integrity_region: &'static [u8],
    ) {
        // An answer to another question must not decide about this binary.
        if let Question::Asked(asked) = self.question.get()
            && same(asked.data(), credentials.data())
            && self
                .check
                .map_or(false, |check| same(check.region, integrity_region))
        {
            self.question.set(Question::Answered(asked, result));
            self.advance();
        }
    }
}
