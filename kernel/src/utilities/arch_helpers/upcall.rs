// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Arguments of upcalls to registers.

use crate::process::FunctionCall;

/// Stores the arguments of `upcall` in the registers of a 32-bit process.
#[inline]
pub fn encode_upcall_trd104(
    upcall: &FunctionCall,
    a0: &mut u32,
    a1: &mut u32,
    a2: &mut u32,
    a3: &mut u32,
) {
    *a0 = upcall.argument0 as u32;
    *a1 = upcall.argument1 as u32;
    *a2 = upcall.argument2 as u32;
    *a3 = upcall.argument3.as_usize() as u32;
}

/// Stores the arguments of `upcall` where four pointers say, for a 32-bit process.
///
/// # Safety
///
/// Each pointer is valid for writing a `u32`. They need not be aligned.
pub unsafe fn encode_upcall_trd104_ptr(
    upcall: &FunctionCall,
    a0: *mut u32,
    a1: *mut u32,
    a2: *mut u32,
    a3: *mut u32,
) {
    let [mut r0, mut r1, mut r2, mut r3] = [0; 4];
    encode_upcall_trd104(upcall, &mut r0, &mut r1, &mut r2, &mut r3);
    // SAFETY: the caller vouches for all four.
    unsafe {
        a0.write_unaligned(r0);
        a1.write_unaligned(r1);
        a2.write_unaligned(r2);
        a3.write_unaligned(r3);
    }
}

/// Stores the arguments of `upcall` in the registers of a 64-bit process.
pub fn encode_upcall_trd64bit(
    upcall: &FunctionCall,
    a0: &mut u64,
    a1: &mut u64,
    a2: &mut u64,
    a3: &mut u64,
) {
    *a0 = upcall.argument0 as u64;
    *a1 = upcall.argument1 as u64;
    *a2 = upcall.argument2 as u64;
    *a3 = upcall.argument3.as_usize() as u64;
}

/// Stores the arguments of `upcall` where four pointers say, for a 64-bit process.
///
/// # Safety
///
/// Each pointer is valid for writing a `u64`. They need not be aligned.
pub unsafe fn encode_upcall_trd64bit_ptr(
    upcall: &FunctionCall,
    a0: *mut u64,
    a1: *mut u64,
    a2: *mut u64,
    a3: *mut u64,
) {
    let [mut r0, mut r1, mut r2, mut r3] = [0; 4];
    encode_upcall_trd64bit(upcall, &mut r0, &mut r1, &mut r2, &mut r3);
    // SAFETY: the caller vouches for all four.
    unsafe {
        a0.write_unaligned(r0);
        a1.write_unaligned(r1);
        a2.write_unaligned(r2);
        a3.write_unaligned(r3);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::FunctionCallSource;

    const CALL: fn() -> FunctionCall = || FunctionCall {
        source: FunctionCallSource::Kernel,
        argument0: 1,
        argument1: 2,
        argument2: 3,
        argument3: 4.into(),
        pc: 5.into(),
    };

    #[test]
    fn arguments_fill_the_registers_in_order() {
        let [mut a0, mut a1, mut a2, mut a3] = [0; 4];
        encode_upcall_trd104(&CALL(), &mut a0, &mut a1, &mut a2, &mut a3);
        assert_eq!([a0, a1, a2, a3], [1, 2, 3, 4]);
        let [mut a0, mut a1, mut a2, mut a3] = [0; 4];
        encode_upcall_trd64bit(&CALL(), &mut a0, &mut a1, &mut a2, &mut a3);
        assert_eq!([a0, a1, a2, a3], [1, 2, 3, 4]);
    }

    #[test]
    fn pointers_need_not_be_aligned() {
        let mut bytes = [0u8; 40];
        let at = |bytes: &mut [u8; 40], offset| bytes.as_mut_ptr().wrapping_add(offset);
        let base: *mut u32 = at(&mut bytes, 1).cast();
        // SAFETY: four words from the second byte lie within the array.
        unsafe {
            encode_upcall_trd104_ptr(&CALL(), base, base.add(1), base.add(2), base.add(3));
        }
        assert_eq!(bytes[1..5], 1u32.to_ne_bytes());
        assert_eq!(bytes[13..17], 4u32.to_ne_bytes());
        let base: *mut u64 = at(&mut bytes, 3).cast();
        // SAFETY: four long words from the fourth byte lie within the array.
        unsafe {
            encode_upcall_trd64bit_ptr(&CALL(), base, base.add(1), base.add(2), base.add(3));
        }
        assert_eq!(bytes[3..11], 1u64.to_ne_bytes());
        assert_eq!(bytes[27..35], 4u64.to_ne_bytes());
    }
}
