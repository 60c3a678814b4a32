// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Register formats of system calls: TRD 104 for 32-bit machines, and its 64-bit form.
//!
//! An architecture crate passes the argument registers to a decoder and stores what an encoder
//! gives. Encoders write only the registers that the return variant defines, because userspace
//! relies on the others being left alone.

mod decode;
mod encode_32bit;
mod encode_64bit;
mod upcall;

pub use decode::{
    CallServer, syscall_from_register_arguments_trd64bit, syscall_from_register_arguments_trd104,
    undecodable_syscall,
};
pub use encode_32bit::{
    TRD104SyscallReturn, TRD104SyscallReturnVariant, encode_syscall_return_trd104,
};
pub use encode_64bit::{
    TRDRiscv64bitSyscallReturn, TRDRiscv64bitSyscallReturnVariant, encode_syscall_return_trd64bit,
};
pub use upcall::{
    encode_upcall_trd64bit, encode_upcall_trd64bit_ptr, encode_upcall_trd104,
    encode_upcall_trd104_ptr,
};
