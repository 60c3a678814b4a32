// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A place for one task, in the queue of a process.

use core::cell::Cell;

use crate::ipc::IPCUpcallType;
use crate::process::id::ProcessId;
use crate::process::task::{FunctionCall, FunctionCallSource, ReturnArguments, Task};
use crate::upcall::UpcallId;
use crate::utilities::capability_ptr::CapabilityPtr;
use crate::utilities::machine_register::MachineRegister;

/// A place for one task, kept as its words.
///
/// Tasks come and go with every upcall; moving words takes a few instructions where copying the
/// enum is a call of `memcpy`, and an event is found without moving anything.
pub(super) struct Place {
    kind: Cell<Kind>,
    /// The event behind the task, for kinds that have one.
    driver_num: Cell<usize>,
    subscribe_num: Cell<usize>,
    argument0: Cell<usize>,
    argument1: Cell<usize>,
    argument2: Cell<usize>,
    argument3: Cell<MachineRegister>,
    pc: Cell<CapabilityPtr>,
    sender: Cell<Option<ProcessId>>,
}

/// What the words of a [`Place`] mean.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A function call that an event asked for.
    Upcall,
    /// A function call that the kernel asked for.
    KernelCall,
    /// The values of an event without a function.
    Values,
    /// An inter-process upcall.
    Ipc(IPCUpcallType),
}

impl Place {
    pub(super) fn new() -> Place {
        Place {
            kind: Cell::new(Kind::Values),
            driver_num: Cell::new(0),
            subscribe_num: Cell::new(0),
            argument0: Cell::new(0),
            argument1: Cell::new(0),
            argument2: Cell::new(0),
            argument3: Cell::new(MachineRegister::default()),
            pc: Cell::new(CapabilityPtr::default()),
            sender: Cell::new(None),
        }
    }

    #[inline(always)]
    pub(super) fn put(&self, task: Task) {
        match task {
            Task::FunctionCall(call) => {
                match call.source {
                    FunctionCallSource::Driver(event) => {
                        self.kind.set(Kind::Upcall);
                        self.put_event(event);
                    }
                    FunctionCallSource::Kernel => self.kind.set(Kind::KernelCall),
                }
                self.put_arguments(call.argument0, call.argument1, call.argument2);
                self.argument3.set(call.argument3);
                self.pc.set(call.pc);
            }
            Task::ReturnValue(values) => {
                self.kind.set(Kind::Values);
                self.put_event(values.upcall_id);
                self.put_arguments(values.argument0, values.argument1, values.argument2);
            }
            Task::IPC((sender, kind)) => {
                self.kind.set(Kind::Ipc(kind));
                self.sender.set(Some(sender));
            }
        }
    }

    /// Puts what becomes of an event: a call of `function`, or only its values if that is null.
    #[inline(always)]
    pub(super) fn put_upcall(
        &self,
        event: UpcallId,
        [argument0, argument1, argument2]: [usize; 3],
        function: CapabilityPtr,
        appdata: MachineRegister,
    ) {
        let calls = function.addr() != 0;
        self.kind
            .set(if calls { Kind::Upcall } else { Kind::Values });
        self.put_event(event);
        self.put_arguments(argument0, argument1, argument2);
        // Without a function they are not looked at.
        self.argument3.set(appdata);
        self.pc.set(function);
    }

    /// The first three arguments, or the values of an event without a function.
    #[inline(always)]
    pub(super) fn values(&self) -> [usize; 3] {
        [
            self.argument0.get(),
            self.argument1.get(),
            self.argument2.get(),
        ]
    }

    /// Tells whether the task runs code in the process.
    #[inline(always)]
    pub(super) fn is_callable(&self) -> bool {
        self.kind.get() != Kind::Values
    }

    #[inline(always)]
    pub(super) fn put_event(&self, event: UpcallId) {
        self.driver_num.set(event.driver_num);
        self.subscribe_num.set(event.subscribe_num);
    }

    #[inline(always)]
    fn put_arguments(&self, argument0: usize, argument1: usize, argument2: usize) {
        self.argument0.set(argument0);
        self.argument1.set(argument1);
        self.argument2.set(argument2);
    }

    /// The task; `None` never comes of a place that [`put`](Self::put) has filled.
    #[inline(always)]
    pub(super) fn task(&self) -> Option<Task> {
        match self.kind.get() {
            Kind::Upcall | Kind::KernelCall => self.call().map(Task::FunctionCall),
            Kind::Values => {
                let [argument0, argument1, argument2] = self.values();
                Some(Task::ReturnValue(ReturnArguments {
                    upcall_id: UpcallId {
                        driver_num: self.driver_num.get(),
                        subscribe_num: self.subscribe_num.get(),
                    },
                    argument0,
                    argument1,
                    argument2,
                }))
            }
            Kind::Ipc(kind) => Some(Task::IPC((self.sender.get()?, kind))),
        }
    }

    /// The task, if it is a function to call.
    #[inline(always)]
    pub(super) fn call(&self) -> Option<FunctionCall> {
        let source = match self.kind.get() {
            Kind::Upcall => FunctionCallSource::Driver(UpcallId {
                driver_num: self.driver_num.get(),
                subscribe_num: self.subscribe_num.get(),
            }),
            Kind::KernelCall => FunctionCallSource::Kernel,
            Kind::Values | Kind::Ipc(_) => return None,
        };
        Some(FunctionCall {
            source,
            argument0: self.argument0.get(),
            argument1: self.argument1.get(),
            argument2: self.argument2.get(),
            argument3: self.argument3.get(),
            pc: self.pc.get(),
        })
    }

    pub(super) fn copy_from(&self, other: &Place) {
        if let Some(task) = other.task() {
            self.put(task);
        }
    }

    /// Tells whether the task comes from this event.
    #[inline(always)]
    pub(super) fn is_from(&self, event: UpcallId) -> bool {
        self.names(event) && matches!(self.kind.get(), Kind::Upcall | Kind::Values)
    }

    /// Length and address of the buffer that the event of inter-process communication is about.
    pub(super) fn shared(&self) -> (usize, usize) {
        (self.argument1.get(), self.argument2.get())
    }

    /// Clears what [`shared`](Self::shared) returns.
    pub(super) fn unshare(&self) {
        self.argument1.set(0);
        self.argument2.set(0);
    }

    /// Tells whether this is the first value of the event.
    pub(super) fn is_about(&self, value: usize) -> bool {
        self.argument0.get() == value
    }

    /// Tells whether the task comes from an event of this driver.
    pub(super) fn is_of(&self, driver_num: usize) -> bool {
        self.driver_num.get() == driver_num
            && matches!(self.kind.get(), Kind::Upcall | Kind::Values)
    }

    /// Tells whether the event put here last is this one, whatever the task is.
    #[inline(always)]
    pub(super) fn names(&self, event: UpcallId) -> bool {
        self.driver_num.get() == event.driver_num && self.subscribe_num.get() == event.subscribe_num
    }
}
