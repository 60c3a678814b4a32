// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What may happen to a device and its driver, one event for each step of the noise.

use crate::entropy::Entropy;
use crate::machine::Machine;
use crate::network::{HEADER_LEN, Network, RECEIVE, TRANSMIT, frame};
use crate::registers::{Identity, NEEDS_RESET};

/// Polls in which a device that is honest again has to be back.
const PATIENCE: usize = 8;

/// Runs the events of `input` with registers that lie, and then leaves the device to be honest.
pub fn lying_registers(machine: &Machine, input: &[u8], honest: Identity, event: impl Fn(u8)) {
    let (registers, transport) = (machine.registers, machine.transport);
    let noise = &registers.noise;
    transport.halt();
    noise.load(input);
    let mut identity = honest.clone();
    identity.offered ^= u64::from(noise.byte()) << 26 | u64::from(noise.byte());
    identity.version = if noise.byte() == 7 { 1 } else { 2 };
    identity.queue_num_max = [1024, 1, 3, 0, u32::MAX, 2][noise.below(6)];
    for byte in &mut identity.configuration {
        *byte ^= noise.byte() & noise.byte();
    }
    registers.become_(identity);
    let mut kept = machine.initialize().is_ok();
    while let Some(what) = noise.step() {
        match what % 16 {
            0 => machine.run(),
            1 => transport.handle_interrupt(),
            2 => machine.pass_time(),
            3 => registers.change(noise.byte(), noise.byte()),
            4 => registers.set_status(u32::from(noise.byte())),
            5 => registers.raise(noise.word()),
            6 => transport.decline_features(u64::from(noise.byte()) << 26),
            7 if noise.byte() == 0 => {
                transport.halt();
                kept = false;
            }
            8 if noise.byte() < 16 => kept |= machine.initialize().is_ok(),
            _ => event(noise.byte()),
        }
        kept |= transport.is_running();
    }
    noise.silence();
    registers.become_(honest);
    transport.decline_features(0);
    for _ in 0..PATIENCE {
        // Whatever the device was asked for it does now.
        event(0);
        machine.pass_time();
    }
    assert!(
        transport.is_running() || !kept,
        "the device does not come back"
    );
}

/// Runs the events of `input` with a device that is honest as far as its registers go.
pub fn honest_registers(machine: &Machine, input: &[u8], honest: Identity, event: impl Fn(u8)) {
    let noise = &machine.registers.noise;
    machine.registers.become_(honest.clone());
    machine.initialize().expect("an honest device");
    noise.load(input);
    // Half of the noise is for the registers, and is not used.
    while let Some(what) = noise.step() {
        match what % 8 {
            0 => machine.run(),
            1 => machine.pass_time(),
            2 if noise.byte() == 0 => machine.registers.set_status(NEEDS_RESET),
            _ => event(noise.byte()),
        }
    }
    noise.silence();
    machine.registers.become_(honest);
    for _ in 0..PATIENCE {
        event(0);
        machine.pass_time();
    }
    assert!(
        machine.transport.is_running(),
        "the device does not come back"
    );
}

/// Writes anything to any place of a queue.
fn scribble(machine: &Machine, queue: usize) {
    let noise = &machine.registers.noise;
    let (part, offset, value) = (noise.below(4), noise.below(128), noise.word());
    machine.registers.with_half(queue, |half| {
        half.write(part, 2 * offset as u64, &(value as u16).to_le_bytes());
    });
}

/// Claims anything about a chain.
fn claim(machine: &Machine, queue: usize) {
    let noise = &machine.registers.noise;
    let (id, len, advance) = (noise.byte(), noise.byte(), noise.byte());
    machine.registers.with_half(queue, |half| {
        let size = u32::from(half.size());
        let id = match id {
            0..=199 => u32::from(id) % (size + 2),
            200..=250 => u32::from(id) << 16,
            _ => u32::MAX,
        };
        let len = match len {
            0..=99 => u32::from(len),
            100..=229 => u32::from(len) * 12,
            _ => u32::MAX - u32::from(255 - len),
        };
        let advance = match advance {
            0..=199 => 1,
            200..=249 => u16::from(advance) - 200,
            _ => u16::MAX - u16::from(255 - advance),
        };
        half.claim(id, len, advance);
    });
    machine.registers.raise(1);
}

/// What may happen to an entropy device; event 0 is to serve.
pub fn of_entropy(rig: &Entropy, event: u8) {
    let noise = &rig.machine.registers.noise;
    match event % 12 {
        0 => {
            rig.serve(usize::MAX);
        }
        1 => {
            rig.serve(noise.below(64));
        }
        2..=4 => {
            rig.ask(noise.below(300));
        }
        5 => rig.withdraw(),
        6 => {
            rig.draw(noise.below(300));
        }
        7 => {
            // Returns fewer bytes than it wrote, none included.
            if let Some((chain, _)) = rig.pop(usize::MAX) {
                let registers = rig.machine.registers;
                let len = noise.byte() % 4;
                registers.with_half(0, |half| half.give_back(&chain, len.into()));
                rig.machine.announce(0);
            }
        }
        8 => scribble(&rig.machine, 0),
        9 => {
            // Takes a chain and keeps it.
            drop(rig.pop(1));
        }
        _ => claim(&rig.machine, 0),
    }
}

/// What may happen to a network card; event 0 is to send what there is to send.
pub fn of_network(rig: &Network, event: u8) {
    let noise = &rig.machine.registers.noise;
    let queue = |choice: u8| {
        if choice.is_multiple_of(2) {
            RECEIVE
        } else {
            TRANSMIT
        }
    };
    match event % 16 {
        0 => drop(rig.transmit()),
        1..=3 => {
            let len = [60, 14, 13, 0, 1514, 1518, 1519, u16::MAX][noise.below(8)];
            rig.send(len);
        }
        4 | 5 => {
            let len = [60, 14, 13, 0, 1514, 1518, 1519, 1520][noise.below(8)];
            rig.deliver(&frame(noise.byte(), len));
        }
        6 | 7 => {
            // A header of the noise's, and a frame of any length.
            if let Some(chain) = rig.pop(RECEIVE) {
                let mut bytes: Vec<u8> = (0..HEADER_LEN).map(|_| noise.byte()).collect();
                bytes.extend(frame(noise.byte(), noise.below(1520)));
                bytes.truncate(noise.below(1600));
                rig.give_back(RECEIVE, &chain, &bytes);
                rig.machine.announce(RECEIVE);
            }
        }
        8 => scribble(&rig.machine, queue(noise.byte())),
        9 => claim(&rig.machine, queue(noise.byte())),
        10 => {
            // Takes a chain and keeps it.
            drop(rig.pop(queue(noise.byte())));
        }
        11 => rig.receive(noise.byte() < 128),
        12 => rig.machine.registers.change(6, noise.byte()),
        13 => rig.machine.registers.raise(1),
        _ => rig.machine.run(),
    }
}
