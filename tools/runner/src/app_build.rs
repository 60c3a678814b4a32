// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Our own apps: linked for the places chosen for them and converted to the Tock binary format.
//!
//! An app's size is known only once it is linked, and it can be linked only for a place. So each is
//! first linked for the start of app memory, and again wherever it turns out to go. The addresses
//! are part of the linker's arguments, by which cargo tells the two builds apart and keeps both.

use std::ffi::OsString;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;

use crate::error::Error;
use crate::flash_image::PlacedObject;
use crate::memory_map::{FLASH, PROTECTED_BYTES, RAM, page_up};
use crate::placement::{Demand, Occupied, Place, PlacementError, place};
use crate::tbf_object::{Description, describe, extend_to_page};
use crate::workspace::{Binary, Workspace};

/// Kernel version that the apps ask for: they use what 2.1 offers and newer ones keep.
const KERNEL_VERSION: (u16, u16) = (2, 1);
/// RAM between an app's own and the kernel's share, for grants.
const GRANT_BYTES: u32 = 4096;
/// Times that sizes may change by linking elsewhere before that counts as endless.
const ROUNDS: usize = 4;

/// Where an app goes that has not been linked before.
const PROVISIONAL: Place = Place {
    object_start: FLASH.start,
    ram_start: RAM.start,
};

/// One of our own apps, ready to be put into a flash image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuiltApp {
    /// Name of the app.
    pub name: String,
    /// The object and its address.
    pub object: PlacedObject,
    /// Where the app's RAM begins.
    pub ram_start: u32,
    /// The ELF file it was made of, which debuggers want.
    pub elf: PathBuf,
}

/// Builds `apps` for the gaps that the `admitted` binaries leave.
///
/// # Errors
///
/// An app does not build or convert, or finds no room.
pub fn build_apps(
    workspace: &Workspace,
    admitted: &[Occupied],
    apps: &[Binary],
) -> Result<Vec<BuiltApp>, Error> {
    let mut built = Vec::with_capacity(apps.len());
    for (index, app) in apps.iter().enumerate() {
        eprintln!(
            "board: building app {} ({} of {})",
            app.name,
            index + 1,
            apps.len()
        );
        built.push(link(workspace, app, PROVISIONAL)?);
    }
    for _ in 0..ROUNDS {
        let demands: Result<Vec<Demand>, Error> = built.iter().map(demand).collect();
        let places = place(admitted, &demands?)?;
        let mut settled = true;
        for ((app, built), place) in apps.iter().zip(&mut built).zip(&places) {
            if (built.object.start, built.ram_start) != (place.object_start, place.ram_start) {
                let before = demand(built)?;
                *built = link(workspace, app, *place)?;
                settled &= demand(built)? == before;
            }
        }
        if settled {
            return Ok(built);
        }
    }
    Err(Error::Unsettled)
}

fn link(workspace: &Workspace, app: &Binary, place: Place) -> Result<BuiltApp, Error> {
    let elf = workspace.build_app(app, &linker_arguments(workspace, place)?)?;
    let convert = |reason: String| Error::Convert {
        app: app.name.clone(),
        reason,
    };
    let bytes = extend_to_page(convert_elf(&elf, &app.name).map_err(convert)?)
        .map_err(|error| convert(error.to_string()))?;
    let Description { flash, ram, .. } =
        describe(&bytes).map_err(|error| convert(error.to_string()))?;
    if (flash.start, ram.start) != (place.object_start, place.ram_start) {
        return Err(convert(format!(
            "it was linked for flash {:#010x} and RAM {:#010x} instead of {:#010x} and {:#010x}",
            flash.start, ram.start, place.object_start, place.ram_start
        )));
    }
    let object = PlacedObject {
        start: flash.start,
        bytes,
    };
    Ok(BuiltApp {
        name: app.name.clone(),
        object,
        ram_start: ram.start,
        elf,
    })
}

fn demand(built: &BuiltApp) -> Result<Demand, Error> {
    let convert = |reason: String| Error::Convert {
        app: built.name.clone(),
        reason,
    };
    let Description { flash, ram, .. } =
        describe(&built.object.bytes).map_err(|error| convert(error.to_string()))?;
    let ram_bytes = page_up(ram.end - ram.start).unwrap_or(u32::MAX);
    Ok(Demand {
        name: built.name.clone(),
        flash_bytes: flash.end - flash.start,
        ram_bytes,
    })
}

/// Writes the linker script for `place` and returns the arguments that make the linker use it.
fn linker_arguments(workspace: &Workspace, place: Place) -> Result<Vec<OsString>, Error> {
    let userland = workspace.userland();
    let layout_path = userland.join("layout.ld");
    let layout =
        fs::read(&layout_path).map_err(|source| Error::file("read", &layout_path, source))?;
    // Cargo does not see changes inside linker scripts; in the arguments it does.
    let mut hasher = DefaultHasher::new();
    layout.hash(&mut hasher);
    let flash = place
        .object_start
        .checked_add(PROTECTED_BYTES)
        .ok_or(Error::Unsettled)?;
    let directory = workspace.output().join("placement").join(format!(
        "{flash:08x}-{:08x}-{:016x}",
        place.ram_start,
        hasher.finish()
    ));
    let script = format!(
        "/* Generated by tools/runner. */\nMEMORY {{\n  \
         FLASH (rx) : ORIGIN = {flash:#010x}, LENGTH = {:#x}\n  \
         RAM (rw) : ORIGIN = {:#010x}, LENGTH = {:#x}\n}}\n",
        FLASH.end - flash,
        place.ram_start,
        RAM.end - place.ram_start,
    );
    fs::create_dir_all(&directory).map_err(|source| Error::file("create", &directory, source))?;
    let path = directory.join("placement.ld");
    if fs::read(&path).ok().as_deref() != Some(script.as_bytes()) {
        fs::write(&path, script).map_err(|source| Error::file("write", &path, source))?;
    }
    let search = |directory: PathBuf| {
        let mut argument = OsString::from("-L");
        argument.push(directory);
        argument
    };
    Ok(vec![
        "-Tlayout.ld".into(),
        search(directory),
        search(userland),
    ])
}

/// Converts an ELF file by the rules of `elf2tab`.
fn convert_elf(elf: &std::path::Path, name: &str) -> Result<Vec<u8>, String> {
    let mut file = File::open(elf).map_err(|error| error.to_string())?;
    let mut object = Vec::new();
    elf2tab::convert::elf_to_tbf(
        &mut file,
        &mut object,
        Some(name.to_owned()),
        false,
        None,
        // An app's heap is a section of its own.
        0,
        GRANT_BYTES,
        None,
        Vec::new(),
        (None, None, None),
        Some(KERNEL_VERSION),
        None,
        false,
        0,
        0,
        false,
        false,
        false,
        None,
        None,
    )
    .map_err(|error| error.to_string())?;
    Ok(object)
}

impl From<PlacementError> for Error {
    fn from(error: PlacementError) -> Error {
        Error::Placement(error)
    }
}
