// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Commits the offence whose number is typed on the console. Each one must fault this process; it
//! prints SURVIVED if one does not.
//!
//! The process console starts it anew for the next one, so one boot goes through the whole list.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use core::hint::black_box;
use core::ops::Range;
use tock_app::trespass::instruction::{self, Forbidden};
use tock_app::{ErrorCode, console, memory, println, trespass};

tock_app::entry!(main, stack = 2048);

/// App flash of the board.
const FLASH: Range<usize> = 0x8010_0000..0x8020_0000;
const KERNEL_CODE: usize = 0x8000_0000;
const KERNEL_STACK: usize = 0x8020_0000;
const FINISHER: usize = 0x0010_0000;
const CLINT_COMPARE: usize = 0x0200_4000;
const PLIC_CLAIM: usize = 0x0C20_0004;
const UART: usize = 0x1000_0000;
const VIRTIO: usize = 0x1000_8000;

/// Stored at the finisher, this ends the machine.
const POWER_OFF: u32 = 0x5555;

enum Place {
    At(usize),
    /// From the break on, which nobody may use.
    AboveBreak,
    /// In the kernel's part of this process's memory.
    Grants,
    OwnFlash,
    OwnStack,
    /// Flash that another object occupies.
    OtherFlash,
    /// RAM behind this process's own.
    OtherRam,
}

impl Place {
    fn address(&self) -> Result<usize, ErrorCode> {
        Ok(match self {
            Place::At(address) => *address,
            Place::AboveBreak => memory::app_break()?.next_multiple_of(4),
            Place::Grants => memory::ram()?.end - 8,
            Place::OwnFlash => memory::flash()?.start + 0x80,
            Place::OwnStack => memory::ram()?.start + 64,
            Place::OtherFlash => match memory::flash()? {
                own if own.start > FLASH.start => FLASH.start,
                own => own.end,
            },
            Place::OtherRam => memory::ram()?.end + 4096,
        })
    }
}

enum Offence {
    Load(Place),
    Store(Place),
    Run(Place),
    Execute(Forbidden),
    OverflowStack,
}

use Offence::{Execute, Load, OverflowStack, Run, Store};
use Place::{AboveBreak, At, Grants, OtherFlash, OtherRam, OwnFlash, OwnStack};

const OFFENCES: &[(&str, Offence)] = &[
    ("load from address 0", Load(At(0))),
    ("load from the last word", Load(At(0xFFFF_FFFC))),
    ("load from memory that is not there", Load(At(0x9000_0000))),
    ("load from kernel code", Load(At(KERNEL_CODE))),
    ("load from the kernel's stack", Load(At(KERNEL_STACK))),
    ("load from above the break", Load(AboveBreak)),
    ("load from its grants", Load(Grants)),
    ("load from another app's flash", Load(OtherFlash)),
    ("load from another app's RAM", Load(OtherRam)),
    ("load from the serial port", Load(At(UART))),
    ("load from the timer", Load(At(CLINT_COMPARE))),
    ("load from the interrupt controller", Load(At(PLIC_CLAIM))),
    ("load from a VirtIO device", Load(At(VIRTIO))),
    ("store to address 0", Store(At(0))),
    ("store to the last word", Store(At(0xFFFF_FFFC))),
    ("store to kernel code", Store(At(KERNEL_CODE))),
    ("store to the kernel's stack", Store(At(KERNEL_STACK))),
    ("store to above the break", Store(AboveBreak)),
    ("store to its grants", Store(Grants)),
    ("store to its flash", Store(OwnFlash)),
    ("store to another app's flash", Store(OtherFlash)),
    ("store to another app's RAM", Store(OtherRam)),
    ("store to the serial port", Store(At(UART))),
    ("store to the timer", Store(At(CLINT_COMPARE))),
    ("store to the interrupt controller", Store(At(PLIC_CLAIM))),
    ("store to a VirtIO device", Store(At(VIRTIO))),
    ("store to the test finisher", Store(At(FINISHER))),
    ("jump to address 0", Run(At(0))),
    ("jump to its data", Run(OwnStack)),
    ("jump to above the break", Run(AboveBreak)),
    ("jump to kernel code", Run(At(KERNEL_CODE))),
    ("jump to another app's flash", Run(OtherFlash)),
    ("jump to the serial port", Run(At(UART))),
    ("illegal instruction", Execute(Forbidden::Illegal)),
    ("breakpoint", Execute(Forbidden::Breakpoint)),
    ("read mstatus", Execute(Forbidden::ReadMachineStatus)),
    ("write mtvec", Execute(Forbidden::WriteTrapVector)),
    ("write pmpcfg0", Execute(Forbidden::WriteProtection)),
    ("write mie", Execute(Forbidden::MaskInterrupts)),
    ("mret", Execute(Forbidden::ReturnFromTrap)),
    (
        "misaligned atomic access",
        Execute(Forbidden::MisalignedAtomic),
    ),
    ("system call class 8", Execute(Forbidden::UnknownCall)),
    ("stack overflow", OverflowStack),
];

fn main() -> Result<(), ErrorCode> {
    println!("offender: {} offences", OFFENCES.len());
    let mut digits = [0; 2];
    console::ask(b"offender: which?\n", &mut digits)?;
    let number = digits.iter().fold(0, |sum, digit| {
        sum * 10 + usize::from(digit.wrapping_sub(b'0'))
    });
    let (name, offence) = OFFENCES.get(number).ok_or(ErrorCode::Invalid)?;
    println!("offender: {name}");
    match offence {
        Load(place) => drop(trespass::load_after(place.address()?, || ())?),
        Store(place) => trespass::store(place.address()?, POWER_OFF)?,
        Run(place) => {
            // Time for the tester to put a return there, which would let this process survive.
            println!("offender: code at {:#010x}", place.address()?);
            console::ask(b"offender: go?\n", &mut [0])?;
            trespass::execute(place.address()?)?;
        }
        Execute(forbidden) => instruction::execute(*forbidden),
        OverflowStack => drop(black_box(descend(0))),
    }
    println!("offender: SURVIVED");
    Err(ErrorCode::Fail)
}

/// Calls itself for ever, as far as the compiler can tell.
fn descend(depth: u32) -> u32 {
    let frame = black_box([depth; 32]);
    match black_box(depth) {
        u32::MAX => frame[0],
        _ => descend(depth + 1).wrapping_add(frame[31]),
    }
}
