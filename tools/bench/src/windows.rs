// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What a run leaves behind: the counts of the plugin, QEMU's log, and the app's lines.

use std::collections::BTreeMap;

/// Executions of instructions, and accesses to device registers, by address.
pub type Counts = BTreeMap<u64, u64>;

/// Trace events by name.
pub type Events = BTreeMap<String, u64>;

/// Reads the plugin's file: the windows in the order in which they closed.
///
/// The first is the start of the board, from reset to the first instruction of an app.
#[must_use]
pub fn parse_counts(text: &str) -> Vec<Counts> {
    let mut windows = Vec::new();
    for line in text.lines() {
        if line == "window" {
            windows.push(Counts::new());
        } else if let (Some((address, count)), Some(window)) =
            (line.split_once(' '), windows.last_mut())
            && let (Ok(address), Ok(count)) = (u64::from_str_radix(address, 16), count.parse())
        {
            window.insert(address, count);
        }
    }
    windows
}

/// Reads QEMU's log: the events between the borders of each window, the start of the board included.
#[must_use]
pub fn parse_events(text: &str) -> Vec<Events> {
    let mut windows = vec![Events::new()];
    let mut open = true;
    for line in text.lines() {
        match line {
            "bench: window begins" => {
                windows.push(Events::new());
                open = true;
            }
            "bench: window ends" => open = false,
            _ if open => {
                // Builds that stamp their events write `pid@time:name`.
                let word = line.split_whitespace().next().unwrap_or_default();
                let name = word.rsplit(':').next().unwrap_or_default();
                if let Some(window) = windows.last_mut() {
                    *window.entry(name.to_owned()).or_default() += 1;
                }
            }
            _ => {}
        }
    }
    windows
}

/// What an app said about a window, or about all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// The window of this name is over, after so many operations.
    Window(String, u64),
    /// A window ended with an error.
    Failed(String),
    /// No more windows.
    Done,
}

/// Reads a line of the console. Lines of other origin give `None`.
#[must_use]
pub fn parse_line(line: &str) -> Option<Line> {
    let (_, text) = line.trim_end().split_once("bench: ")?;
    if text == "done" {
        return Some(Line::Done);
    }
    let (name, operations) = text.split_once(' ')?;
    Some(match operations.parse() {
        Ok(operations) => Line::Window(name.to_owned(), operations),
        Err(_) => Line::Failed(text.to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_split_into_windows() {
        let windows = parse_counts("window\n80000000 3\n80000004 1\nwindow\nwindow\n80100080 7\n");
        assert_eq!(
            windows,
            [
                Counts::from([(0x8000_0000, 3), (0x8000_0004, 1)]),
                Counts::new(),
                Counts::from([(0x8010_0080, 7)]),
            ]
        );
    }

    #[test]
    fn events_outside_windows_are_left_out() {
        let log = "virtio_notify vdev 0x1 vq 0x2\nbench: window ends\nvirtio_notify x\n\
                   bench: window begins\n12@3.4:virtio_notify x\nvirtio_mmio_read y\n\
                   virtio_notify z\nbench: window ends\nvirtio_notify x\n";
        assert_eq!(
            parse_events(log),
            [
                Events::from([("virtio_notify".to_owned(), 1)]),
                Events::from([
                    ("virtio_notify".to_owned(), 2),
                    ("virtio_mmio_read".to_owned(), 1)
                ]),
            ]
        );
    }

    #[test]
    fn lines_of_the_app_are_found_behind_a_prompt() {
        let window = Line::Window("sbrk-0".to_owned(), 4096);
        assert_eq!(parse_line("tock$ bench: sbrk-0 4096\r"), Some(window));
        assert_eq!(parse_line("bench: done"), Some(Line::Done));
        let failed = Line::Failed("upcall failed (Size)".to_owned());
        assert_eq!(parse_line("bench: upcall failed (Size)"), Some(failed));
        assert_eq!(parse_line("tock$ help"), None);
    }
}
