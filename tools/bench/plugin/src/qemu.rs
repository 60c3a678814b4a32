// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The part of QEMU's plugin interface that is the same in interface versions 1 to 4.
//!
//! QEMU exports these functions to the plugins it loads. Their signatures are from QEMU's
//! documentation of the interface.

use core::ffi::{c_char, c_int, c_uint, c_void};

/// Identifies this plugin to QEMU.
pub type PluginId = u64;

/// A block of guest instructions that QEMU is translating.
#[repr(C)]
pub struct Block {
    _opaque: [u8; 0],
}

/// A guest instruction in a block.
#[repr(C)]
pub struct Instruction {
    _opaque: [u8; 0],
}

/// Called for each block that QEMU translates; both arguments are QEMU's.
pub type TranslateCallback = unsafe extern "C" fn(PluginId, *mut Block);
/// Called each time an instruction executes, with the processor's index and the data registered.
pub type ExecuteCallback = unsafe extern "C" fn(c_uint, *mut c_void);

/// Called after each access of an instruction to memory, with the processor's index, the kind of access,
/// its address and the data registered.
pub type AccessCallback = unsafe extern "C" fn(c_uint, u32, u64, *mut c_void);

/// `QEMU_PLUGIN_MEM_RW`: accesses of both kinds.
pub const READS_AND_WRITES: c_int = 3;

/// `QEMU_PLUGIN_CB_NO_REGS`: the callback reads no guest register.
pub const NO_REGISTERS: c_int = 0;

unsafe extern "C" {
    /// Registers a callback for translated blocks.
    pub fn qemu_plugin_register_vcpu_tb_trans_cb(id: PluginId, callback: TranslateCallback);
    /// Registers a callback for an instruction of the block being translated.
    pub fn qemu_plugin_register_vcpu_insn_exec_cb(
        instruction: *mut Instruction,
        callback: ExecuteCallback,
        flags: c_int,
        data: *mut c_void,
    );
    /// Registers a callback for accesses of an instruction to memory.
    pub fn qemu_plugin_register_vcpu_mem_cb(
        instruction: *mut Instruction,
        callback: AccessCallback,
        flags: c_int,
        accesses: c_int,
        data: *mut c_void,
    );
    /// Counts the instructions of a block.
    pub fn qemu_plugin_tb_n_insns(block: *const Block) -> usize;
    /// Returns an instruction of a block.
    pub fn qemu_plugin_tb_get_insn(block: *const Block, index: usize) -> *mut Instruction;
    /// Returns the guest address of an instruction.
    pub fn qemu_plugin_insn_vaddr(instruction: *const Instruction) -> u64;
    /// Writes text to QEMU's log, if `-d plugin` is on.
    pub fn qemu_plugin_outs(text: *const c_char);

    /// Finds a symbol by name among those of the program (dlsym of the C library).
    pub fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void;
}
