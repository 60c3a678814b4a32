// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The loader that checks credentials: it collects all applications first, then makes processes.
//!
//! Each step is one deferred call. The first steps go through flash and put each binary before the
//! credential checker; the others go through what was accepted. Of binaries that are the same
//! application, by the identity policy, the one with the highest version becomes a process, and the
//! first in flash if versions are equal. Which bytes are objects, and how processes are made, is
//! decided where the loader without checks decides it.

use core::cell::Cell;

use super::binary::ProcessBinary;
use super::debug_info::ProcessStandardDebug;
use super::flash_walk::{FlashWalk, Found};
use super::id::ShortId;
use super::load_error::{ProcessBinaryError, ProcessLoadError};
use super::loader::{DebugLoadReporter, ProcessLoadReport, ProcessLoadReporter, make_process};
use super::loading::{ProcessLoadingAsync, ProcessLoadingAsyncClient};
use super::policy::ProcessFaultPolicy;
use super::process_trait::Process;
use super::ram::RamPool;
use super::standard::{Common, ProcessStandardStoragePermissionsPolicy};
use crate::capabilities::ProcessManagementCapability;
use crate::deferred_call::{DeferredCall, DeferredCallClient};
use crate::kernel::Kernel;
use crate::platform::chip::Chip;
use crate::process_checker::{
    AcceptedCredential, AppIdPolicy, ProcessCheckError, ProcessCheckerMachine,
    ProcessCheckerMachineClient,
};
use crate::utilities::cells::{MapCell, OptionalCell};

/// What the next step is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Nothing to do.
    Idle,
    /// The next object in flash.
    Collect,
    /// The binary in this place of those that were accepted.
    Load(usize),
}

/// On whose behalf the loader works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Occasion {
    Boot,
    RunTime,
}

/// Loads applications whose credentials a policy accepts.
///
/// The board registers its deferred call with [`register`](DeferredCallClient::register), and makes
/// it the client of the checker.
pub struct SequentialProcessLoaderMachine<'a, C: Chip + 'static, D: ProcessStandardDebug + 'static>
{
    checker: &'static ProcessCheckerMachine,
    common: Common<C, D>,
    policy: Cell<&'a dyn AppIdPolicy>,
    boot_client: OptionalCell<&'a dyn ProcessLoadingAsyncClient>,
    run_time_client: OptionalCell<&'a dyn ProcessLoadingAsyncClient>,
    reporter: Cell<&'a dyn ProcessLoadReporter>,
    /// All of the flash that applications can be in.
    flash: &'static [u8],
    pool: MapCell<RamPool>,
    /// What is left of flash to look at.
    walk: MapCell<FlashWalk>,
    /// Accepted binaries, in the order of flash.
    binaries: MapCell<&'static mut [Option<ProcessBinary>]>,
    phase: Cell<Phase>,
    occasion: Cell<Occasion>,
    deferred_call: DeferredCall,
}

impl<'a, C: Chip, D: ProcessStandardDebug> SequentialProcessLoaderMachine<'a, C, D> {
    /// Creates a loader for the applications in `flash`.
    ///
    /// `proc_binaries` has a place for each binary that is accepted at boot, superseded ones
    /// included. RAM comes from `app_memory`, which is handed over for good. All grants must have
    /// been created before the first process is.
    #[allow(
        clippy::too_many_arguments,
        reason = "boards call it with what they have, as the interface says"
    )]
    pub fn new(
        checker: &'static ProcessCheckerMachine,
        proc_binaries: &'static mut [Option<ProcessBinary>],
        kernel: &'static Kernel,
        chip: &'static C,
        flash: &'static [u8],
        app_memory: &'static mut [u8],
        fault_policy: &'static dyn ProcessFaultPolicy,
        storage_policy: &'static dyn ProcessStandardStoragePermissionsPolicy<C, D>,
        policy: &'static dyn AppIdPolicy,
        _capability: &dyn ProcessManagementCapability,
    ) -> SequentialProcessLoaderMachine<'a, C, D> {
        proc_binaries.fill_with(|| None);
        SequentialProcessLoaderMachine {
            checker,
            common: Common {
                kernel,
                chip,
                fault_policy,
                storage_policy,
            },
            policy: Cell::new(policy),
            boot_client: OptionalCell::empty(),
            run_time_client: OptionalCell::empty(),
            reporter: Cell::new(&DebugLoadReporter),
            flash,
            pool: MapCell::new(RamPool::new(app_memory)),
            walk: MapCell::empty(),
            binaries: MapCell::new(proc_binaries),
            phase: Cell::new(Phase::Idle),
            occasion: Cell::new(Occasion::Boot),
            deferred_call: DeferredCall::new(),
        }
    }

    /// Sets who learns about the outcome of
    /// [`load_new_process_binary`](Self::load_new_process_binary).
    pub fn set_runtime_client(&self, client: &'a dyn ProcessLoadingAsyncClient) {
        self.run_time_client.set(client);
    }

    /// Sets who gets a report about each application, in place of the debug output.
    pub fn set_reporter(&self, reporter: &'a dyn ProcessLoadReporter) {
        self.reporter.set(reporter);
    }

    /// Starts to load one application that has come into flash since boot.
    ///
    /// `Ok` promises calls of the run-time client. The application does not become a process if
    /// one of the same identity exists, whichever version that is.
    ///
    /// # Errors
    ///
    /// - [`ProcessLoadError::BinaryError`]: the range is not inside the flash for applications.
    /// - [`ProcessLoadError::InternalError`]: the loader is at work; try again when it has finished.
    pub fn load_new_process_binary(
        &self,
        app_address: usize,
        app_size: usize,
    ) -> Result<(), ProcessLoadError> {
        if self.phase.get() != Phase::Idle {
            return Err(ProcessLoadError::InternalError);
        }
        let object = app_address
            .checked_sub(self.flash.as_ptr().addr())
            .and_then(|start| self.flash.get(start..start.checked_add(app_size)?))
            .ok_or(ProcessLoadError::BinaryError(
                ProcessBinaryError::BadOffsets,
            ))?;
        self.begin(object, Occasion::RunTime);
        Ok(())
    }

    fn begin(&self, flash: &'static [u8], occasion: Occasion) {
        self.walk.replace(FlashWalk::new(flash));
        self.occasion.set(occasion);
        self.next_step(Phase::Collect);
    }

    fn next_step(&self, phase: Phase) {
        self.phase.set(phase);
        self.deferred_call.set();
    }

    fn client(&self) -> Option<&'a dyn ProcessLoadingAsyncClient> {
        match self.occasion.get() {
            Occasion::Boot => self.boot_client.get(),
            Occasion::RunTime => self.run_time_client.get(),
        }
    }

    /// Tells everyone what became of an application.
    fn report(
        &self,
        flash: &'static [u8],
        outcome: Result<&'static dyn Process, ProcessLoadError>,
    ) {
        let padding = ProcessLoadError::BinaryError(ProcessBinaryError::Padding);
        if outcome.err() == Some(padding) {
            return;
        }
        let report = ProcessLoadReport { flash, outcome };
        self.reporter.get().report(&report);
        if let Some(client) = self.client() {
            client.process_loaded(outcome.map(|_| ()));
        }
    }

    /// Looks at the next object in flash.
    fn collect(&self) {
        let Some(found) = self.walk.and_then(Iterator::next) else {
            self.next_step(Phase::Load(0));
            return;
        };
        let flash = found.flash;
        if self.occasion.get() == Occasion::RunTime {
            // What follows in the range is not what was announced.
            self.walk.take();
        }
        let Found { version, .. } = found;
        let checked = version
            .and_then(|version| ProcessBinary::create(flash, version))
            .map_err(ProcessLoadError::BinaryError)
            .and_then(|binary| {
                self.checker
                    .check(binary)
                    .map_err(ProcessLoadError::CheckError)
            });
        if let Err(error) = checked {
            self.report(flash, Err(error));
            self.next_step(Phase::Collect);
        }
    }

    /// Puts a binary with the others that were accepted.
    fn keep(&self, binary: ProcessBinary) -> Result<(), ProcessLoadError> {
        self.binaries
            .and_then(|binaries| {
                let place = binaries.iter_mut().find(|place| place.is_none())?;
                *place = Some(binary);
                Some(())
            })
            .ok_or(ProcessLoadError::NoProcessSlot)
    }

    /// Makes a process of the accepted binary at `index`, if it is to run.
    fn load(&self, index: usize) {
        let decision = self.binaries.and_then(|binaries| {
            let binary = binaries.get(index)?.as_ref()?;
            let outcome = self
                .identify(binary, index, binaries)
                .map_err(ProcessLoadError::BinaryError)
                .and_then(|app_id| {
                    self.pool
                        .map(|pool| make_process(&self.common, pool, binary, app_id))
                        .unwrap_or(Err(ProcessLoadError::InternalError))
                });
            Some((binary.flash, outcome))
        });
        match decision {
            Some((flash, outcome)) => {
                self.report(flash, outcome);
                self.next_step(Phase::Load(index.saturating_add(1)));
            }
            None => self.finish(),
        }
    }

    /// Returns the short identifier that a binary is to run under, or why it must not run.
    fn identify(
        &self,
        binary: &ProcessBinary,
        index: usize,
        binaries: &[Option<ProcessBinary>],
    ) -> Result<ShortId, ProcessBinaryError> {
        let policy = self.policy.get();
        let version = binary.header.get_binary_version();
        let superseded = binaries.iter().enumerate().any(|(place, other)| {
            other.as_ref().is_some_and(|other| {
                let others = other.header.get_binary_version();
                (others > version || (others == version && place < index))
                    && !policy.different_identifier(binary, other)
            })
        });
        if superseded {
            return Err(ProcessBinaryError::Superseded);
        }
        let app_id = policy.to_short_id(binary);
        let taken = self.common.kernel.get_process_iter().any(|process| {
            process.short_app_id() == app_id
                || !policy.different_identifier_process(binary, process)
        });
        if taken {
            return Err(ProcessBinaryError::IdentityTaken);
        }
        Ok(app_id)
    }

    fn finish(&self) {
        self.binaries.map(|binaries| binaries.fill_with(|| None));
        self.walk.take();
        self.phase.set(Phase::Idle);
        if let Some(client) = self.client() {
            client.process_loading_finished();
        }
    }
}

impl<'a, C: Chip, D: ProcessStandardDebug> ProcessLoadingAsync<'a>
    for SequentialProcessLoaderMachine<'a, C, D>
{
    fn set_client(&self, client: &'a dyn ProcessLoadingAsyncClient) {
        self.boot_client.set(client);
    }

    fn set_policy(&self, policy: &'a dyn AppIdPolicy) {
        self.policy.set(policy);
    }

    /// Starts to load everything in flash. Changes nothing while the loader is at work.
    fn start(&self) {
        if self.phase.get() == Phase::Idle {
            self.begin(self.flash, Occasion::Boot);
        }
    }
}

impl<C: Chip, D: ProcessStandardDebug> DeferredCallClient
    for SequentialProcessLoaderMachine<'static, C, D>
{
    fn handle_deferred_call(&self) {
        match self.phase.get() {
            Phase::Idle => {}
            Phase::Collect => self.collect(),
            Phase::Load(index) => self.load(index),
        }
    }

    fn register(&'static self) {
        self.deferred_call.register(self);
    }
}

impl<C: Chip, D: ProcessStandardDebug> ProcessCheckerMachineClient
    for SequentialProcessLoaderMachine<'_, C, D>
{
    fn done(
        &self,
        process_binary: ProcessBinary,
        result: Result<Option<AcceptedCredential>, ProcessCheckError>,
    ) {
        let flash = process_binary.flash;
        let kept = result
            .map_err(ProcessLoadError::CheckError)
            .and_then(|_| self.keep(process_binary));
        if let Err(error) = kept {
            self.report(flash, Err(error));
        }
        // The next binary gets a call of its own, so that checks that end at once do not nest.
        self.next_step(Phase::Collect);
    }
}

#[cfg(test)]
mod tests;
