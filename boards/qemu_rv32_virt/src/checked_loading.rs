// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Loading of processes whose credentials are in order (feature `credentials`).
//!
//! Apps have to carry their SHA-256 digest; with the feature `credentials-ecdsa-p256` they have to be
//! signed by one of the keys in the file that `BOARD_PUBLIC_KEYS` names at build time.

use core::cell::Cell;

use components::static_memory;
use kernel::Kernel;
use kernel::capabilities::ProcessManagementCapability;
use kernel::deferred_call::DeferredCallClient as _;
use kernel::process::{
    ProcessBinary, ProcessCheckerMachine, ProcessFaultPolicy, ProcessLoadError,
    ProcessLoadingAsync as _, ProcessLoadingAsyncClient, ProcessStandardDebugFull,
    SequentialProcessLoaderMachine,
};
use kernel::process_checker::AppCredentialsPolicy as _;

use crate::announcement::Announcement;
use crate::board::{Chip, NUM_PROCS};

/// Apps that can be accepted, of which some may be older versions of others.
const NUM_BINARIES: usize = 2 * NUM_PROCS;

#[cfg(feature = "credentials-ecdsa-p256")]
mod policy {
    //! Only apps that are signed run; the number in the header tells who they are.

    use capsules_credentials::app_id::AppIdAssignerTbfHeader;
    use capsules_credentials::ecdsa_p256::{AppCheckerSignature, KEY_BYTES, PublicKey};
    use components::static_memory;

    pub type Credentials = AppCheckerSignature;
    pub static IDENTITY: AppIdAssignerTbfHeader = AppIdAssignerTbfHeader;

    /// The keys, one behind the other.
    static KEYS: &[u8] = include_bytes!(env!(
        "BOARD_PUBLIC_KEYS",
        "set BOARD_PUBLIC_KEYS to a file of public keys: 64 bytes each, x then y"
    ));
    const NUM_KEYS: usize = KEYS.len() / KEY_BYTES;
    const _: () = assert!(
        NUM_KEYS > 0 && KEYS.len().is_multiple_of(KEY_BYTES),
        "BOARD_PUBLIC_KEYS holds no whole number of keys"
    );

    pub fn credentials() -> Credentials {
        let (keys, _) = KEYS.as_chunks::<KEY_BYTES>();
        let keys = core::array::from_fn(|number| {
            PublicKey::from_bytes(&keys[number])
                .unwrap_or_else(|| panic!("public key {number} is no point of the curve"))
        });
        AppCheckerSignature::new(static_memory!([PublicKey; NUM_KEYS]).write(keys))
    }
}

#[cfg(not(feature = "credentials-ecdsa-p256"))]
mod policy {
    //! Only apps that carry their digest run; names tell who they are.

    use capsules_credentials::app_id::AppIdAssignerNames;
    use capsules_credentials::sha256::AppCheckerSha256;

    pub type Credentials = AppCheckerSha256;
    pub static IDENTITY: AppIdAssignerNames = AppIdAssignerNames;

    pub fn credentials() -> Credentials {
        AppCheckerSha256::new()
    }
}

type Loader = SequentialProcessLoaderMachine<'static, Chip, ProcessStandardDebugFull>;

/// Loading that goes on while the main loop runs.
pub struct Loading {
    finished: Cell<bool>,
}

impl Loading {
    /// Tells whether there is nothing left to load.
    pub fn is_finished(&self) -> bool {
        self.finished.get()
    }
}

impl ProcessLoadingAsyncClient for Loading {
    /// The announcement has a line about each app.
    fn process_loaded(&self, _result: Result<(), ProcessLoadError>) {}

    fn process_loading_finished(&self) {
        self.finished.set(true);
    }
}

/// Starts to make a process of each app in flash whose credentials are in order.
pub fn start(
    kernel: &'static Kernel,
    chip: &'static Chip,
    flash: &'static [u8],
    ram: &'static mut [u8],
    fault_policy: &'static dyn ProcessFaultPolicy,
    announcement: &'static Announcement,
    capability: &dyn ProcessManagementCapability,
) -> &'static Loading {
    let credentials: &'static _ = static_memory!(policy::Credentials).write(policy::credentials());
    credentials.register();
    let checker: &'static _ =
        static_memory!(ProcessCheckerMachine).write(ProcessCheckerMachine::new(credentials));
    credentials.set_client(checker);

    let binaries =
        static_memory!([Option<ProcessBinary>; NUM_BINARIES]).write([const { None }; NUM_BINARIES]);
    let loader: &'static _ = static_memory!(Loader).write(Loader::new(
        checker,
        binaries,
        kernel,
        chip,
        flash,
        ram,
        fault_policy,
        &(),
        &policy::IDENTITY,
        capability,
    ));
    loader.set_reporter(announcement);
    checker.set_client(loader);
    loader.register();

    let loading: &'static _ = static_memory!(Loading).write(Loading {
        finished: Cell::new(false),
    });
    loader.set_client(loading);
    loader.start();
    loading
}
