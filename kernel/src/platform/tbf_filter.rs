// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A system call filter that goes by the permissions in a process's TBF header.

use tock_tbf::types::CommandPermissions;

use super::SyscallFilter;
use crate::errorcode::ErrorCode;
use crate::process::Process;
use crate::syscall::Syscall;

/// Commands that one word of permissions covers.
const COMMANDS_PER_WORD: usize = u64::BITS as usize;

/// Holds processes to the permissions in their TBF headers, if they have any.
///
/// A process without permissions may do everything. One with permissions gets
/// [`ErrorCode::NODEVICE`], as if there were no such driver, for every driver that is not listed
/// and for every command whose bit is clear. Subscribing and allowing only take a driver that is
/// listed.
#[derive(Clone, Copy, Debug, Default)]
pub struct TbfHeaderFilterDefaultAllow;

impl SyscallFilter for TbfHeaderFilterDefaultAllow {
    fn filter_syscall(&self, process: &dyn Process, syscall: &Syscall) -> Result<(), ErrorCode> {
        let permitted = match *syscall {
            Syscall::Command {
                driver_number,
                subdriver_number,
                ..
            } => permits_command(
                process
                    .get_command_permissions(driver_number, subdriver_number / COMMANDS_PER_WORD),
                subdriver_number % COMMANDS_PER_WORD,
            ),
            Syscall::Subscribe { driver_number, .. }
            | Syscall::ReadWriteAllow { driver_number, .. }
            | Syscall::UserspaceReadableAllow { driver_number, .. }
            | Syscall::ReadOnlyAllow { driver_number, .. } => {
                permits_driver(process.get_command_permissions(driver_number, 0))
            }
            Syscall::Yield { .. } | Syscall::Memop { .. } | Syscall::Exit { .. } => true,
        };
        if permitted {
            Ok(())
        } else {
            Err(ErrorCode::NODEVICE)
        }
    }
}

/// Tells whether the command of number `bit` in its word may be used.
fn permits_command(permissions: CommandPermissions, bit: usize) -> bool {
    match permissions {
        CommandPermissions::NoPermsAtAll => true,
        CommandPermissions::NoPermsThisDriver => false,
        CommandPermissions::Mask(mask) => mask & (1 << bit) != 0,
    }
}

/// Tells whether buffers and upcalls may be exchanged with the driver.
fn permits_driver(permissions: CommandPermissions) -> bool {
    !matches!(permissions, CommandPermissions::NoPermsThisDriver)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_permissions_everything_is_permitted() {
        assert!(permits_command(CommandPermissions::NoPermsAtAll, 63));
        assert!(permits_driver(CommandPermissions::NoPermsAtAll));
    }

    #[test]
    fn a_driver_that_is_not_listed_is_out_of_reach() {
        assert!(!permits_command(CommandPermissions::NoPermsThisDriver, 0));
        assert!(!permits_driver(CommandPermissions::NoPermsThisDriver));
    }

    #[test]
    fn commands_go_by_their_bit_and_the_rest_by_the_listing() {
        let mask = || CommandPermissions::Mask(1 | 1 << 63);
        assert!(permits_command(mask(), 0));
        assert!(!permits_command(mask(), 1));
        assert!(!permits_command(mask(), 62));
        assert!(permits_command(mask(), 63));
        assert!(permits_driver(CommandPermissions::Mask(0)));
    }
}
