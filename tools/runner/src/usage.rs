// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Values of options that cannot be used, named as they were given: to this tool, or to make.

use std::error::Error as _;

use clap::error::{ContextKind, ContextValue, ErrorKind};

/// What make calls an option of this tool.
fn name_in_make(option: &str) -> String {
    match option {
        "--debugger-port" => "GDB".to_owned(),
        other => other.trim_start_matches('-').to_uppercase(),
    }
}

/// Describes a value that an option does not take, in one line; other mistakes are clap's to
/// describe.
#[must_use]
pub fn describe(error: &clap::Error) -> Option<String> {
    if !matches!(
        error.kind(),
        ErrorKind::InvalidValue | ErrorKind::ValueValidation
    ) {
        return None;
    }
    let word = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let option = word(ContextKind::InvalidArg)?.split(' ').next()?;
    let value = word(ContextKind::InvalidValue)?;
    let reason = match (error.source(), error.get(ContextKind::ValidValue)) {
        (Some(reason), _) => reason.to_string(),
        (None, Some(ContextValue::Strings(values))) => {
            format!("`{value}` is none of {}", values.join(", "))
        }
        _ => return None,
    };
    let make = name_in_make(option);
    Some(format!("{option} (with make: {make}=): {reason}"))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::Cli;

    fn said(line: &str) -> Option<String> {
        let error = Cli::try_parse_from(line.split(' ')).expect_err("there is a mistake in it");
        describe(&error)
    }

    #[test]
    fn a_value_of_no_use_gets_one_line_with_the_names_of_the_option_and_what_would_do() {
        for (line, words) in [
            (
                "board run --net bogus",
                [
                    "--net (with make: NET=): `bogus`",
                    "dgram:LOCALPORT:REMOTEPORT",
                ],
            ),
            (
                "board run --rng maybe",
                ["RNG=", "`maybe` is none of on, off"],
            ),
            ("board run --port 99999", ["PORT=", "1 to 65535"]),
            ("board run --port 0", ["PORT=", "1 to 65535"]),
            ("board debug --debugger-port 0", ["GDB=", "1..=65535"]),
            ("board image --credentials md5", ["CREDENTIALS=", "sha256"]),
        ] {
            let said = said(line).expect("the value is wrong");
            for word in words {
                assert!(said.contains(word), "no `{word}` in: {said}");
            }
            assert_eq!(said.lines().count(), 1, "{said}");
        }
    }

    #[test]
    fn other_mistakes_are_left_to_clap() {
        for line in ["board", "board fly", "board run --wings", "board --help"] {
            assert_eq!(said(line), None, "{line}");
        }
    }
}
