// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What can keep the benchmark from a result, with the next step.

use std::path::PathBuf;

/// Any failure of this tool.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Building the board failed.
    #[error("{0}")]
    Board(#[from] board_runner::error::Error),
    /// The plugin cannot be built.
    #[error("the plugin cannot be built: {0}")]
    Plugin(String),
    /// A program of the board cannot be read.
    #[error("{} is of no use ({reason}): build it again", path.display())]
    Program {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A file cannot be read or written.
    #[error("cannot {action} {} ({reason})", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// QEMU or an app did not do what it was to do.
    #[error("app {app}: {reason}")]
    Run {
        /// The app.
        app: String,
        /// What went wrong.
        reason: String,
    },
}
