// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The test device: ends or resets the machine.

use kernel::utilities::registers::interfaces::Writeable;
use kernel::utilities::registers::{WriteOnly, register_bitfields, register_structs};
use kernel::utilities::static_ref::StaticRef;

register_bitfields![u32,
    /// What to do.
    Finish [
        /// Exit status for `Fail`.
        CODE OFFSET(16) NUMBITS(16) [],
        /// The command.
        COMMAND OFFSET(0) NUMBITS(16) [
            /// End with the status in `CODE`.
            Fail = 0x3333,
            /// End with status 0.
            Pass = 0x5555,
            /// Reset the machine.
            Reset = 0x7777
        ]
    ]
];

register_structs! {
    /// The one register of the device; it takes whole words.
    pub SifiveTestRegisters {
        /// Command.
        (0x0 => finish: WriteOnly<u32, Finish::Register>),
        (0x4 => @END),
    }
}

/// The test device.
pub struct SifiveTest {
    registers: StaticRef<SifiveTestRegisters>,
}

impl SifiveTest {
    /// Creates the driver.
    pub const fn new(registers: StaticRef<SifiveTestRegisters>) -> Self {
        SifiveTest { registers }
    }

    /// Ends QEMU with the low 8 bits of `code` as its exit status.
    pub fn exit(&self, code: u16) -> ! {
        if code == 0 {
            self.registers.finish.write(Finish::COMMAND::Pass);
        } else {
            self.registers
                .finish
                .write(Finish::COMMAND::Fail + Finish::CODE.val(code.into()));
        }
        halt()
    }

    /// Resets the machine. RAM keeps its content, except for what QEMU loads again.
    pub fn reset(&self) -> ! {
        self.registers.finish.write(Finish::COMMAND::Reset);
        halt()
    }
}

fn halt() -> ! {
    loop {
        riscv::support::wfi();
    }
}
