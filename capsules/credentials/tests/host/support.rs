// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A client for one policy, and credentials to put before it.

use std::cell::RefCell;
use std::sync::atomic::{AtomicUsize, Ordering};

use capsules_credentials::{DigestPolicy, Judge};
use kernel::ErrorCode;
use kernel::deferred_call::{DeferredCall, DeferredCallClient, initialize_deferred_call_state};
use kernel::platform::chip::ThreadIdProvider;
use kernel::process_checker::{AppCredentialsPolicy, AppCredentialsPolicyClient, CheckResult};
use tock_tbf::parse::parse_tbf_footer;
use tock_tbf::types::TbfFooterV2Credentials;

/// Numbers the threads of tests, so that none is taken for an earlier one that has ended.
struct HostThread;

std::thread_local! {
    static NUMBER: usize = {
        static NEXT: AtomicUsize = AtomicUsize::new(1);
        NEXT.fetch_add(1, Ordering::Relaxed)
    };
}

// SAFETY: each thread draws a number of its own and keeps it, and tests have no interrupt
// handlers.
unsafe impl ThreadIdProvider for HostThread {
    fn running_thread_id() -> usize {
        NUMBER.with(|number| *number)
    }
}

/// Gives bytes the lifetime of flash.
pub fn flash(bytes: &[u8]) -> &'static [u8] {
    bytes.to_vec().leak()
}

/// A credential of this format.
pub fn credential(format: u32, data: &[u8]) -> TbfFooterV2Credentials {
    let length = u16::try_from(data.len() + 4).unwrap();
    let mut footer = Vec::new();
    footer.extend(128u16.to_le_bytes());
    footer.extend(length.to_le_bytes());
    footer.extend(format.to_le_bytes());
    footer.extend(data);
    parse_tbf_footer(flash(&footer)).unwrap().0
}

/// A result, with the data and the region that it is about.
type Answer = (Result<CheckResult, ErrorCode>, &'static [u8], &'static [u8]);

/// Keeps what the policy says.
#[derive(Default)]
pub struct Client(pub RefCell<Vec<Answer>>);

impl AppCredentialsPolicyClient<'static> for Client {
    fn check_done(
        &self,
        result: Result<CheckResult, ErrorCode>,
        credentials: TbfFooterV2Credentials,
        region: &'static [u8],
    ) {
        self.0
            .borrow_mut()
            .push((result, credentials.data(), region));
    }
}

/// One policy and its client.
pub struct Bench<J: Judge + 'static> {
    pub policy: &'static DigestPolicy<'static, J>,
    pub client: &'static Client,
}

impl<J: Judge> Bench<J> {
    /// Wires the policy that `make` makes.
    pub fn new(make: impl FnOnce() -> DigestPolicy<'static, J>) -> Self {
        initialize_deferred_call_state::<HostThread>();
        let policy: &'static _ = Box::leak(Box::new(make()));
        let client: &'static Client = Box::leak(Box::default());
        policy.register();
        policy.set_client(client);
        Self { policy, client }
    }

    /// Starts a check; an error is why it did not start.
    pub fn start(
        &self,
        credentials: TbfFooterV2Credentials,
        region: &'static [u8],
    ) -> Result<(), ErrorCode> {
        let started = self.policy.check_credentials(credentials, region);
        started.map_err(|(code, returned, same)| {
            assert_eq!(returned.data().as_ptr(), credentials.data().as_ptr());
            assert!(std::ptr::eq(same, region));
            code
        })
    }

    /// Checks a credential to the end.
    pub fn check(
        &self,
        credentials: TbfFooterV2Credentials,
        region: &[u8],
    ) -> Result<CheckResult, ErrorCode> {
        let region = flash(region);
        self.start(credentials, region)?;
        assert!(self.client.0.borrow().is_empty(), "called back too early");
        while DeferredCall::service_next_pending().is_some() {}
        let mut answers = self.client.0.borrow_mut();
        let (result, data, about) = answers.pop().expect("a result");
        assert!(answers.is_empty() && std::ptr::eq(about, region));
        assert_eq!(data.as_ptr(), credentials.data().as_ptr());
        result
    }
}
