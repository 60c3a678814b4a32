// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What a guest has printed so far, for a reader that waits for more.

use std::io::Read;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use crate::PATIENCE;

#[derive(Default)]
struct Printed {
    bytes: Vec<u8>,
    ended: bool,
}

/// Why what was waited for did not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absent {
    /// The guest ended first.
    Ended,
    /// The deadline passed.
    Late,
}

/// Output of one guest, collected by a thread of its own.
#[derive(Clone, Default)]
pub struct Transcript(Arc<(Mutex<Printed>, Condvar)>);

impl Transcript {
    /// Collects everything that `source` yields until its end.
    pub fn collect(mut source: impl Read + Send + 'static) -> Transcript {
        let transcript = Transcript::default();
        let writer = transcript.clone();
        thread::spawn(move || {
            let mut chunk = [0; 4096];
            loop {
                let count = source.read(&mut chunk).unwrap_or(0);
                let mut printed = writer.printed();
                printed.bytes.extend_from_slice(&chunk[..count]);
                printed.ended = count == 0;
                writer.0.1.notify_all();
                if count == 0 {
                    return;
                }
            }
        });
        transcript
    }

    /// Waits until `find` answers for the bytes from `from` on, and returns its answer.
    pub fn wait<T>(
        &self,
        from: usize,
        mut find: impl FnMut(&[u8]) -> Option<T>,
    ) -> Result<T, Absent> {
        let deadline = Instant::now() + PATIENCE;
        let mut printed = self.printed();
        loop {
            if let Some(found) = printed.bytes.get(from..).and_then(&mut find) {
                return Ok(found);
            }
            if printed.ended {
                return Err(Absent::Ended);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Absent::Late);
            }
            let waited = self.0.1.wait_timeout(printed, left);
            printed = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits for the end of the output.
    pub fn wait_for_end(&self) -> Result<(), Absent> {
        match self.wait(0, |_| None::<()>) {
            Err(Absent::Ended) => Ok(()),
            Err(late) => Err(late),
            Ok(()) => Ok(()),
        }
    }

    /// Everything so far.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.printed().bytes).into_owned()
    }

    fn printed(&self) -> MutexGuard<'_, Printed> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
