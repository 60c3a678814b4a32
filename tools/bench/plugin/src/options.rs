// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The plugin's arguments, as QEMU passes them: `name=value`.

use std::path::PathBuf;
use std::time::Duration;

/// What to count, and where to write it.
pub struct Options {
    /// File for the counts.
    pub out: PathBuf,
    /// Address of the instruction that begins a window.
    pub begin: u64,
    /// Address of the instruction that ends one.
    pub end: u64,
    /// Lowest address of apps: the first instruction from here on ends the start of the board.
    pub apps: u64,
    /// How long the processor stands still after a notification.
    pub settle: Duration,
}

impl Options {
    /// Reads the arguments.
    ///
    /// # Errors
    ///
    /// Says which argument is missing, unknown or no number.
    pub fn parse(words: impl Iterator<Item = String>) -> Result<Options, String> {
        let (mut out, mut begin, mut end, mut apps) = (None, None, None, None);
        let mut settle = Duration::ZERO;
        for word in words {
            let (name, value) = word.split_once('=').unwrap_or((&word, ""));
            let number = || {
                u64::from_str_radix(value.trim_start_matches("0x"), 16)
                    .map_err(|_| format!("`{word}`: the value is no hexadecimal number"))
            };
            match name {
                "out" => out = Some(PathBuf::from(value)),
                "begin" => begin = Some(number()?),
                "end" => end = Some(number()?),
                "apps" => apps = Some(number()?),
                "settle" => {
                    let micros = value.parse().map_err(|_| format!("`{word}`: no number"))?;
                    settle = Duration::from_micros(micros);
                }
                _ => return Err(format!("`{word}` is unknown")),
            }
        }
        let missing = |name: &str| format!("{name}= is missing");
        Ok(Options {
            out: out.ok_or_else(|| missing("out"))?,
            begin: begin.ok_or_else(|| missing("begin"))?,
            end: end.ok_or_else(|| missing("end"))?,
            apps: apps.ok_or_else(|| missing("apps"))?,
            settle,
        })
    }
}
