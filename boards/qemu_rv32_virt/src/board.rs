// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What the board is made of, in the order in which it comes up.

use capsules_core::late_upcalls::Retry as _;
use capsules_core::process_console::ConsoleCommand;
use capsules_core::virtualizers::virtual_alarm::{MuxAlarm, VirtualMuxAlarm};
use capsules_core::{alarm, console, low_level_debug, process_console, rng};
use capsules_extra::ethernet_tap;
use capsules_system::process_policies::StopWithDebugFaultPolicy;
use capsules_system::process_printer::ProcessPrinterText;
use capsules_system::scheduler::round_robin::RoundRobinSched;
use components::alarm::{AlarmDriverComponent, AlarmMuxComponent};
use components::console::{ConsoleComponent, DebugWriterComponent, UartMuxComponent};
use components::ethernet_tap::{ExtendedTap, ExtendedTapMemory};
use components::late_upcalls::UpcallRetryComponent;
use components::low_level_debug::LowLevelDebugComponent;
use components::process_console::ProcessConsoleComponent;
use components::rng::RngComponent;
use components::virtio_poll::VirtIOPollComponent;
use components::{static_memory, virtio_slots};
use kernel::capabilities::{
    MainLoopCapability, MemoryAllocationCapability, ProcessManagementCapability,
    ProcessStartCapability, SetDebugWriterCapability,
};
use kernel::component::Component;
use kernel::deferred_call::{self, DeferredCallClient as _};
use kernel::hil::time::Alarm as _;
use kernel::ipc::IPC;
use kernel::platform::chip::Chip as _;
use kernel::platform::{KernelResources, SyscallDriverLookup};
use kernel::process::ProcessArray;
use kernel::syscall::SyscallDriver;
use kernel::utilities::boot_memory::BootMemory;
use kernel::{Kernel, create_capability, debug, define_capability_type, mint_defined_capability};
use qemu_rv32_virt_chip::chip::{QemuRv32VirtChip, SingleThread};
use qemu_rv32_virt_chip::clint::Clint;
use qemu_rv32_virt_chip::memory_map::{CLINT, PLIC, VIRTIO_FIRST_INTERRUPT, VIRTIO_SLOTS};
use qemu_rv32_virt_chip::peripherals::QemuRv32VirtPeripherals;
use qemu_rv32_virt_chip::plic::{Plic, PlicLine};
use riscv::dma_fence::RiscvCoherentDmaFence;
use riscv::pmp::Pmp;

use crate::announcement::Announcement;
use crate::card::{self, TapAdapter};
use crate::devices::{Devices, VirtIORng};
use crate::user_share::UserShare;
use crate::{loading, memory, panic};

/// Processes that can be loaded at a time.
pub const NUM_PROCS: usize = 8;

/// A faulting app is stopped with a message; the others run on.
static FAULT_POLICY: StopWithDebugFaultPolicy = StopWithDebugFaultPolicy {};

/// Speed of the serial port in symbols a second. QEMU does not care.
const BAUD_RATE: u32 = 115_200;

// At most half of the stack is used: `tools/boot-tests/tests/stack.rs`.
#[cfg(not(feature = "credentials"))]
kernel::stack_size! {0x3000}
// The arithmetic of signatures takes more.
#[cfg(feature = "credentials")]
kernel::stack_size! {0x6000}

define_capability_type!(ConsoleCapability: ProcessManagementCapability, ProcessStartCapability);

/// The chip with this board's peripherals.
pub type Chip = QemuRv32VirtChip<'static, QemuRv32VirtPeripherals<'static>>;

/// The clock.
pub type Timer = Clint<'static>;
/// The clock, shared.
pub type Alarms = MuxAlarm<'static, Timer>;
type AlarmShare = VirtualMuxAlarm<'static, Timer>;

/// Random numbers for apps, in the form in which the source gives most.
#[cfg(not(feature = "random-words"))]
type RandomNumbers = rng::RngDriver<'static, VirtIORng, rng::Slices>;
/// Random numbers for apps, in the form that every source has.
#[cfg(feature = "random-words")]
type RandomNumbers = rng::RngDriver<'static, VirtIORng>;

/// The system call drivers, and the policies of the main loop.
struct Board {
    console: &'static console::Console<'static>,
    alarm: &'static alarm::AlarmDriver<'static, AlarmShare>,
    low_level_debug: &'static low_level_debug::LowLevelDebug<'static>,
    rng: Option<&'static RandomNumbers>,
    ethernet_tap: Option<&'static ExtendedTap<TapAdapter, NUM_PROCS>>,
    ipc: IPC<{ NUM_PROCS as u8 }>,
    scheduler: RoundRobinSched,
    timer: &'static Timer,
    announcement: &'static Announcement,
}

impl SyscallDriverLookup for Board {
    fn with_driver<F, R>(&self, driver_num: usize, f: F) -> R
    where
        F: FnOnce(Option<&dyn SyscallDriver>) -> R,
    {
        f(match driver_num {
            console::DRIVER_NUM => Some(self.console),
            alarm::DRIVER_NUM => Some(self.alarm),
            low_level_debug::DRIVER_NUM => Some(self.low_level_debug),
            rng::DRIVER_NUM => self.rng.map(|driver| driver as _),
            ethernet_tap::DRIVER_NUM => self.ethernet_tap.map(|driver| driver as _),
            kernel::ipc::DRIVER_NUM => Some(&self.ipc),
            _ => None,
        })
    }
}

impl KernelResources<Chip> for Board {
    type SyscallDriverLookup = Self;
    type SyscallFilter = ();
    type ProcessFault = ();
    type ContextSwitchCallback = ();
    type Scheduler = RoundRobinSched;
    type SchedulerTimer = Timer;
    type WatchDog = ();

    fn syscall_driver_lookup(&self) -> &Self {
        self
    }

    fn syscall_filter(&self) -> &() {
        &()
    }

    fn process_fault(&self) -> &() {
        &()
    }

    fn context_switch_callback(&self) -> &() {
        &()
    }

    fn scheduler(&self) -> &RoundRobinSched {
        &self.scheduler
    }

    fn scheduler_timer(&self) -> &Timer {
        self.timer
    }

    fn watchdog(&self) -> &() {
        &()
    }
}

/// The board while it comes up: it waits for the first process to announce itself.
///
/// As it is laid out like the board, the two share nearly all of their code.
#[repr(transparent)]
struct Starting(Board);

impl KernelResources<Chip> for Starting {
    type SyscallDriverLookup = Board;
    type SyscallFilter = ();
    type ProcessFault = Announcement;
    type ContextSwitchCallback = Announcement;
    type Scheduler = RoundRobinSched;
    type SchedulerTimer = Timer;
    type WatchDog = ();

    fn syscall_driver_lookup(&self) -> &Board {
        &self.0
    }

    fn syscall_filter(&self) -> &() {
        &()
    }

    fn process_fault(&self) -> &Announcement {
        self.0.announcement
    }

    fn context_switch_callback(&self) -> &Announcement {
        self.0.announcement
    }

    fn scheduler(&self) -> &RoundRobinSched {
        &self.0.scheduler
    }

    fn scheduler_timer(&self) -> &Timer {
        self.0.timer
    }

    fn watchdog(&self) -> &() {
        &()
    }
}

/// Brings the board up and runs it; start-up code comes here from reset.
///
/// # Safety
///
/// Call it once, on hart 0 in machine mode, with `.data` and `.bss` in place.
#[unsafe(no_mangle)]
unsafe extern "C" fn main() -> ! {
    let memory_allocation = create_capability!(MemoryAllocationCapability);
    let process_management = create_capability!(ProcessManagementCapability);

    deferred_call::initialize_deferred_call_state::<SingleThread>();
    debug::initialize_debug_writer_wrapper::<SingleThread>();
    riscv::fault::set_last_resort(panic::stop);

    // SAFETY: `main` runs once, as start-up left the machine, and the map is that of `layout.ld`.
    let protection = unsafe { Pmp::new(&memory::map()) }
        .unwrap_or_else(|error| panic!("memory protection: {error}"));
    let protection_mode = protection.mode();

    // Chip.
    let peripherals: &'static _ =
        static_memory!(QemuRv32VirtPeripherals<'static>).write(QemuRv32VirtPeripherals::new());
    let plic: &'static _ = static_memory!(Plic).write(Plic::new(PLIC));
    let timer: &'static _ = static_memory!(Timer).write(Clint::new(CLINT));
    // SAFETY: as above.
    let chip = unsafe { QemuRv32VirtChip::new(protection, plic, timer, peripherals) };
    let chip: &'static _ = static_memory!(Chip).write(chip);
    peripherals.start(plic);
    Chip::init();

    // Kernel.
    let processes = static_memory!(ProcessArray<NUM_PROCS>).write(ProcessArray::new());
    let processes = processes.as_slice();
    let kernel: &'static _ = static_memory!(Kernel).write(Kernel::new(processes));
    let printer: &'static _ = static_memory!(ProcessPrinterText).write(ProcessPrinterText::new());
    panic::report_on(chip, processes, printer);

    // Serial port.
    let uart = UartMuxComponent::new(&peripherals.uart0, BAUD_RATE)
        .finalize(components::uart_mux_component_static!());
    DebugWriterComponent::new(uart, create_capability!(SetDebugWriterCapability))
        .finalize(components::debug_writer_component_static!());
    let debug_capacity = debug::debug_available_len();
    let console = ConsoleComponent::new(kernel, uart, &memory_allocation)
        .finalize(components::console_component_static!());
    let low_level_debug = LowLevelDebugComponent::new(kernel, uart, &memory_allocation)
        .finalize(components::low_level_debug_component_static!());

    // Time.
    let alarms =
        AlarmMuxComponent::new(timer).finalize(components::alarm_mux_component_static!(Timer));
    let alarm = AlarmDriverComponent::new(kernel, alarms, &memory_allocation)
        .finalize(components::alarm_component_static!(Timer));

    // VirtIO devices.
    // SAFETY: the devices of this machine see memory as the CPU does.
    let fence = unsafe { RiscvCoherentDmaFence::new() };
    let lines =
        core::array::from_fn(|slot| PlicLine::new(plic, VIRTIO_FIRST_INTERRUPT + slot as u32));
    VirtIOPollComponent::new(alarms, &peripherals.virtio_mmio, lines).finalize(
        components::virtio_poll_component_static!(Timer, PlicLine<'static>, VIRTIO_SLOTS),
    );
    // SAFETY: this is the only call.
    let mut app_ram = BootMemory::new(unsafe { memory::app_ram() });
    let slots = virtio_slots::probe(&peripherals.virtio_mmio);
    let devices = Devices::start(slots, fence, &mut app_ram);
    let devices: &'static _ = static_memory!(Devices).write(devices);
    let announcement: &'static _ =
        static_memory!(Announcement).write(Announcement::new(protection_mode, devices));
    announcement.register();
    let rng = devices.rng().map(|source| {
        #[cfg(not(feature = "random-words"))]
        return RngComponent::by_slice(kernel, source, &memory_allocation)
            .finalize(components::rng_component_static!(VirtIORng, Slices));
        #[cfg(feature = "random-words")]
        return RngComponent::new(kernel, source, &memory_allocation)
            .finalize(components::rng_component_static!(VirtIORng));
    });
    let ethernet_tap = devices.net().and_then(|network_card| {
        let memory = ExtendedTapMemory::<_, Timer, NUM_PROCS>::reserve(&mut app_ram)?;
        Some(card::tap(kernel, network_card, alarms, &memory_allocation).finalize(memory))
    });

    // Processes.
    let starting: &'static _ = static_memory!(Starting).write(Starting(Board {
        console,
        alarm,
        low_level_debug,
        rng,
        ethernet_tap,
        ipc: IPC::new(kernel, kernel::ipc::DRIVER_NUM, &memory_allocation),
        scheduler: RoundRobinSched::new(processes),
        timer,
        announcement,
    }));
    let board = &starting.0;
    let moment = components::alarm::share(alarms, static_memory!(VirtualMuxAlarm<'static, Timer>));
    let user_share: &'static _ =
        static_memory!(UserShare).write(UserShare::new(&board.scheduler, plic, moment));
    moment.set_alarm_client(user_share);
    chip.set_interrupt_watch(user_share);
    let commands: &'static [&'static dyn ConsoleCommand] =
        static_memory!([&'static dyn ConsoleCommand; 1]).write([devices]);
    let process_console = ProcessConsoleComponent::new(
        kernel,
        uart,
        printer,
        process_console::Board {
            commands,
            addresses: memory::kernel_addresses(),
            reset: panic::reset,
            panic: panic::on_request,
        },
        // SAFETY: the process console is where an operator manages processes.
        unsafe { mint_defined_capability!(ConsoleCapability) },
    )
    .finalize(components::process_console_component_static!(
        ConsoleCapability
    ));
    let app_ram = app_ram.into_rest(memory::PROTECTION_BORDER);
    chip.mpu().keep_app_ram(app_ram.as_ptr());
    let loading = loading::start(
        kernel,
        chip,
        memory::app_flash(),
        app_ram,
        &FAULT_POLICY,
        announcement,
        &process_management,
    );

    // The prompt comes after the boot lines, which leave through the main loop.
    let main_loop = create_capability!(MainLoopCapability);
    let any_ready = || {
        processes
            .iter()
            .filter_map(|slot| slot.get())
            .any(|p| p.ready())
    };
    while !loading.is_finished()
        || !announcement.is_made()
        || debug::debug_available_len() < debug_capacity
    {
        if loading.is_finished() && !any_ready() {
            announcement.make();
        }
        kernel.kernel_loop_operation(starting, chip, Some(&board.ipc), true, &main_loop);
    }
    // Nothing before the first process needs it.
    let retry = UpcallRetryComponent::new(alarms)
        .finalize(components::upcall_retry_component_static!(Timer));
    retry.serve(console);
    console.retry_with(retry);
    if let Some(rng) = board.rng {
        retry.serve(rng);
        rng.retry_with(retry);
    }
    // What found a queue full by now.
    retry.soon();
    process_console.start();
    kernel.kernel_loop(board, chip, Some(&board.ipc), &main_loop)
}
