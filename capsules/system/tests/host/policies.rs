// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What each fault policy decides, by the number of restarts so far.

use capsules_system::process_policies::{
    PanicFaultPolicy, RestartFaultPolicy, RestartWithDebugFaultPolicy, StopFaultPolicy,
    StopWithDebugFaultPolicy, ThresholdRestartFaultPolicy, ThresholdRestartThenPanicFaultPolicy,
};
use kernel::process::FaultAction::{Panic, Restart, Stop};
use kernel::process::{FaultAction, ProcessFaultPolicy};
use kernel::testing::Host;

/// A policy, and its answers to the first, second, third and fourth fault.
type Row = (
    &'static str,
    &'static dyn ProcessFaultPolicy,
    [FaultAction; 4],
);

const POLICIES: &[Row] = &[
    ("panic", &PanicFaultPolicy {}, [Panic; 4]),
    ("stop", &StopFaultPolicy {}, [Stop; 4]),
    ("stop and tell", &StopWithDebugFaultPolicy {}, [Stop; 4]),
    ("restart", &RestartFaultPolicy {}, [Restart; 4]),
    (
        "restart and tell",
        &RestartWithDebugFaultPolicy {},
        [Restart; 4],
    ),
    (
        "threshold 0",
        &ThresholdRestartFaultPolicy::new(0),
        [Restart, Stop, Stop, Stop],
    ),
    (
        "threshold 2: three restarts",
        &ThresholdRestartFaultPolicy::new(2),
        [Restart, Restart, Restart, Stop],
    ),
    (
        "threshold 1, then panic: two restarts",
        &ThresholdRestartThenPanicFaultPolicy::new(1),
        [Restart, Restart, Panic, Panic],
    ),
];

#[test]
fn each_policy_decides_by_the_restarts_so_far() {
    let host = Host::<1>::new();
    let process = host.processes[0];
    for (policy, decides, actions) in POLICIES {
        for (restarts, expected) in actions.iter().enumerate() {
            process.restart_count.set(restarts);
            let action = decides.action(process);
            assert_eq!(action, *expected, "{policy}, fault {restarts}");
        }
    }
}
