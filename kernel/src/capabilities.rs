// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Permissions that the compiler checks.
//!
//! A function that not everyone may call takes a value of a type with the right trait. The traits
//! are `unsafe` to implement, so only a crate that may use `unsafe`, in practice the board, can
//! make such a value, and it decides which capsule gets one. Values have no size and no code.
//!
//! The macros below hold a crate to that although their code comes from here, where the compiler does
//! not look for `unsafe` on the crate's behalf: they allow it, which a crate that forbids it refuses.

macro_rules! capabilities {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {$(
        $(#[doc = $doc])+
        ///
        /// # Safety
        ///
        /// Implementing it grants the permission. Only trusted code may do so.
        pub unsafe trait $name {}
    )+};
}

capabilities! {
    /// Permits to inspect, stop, resume and terminate processes.
    ProcessManagementCapability,
    /// Permits to start a process that is not running.
    ProcessStartCapability,
    /// Permits to run the main loop, which never returns.
    MainLoopCapability,
    /// Permits to create grants, and with them to set aside memory of processes.
    MemoryAllocationCapability,
    /// Permits to provide processes, and to act on any of them, from outside the kernel crate.
    ExternalProcessCapability,
    /// Permits to use the part of persistent storage that belongs to the kernel.
    KerneluserStorageCapability,
    /// Permits to use the part of persistent storage that belongs to applications.
    ApplicationStorageCapability,
    /// Permits to send and receive UDP as the driver for processes does.
    UdpDriverCapability,
    /// Permits to create the table of bound ports.
    CreatePortTableCapability,
    /// Permits to make capabilities that let capsules reach the network.
    NetworkCapabilityCreationCapability,
    /// Permits to choose where `debug!` output goes.
    SetDebugWriterCapability,
}

/// Makes a value with the given capabilities, of a type that nothing else can name.
///
/// Needs a crate that may use `unsafe`; one that forbids it cannot grant itself anything:
///
/// ```compile_fail,E0453
/// #![forbid(unsafe_code)]
/// use kernel::capabilities::MainLoopCapability;
/// kernel::create_capability!(MainLoopCapability);
/// ```
#[macro_export]
macro_rules! create_capability {
    ($($capability:ty),+ $(,)?) => {{
        struct Granted;
        $(
            // SAFETY: a crate that may use `unsafe` grants this on purpose, by using the macro.
            #[allow(unsafe_code)]
            unsafe impl $capability for Granted {}
        )+
        Granted
    }};
}

/// Makes a value with the given capabilities, and names both the value and its type.
///
/// `create_typed_capability!(value, Type: Capability, …)` is a statement; the type's name is known
/// in the block that it stands in. Needs a crate that may use `unsafe`:
///
/// ```compile_fail,E0453
/// #![forbid(unsafe_code)]
/// use kernel::capabilities::MainLoopCapability;
/// kernel::create_typed_capability!(own, Own: MainLoopCapability);
/// ```
#[macro_export]
macro_rules! create_typed_capability {
    ($value:ident, $name:ident : $($capability:ty),+ $(,)?) => {
        struct $name;
        $(
            // SAFETY: a crate that may use `unsafe` grants this on purpose, by using the macro.
            #[allow(unsafe_code)]
            unsafe impl $capability for $name {}
        )+
        let $value = $name;
    };
}

/// Defines a type with the given capabilities, to be a type parameter of a capsule.
///
/// Values come from [`mint_defined_capability!`](crate::mint_defined_capability). Needs a crate that
/// may use `unsafe`:
///
/// ```compile_fail,E0453
/// #![forbid(unsafe_code)]
/// use kernel::capabilities::MainLoopCapability;
/// kernel::define_capability_type!(Own: MainLoopCapability);
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! define_capability_type {
    ($(#[$attribute:meta])* $name:ident : $($capability:ty),+ $(,)?) => {
        $(#[$attribute])*
        #[doc = "A set of permissions that the board grants."]
        pub struct $name(());

        impl $name {
            /// Makes a value.
            ///
            /// # Safety
            ///
            /// Whoever gets the value has the permissions of this type.
            #[allow(dead_code)]
            pub const unsafe fn mint_defined_capability() -> Self {
                Self(())
            }
        }

        $(
            // SAFETY: a crate that may use `unsafe` grants this on purpose, by using the macro.
            #[allow(unsafe_code)]
            unsafe impl $capability for $name {}
        )+
    };
}

/// Makes a value of a type from [`define_capability_type!`](crate::define_capability_type).
///
/// Expands to a call of an `unsafe` function: whoever gets the value has its permissions.
#[macro_export]
macro_rules! mint_defined_capability {
    ($name:ty $(,)?) => {
        <$name>::mint_defined_capability()
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    crate::define_capability_type!(Storage: KerneluserStorageCapability);

    fn two<C: ProcessManagementCapability + ProcessStartCapability>(_: C) {}

    #[test]
    fn granted_values_take_no_space() {
        fn kernel_storage<C: KerneluserStorageCapability>(_: C) -> usize {
            size_of::<C>()
        }
        two(create_capability!(
            ProcessManagementCapability,
            ProcessStartCapability,
        ));
        create_typed_capability!(start, Start: ProcessStartCapability);
        let start: Start = start;
        assert_eq!(size_of_val(&start), 0);
        // SAFETY: the test keeps the value to itself.
        let storage = unsafe { mint_defined_capability!(Storage) };
        assert_eq!(kernel_storage(storage), 0);
    }
}
