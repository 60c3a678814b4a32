// SPDX-License-Identifier: Apache-2.0 OR MIT

//! QEMU plugin that counts executed instructions by address, one table for each window.
//!
//! A window lasts from the execution of the instruction at `begin` to that of the instruction at
//! `end`. One more, before all others, lasts from reset to the first instruction at or above `apps`.
//! Each table goes to the file `out` as it closes: a line `window`, then a line `address count` for
//! every instruction that was executed, and for every device register that the kernel accessed. The log gets a line for each border, so that trace events
//! between two of them can be told apart.
//!
//! After each notification of a VirtIO device the processor stands still for `settle` microseconds, in
//! which the device carries out the request. Without that, a race between QEMU's threads decides how
//! many instructions later completions appear, and how many of them together.
//!
//! Time in which the processor sleeps executes nothing and counts nothing.

mod counts;
mod options;
mod qemu;

use core::ffi::{CStr, c_char, c_int, c_uint, c_void};
use core::ops::Range;
use core::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI32, Ordering};
use std::thread;

use counts::{Counter, Table};
use options::Options;
use qemu::{Block, NO_REGISTERS, PluginId};

/// Version of the plugin interface. QEMU reads it as an `int` once the file is loaded.
///
/// QEMU 7.2 knows no version above 1 and QEMU 10 none below 2, so `choose_version` looks at which of
/// the two it is in. What this plugin calls is the same in both.
#[unsafe(no_mangle)]
#[allow(non_upper_case_globals)]
pub static qemu_plugin_version: AtomicI32 = AtomicI32::new(1);

/// Makes the loader run [`choose_version`] before QEMU looks at the version.
#[used]
#[unsafe(link_section = ".init_array")]
static AT_LOAD: extern "C" fn() = choose_version;

extern "C" fn choose_version() {
    // Scoreboards came with version 2.
    // SAFETY: the null handle stands for the whole program, and the name is a C string.
    let newer = unsafe { qemu::dlsym(ptr::null_mut(), c"qemu_plugin_scoreboard_new".as_ptr()) };
    if !newer.is_null() {
        qemu_plugin_version.store(2, Ordering::Relaxed);
    }
}

/// Where the device registers of QEMU's `virt` machine are: no instruction is executed there.
const DEVICES: Range<u64> = 0x0010_0000..0x2000_0000;
/// Register windows of the VirtIO slots on QEMU's `virt` machine.
const VIRTIO_WINDOWS: Range<u64> = 0x1000_1000..0x1000_9000;
const VIRTIO_WINDOW_BYTES: u64 = 0x1000;
/// Offset of the register for available buffer notifications (VirtIO 1.2, 4.2.2).
const QUEUE_NOTIFY: u64 = 0x50;

struct Plugin {
    options: Options,
    table: Table,
}

static PLUGIN: OnceLock<Plugin> = OnceLock::new();

/// Starts the plugin. Called by QEMU.
///
/// # Safety
///
/// `arguments` points to `count` C strings.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qemu_plugin_install(
    id: PluginId,
    _info: *const c_void,
    count: c_int,
    arguments: *const *const c_char,
) -> c_int {
    let words = (0..usize::try_from(count).unwrap_or(0)).map(|index| {
        // SAFETY: the caller vouches for `count` C strings behind `arguments`.
        let word = unsafe { CStr::from_ptr(*arguments.add(index)) };
        word.to_string_lossy().into_owned()
    });
    let plugin = Options::parse(words).and_then(|options| {
        let table = Table::create(&options.out)?;
        Ok(Plugin { options, table })
    });
    match plugin {
        Ok(plugin) => {
            let _ = PLUGIN.set(plugin);
        }
        Err(reason) => {
            eprintln!("bench plugin: {reason}");
            return 1;
        }
    }
    // SAFETY: `id` is what QEMU has just given this plugin, and the callbacks live as long as it.
    unsafe { qemu::qemu_plugin_register_vcpu_tb_trans_cb(id, translated) };
    0
}

/// Attaches a counter, and where needed a border, to every instruction of a block.
unsafe extern "C" fn translated(_id: PluginId, block: *mut Block) {
    let Some(plugin) = PLUGIN.get() else { return };
    // SAFETY: QEMU keeps the block for the length of this call.
    let instructions = unsafe { qemu::qemu_plugin_tb_n_insns(block) };
    for index in 0..instructions {
        // SAFETY: `index` is below the block's number of instructions.
        let instruction = unsafe { qemu::qemu_plugin_tb_get_insn(block, index) };
        // SAFETY: QEMU has just returned this instruction.
        let address = unsafe { qemu::qemu_plugin_insn_vaddr(instruction) };
        let border = match address {
            _ if address == plugin.options.begin => Some(begin as qemu::ExecuteCallback),
            _ if address == plugin.options.end => Some(end as qemu::ExecuteCallback),
            _ if address >= plugin.options.apps && !plugin.table.booted() => {
                Some(first_of_an_app as qemu::ExecuteCallback)
            }
            _ => None,
        };
        if let Some(border) = border {
            // SAFETY: the callback ignores its data.
            unsafe {
                qemu::qemu_plugin_register_vcpu_insn_exec_cb(
                    instruction,
                    border,
                    NO_REGISTERS,
                    ptr::null_mut(),
                );
            }
        }
        if address < plugin.options.apps {
            // SAFETY: the callback ignores its data.
            unsafe {
                qemu::qemu_plugin_register_vcpu_mem_cb(
                    instruction,
                    accessed,
                    NO_REGISTERS,
                    qemu::READS_AND_WRITES,
                    ptr::null_mut(),
                );
            }
        }
        let counter: *const Counter = plugin.table.counter(address);
        // SAFETY: `executed` reads its data as the counter it is; the table never frees counters.
        unsafe {
            qemu::qemu_plugin_register_vcpu_insn_exec_cb(
                instruction,
                executed,
                NO_REGISTERS,
                counter.cast_mut().cast(),
            );
        }
    }
}

/// Counts one execution.
unsafe extern "C" fn executed(_processor: c_uint, counter: *mut c_void) {
    // SAFETY: `translated` registers this function with a counter that is never freed and is changed
    // through shared references only.
    let counter = unsafe { &*counter.cast_const().cast::<Counter>() };
    counter.count();
}

/// Counts an access to a device register; after a notification, holds the processor, because other
/// threads carry it out.
unsafe extern "C" fn accessed(_processor: c_uint, _kind: u32, address: u64, _data: *mut c_void) {
    if !DEVICES.contains(&address) {
        return;
    }
    let Some(plugin) = PLUGIN.get() else { return };
    plugin.table.counter(address).count();
    if VIRTIO_WINDOWS.contains(&address) && address % VIRTIO_WINDOW_BYTES == QUEUE_NOTIFY {
        thread::sleep(plugin.options.settle);
    }
}

unsafe extern "C" fn begin(_processor: c_uint, _data: *mut c_void) {
    if let Some(plugin) = PLUGIN.get() {
        plugin.table.open();
        log(c"bench: window begins\n");
    }
}

unsafe extern "C" fn end(_processor: c_uint, _data: *mut c_void) {
    if let Some(plugin) = PLUGIN.get() {
        plugin.table.close();
        log(c"bench: window ends\n");
    }
}

unsafe extern "C" fn first_of_an_app(_processor: c_uint, _data: *mut c_void) {
    if let Some(plugin) = PLUGIN.get()
        && plugin.table.boot()
    {
        log(c"bench: window ends\n");
    }
}

fn log(line: &CStr) {
    // SAFETY: QEMU reads the string to its end and keeps nothing.
    unsafe { qemu::qemu_plugin_outs(line.as_ptr()) };
}
