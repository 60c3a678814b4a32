// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The Ethernet tap: any system calls of three processes, and any frames and moods of the card.

use std::cell::Cell;

use arbitrary::{Result, Unstructured};

use crate::extended::world::{APPS, Bytes, Event, World};

std::thread_local! {
    /// Kept from run to run, as what a board is made of is never freed. One in which a run failed is
    /// not used again.
    static WORLD: Cell<Option<Box<World>>> = const { Cell::new(None) };
}

/// Runs the events of `input`.
///
/// No call may panic; no frame may come back to its sender, reach an app with a claim if it is for the
/// claim of another, or be reported twice or not at all; counters never go back; and in the end each
/// buffer of the kernel is there, and nothing waits for ever.
///
/// # Panics
///
/// One of these does not hold.
pub fn tap(input: &[u8]) {
    let mut world = WORLD.take().unwrap_or_default();
    let mut input = Unstructured::new(input);
    while !input.is_empty()
        && let Ok(event) = event(&mut input)
    {
        world.handle(event);
    }
    world.settle();
    WORLD.set(Some(world));
}

/// Lengths on both sides of each limit, and any.
fn length(input: &mut Unstructured<'_>) -> Result<usize> {
    const LIMITS: [usize; 12] = [
        0,
        1,
        13,
        14,
        15,
        60,
        1514,
        1518,
        1519,
        65_535,
        65_596,
        usize::MAX,
    ];
    Ok(match input.arbitrary::<u8>()? {
        choice @ 0..128 => LIMITS[usize::from(choice) % LIMITS.len()],
        128..192 => input.int_in_range(14..=200)?,
        192..250 => input.int_in_range(0..=1600)?,
        _ => input.arbitrary()?,
    })
}

/// A small number, or any.
fn argument(input: &mut Unstructured<'_>) -> Result<usize> {
    if input.ratio(1, 8)? {
        input.arbitrary()
    } else {
        Ok(input.int_in_range::<u8>(0..=40)?.into())
    }
}

/// The numbers of commands, but for those that send frames: they have events of their own, since what
/// they send is noted.
fn command(input: &mut Unstructured<'_>) -> Result<usize> {
    const KNOWN: [usize; 11] = [0, 1, 2, 4, 0x100, 0x101, 0x102, 0x103, 0x104, 0x105, 0x108];
    if input.ratio(1, 16)? {
        let number = input.arbitrary()?;
        let sends = [3, 0x106, 0x107].contains(&number);
        Ok(if sends { 5 } else { number })
    } else {
        input.choose(&KNOWN).copied()
    }
}

fn event(input: &mut Unstructured<'_>) -> Result<Event> {
    let kind = input.arbitrary::<u8>()?;
    let app = usize::from(kind / 64) % APPS;
    Ok(match kind % 64 {
        0..6 => Event::Command {
            app,
            number: command(input)?,
            a: argument(input)?,
            b: argument(input)?,
        },
        6..14 => Event::Transmit {
            app,
            len: length(input)?,
        },
        14..19 => {
            let count = input.int_in_range(0..=12)?;
            let lengths: Result<Vec<_>> = (0..count).map(|_| length(input)).collect();
            Event::Batch {
                app,
                lengths: lengths?,
                bytes: if input.ratio(1, 4)? {
                    Bytes::Exactly(length(input)?)
                } else {
                    Bytes::All
                },
            }
        }
        19..23 => Event::AtOnce {
            app,
            len: length(input)?,
            offset: length(input)?,
        },
        23..26 => Event::ShareFrame {
            app,
            len: length(input)?.min(1600),
            to: input.arbitrary()?,
        },
        26..32 => Event::ShareSlice {
            app,
            room: length(input)?.min(5000),
            header: if input.ratio(1, 4)? {
                input.arbitrary()?
            } else {
                [0; 8]
            },
        },
        32 => Event::ShareInfo {
            app,
            len: input.int_in_range(0..=12)?,
        },
        33..41 => Event::Arrive {
            to: input.arbitrary()?,
            len: length(input)?.min(1600),
        },
        41..46 => Event::TakeUpcalls { app },
        46 | 47 => Event::Count { app },
        48 => Event::FillQueue { app },
        49 => Event::End {
            app,
            restart: input.arbitrary()?,
        },
        50 | 51 => Event::SendAll,
        52 | 53 => Event::FinishOne,
        54 | 55 => Event::Finish,
        56 => Event::Reset,
        57 => Event::Link {
            up: input.arbitrary()?,
        },
        58 => Event::Depth {
            depth: input.int_in_range(0..=16)?,
        },
        59 => Event::FilterBusy {
            busy: input.arbitrary()?,
        },
        // Often enough that several have claims at a time.
        60 => Event::Command {
            app,
            number: 0x101,
            a: 1,
            b: 0,
        },
        _ => Event::Timer,
    })
}
