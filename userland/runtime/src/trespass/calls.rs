// SPDX-License-Identifier: Apache-2.0 OR MIT

//! System calls with any arguments at all, as far as they cannot hurt the caller itself.
//!
//! A [`Caller`] owns an arena at the end of the process's memory. Calls that would let the kernel
//! write below the arena, run code that is no upcall, or end the process are left out; everything else
//! goes to the kernel as it is.

use core::ops::Range;
use core::sync::atomic::{AtomicU32, Ordering};

use crate::error::ErrorCode;
use crate::memory;
use crate::singleton::Singleton;

/// Classes of system calls (TRD 104, section 4).
pub mod class {
    /// Yield.
    pub const YIELD: usize = 0;
    /// Subscribe.
    pub const SUBSCRIBE: usize = 1;
    /// Command.
    pub const COMMAND: usize = 2;
    /// Read-write allow.
    pub const ALLOW_READ_WRITE: usize = 3;
    /// Read-only allow.
    pub const ALLOW_READ_ONLY: usize = 4;
    /// Memop.
    pub const MEMOP: usize = 5;
    /// Exit.
    pub const EXIT: usize = 6;
    /// Userspace-readable allow.
    pub const ALLOW_USERSPACE_READABLE: usize = 7;
    /// Classes from here on do not exist.
    pub const COUNT: usize = 8;
}

/// Yield that returns when nothing is queued.
pub const YIELD_NO_WAIT: usize = 0;
/// Yield that sleeps.
pub const YIELD_WAIT: usize = 1;
/// Yield that sleeps until one event, and returns its values.
pub const YIELD_WAIT_FOR: usize = 2;

const MEMOP_BRK: usize = 0;
const MEMOP_SBRK: usize = 1;
const MEMOP_GRANT_START: usize = 6;
const EXITS: Range<usize> = 0..2;

/// What `a0` to `a3` held after a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The registers.
    pub registers: [usize; 4],
    /// No register changed that the call had no right to change.
    pub intact: bool,
}

impl Answer {
    /// How many of the values of an answer to `arguments` the returned variant defines; `None` for a
    /// variant that does not exist, or when another register than these changed.
    pub fn values(&self, arguments: [usize; 4]) -> Option<&[usize]> {
        let count = match self.registers[0] {
            128 => 0,
            0 | 129 => 1,
            1 | 130 | 131 => 2,
            2 | 3 | 132 | 133 => 3,
            _ => return None,
        };
        let (values, rest) = self.registers[1..].split_at(count);
        (self.intact && rest == &arguments[1 + count..]).then_some(values)
    }
}

/// Makes calls with any arguments.
pub struct Caller {
    ram: Range<usize>,
    flash: Range<usize>,
    /// Where the kernel's part of the memory begins at most.
    highest_break: usize,
    arena: usize,
    length: usize,
}

static TAKEN: Singleton<()> = Singleton::new(());

static UPCALLS: AtomicU32 = AtomicU32::new(0);

/// The upcall of all subscriptions made here.
extern "C" fn count(_first: u32, _second: u32, _third: u32, _userdata: usize) {
    // One thread only, so nothing comes in between.
    UPCALLS.store(
        UPCALLS.load(Ordering::Relaxed).wrapping_add(1),
        Ordering::Relaxed,
    );
}

impl Caller {
    /// Moves the break up by `length` bytes, which become the arena. There is one caller in a process.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::Already`] the second time, [`ErrorCode::NoMemory`] without that much room.
    pub fn new(length: usize) -> Result<Self, ErrorCode> {
        TAKEN.take().ok_or(ErrorCode::Already)?;
        let caller = Self {
            ram: memory::ram()?,
            flash: memory::flash()?,
            highest_break: raw(class::MEMOP, [MEMOP_GRANT_START, 0, 0, 0]).registers[1],
            arena: memory::app_break()?,
            length,
        };
        let end = caller
            .arena
            .checked_add(length)
            .ok_or(ErrorCode::NoMemory)?;
        let answer = raw(class::MEMOP, [MEMOP_BRK, end, 0, 0]);
        match answer.registers[0] {
            128 => Ok(caller),
            _ => Err(ErrorCode::NoMemory),
        }
    }

    /// The process's RAM with the part that the kernel keeps for itself.
    pub fn ram(&self) -> Range<usize> {
        self.ram.clone()
    }

    /// The process's flash with its headers.
    pub fn flash(&self) -> Range<usize> {
        self.flash.clone()
    }

    /// The memory that calls may hand out and give up.
    pub fn arena(&self) -> Range<usize> {
        self.arena..self.arena + self.length
    }

    /// Copies bytes out of the arena, from `offset` on, whoever it is shared with.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::Invalid`] when they are not all in the arena.
    pub fn load(&self, offset: usize, bytes: &mut [u8]) -> Result<(), ErrorCode> {
        let place = self.place(offset, bytes.len())?;
        // SAFETY: the arena is memory of the process from `new` on, and no object lies there. The kernel
        // writes to it while the process stands still.
        unsafe { core::ptr::copy_nonoverlapping(place, bytes.as_mut_ptr(), bytes.len()) };
        Ok(())
    }

    /// Copies bytes into the arena, to `offset` and behind.
    ///
    /// # Errors
    ///
    /// As for [`load`](Self::load).
    pub fn store(&mut self, offset: usize, bytes: &[u8]) -> Result<(), ErrorCode> {
        let place = self.place(offset, bytes.len())?;
        // SAFETY: as in `load`.
        unsafe { core::ptr::copy_nonoverlapping(bytes.as_ptr(), place, bytes.len()) };
        Ok(())
    }

    fn place(&self, offset: usize, length: usize) -> Result<*mut u8, ErrorCode> {
        match offset.checked_add(length) {
            Some(end) if end <= self.length => Ok(core::ptr::with_exposed_provenance_mut(
                self.arena.wrapping_add(offset),
            )),
            _ => Err(ErrorCode::Invalid),
        }
    }

    /// Address of a function that may be called back; it does nothing but count.
    pub fn upcall(&self) -> usize {
        let function: extern "C" fn(u32, u32, u32, usize) = count;
        function as usize
    }

    /// How often that function has been called.
    pub fn upcalls(&self) -> u32 {
        UPCALLS.load(Ordering::Relaxed)
    }

    /// Makes a call, unless it could end the process or hurt it, as the module says.
    ///
    /// A function that is none of ours is subscribed for a moment only, in which nothing is called.
    /// The call may sleep for good if it is a yield: that is up to the caller.
    pub fn call(&mut self, class: usize, arguments: [usize; 4]) -> Option<Answer> {
        let [first, second, third, fourth] = arguments;
        match class & 0xFF {
            class::YIELD if self.is_below_arena(second, 1) && first == YIELD_NO_WAIT => {
                return None;
            }
            class::ALLOW_READ_WRITE | class::ALLOW_USERSPACE_READABLE
                if fourth > 0 && self.is_below_arena(third, fourth) =>
            {
                return None;
            }
            class::MEMOP if first == MEMOP_BRK && self.is_below_arena(second, 1) => return None,
            class::MEMOP if first == MEMOP_SBRK => {
                let new =
                    raw(class::MEMOP, [MEMOP_SBRK, 0, 0, 0]).registers[1].wrapping_add(second);
                if self.is_below_arena(new, 1) {
                    return None;
                }
            }
            class::EXIT if EXITS.contains(&first) => return None,
            class::COUNT.. => return None,
            _ => {}
        }
        let answer = raw(class, arguments);
        let accepted = answer.registers[0] == 130;
        if class & 0xFF == class::SUBSCRIBE && accepted && third != 0 && third != self.upcall() {
            raw(class::SUBSCRIBE, [first, second, 0, 0]);
        }
        Some(answer)
    }

    /// Tells whether the kernel could take these bytes for the process's own and one is below the arena.
    fn is_below_arena(&self, address: usize, length: usize) -> bool {
        (self.ram.start..self.arena).contains(&address)
            && address
                .checked_add(length)
                .is_some_and(|end| end <= self.highest_break)
    }
}

#[cfg(target_os = "none")]
fn raw(class: usize, arguments: [usize; 4]) -> Answer {
    use core::arch::asm;

    let [mut a0, mut a1, mut a2, mut a3] = arguments;
    if class & 0xFF == class::YIELD && a0 != YIELD_WAIT_FOR {
        // SAFETY: this may run an upcall on this stack, `count` or one that `Upcall` vouches for.
        unsafe {
            asm!(
                "ecall",
                inlateout("a0") a0,
                inlateout("a1") a1,
                inlateout("a2") a2,
                inlateout("a3") a3,
                inlateout("a4") class => _,
                clobber_abi("C"),
            );
        }
        return Answer {
            registers: [a0, a1, a2, a3],
            intact: true,
        };
    }
    // Every other register gets a value of its own before the call, and shows it afterwards.
    let mark = a0 ^ a1.rotate_left(8) ^ a2.rotate_left(16) ^ a3.rotate_left(24);
    let a4: usize;
    let (mut t0, mut t1, mut t2, mut t3) = (mark ^ 1, mark ^ 2, mark ^ 3, mark ^ 4);
    let (mut t4, mut t5, mut t6) = (mark ^ 5, mark ^ 6, mark ^ 7);
    let (mut a5, mut a6, mut a7) = (mark ^ 8, mark ^ 9, mark ^ 10);
    let (mut s2, mut s3, mut s10, mut s11) = (mark ^ 11, mark ^ 12, mark ^ 13, mark ^ 14);
    // SAFETY: the ABI changes a0 to a3 at most. `Caller::call` has left out what gives memory of the
    // process's own objects to the kernel or ends the process.
    unsafe {
        asm!(
            "ecall",
            inlateout("a0") a0,
            inlateout("a1") a1,
            inlateout("a2") a2,
            inlateout("a3") a3,
            inlateout("a4") class => a4,
            inlateout("t0") t0,
            inlateout("t1") t1,
            inlateout("t2") t2,
            inlateout("t3") t3,
            inlateout("t4") t4,
            inlateout("t5") t5,
            inlateout("t6") t6,
            inlateout("a5") a5,
            inlateout("a6") a6,
            inlateout("a7") a7,
            inlateout("s2") s2,
            inlateout("s3") s3,
            inlateout("s10") s10,
            inlateout("s11") s11,
            options(nostack),
        );
    }
    let marks = [t0, t1, t2, t3, t4, t5, t6, a5, a6, a7, s2, s3, s10, s11];
    let marked = marks
        .iter()
        .zip(1..)
        .all(|(value, number)| *value == mark ^ number);
    Answer {
        registers: [a0, a1, a2, a3],
        intact: marked && a4 == class,
    }
}

#[cfg(not(target_os = "none"))]
fn raw(class: usize, _arguments: [usize; 4]) -> Answer {
    unreachable!("the stand-in kernel of the host takes no call of class {class} in registers")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_behind_the_values_of_a_variant_are_leftovers_of_the_arguments() {
        let arguments = [5, 6, 7, 8];
        let answer = |registers, intact| Answer { registers, intact };
        assert_eq!(
            answer([129, 1, 7, 8], true).values(arguments),
            Some(&[1][..])
        );
        assert_eq!(answer([129, 1, 0, 8], true).values(arguments), None);
        assert_eq!(
            answer([128, 6, 7, 8], true).values(arguments),
            Some(&[][..])
        );
        assert_eq!(answer([128, 6, 7, 8], false).values(arguments), None);
        assert_eq!(answer([134, 6, 7, 8], true).values(arguments), None);
    }

    #[test]
    fn calls_that_would_hurt_the_caller_are_left_out() {
        let mut caller = Caller {
            ram: 0x1000..0x4000,
            flash: 0x8000..0x9000,
            highest_break: 0x3800,
            arena: 0x2000,
            length: 0x800,
        };
        for (class, arguments) in [
            (class::YIELD, [0, 0x1FFF, 0, 0]),
            (class::ALLOW_READ_WRITE, [1, 1, 0x1000, 1]),
            (class::ALLOW_USERSPACE_READABLE, [1, 1, 0x1FFF, 0x100]),
            (class::MEMOP, [0, 0x1000, 0, 0]),
            (class::EXIT, [0, 0, 0, 0]),
            (class::EXIT, [1, 0, 0, 0]),
            (class::EXIT | 0x100, [1, 0, 0, 0]),
            (8, [0; 4]),
            (0x1FF, [0; 4]),
        ] {
            assert_eq!(
                caller.call(class, arguments),
                None,
                "{class} {arguments:x?}"
            );
        }
        assert!(!caller.is_below_arena(0x2000, 1));
        assert!(!caller.is_below_arena(0xFFF, 0x100));
        assert!(!caller.is_below_arena(0x1000, usize::MAX));
        assert!(!caller.is_below_arena(0x1000, 0x2801));
        assert!(caller.is_below_arena(0x1000, 0x2800));
    }

    #[test]
    fn only_bytes_of_the_arena_are_copied() {
        let mut memory = [0u8; 32];
        let mut caller = Caller {
            ram: 0..0,
            flash: 0..0,
            highest_break: 0,
            arena: memory.as_mut_ptr().expose_provenance(),
            length: memory.len(),
        };
        assert_eq!(caller.store(30, &[7, 9]), Ok(()));
        let mut bytes = [0; 3];
        assert_eq!(caller.load(29, &mut bytes), Ok(()));
        assert_eq!(bytes, [0, 7, 9]);
        for offset in [30, 32, usize::MAX] {
            let refused = Err(ErrorCode::Invalid);
            assert_eq!(caller.load(offset, &mut bytes), refused, "{offset}");
            assert_eq!(caller.store(offset, &bytes), refused, "{offset}");
        }
        assert_eq!(memory[29..], [0, 7, 9]);
    }
}
