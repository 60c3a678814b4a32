// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Counters of executed instructions, one for each address.
//!
//! The board has one processor, so counters need no atomic addition, only atomic access: QEMU may
//! translate on another thread than it executes on.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Whether executions count now. Counting begins at reset.
static OPEN: AtomicBool = AtomicBool::new(true);

/// Executions of one instruction since the window was opened.
pub struct Counter(AtomicU64);

impl Counter {
    /// Counts one execution, if a window is open.
    pub fn count(&self) {
        if OPEN.load(Relaxed) {
            self.0.store(self.0.load(Relaxed).wrapping_add(1), Relaxed);
        }
    }
}

/// All counters, and the file they are written to.
pub struct Table {
    counters: Mutex<BTreeMap<u64, &'static Counter>>,
    out: Mutex<BufWriter<File>>,
    booted: AtomicBool,
}

impl Table {
    /// Makes an empty table that will be written to the file at `path`.
    ///
    /// # Errors
    ///
    /// Says why the file cannot be created.
    pub fn create(path: &Path) -> Result<Table, String> {
        let file = File::create(path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Table {
            counters: Mutex::new(BTreeMap::new()),
            out: Mutex::new(BufWriter::new(file)),
            booted: AtomicBool::new(false),
        })
    }

    /// Returns the counter of an address, which is never freed: QEMU keeps its address in translated
    /// code, and translates an address again after every flush.
    pub fn counter(&self, address: u64) -> &'static Counter {
        let fresh = || &*Box::leak(Box::new(Counter(AtomicU64::new(0))));
        lock(&self.counters).entry(address).or_insert_with(fresh)
    }

    /// Whether an app has run.
    pub fn booted(&self) -> bool {
        self.booted.load(Relaxed)
    }

    /// Takes note that an app runs; the first time, closes the window that began at reset and returns
    /// true.
    pub fn boot(&self) -> bool {
        let first = !self.booted.swap(true, Relaxed);
        if first {
            self.close();
        }
        first
    }

    /// Opens a window with all counters at zero.
    pub fn open(&self) {
        for counter in lock(&self.counters).values() {
            counter.0.store(0, Relaxed);
        }
        OPEN.store(true, Relaxed);
    }

    /// Closes the window and writes its counts.
    pub fn close(&self) {
        OPEN.store(false, Relaxed);
        let mut out = lock(&self.out);
        let mut write = || {
            writeln!(out, "window")?;
            for (address, counter) in &*lock(&self.counters) {
                let count = counter.0.load(Relaxed);
                if count != 0 {
                    writeln!(out, "{address:x} {count}")?;
                }
            }
            out.flush()
        };
        if let Err(error) = write() {
            eprintln!("bench plugin: the counts cannot be written: {error}");
        }
    }
}

/// A panic elsewhere ends QEMU, so no lock is ever found poisoned.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
