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
    use crate::syscall::YieldVariant;
    use crate::testing::kernel_with_process;

    const LISTED: usize = 4;
    const OTHER: usize = 5;

    fn command(driver_number: usize, subdriver_number: usize) -> Syscall {
        Syscall::Command {
            driver_number,
            subdriver_number,
            arg0: 0,
            arg1: 0,
        }
    }

    /// One call of each class that exchanges upcalls or buffers.
    fn exchanges(driver_number: usize) -> [Syscall; 4] {
        let (subdriver_number, allow_size) = (70, 0);
        let allow_address = core::ptr::null_mut();
        [
            Syscall::Subscribe {
                driver_number,
                subdriver_number,
                upcall_ptr: 0.into(),
                appdata: 0.into(),
            },
            Syscall::ReadWriteAllow {
                driver_number,
                subdriver_number,
                allow_address,
                allow_size,
            },
            Syscall::UserspaceReadableAllow {
                driver_number,
                subdriver_number,
                allow_address,
                allow_size,
            },
            Syscall::ReadOnlyAllow {
                driver_number,
                subdriver_number,
                allow_address,
                allow_size,
            },
        ]
    }

    #[test]
    fn calls_are_held_to_the_permissions_of_their_process() {
        let (_, process) = kernel_with_process();
        let filter = |call: Syscall| TbfHeaderFilterDefaultAllow.filter_syscall(process, &call);
        assert_eq!(filter(command(OTHER, 0)), Ok(()));
        // Commands 64 and 66.
        process.permissions.set(Some((LISTED, 1, 0b101)));
        let refused = Err(ErrorCode::NODEVICE);
        for (number, outcome) in [(64, Ok(())), (65, refused), (66, Ok(())), (2, refused)] {
            assert_eq!(filter(command(LISTED, number)), outcome);
            assert_eq!(filter(command(OTHER, number)), refused);
        }
        assert!(exchanges(LISTED).iter().all(|call| filter(*call).is_ok()));
        assert!(exchanges(OTHER).iter().all(|call| filter(*call) == refused));
    }

    #[test]
    fn a_process_is_held_to_the_permissions_in_the_header_of_its_application() {
        use crate::process::fake_tbf::Tbf;
        use crate::process::fakes::World;
        let listed = u32::try_from(LISTED).unwrap();
        let mut held = Tbf::new("held");
        // Commands 1 and 64.
        held.permissions = std::vec![(listed, 0, 0b10), (listed, 1, 0b1)];
        let world = World::with_apps(&[held, Tbf::new("free")]);
        let filter = |process: usize, call: Syscall| {
            TbfHeaderFilterDefaultAllow.filter_syscall(world.process(process), &call)
        };
        let refused = Err(ErrorCode::NODEVICE);
        for (number, outcome) in [(0, refused), (1, Ok(())), (64, Ok(())), (65, refused)] {
            assert_eq!(filter(0, command(LISTED, number)), outcome, "{number}");
            assert_eq!(filter(0, command(OTHER, number)), refused);
            assert_eq!(filter(1, command(OTHER, number)), Ok(()));
        }
        assert!(
            exchanges(LISTED)
                .iter()
                .all(|call| filter(0, *call).is_ok())
        );
        assert!(
            exchanges(OTHER)
                .iter()
                .all(|call| filter(0, *call) == refused)
        );
        assert!(exchanges(OTHER).iter().all(|call| filter(1, *call).is_ok()));
    }

    #[test]
    fn calls_without_a_driver_are_always_permitted() {
        let (_, process) = kernel_with_process();
        process.permissions.set(Some((LISTED, 0, 0)));
        let calls = [
            Syscall::Yield {
                yield_type: YieldVariant::WaitFor {
                    driver_number: OTHER,
                    subdriver_number: 0,
                },
            },
            Syscall::Memop {
                operand: OTHER,
                arg0: 0,
            },
            Syscall::Exit {
                which: 0,
                completion_code: OTHER,
            },
        ];
        for call in calls {
            let outcome = TbfHeaderFilterDefaultAllow.filter_syscall(process, &call);
            assert_eq!(outcome, Ok(()));
        }
    }

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
