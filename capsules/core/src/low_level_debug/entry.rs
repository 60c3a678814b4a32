// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What a process asks to print, and the short line of entries that wait for the port.

use crate::text::Text;

/// One line to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// So many entries found no place.
    Dropped(u32),
    Alert(u32),
    One(u32),
    Two(u32, u32),
}

impl Entry {
    /// Writes the line for the process with identifier `app`.
    pub(super) fn write(&self, app: u32, line: &mut Text<'_>) {
        line.push("LowLevelDebug: ");
        if let Entry::Dropped(count) = *self {
            line.push("Dropped ");
            line.push_hex(count);
            line.push(" entries for app ");
            line.push_hex(app);
        } else {
            line.push("App ");
            line.push_hex(app);
        }
        match *self {
            Entry::Dropped(_) => {}
            Entry::Alert(code) => {
                line.push(" alert code ");
                line.push_hex(code);
            }
            Entry::One(x) => {
                line.push(" prints ");
                line.push_hex(x);
            }
            Entry::Two(x, y) => {
                line.push(" prints ");
                line.push_hex(x);
                line.push(" ");
                line.push_hex(y);
            }
        }
        line.push("\n");
    }
}

const PLACES: usize = 4;

/// Entries in the order in which they were made.
#[derive(Default)]
pub(super) struct Waiting {
    places: [Option<Entry>; PLACES],
}

impl Waiting {
    /// Adds an entry behind the others.
    ///
    /// Without a free place the newest entry gives way to a count of what was dropped, itself
    /// included.
    pub(super) fn add(&mut self, entry: Entry) {
        if let Some(free) = self.places.iter_mut().find(|place| place.is_none()) {
            *free = Some(entry);
        } else if let Some(newest) = self.places.last_mut() {
            *newest = Some(Entry::Dropped(match *newest {
                Some(Entry::Dropped(count)) => count.saturating_add(1),
                _ => 2,
            }));
        }
    }

    /// Takes the oldest entry.
    pub(super) fn take(&mut self) -> Option<Entry> {
        let mut next = None;
        for place in self.places.iter_mut().rev() {
            core::mem::swap(place, &mut next);
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use super::super::BUF_LEN;
    use super::*;
    use std::string::String;

    fn line(app: u32, entry: Entry) -> String {
        let mut buffer = [0; BUF_LEN];
        let mut text = Text::new(&mut buffer);
        entry.write(app, &mut text);
        assert!(!text.is_cut());
        let len = text.len();
        String::from_utf8(buffer[..len].to_vec()).unwrap()
    }

    #[test]
    fn lines_read_as_documented() {
        assert_eq!(
            line(0, Entry::Alert(2)),
            "LowLevelDebug: App 0x0 alert code 0x2\n"
        );
        assert_eq!(
            line(0, Entry::One(0x1234)),
            "LowLevelDebug: App 0x0 prints 0x1234\n"
        );
        assert_eq!(
            line(1, Entry::Two(0x1234, 0x5678)),
            "LowLevelDebug: App 0x1 prints 0x1234 0x5678\n"
        );
        assert_eq!(
            line(0, Entry::Dropped(2)),
            "LowLevelDebug: Dropped 0x2 entries for app 0x0\n"
        );
    }

    #[test]
    fn the_longest_lines_fit_the_buffer() {
        line(u32::MAX, Entry::Two(u32::MAX, u32::MAX));
        line(u32::MAX, Entry::Dropped(u32::MAX));
        line(u32::MAX, Entry::Alert(u32::MAX));
    }

    #[test]
    fn entries_come_out_in_order() {
        let mut waiting = Waiting::default();
        assert_eq!(waiting.take(), None);
        for round in 0..10 {
            waiting.add(Entry::One(round));
            waiting.add(Entry::Alert(round));
            assert_eq!(waiting.take(), Some(Entry::One(round)));
            assert_eq!(waiting.take(), Some(Entry::Alert(round)));
        }
        assert_eq!(waiting.take(), None);
    }

    #[test]
    fn what_finds_no_place_is_counted_in_its_turn() {
        let mut waiting = Waiting::default();
        for number in 1..=6 {
            waiting.add(Entry::One(number));
        }
        assert_eq!(waiting.take(), Some(Entry::One(1)));
        waiting.add(Entry::Alert(7));
        let rest: std::vec::Vec<_> = core::iter::from_fn(|| waiting.take()).collect();
        assert_eq!(
            rest,
            [
                Entry::One(2),
                Entry::One(3),
                Entry::Dropped(3),
                Entry::Alert(7)
            ]
        );
    }
}
