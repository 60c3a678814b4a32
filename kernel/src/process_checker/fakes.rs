// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A credential policy that does what the credentials themselves order.

use core::cell::{Cell, RefCell};
use std::vec;
use std::vec::Vec;

use tock_tbf::types::{TbfFooterV2Credentials, TbfFooterV2CredentialsType as Format};

use super::{
    AppCredentialsPolicy, AppCredentialsPolicyClient, CheckResult, CheckResultAcceptMetadata,
};
use crate::errorcode::ErrorCode;
use crate::testing::forever;
use crate::utilities::cells::OptionalCell;

/// Orders to the policy, as the first byte of a credential.
pub(crate) const ACCEPT: u8 = 1;
pub(crate) const PASS: u8 = 2;
pub(crate) const REJECT: u8 = 3;
/// Accepts, and remembers the second byte.
pub(crate) const REMEMBER: u8 = 4;
/// Fails after it has taken the credential.
pub(crate) const FAIL: u8 = 5;
/// Does not take the credential, because of its format.
pub(crate) const UNSUPPORTED: u8 = 6;
/// Does not take the credential for another reason.
pub(crate) const BUSY: u8 = 7;

/// Does what the credential orders, at once or when told to.
pub(crate) struct Obedient {
    client: OptionalCell<&'static dyn AppCredentialsPolicyClient<'static>>,
    pub(crate) required: bool,
    pub(crate) at_once: bool,
    pub(crate) waiting: Cell<Option<(TbfFooterV2Credentials, &'static [u8])>>,
    /// Format and order of each credential it was asked about.
    pub(crate) asked: RefCell<Vec<(Format, u8)>>,
    pub(crate) regions: RefCell<Vec<&'static [u8]>>,
    /// How deep the calls are nested at most.
    depth: Cell<usize>,
    pub(crate) deepest: Cell<usize>,
}

impl Obedient {
    pub(crate) fn new(required: bool, at_once: bool) -> &'static Obedient {
        forever(Obedient {
            client: OptionalCell::empty(),
            required,
            at_once,
            waiting: Cell::new(None),
            asked: RefCell::default(),
            regions: RefCell::default(),
            depth: Cell::new(0),
            deepest: Cell::new(0),
        })
    }

    pub(crate) fn answer(&self, credentials: TbfFooterV2Credentials, region: &'static [u8]) {
        let data = credentials.data();
        let result = match data[0] {
            ACCEPT => Ok(CheckResult::Accept(None)),
            REJECT => Ok(CheckResult::Reject),
            REMEMBER => Ok(CheckResult::Accept(Some(CheckResultAcceptMetadata {
                metadata: data[1].into(),
            }))),
            FAIL => Err(ErrorCode::FAIL),
            _ => Ok(CheckResult::Pass),
        };
        let client = self.client.get().unwrap();
        client.check_done(result, credentials, region);
    }

    /// Answers what is waiting; tells whether anything was.
    pub(crate) fn work(&self) -> bool {
        let waiting = self.waiting.take();
        if let Some((credentials, region)) = waiting {
            self.answer(credentials, region);
        }
        waiting.is_some()
    }
}

impl AppCredentialsPolicy<'static> for Obedient {
    fn set_client(&self, client: &'static dyn AppCredentialsPolicyClient<'static>) {
        self.client.set(client);
    }

    fn require_credentials(&self) -> bool {
        self.required
    }

    fn check_credentials(
        &self,
        credentials: TbfFooterV2Credentials,
        region: &'static [u8],
    ) -> Result<(), (ErrorCode, TbfFooterV2Credentials, &'static [u8])> {
        let order = credentials.data()[0];
        self.asked.borrow_mut().push((credentials.format(), order));
        self.regions.borrow_mut().push(region);
        match order {
            UNSUPPORTED => return Err((ErrorCode::NOSUPPORT, credentials, region)),
            BUSY => return Err((ErrorCode::BUSY, credentials, region)),
            _ => {}
        }
        if self.at_once {
            self.depth.set(self.depth.get() + 1);
            self.deepest.set(self.deepest.get().max(self.depth.get()));
            self.answer(credentials, region);
            self.depth.set(self.depth.get() - 1);
        } else {
            self.waiting.set(Some((credentials, region)));
        }
        Ok(())
    }
}

/// One footer.
pub(crate) fn footer(kind: u16, format: u32, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(4 + data.len()).unwrap();
    let mut bytes = Vec::new();
    bytes.extend(kind.to_le_bytes());
    bytes.extend(length.to_le_bytes());
    bytes.extend(format.to_le_bytes());
    bytes.extend(data);
    bytes
}

/// A digest that orders the policy to do something.
pub(crate) fn order(order: u8) -> Vec<u8> {
    let mut data = vec![9; 32];
    data[0] = order;
    footer(128, 3, &data)
}
