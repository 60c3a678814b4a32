// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The part of checking that does not depend on the kind of credential: the digest of a binary.
//!
//! A binary is as long as its author likes, so its digest is computed in pieces, each in a deferred
//! call of its own; the kernel serves interrupts in between. What the digest says about a
//! credential is up to a [`Judge`].

use core::cell::Cell;

use kernel::ErrorCode;
use kernel::deferred_call::{DeferredCall, DeferredCallClient};
use kernel::process_checker::{AppCredentialsPolicy, AppCredentialsPolicyClient, CheckResult};
use kernel::utilities::cells::{MapCell, OptionalCell};
use sha2::{Digest as _, Sha256};
use tock_tbf::types::{TbfFooterV2Credentials, TbfFooterV2CredentialsType};

/// Bytes that go into the digest in one deferred call.
pub const CHUNK: usize = 2048;

/// A SHA-256 digest.
pub type Digest = [u8; 32];

/// Says what a kind of credential is worth, given the digest of what it vouches for.
pub trait Judge {
    /// The kind; others are passed over.
    const FORMAT: TbfFooterV2CredentialsType;

    /// Returns what the credential with this `data`, whose length is right for the format, says.
    ///
    /// `None` asks to be called once more, with the next higher `attempt`; the first is zero. So
    /// work that can be split does not keep interrupts waiting.
    fn judge(&self, attempt: usize, digest: &Digest, data: &[u8]) -> Option<CheckResult>;
}

/// A check under way.
struct Check<'a> {
    credentials: TbfFooterV2Credentials,
    region: &'a [u8],
    work: Work<'a>,
}

/// What is left to do for a check.
enum Work<'a> {
    /// These bytes go into the digest.
    Digest(Sha256, &'a [u8]),
    /// The judge is asked, for the time with this number.
    Judge(Digest, usize),
}

/// Where a check stands after a step.
enum Step<'a> {
    MoreToDo,
    Done(CheckResult, TbfFooterV2Credentials, &'a [u8]),
}

/// Accepts binaries whose SHA-256 digest satisfies a judge; nothing else runs.
///
/// The board registers the deferred call with [`register`](DeferredCallClient::register) and makes
/// the checker the client.
pub struct DigestPolicy<'a, J: Judge> {
    judge: J,
    client: OptionalCell<&'a dyn AppCredentialsPolicyClient<'a>>,
    check: MapCell<Check<'a>>,
    /// Set from the start of a check until its result is handed over.
    busy: Cell<bool>,
    deferred_call: DeferredCall,
}

impl<J: Judge> DigestPolicy<'_, J> {
    /// Creates the policy. It takes a deferred call.
    pub fn with_judge(judge: J) -> Self {
        Self {
            judge,
            client: OptionalCell::empty(),
            check: MapCell::empty(),
            busy: Cell::new(false),
            deferred_call: DeferredCall::new(),
        }
    }
}

impl<'a, J: Judge> AppCredentialsPolicy<'a> for DigestPolicy<'a, J> {
    fn set_client(&self, client: &'a dyn AppCredentialsPolicyClient<'a>) {
        self.client.set(client);
    }

    fn require_credentials(&self) -> bool {
        true
    }

    /// Starts to check one credential.
    ///
    /// # Errors
    ///
    /// - [`ErrorCode::NOSUPPORT`]: the credential is of another kind than this policy knows.
    /// - [`ErrorCode::BUSY`]: a check is under way.
    fn check_credentials(
        &self,
        credentials: TbfFooterV2Credentials,
        integrity_region: &'a [u8],
    ) -> Result<(), (ErrorCode, TbfFooterV2Credentials, &'a [u8])> {
        if credentials.format() != J::FORMAT {
            return Err((ErrorCode::NOSUPPORT, credentials, integrity_region));
        }
        if self.busy.replace(true) {
            return Err((ErrorCode::BUSY, credentials, integrity_region));
        }
        self.check.replace(Check {
            credentials,
            region: integrity_region,
            work: Work::Digest(Sha256::new(), integrity_region),
        });
        self.deferred_call.set();
        Ok(())
    }
}

impl<'a> Check<'a> {
    /// Does one deferred call's worth of work.
    fn step(&mut self, judge: &impl Judge) -> Step<'a> {
        match &mut self.work {
            // The judge's work can be long, so it does not share a call with a chunk.
            Work::Digest(hasher, []) => {
                self.work = Work::Judge(hasher.finalize_reset().into(), 0);
            }
            Work::Digest(hasher, rest) => {
                let (chunk, behind) = rest.split_at_checked(CHUNK).unwrap_or((rest, &[]));
                hasher.update(chunk);
                *rest = behind;
            }
            Work::Judge(digest, attempt) => {
                let data = self.credentials.data();
                if let Some(result) = judge.judge(*attempt, digest, data) {
                    return Step::Done(result, self.credentials, self.region);
                }
                *attempt = attempt.saturating_add(1);
            }
        }
        Step::MoreToDo
    }
}

impl<J: Judge + 'static> DeferredCallClient for DigestPolicy<'static, J> {
    fn handle_deferred_call(&self) {
        match self.check.map(|check| check.step(&self.judge)) {
            Some(Step::MoreToDo) => self.deferred_call.set(),
            Some(Step::Done(result, credentials, region)) => {
                self.check.take();
                // The client may come with the next credential at once.
                self.busy.set(false);
                self.client
                    .map(|client| client.check_done(Ok(result), credentials, region));
            }
            None => {}
        }
    }

    fn register(&'static self) {
        self.deferred_call.register(self);
    }
}
