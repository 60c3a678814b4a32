// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The states of a process, and which of them lead to which.

use crate::upcall::UpcallId;

/// What a process is doing, as far as the kernel is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum State {
    /// In user code, or about to return to it.
    Running,
    /// Waiting for any upcall, or newly created.
    Yielded,
    /// Waiting for one particular event.
    YieldedFor(UpcallId),
    /// Suspended from outside; holds what it resumes to.
    Stopped(StoppedState),
    /// Stopped for good by a fault. It can be terminated, and restarted from outside.
    Faulted,
    /// Exited, or terminated from outside. It can be started again.
    Terminated,
}

/// What a stopped process resumes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoppedState {
    /// Back to [`State::Running`].
    Running,
    /// Back to [`State::Yielded`].
    Yielded,
    /// Back to [`State::YieldedFor`].
    YieldedFor(UpcallId),
}

impl State {
    /// Tells whether the process can own grants and receive events.
    pub(crate) fn is_active(self) -> bool {
        !matches!(self, State::Faulted | State::Terminated)
    }

    /// The state after a stop, or `None` where a stop has no effect.
    pub(crate) fn stopped(self) -> Option<State> {
        let resume_to = match self {
            State::Running => StoppedState::Running,
            State::Yielded => StoppedState::Yielded,
            State::YieldedFor(event) => StoppedState::YieldedFor(event),
            State::Stopped(_) | State::Faulted | State::Terminated => return None,
        };
        Some(State::Stopped(resume_to))
    }

    /// The state after a resume, or `None` where a resume has no effect.
    pub(crate) fn resumed(self) -> Option<State> {
        match self {
            State::Stopped(StoppedState::Running) => Some(State::Running),
            State::Stopped(StoppedState::Yielded) => Some(State::Yielded),
            State::Stopped(StoppedState::YieldedFor(event)) => Some(State::YieldedFor(event)),
            _ => None,
        }
    }
}

/// Why the main loop stopped running a process; schedulers learn it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoppedExecutingReason {
    /// The process waits, or has ended.
    NoWorkLeft,
    /// The process faulted in this run.
    StoppedFaulted,
    /// The process is suspended.
    Stopped,
    /// The time slice is used up.
    TimesliceExpired,
    /// An interrupt or a deferred call needs the kernel; the process could go on.
    KernelPreemption,
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT: UpcallId = UpcallId {
        driver_num: 4,
        subscribe_num: 1,
    };

    #[test]
    fn a_stopped_process_resumes_to_where_it_was() {
        for state in [State::Running, State::Yielded, State::YieldedFor(EVENT)] {
            let stopped = state.stopped().unwrap();
            assert!(stopped.is_active());
            assert_eq!(stopped.resumed(), Some(state));
            assert_eq!(stopped.stopped(), None);
        }
    }

    #[test]
    fn ended_processes_neither_stop_nor_resume() {
        for state in [State::Faulted, State::Terminated] {
            assert!(!state.is_active());
            assert_eq!(state.stopped(), None);
            assert_eq!(state.resumed(), None);
        }
        assert_eq!(State::Running.resumed(), None);
    }
}
