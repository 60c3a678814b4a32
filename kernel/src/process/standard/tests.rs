// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Memory, queue and life of a process on the host.

use core::ptr::without_provenance;
use std::string::String;

use crate::errorcode::ErrorCode;
use crate::platform::mpu::Region;
use crate::process::fake_tbf::Tbf;
use crate::process::fakes::{DRIVER, Everything, FakeChip, IPC_DRIVER, World, memory};
use crate::process::{
    Error, FaultAction, FunctionCall, FunctionCallSource, Process, ReturnArguments, State, Task,
};
use crate::processbuffer::{ReadableProcessBuffer, WriteableProcessBuffer};
use crate::upcall::UpcallId;

const EVENT: UpcallId = UpcallId {
    driver_num: DRIVER,
    subscribe_num: 1,
};

fn event(value: usize) -> Task {
    Task::ReturnValue(ReturnArguments {
        upcall_id: EVENT,
        argument0: value,
        argument1: 0,
        argument2: 0,
    })
}

fn upcall() -> Task {
    Task::FunctionCall(FunctionCall {
        source: FunctionCallSource::Driver(EVENT),
        argument0: 0,
        argument1: 0,
        argument2: 0,
        argument3: 0usize.into(),
        pc: 0x40usize.into(),
    })
}

fn set_break(process: &dyn Process, offset: usize) -> Result<usize, Error> {
    let start = process.get_addresses().sram_start;
    process
        .brk(without_provenance(start + offset))
        .map(|previous| previous.addr() - start)
}

/// Reads a byte of process RAM the way a capsule does.
fn byte(process: &dyn Process, offset: usize) -> u8 {
    let address = process.get_addresses().sram_start + offset;
    let buffer = process
        .build_readonly_process_buffer(without_provenance(address), 1)
        .unwrap();
    buffer.enter(|bytes| bytes[0].get()).unwrap()
}

fn write(process: &dyn Process, offset: usize, value: u8) -> bool {
    let address = process.get_addresses().sram_start + offset;
    // SAFETY: nobody has a reference to process memory here.
    unsafe { process.set_byte(without_provenance::<u8>(address).cast_mut(), value) }
}

// ---- breaks -------------------------------------------------------------

#[test]
fn the_break_starts_at_the_bottom_and_moves_up_to_the_kernel() {
    let (world, process) = World::with_one();
    let map = process.get_addresses();
    assert_eq!(map.sram_app_brk, map.sram_start);
    let kernel = map.sram_grant_start - map.sram_start;
    assert_eq!(
        set_break(process, kernel + 1),
        Err(Error::AddressOutOfBounds)
    );
    assert_eq!(set_break(process, kernel), Ok(0));
    assert_eq!(set_break(process, 100), Ok(kernel));
    assert_eq!(
        process.brk(core::ptr::null()),
        Err(Error::AddressOutOfBounds)
    );
    assert_eq!(process.get_addresses().sram_app_brk, map.sram_start + 100);
    // Protection follows at once.
    assert_eq!(world.chip.mpu.loaded_break.get(), map.sram_start + 100);
}

#[test]
fn sbrk_returns_the_previous_break_and_never_wraps() {
    let (_, process) = World::with_one();
    let start = process.get_addresses().sram_start;
    assert_eq!(process.sbrk(64).unwrap().addr(), start);
    assert_eq!(process.sbrk(0).unwrap().addr(), start + 64);
    assert_eq!(process.sbrk(-32).unwrap().addr(), start + 64);
    assert_eq!(process.sbrk(-33), Err(Error::AddressOutOfBounds));
    for increment in [isize::MIN, isize::MAX, -1_000_000_000] {
        assert!(process.sbrk(increment).is_err());
    }
    assert_eq!(process.get_addresses().sram_app_brk, start + 32);
}

#[test]
fn exposed_memory_reads_as_zero_also_after_a_shrink() {
    let (_, process) = World::with_one();
    set_break(process, 64).unwrap();
    for offset in 0..64 {
        assert!(write(process, offset, 0xEE));
    }
    set_break(process, 17).unwrap();
    set_break(process, 64).unwrap();
    assert_eq!(byte(process, 16), 0xEE);
    for offset in 17..64 {
        assert_eq!(byte(process, offset), 0, "{offset}");
    }
}

#[test]
fn a_break_that_protection_refuses_changes_nothing() {
    let (world, process) = World::with_one();
    set_break(process, 64).unwrap();
    world.chip.mpu.refuse.set(true);
    assert_eq!(set_break(process, 128), Err(Error::OutOfMemory));
    let map = process.get_addresses();
    assert_eq!(map.sram_app_brk, map.sram_start + 64);
}

#[test]
fn grants_and_the_break_share_the_room_between_them() {
    let (_, process) = World::with_one();
    let map = process.get_addresses();
    process.allocate_grant(0, DRIVER, 40, 16).unwrap();
    let kernel_break = process.get_addresses().sram_grant_start;
    assert!(kernel_break + 40 <= map.sram_grant_start && kernel_break % 16 == 0);
    assert_eq!(
        set_break(process, kernel_break - map.sram_start + 1),
        Err(Error::AddressOutOfBounds)
    );
    set_break(process, kernel_break - map.sram_start).unwrap();
    assert_eq!(process.allocate_grant(1, IPC_DRIVER, 8, 8), Err(()));
    assert_eq!(process.allocate_custom_grant(1, 1).err(), Some(()));
    set_break(process, 0).unwrap();
    assert_eq!(process.allocate_grant(1, IPC_DRIVER, 8, 8), Ok(()));
}

#[test]
fn process_memory_is_out_of_reach_of_set_byte_above_the_break() {
    let (_, process) = World::with_one();
    set_break(process, 8).unwrap();
    assert!(write(process, 7, 1));
    assert!(!write(process, 8, 1));
    let map = process.get_addresses();
    for address in [
        0,
        map.sram_start - 1,
        map.sram_grant_start,
        map.sram_end,
        usize::MAX,
    ] {
        // SAFETY: nobody has a reference to process memory here.
        assert!(!unsafe { process.set_byte(without_provenance::<u8>(address).cast_mut(), 1) });
    }
}

// ---- shared buffers -----------------------------------------------------

#[test]
fn read_write_buffers_lie_wholly_below_the_break() {
    let (_, process) = World::with_one();
    set_break(process, 64).unwrap();
    let map = process.get_addresses();
    let share = |address: usize, size| {
        process
            .build_readwrite_process_buffer(without_provenance::<u8>(address).cast_mut(), size)
            .map(|buffer| (buffer.mut_ptr().addr(), buffer.len()))
    };
    assert_eq!(share(map.sram_start, 64), Ok((map.sram_start, 64)));
    assert_eq!(share(map.sram_start + 63, 1), Ok((map.sram_start + 63, 1)));
    for (address, size) in [
        (map.sram_start, 65),
        (map.sram_start + 64, 1),
        (map.sram_start - 1, 2),
        (map.sram_start + 1, usize::MAX),
        (map.flash_non_protected_start, 1),
        (map.sram_grant_start, 4),
        (0, 1),
        (usize::MAX, 1),
    ] {
        assert_eq!(share(address, size), Err(ErrorCode::INVAL), "{address:#x}");
    }
    for address in [0, 1, usize::MAX] {
        assert_eq!(share(address, 0), Ok((address, 0)));
    }
}

#[test]
fn read_only_buffers_may_lie_in_flash_after_the_protected_part() {
    let (_, process) = World::with_one();
    set_break(process, 64).unwrap();
    let map = process.get_addresses();
    let share = |address: usize, size| {
        process
            .build_readonly_process_buffer(without_provenance(address), size)
            .map(|buffer| buffer.len())
    };
    let binary = map.flash_end - map.flash_non_protected_start;
    assert_eq!(share(map.flash_non_protected_start, binary), Ok(binary));
    assert_eq!(share(map.sram_start, 64), Ok(64));
    for (address, size) in [
        (map.flash_non_protected_start, binary + 1),
        (map.flash_non_protected_start - 1, 1),
        (map.flash_start, 1),
        (map.flash_end, 1),
    ] {
        assert_eq!(share(address, size), Err(ErrorCode::INVAL), "{address:#x}");
    }
    let buffer = process
        .build_readonly_process_buffer(without_provenance(map.flash_non_protected_start), 4)
        .unwrap();
    assert_eq!(buffer.enter(|bytes| bytes[3].get()), Ok(0x13));
}

#[test]
fn shared_ram_holds_the_break_up_but_flash_and_empty_buffers_do_not() {
    let (_, process) = World::with_one();
    set_break(process, 64).unwrap();
    let map = process.get_addresses();
    let flash = without_provenance(map.flash_non_protected_start);
    process.build_readonly_process_buffer(flash, 4).unwrap();
    let top = without_provenance::<u8>(map.sram_start + 64).cast_mut();
    process.build_readwrite_process_buffer(top, 0).unwrap();
    assert!(set_break(process, 0).is_ok());

    set_break(process, 64).unwrap();
    let middle = without_provenance(map.sram_start + 10);
    process.build_readonly_process_buffer(middle, 10).unwrap();
    assert_eq!(set_break(process, 19), Err(Error::AddressOutOfBounds));
    assert!(set_break(process, 20).is_ok());
}

#[test]
fn upcall_functions_lie_in_flash_or_ram_of_the_process() {
    let (_, process) = World::with_one();
    set_break(process, 64).unwrap();
    let map = process.get_addresses();
    let valid = |address| process.is_valid_upcall_function_pointer(without_provenance(address));
    assert!(valid(map.flash_non_protected_start));
    assert!(valid(map.flash_non_protected_start + 2));
    assert!(valid(map.flash_end - 4));
    assert!(valid(map.sram_start + 60));
    for address in [
        map.flash_start,
        map.flash_non_protected_start - 2,
        map.flash_end - 2,
        map.sram_start + 62,
        map.sram_grant_start,
        usize::MAX - 1,
    ] {
        assert!(!valid(address), "{address:#x}");
    }
}

// ---- grants -------------------------------------------------------------

#[test]
fn a_grant_is_entered_once_at_a_time_and_only_while_active() {
    let (_, process) = World::with_one();
    assert_eq!(process.enter_grant(0), Err(Error::KernelError));
    process.allocate_grant(0, DRIVER, 8, 8).unwrap();
    let memory = process.enter_grant(0).unwrap();
    assert!(memory.addr().get() % 8 == 0);
    assert_eq!(process.enter_grant(0), Err(Error::AlreadyInUse));
    // SAFETY: no reference into the grant was made.
    unsafe { process.leave_grant(0) };
    assert!(process.enter_grant(0).is_ok());
    // SAFETY: as above.
    unsafe { process.leave_grant(0) };
    process.terminate(None);
    assert_eq!(process.enter_grant(0), Err(Error::InactiveApp));
    assert_eq!(process.grant_is_allocated(0), None);
    assert_eq!(process.grant_allocated_count(), None);
    assert_eq!(process.allocate_grant(1, IPC_DRIVER, 8, 8), Err(()));
    assert_eq!(
        process.lookup_grant_from_driver_num(DRIVER),
        Err(Error::InactiveApp)
    );
}

#[test]
fn custom_grants_are_found_by_identifier_until_the_restart() {
    let (_, process) = World::with_one();
    let (identifier, memory) = process.allocate_custom_grant(24, 8).unwrap();
    assert_eq!(process.enter_custom_grant(identifier), Ok(memory.as_ptr()));
    process.try_restart(None);
    assert_eq!(
        process.enter_custom_grant(identifier),
        Err(Error::AddressOutOfBounds)
    );
}

#[test]
fn a_process_ended_from_inside_its_grant_starts_again_only_afterwards() {
    let (_, process) = World::with_one();
    process.allocate_grant(0, DRIVER, 8, 8).unwrap();
    process.enter_grant(0).unwrap();
    process.try_restart(None);
    assert_eq!(process.get_state(), State::Terminated);
    // SAFETY: no reference into the grant was made.
    unsafe { process.leave_grant(0) };
    process.start(&Everything);
    assert_eq!(process.get_state(), State::Yielded);
}

#[test]
fn a_process_ended_from_inside_a_custom_grant_starts_again_only_afterwards() {
    let (world, process) = World::with_one();
    let id = process.processid();
    let value = world
        .driver
        .apps
        .enter_with_allocator(id, |_, _, allocator| allocator.alloc_with(|| 7u32));
    let value = value.unwrap().unwrap();
    value
        .enter(|_| {
            process.try_restart(None);
            process.start(&Everything);
            assert_eq!(process.get_state(), State::Terminated);
        })
        .unwrap();
    process.start(&Everything);
    assert_eq!(process.get_state(), State::Yielded);
    assert_eq!(value.enter(|value| *value), Err(Error::NoSuchApp));
}

// ---- queue --------------------------------------------------------------

#[test]
fn a_full_queue_drops_and_counts() {
    let (_, process) = World::with_one();
    // The entry function takes one place.
    for _ in 1..10 {
        assert_eq!(process.enqueue_task(event(0)), Ok(()));
    }
    assert_eq!(process.enqueue_task(event(0)), Err(ErrorCode::NOMEM));
    assert_eq!(process.debug_dropped_upcall_count(), 1);
    assert_eq!(process.pending_tasks(), 10);
    assert_eq!(process.remove_pending_upcalls(EVENT), 9);
    assert!(process.has_tasks());
}

#[test]
fn a_stopped_process_takes_events_but_an_ended_one_does_not() {
    let (_, process) = World::with_one();
    process.stop();
    assert_eq!(process.enqueue_task(event(0)), Ok(()));
    assert!(!process.ready());
    process.resume();
    assert!(process.ready());
    process.terminate(Some(4));
    assert_eq!(process.enqueue_task(event(0)), Err(ErrorCode::NODEVICE));
    assert!(!process.has_tasks());
}

#[test]
fn a_waiting_process_is_ready_when_its_event_is_queued_whatever_came_after() {
    let (_, process) = World::with_one();
    process.dequeue_task().unwrap();
    process.set_process_function(match upcall() {
        Task::FunctionCall(call) => call,
        _ => unreachable!(),
    });
    process.set_yielded_for_state(EVENT);
    assert!(!process.ready());
    let other = UpcallId {
        subscribe_num: 0,
        ..EVENT
    };
    process.enqueue_task(event(1)).unwrap();
    process
        .enqueue_task(Task::ReturnValue(ReturnArguments {
            upcall_id: other,
            argument0: 0,
            argument1: 0,
            argument2: 0,
        }))
        .unwrap();
    assert!(process.ready());
    assert_eq!(process.remove_pending_upcalls(EVENT), 1);
    assert!(!process.ready());
}

// ---- life ---------------------------------------------------------------

#[test]
fn a_restart_is_a_new_run_in_the_same_slot_and_memory() {
    let (world, process) = World::with_one();
    let before = process.processid();
    let map = process.get_addresses();
    set_break(process, 64).unwrap();
    write(process, 5, 0xEE);
    let share = without_provenance(map.sram_start);
    let buffer = process.build_readonly_process_buffer(share, 8).unwrap();
    process.allocate_grant(0, DRIVER, 8, 8).unwrap();
    process.enqueue_task(event(0)).unwrap();

    process.try_restart(Some(7));

    let after = process.processid();
    assert!(after != before && after.slot_index() == before.slot_index());
    assert!(world.kernel.get_process(before).is_none());
    assert!(world.kernel.get_process(after).is_some());
    assert_eq!(process.get_state(), State::Yielded);
    assert_eq!(process.get_restart_count(), 1);
    assert_eq!(process.get_completion_code(), Some(Some(7)));
    assert_eq!(process.pending_tasks(), 1);
    assert_eq!(process.grant_allocated_count(), Some(0));
    assert_eq!(buffer.len(), 0);
    assert!(buffer.enter(|_| ()).is_err());
    let now = process.get_addresses();
    assert_eq!(
        (now.sram_start, now.sram_end),
        (map.sram_start, map.sram_end)
    );
    assert_eq!(now.sram_app_brk, map.sram_start);
    assert_eq!(now.sram_grant_start, map.sram_grant_start);
    set_break(process, 64).unwrap();
    assert_eq!(byte(process, 5), 0);
}

#[test]
fn a_restart_forgets_regions_that_others_shared() {
    let (world, process) = World::with_one();
    let buffer = memory(64);
    let region = process.add_mpu_region(buffer.as_ptr(), 64, 64);
    assert_eq!(region, Some(Region::new(buffer.as_ptr(), 64)));
    process.setup_mpu();
    assert_eq!(world.chip.mpu.loaded_shared.get(), 1);
    process.try_restart(None);
    process.setup_mpu();
    assert_eq!(world.chip.mpu.loaded_shared.get(), 0);
    assert_eq!(
        process.remove_mpu_region(region.unwrap()),
        Err(ErrorCode::INVAL)
    );
}

#[test]
fn a_terminated_process_starts_only_when_started() {
    let (_, process) = World::with_one();
    let before = process.processid();
    process.start(&Everything);
    assert_eq!(process.processid(), before);
    process.terminate(Some(1));
    process.terminate(Some(2));
    process.try_restart(Some(3));
    process.resume();
    process.stop();
    process.set_fault_state();
    assert_eq!(process.get_state(), State::Terminated);
    assert_eq!(process.get_completion_code(), Some(Some(1)));
    process.start(&Everything);
    assert_eq!(process.get_state(), State::Yielded);
    assert!(process.processid() != before);
}

#[test]
fn a_restart_that_cannot_be_set_up_leaves_the_process_terminated() {
    let (world, process) = World::with_one();
    world.chip.mpu.refuse.set(true);
    process.try_restart(None);
    assert_eq!(process.get_state(), State::Terminated);
    world.chip.mpu.refuse.set(false);
    world.chip.boundary.broken.set(true);
    process.start(&Everything);
    assert_eq!(process.get_state(), State::Terminated);
    assert!(!process.has_tasks());
    world.chip.boundary.broken.set(false);
    process.start(&Everything);
    assert_eq!(process.get_state(), State::Yielded);
}

#[test]
fn a_fault_with_the_stop_policy_leaves_the_process_dead_until_restarted() {
    let (_, process) = World::with_one();
    process.set_fault_state();
    assert_eq!(process.get_state(), State::Faulted);
    assert_eq!(process.get_completion_code(), Some(None));
    assert!(!process.has_tasks());
    process.start(&Everything);
    assert_eq!(process.get_state(), State::Faulted);
    process.try_restart(None);
    assert_eq!(process.get_state(), State::Yielded);
}

#[test]
fn a_fault_with_the_restart_policy_is_a_restart() {
    let (world, process) = World::with_one();
    world.policy.action.set(FaultAction::Restart);
    let before = process.processid();
    process.set_fault_state();
    assert_eq!(process.get_state(), State::Yielded);
    assert!(process.processid() != before);
    assert_eq!(process.get_restart_count(), 1);
}

#[test]
#[should_panic(expected = "app")]
fn a_fault_with_the_panic_policy_names_the_process() {
    let (world, process) = World::with_one();
    world.policy.action.set(FaultAction::Panic);
    process.set_fault_state();
}

#[test]
fn initially_accessible_memory_is_zeroed_and_known_to_the_entry_function() {
    let chip = FakeChip::default();
    chip.boundary.initial_app_size.set(128);
    let world = World::with_flash_and_chip(&Tbf::new("app").build(), chip);
    let process = world.process(0);
    let map = process.get_addresses();
    assert_eq!(map.sram_app_brk, map.sram_start + 128);
    assert!((0..128).all(|offset| byte(process, offset) == 0));
    let Some(Task::FunctionCall(call)) = process.dequeue_task() else {
        panic!("no entry function");
    };
    assert_eq!(call.argument0, map.flash_non_protected_start);
    assert_eq!(call.argument1, map.sram_start);
    assert_eq!(call.argument2, map.sram_end - map.sram_start);
    assert_eq!(call.argument3.as_usize(), map.sram_app_brk);
    let header_end = map.flash_start + Tbf::new("app").header_size();
    assert_eq!(call.pc.addr(), header_end + 12);
}

// ---- diagnostics --------------------------------------------------------

#[test]
fn hints_outside_the_block_are_ignored() {
    let (_, process) = World::with_one();
    let map = process.get_addresses();
    process.update_stack_start_pointer(without_provenance(map.sram_start - 1));
    process.update_heap_start_pointer(without_provenance(map.sram_end + 1));
    assert_eq!(process.get_addresses().sram_stack_top, None);
    assert_eq!(process.get_addresses().sram_heap_start, None);
    process.update_stack_start_pointer(without_provenance(map.sram_start + 64));
    process.update_heap_start_pointer(without_provenance(map.sram_end));
    assert_eq!(
        process.get_addresses().sram_stack_top,
        Some(map.sram_start + 64)
    );
    assert_eq!(process.get_addresses().sram_heap_start, Some(map.sram_end));
}

#[test]
fn the_report_shows_memory_registers_and_grants() {
    let (_, process) = World::with_one();
    process.allocate_grant(0, DRIVER, 8, 8).unwrap();
    let mut report = String::new();
    process.print_full_process(&mut report);
    let map = process.get_addresses();
    for part in [
        std::format!("{:#010x}", map.sram_grant_start),
        "registers".into(),
        "driver 0x5".into(),
    ] {
        assert!(report.contains(&part), "{part} not in {report}");
    }
    let sizes = process.get_sizes();
    let kernel_part = sizes.grant_pointers + sizes.upcall_list + sizes.process_control_block;
    assert!(kernel_part <= map.sram_end - map.sram_start);
    assert_eq!(process.get_stored_state(&mut [0; 4]), Ok(1));
    assert_eq!(process.get_stored_state(&mut []), Err(ErrorCode::SIZE));
}
