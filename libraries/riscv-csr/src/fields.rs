// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Layouts of the registers. Fields that RV32 without supervisor mode lacks are left out.

#![allow(
    missing_docs,
    reason = "`register_bitfields!` makes items that take no documentation; what can be documented is"
)]

use tock_registers::register_bitfields;

register_bitfields![u32,
    /// Trap status (3.1.6).
    pub mstatus [
        /// Interrupts are taken in machine mode.
        MIE OFFSET(3) NUMBITS(1) [],
        /// What `MIE` was before the trap; `mret` restores it.
        MPIE OFFSET(7) NUMBITS(1) [],
        /// The mode that was left by the trap; `mret` returns to it.
        MPP OFFSET(11) NUMBITS(2) [
            /// User mode.
            User = 0,
            /// Supervisor mode.
            Supervisor = 1,
            /// Machine mode.
            Machine = 3
        ],
        /// State of the floating-point unit.
        FS OFFSET(13) NUMBITS(2) [
            /// Its instructions trap.
            Off = 0,
            /// In its initial state.
            Initial = 1,
            /// As when it was last saved.
            Clean = 2,
            /// Changed since.
            Dirty = 3
        ],
        /// Loads and stores use the mode in `MPP`.
        MPRV OFFSET(17) NUMBITS(1) [],
        /// `wfi` traps in lesser modes.
        TW OFFSET(21) NUMBITS(1) []
    ],

    /// Enabled interrupt sources (3.1.9).
    pub mie [
        /// Software interrupt.
        MSIE OFFSET(3) NUMBITS(1) [],
        /// Timer interrupt.
        MTIE OFFSET(7) NUMBITS(1) [],
        /// External interrupt, from the interrupt controller.
        MEIE OFFSET(11) NUMBITS(1) []
    ],

    /// Pending interrupt sources (3.1.9).
    pub mip [
        /// Software interrupt.
        MSIP OFFSET(3) NUMBITS(1) [],
        /// Timer interrupt.
        MTIP OFFSET(7) NUMBITS(1) [],
        /// External interrupt, from the interrupt controller.
        MEIP OFFSET(11) NUMBITS(1) []
    ],

    /// Reason of a trap (3.1.15).
    pub mcause [
        /// What happened, in the numbering of interrupts or of exceptions.
        CODE OFFSET(0) NUMBITS(31) [],
        /// The trap was an interrupt.
        INTERRUPT OFFSET(31) NUMBITS(1) []
    ],

    /// Where traps go (3.1.7).
    pub mtvec [
        /// How the address is used.
        MODE OFFSET(0) NUMBITS(2) [
            /// All traps go to the base address.
            Direct = 0,
            /// Interrupts go to the base address plus four times their number.
            Vectored = 1
        ],
        /// Bits 31 to 2 of the base address.
        BASE OFFSET(2) NUMBITS(30) []
    ],

    /// Counters that user mode may read (3.1.11).
    pub mcounteren [
        /// `cycle`.
        CY OFFSET(0) NUMBITS(1) [],
        /// `time`.
        TM OFFSET(1) NUMBITS(1) [],
        /// `instret`.
        IR OFFSET(2) NUMBITS(1) []
    ],

    /// Security configuration (Smepmp 1.0, section 2).
    pub mseccfg [
        /// Machine-mode lockdown: rules apply to machine mode or to user mode. Sticky.
        MML OFFSET(0) NUMBITS(1) [],
        /// Machine mode is denied where no rule matches. Sticky.
        MMWP OFFSET(1) NUMBITS(1) [],
        /// Locked rules can be changed.
        RLB OFFSET(2) NUMBITS(1) []
    ],

    /// Four PMP configurations in one register (3.7.1).
    pub pmpcfg [
        /// Configuration of the rule with index 4 n.
        ENTRY0 OFFSET(0) NUMBITS(8) [],
        /// Configuration of the rule with index 4 n + 1.
        ENTRY1 OFFSET(8) NUMBITS(8) [],
        /// Configuration of the rule with index 4 n + 2.
        ENTRY2 OFFSET(16) NUMBITS(8) [],
        /// Configuration of the rule with index 4 n + 3.
        ENTRY3 OFFSET(24) NUMBITS(8) []
    ]
];

register_bitfields![u8,
    /// Configuration of one PMP rule (3.7.1).
    pub pmpcfg_entry [
        /// Loads are allowed.
        R OFFSET(0) NUMBITS(1) [],
        /// Stores are allowed.
        W OFFSET(1) NUMBITS(1) [],
        /// Instruction fetches are allowed.
        X OFFSET(2) NUMBITS(1) [],
        /// Which addresses the rule is for.
        A OFFSET(3) NUMBITS(2) [
            /// None.
            Off = 0,
            /// From the previous rule's address up to, not including, its own.
            Tor = 1,
            /// Four bytes at its address.
            Na4 = 2,
            /// A power of two of at least eight bytes, encoded in the address's low bits.
            Napot = 3
        ],
        /// Locked until reset; without Smepmp the rule then holds for machine mode too.
        L OFFSET(7) NUMBITS(1) []
    ]
];
