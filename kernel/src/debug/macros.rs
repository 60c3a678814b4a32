// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The macros that print.

/// Prints a line: `debug!("got {} bytes", count)`. Takes what `format!` takes, or nothing.
///
/// The text is buffered and sent when the kernel is idle; it is dropped when there is no room.
#[macro_export]
macro_rules! debug {
    () => {
        $crate::debug::debug_println(::core::format_args!(""))
    };
    ($($format:tt)+) => {
        $crate::debug::debug_println(::core::format_args!($($format)+))
    };
}

/// Prints a line like [`debug!`](crate::debug), after the file and line that it stands in.
#[macro_export]
macro_rules! debug_verbose {
    () => {
        $crate::debug_verbose!("")
    };
    ($($format:tt)+) => {
        $crate::debug::debug_verbose_println(
            ::core::file!(),
            ::core::line!(),
            ::core::format_args!($($format)+),
        )
    };
}

/// Prints an expression with its value, which it returns; several become a tuple.
#[macro_export]
macro_rules! debug_expr {
    ($expression:expr $(,)?) => {
        match $expression {
            value => {
                $crate::debug_verbose!("{} = {:#?}", ::core::stringify!($expression), &value);
                value
            }
        }
    };
    ($($expression:expr),+ $(,)?) => {
        ($($crate::debug_expr!($expression)),+,)
    };
}

/// Calls a method of a debug pin: `debug_gpio!(0, toggle)`. Does nothing if there is no such pin.
#[macro_export]
macro_rules! debug_gpio {
    ($index:expr, $method:ident $(,)?) => {
        $crate::debug::debug_gpio($index, |pin| {
            pin.$method();
        })
    };
}

/// Prints bytes of a process as they are.
///
/// Returns how many were taken, or `Err(())` if there is no writer.
#[macro_export]
macro_rules! debug_process_slice {
    ($slice:expr $(,)?) => {
        $crate::debug::debug_process_slice($slice)
    };
}
