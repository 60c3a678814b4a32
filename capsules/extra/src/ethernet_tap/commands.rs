// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The commands, but for those that send one frame: statistics, link, addresses, filters, groups.

use super::EthernetTapDriver;
use super::app::App;
use super::path::Path;
use super::switching::{Address, Filter, address_for};
use super::transmit::Sender;
use kernel::ErrorCode;
use kernel::ProcessId;
use kernel::grant::GrantKernelData;
use kernel::process::ShortId;
use kernel::syscall::CommandReturn;

const EXISTS: usize = 0;
const RECEIVE_STATISTICS: usize = 1;
const TRANSMIT_STATISTICS: usize = 2;
pub(super) const TRANSMIT: usize = 3;
const LINK: usize = 0x100;
const CLAIM: usize = 0x101;
const FILTER: usize = 0x102;
const JOIN: usize = 0x103;
const LEAVE: usize = 0x104;
const DROPS: usize = 0x105;
const TRANSMIT_BATCH: usize = 0x106;
pub(super) const TRANSMIT_AT_ONCE: usize = 0x107;

impl<'a, E, P: Path<'a, E>, const N: usize> EthernetTapDriver<'a, E, P, N> {
    /// Carries out a command other than [`TRANSMIT`] and [`TRANSMIT_AT_ONCE`].
    #[inline(never)]
    pub(super) fn other_command(
        &self,
        command_num: usize,
        r2: usize,
        r3: usize,
        process_id: ProcessId,
    ) -> CommandReturn {
        let answer = match command_num {
            EXISTS => return CommandReturn::success(),
            LINK => self.show_link(),
            RECEIVE_STATISTICS | TRANSMIT_STATISTICS | CLAIM..=TRANSMIT_BATCH => {
                if command_num == TRANSMIT_BATCH {
                    self.make_room(true);
                }
                let answer = self.visit(process_id, |app, kernel_data| {
                    let number = match app.number {
                        Some(number) => number.into(),
                        None => self.admit(process_id, app)?,
                    };
                    app.catch_up(kernel_data);
                    let caller = Sender { number, process_id };
                    let answer = self.answer(caller, app, kernel_data, (command_num, r2, r3));
                    self.note_if_behind(app);
                    answer
                });
                self.ask_for_buffers();
                answer.unwrap_or_else(|error| Err(error.into()))
            }
            _ => Err(ErrorCode::NOSUPPORT),
        };
        answer.unwrap_or_else(CommandReturn::failure)
    }

    /// Carries out a command that needs the state of the process.
    fn answer(
        &self,
        caller: Sender,
        app: &mut App,
        kernel_data: &GrantKernelData,
        (command_num, r2, r3): (usize, usize, usize),
    ) -> Result<CommandReturn, ErrorCode> {
        let Sender { number, process_id } = caller;
        match command_num {
            RECEIVE_STATISTICS => Ok(CommandReturn::success_u32_u32_u32(
                app.received.frames,
                app.received.bytes,
                app.drops.no_room,
            )),
            TRANSMIT_STATISTICS => Ok(CommandReturn::success_u32_u32(
                app.sent.frames,
                app.sent.bytes,
            )),
            CLAIM => self.claim(process_id, number, r2),
            DROPS => self.drops(app, number, r2),
            _ => {
                match command_num {
                    FILTER => self.filter(number, r2, r3),
                    JOIN => self.membership(number, true, r2, r3),
                    LEAVE => self.membership(number, false, r2, r3),
                    TRANSMIT_BATCH => self.transmit_batch(caller, app, kernel_data, r2),
                    _ => Err(ErrorCode::NOSUPPORT),
                }?;
                Ok(CommandReturn::success())
            }
        }
    }

    /// Tells address, MTU and state of the link.
    fn show_link(&self) -> Result<CommandReturn, ErrorCode> {
        let link = P::link(self.adapter).ok_or(ErrorCode::NODEVICE)?;
        Ok(CommandReturn::success_u32_u64(
            link.word(),
            link.address.number(),
        ))
    }

    /// Claims an address for a process, or releases it.
    fn claim(
        &self,
        process_id: ProcessId,
        number: usize,
        claim: usize,
    ) -> Result<CommandReturn, ErrorCode> {
        let (address, changed) = match claim {
            0 => self.release(number),
            1 => self.claim_for(process_id, number),
            _ => Err(ErrorCode::INVAL),
        }?;
        if changed {
            self.tell_demand();
        }
        Ok(CommandReturn::success_u64(address.number()))
    }

    /// Returns the address that was released, and whether there was one.
    fn release(&self, number: usize) -> Result<(Address, bool), ErrorCode> {
        self.members
            .change(number, |port| {
                let released = port.claim.take();
                if released.is_some() {
                    port.filter = Filter::WITHOUT_CLAIM;
                }
                let address = released.unwrap_or(Address::NONE);
                (address, released.is_some())
            })
            .ok_or(ErrorCode::FAIL)
    }

    /// Returns the claimed address, and whether the claim is new.
    fn claim_for(
        &self,
        process_id: ProcessId,
        number: usize,
    ) -> Result<(Address, bool), ErrorCode> {
        let card = self.address();
        let who = match process_id.short_app_id() {
            ShortId::Fixed(id) => id.get(),
            ShortId::LocallyUnique => number as u32,
        };
        let taken =
            |address| card == Some(address) || self.members.is_claimed_beside(number, address);
        let address = address_for(who, card, taken).ok_or(ErrorCode::FAIL)?;
        self.members
            .change(number, |port| {
                if let Some(claimed) = port.claim {
                    return (claimed, false);
                }
                port.claim = Some(address);
                port.filter = Filter::WITH_CLAIM;
                (address, true)
            })
            .ok_or(ErrorCode::FAIL)
    }

    /// Sets which frames a process wants.
    fn filter(&self, number: usize, bits: usize, ethertype: usize) -> Result<(), ErrorCode> {
        let filter = Filter::from_bits(bits).ok_or(ErrorCode::INVAL)?;
        let ethertype = match u16::try_from(ethertype) {
            Ok(ethertype) => ethertype,
            Err(_) if !filter.has(Filter::ETHERTYPE) => 0,
            Err(_) => return Err(ErrorCode::INVAL),
        };
        self.members
            .change(number, |port| {
                port.filter = filter;
                port.ethertype = ethertype;
            })
            .ok_or(ErrorCode::FAIL)?;
        self.tell_demand();
        Ok(())
    }

    /// Joins or leaves a multicast group, whose address comes in two parts.
    fn membership(
        &self,
        number: usize,
        join: bool,
        low: usize,
        high: usize,
    ) -> Result<(), ErrorCode> {
        let high = u16::try_from(high).map_err(|_| ErrorCode::INVAL)?;
        let group = Address::from_low_bits(u64::from(high) << 32 | low as u64 & 0xFFFF_FFFF);
        if !group.is_group() || group == Address::BROADCAST {
            return Err(ErrorCode::INVAL);
        }
        self.members
            .change(number, |port| {
                if join {
                    port.join(group).then_some(()).ok_or(ErrorCode::NOMEM)
                } else {
                    port.leave(group).then_some(()).ok_or(ErrorCode::INVAL)
                }
            })
            .unwrap_or(Err(ErrorCode::FAIL))?;
        self.tell_demand();
        Ok(())
    }

    /// Tells what a process did not receive (0), or did not send (1), by cause.
    fn drops(
        &self,
        app: &App,
        number: usize,
        direction: usize,
    ) -> Result<CommandReturn, ErrorCode> {
        let drops = &app.drops;
        match direction {
            0 => {
                let below = P::malformed(self.adapter);
                Ok(CommandReturn::success_u32_u32_u32(
                    drops.no_room,
                    self.members.filtered(number),
                    self.malformed.get().wrapping_add(below),
                ))
            }
            1 => Ok(CommandReturn::success_u32_u32_u32(
                drops.refused,
                drops.lost,
                drops.oversize,
            )),
            _ => Err(ErrorCode::INVAL),
        }
    }
}
