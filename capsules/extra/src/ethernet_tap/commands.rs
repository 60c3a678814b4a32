// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The commands that this tap adds: link, addresses, filters, groups and counts.

use super::EthernetTapDriver;
use super::path::Path;
use super::switching::{Address, Filter, address_for};
use kernel::ErrorCode;
use kernel::ProcessId;
use kernel::process::ShortId;
use kernel::syscall::CommandReturn;

impl<'a, E, P: Path<'a, E>, const N: usize> EthernetTapDriver<'a, E, P, N> {
    /// Tells address, MTU and state of the link.
    pub(super) fn show_link(&self) -> Result<CommandReturn, ErrorCode> {
        let link = P::link(self.adapter).ok_or(ErrorCode::NOSUPPORT)?;
        Ok(CommandReturn::success_u32_u64(
            link.word(),
            link.address.number(),
        ))
    }

    /// Claims an address for a process, or releases it.
    pub(super) fn claim(
        &self,
        process_id: ProcessId,
        claim: usize,
    ) -> Result<CommandReturn, ErrorCode> {
        let number = self.number_of(process_id)?;
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
        let address = address_for(who, card, taken);
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
    pub(super) fn filter(
        &self,
        process_id: ProcessId,
        bits: usize,
        ethertype: usize,
    ) -> Result<(), ErrorCode> {
        let filter = Filter::from_bits(bits).ok_or(ErrorCode::INVAL)?;
        let ethertype = match u16::try_from(ethertype) {
            Ok(ethertype) => ethertype,
            Err(_) if !filter.has(Filter::ETHERTYPE) => 0,
            Err(_) => return Err(ErrorCode::INVAL),
        };
        let number = self.number_of(process_id)?;
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
    pub(super) fn membership(
        &self,
        process_id: ProcessId,
        join: bool,
        low: usize,
        high: usize,
    ) -> Result<(), ErrorCode> {
        let high = u16::try_from(high).map_err(|_| ErrorCode::INVAL)?;
        let group = Address::from_low_bits(u64::from(high) << 32 | low as u64 & 0xFFFF_FFFF);
        if !group.is_group() || group == Address::BROADCAST {
            return Err(ErrorCode::INVAL);
        }
        let number = self.number_of(process_id)?;
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
    pub(super) fn drops(
        &self,
        process_id: ProcessId,
        direction: usize,
    ) -> Result<CommandReturn, ErrorCode> {
        if direction > 1 {
            return Err(ErrorCode::INVAL);
        }
        let below = P::malformed(self.adapter);
        let malformed = self.malformed.get().wrapping_add(below);
        self.enter(process_id, |number, app, kernel_data| {
            app.catch_up(kernel_data);
            let drops = &app.drops;
            Ok(if direction == 0 {
                let filtered = self.members.filtered(number);
                CommandReturn::success_u32_u32_u32(drops.no_room, filtered, malformed)
            } else {
                CommandReturn::success_u32_u32_u32(drops.refused, drops.lost, drops.oversize)
            })
        })
    }

    /// The process's number; a process that has none yet gets one.
    fn number_of(&self, process_id: ProcessId) -> Result<usize, ErrorCode> {
        self.enter(process_id, |number, app, kernel_data| {
            app.catch_up(kernel_data);
            Ok(number)
        })
    }
}
