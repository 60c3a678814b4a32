// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Building the plugin that counts.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::error::Error;

const PACKAGE: &str = "bench-plugin";

/// Builds the plugin in the source tree at `root` and returns its shared object.
///
/// # Errors
///
/// Cargo cannot be run, or the plugin does not compile; cargo's own messages came before.
pub fn build(root: &Path) -> Result<PathBuf, Error> {
    let failed = |reason: &str| Error::Plugin(reason.to_owned());
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(program)
        .current_dir(root)
        .args(["build", "--release", "--quiet", "--package", PACKAGE])
        .arg("--message-format=json-render-diagnostics")
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| failed(&error.to_string()))?;
    if !output.status.success() {
        return Err(failed("see the messages above"));
    }
    shared_object(&String::from_utf8_lossy(&output.stdout))
        .ok_or_else(|| failed("cargo names no shared object"))
}

/// Finds the plugin among cargo's messages.
fn shared_object(messages: &str) -> Option<PathBuf> {
    let artifacts = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| {
            let kinds = message["target"]["kind"].as_array();
            message["reason"] == "compiler-artifact"
                && kinds.is_some_and(|kinds| kinds.iter().any(|kind| kind == "cdylib"))
        });
    let files = artifacts.flat_map(|message| message["filenames"].as_array().cloned());
    files
        .flatten()
        .find_map(|file| file.as_str().map(PathBuf::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plugin_is_found_among_the_libraries_it_needs() {
        let messages = concat!(
            r#"{"reason":"compiler-artifact","target":{"kind":["lib"]},"filenames":["/t/a.rlib"]}"#,
            "\n",
            r#"{"reason":"compiler-artifact","target":{"kind":["cdylib"]},"filenames":["/t/b.so"]}"#,
            "\n",
            r#"{"reason":"build-finished","success":true}"#,
        );
        assert_eq!(shared_object(messages), Some("/t/b.so".into()));
        assert_eq!(shared_object("{}\nno message"), None);
    }
}
