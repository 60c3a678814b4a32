// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The set of apps for one run, as a flash image.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use crate::app_build::{BuiltApp, build_apps};
use crate::credential::Maker;
use crate::error::Error;
use crate::flash_image::{self, PlacedObject};
use crate::placement::{Occupied, admit};
use crate::tbf_object::describe;
use crate::workspace::{Binary, Workspace};

/// Everything that goes into app flash.
#[derive(Clone, Debug, Default)]
pub struct Bundle {
    /// Our own apps, linked for their places.
    pub apps: Vec<BuiltApp>,
    given: Vec<PlacedObject>,
}

impl Bundle {
    /// Builds the apps named `names` and places them around the binaries in `files`.
    ///
    /// A binary that cannot be placed gets a line on standard error that says why, and is left out.
    ///
    /// # Errors
    ///
    /// A name is unknown or repeated, a file cannot be read, or an app does not build or fit.
    pub fn build(
        workspace: &Workspace,
        names: &[String],
        files: &[PathBuf],
    ) -> Result<Bundle, Error> {
        let _turn = workspace.lock()?;
        let binaries = if names.is_empty() {
            Vec::new()
        } else {
            choose(&workspace.known_apps()?, names)?
        };
        let mut admitted = Vec::new();
        let mut given = Vec::new();
        for file in files {
            let bytes = fs::read(file).map_err(|source| Error::Input {
                path: file.clone(),
                source,
            })?;
            match occupied(file, &bytes, &admitted) {
                Ok(occupied) => {
                    given.push(PlacedObject {
                        start: occupied.flash.start,
                        bytes,
                    });
                    admitted.push(occupied);
                }
                Err(reason) => eprintln!("board: {}: refused: {reason}", file.display()),
            }
        }
        let apps = build_apps(workspace, &admitted, &binaries)?;
        Ok(Bundle { apps, given })
    }

    /// Puts a credential behind each of our own apps; binaries built elsewhere keep what they have.
    ///
    /// # Errors
    ///
    /// An app has no room for it, which its conversion leaves.
    pub fn add_credentials(&mut self, maker: &Maker) -> Result<(), Error> {
        for app in &mut self.apps {
            maker.add_to(&mut app.object.bytes)?;
        }
        Ok(())
    }

    /// All objects, in no particular order.
    #[must_use]
    pub fn objects(&self) -> Vec<PlacedObject> {
        let own = self.apps.iter().map(|app| app.object.clone());
        own.chain(self.given.iter().cloned()).collect()
    }

    /// Writes the flash image below the tree's output directory and returns its path, or `None`
    /// when there is nothing to put into it.
    ///
    /// The name depends on the contents, so runs with other apps at the same time do not meet.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn write_image(&self, workspace: &Workspace) -> Result<Option<PathBuf>, Error> {
        let image = flash_image::build(self.objects())?;
        if image.is_empty() {
            return Ok(None);
        }
        let _turn = workspace.lock()?;
        let mut hasher = DefaultHasher::new();
        image.hash(&mut hasher);
        let path = workspace
            .output()
            .join(format!("apps-{:016x}.bin", hasher.finish()));
        if fs::read(&path).ok().as_deref() != Some(&image) {
            fs::write(&path, image).map_err(|source| Error::file("write", &path, source))?;
        }
        Ok(Some(path))
    }
}

fn choose(known: &[Binary], names: &[String]) -> Result<Vec<Binary>, Error> {
    let mut chosen: Vec<Binary> = Vec::with_capacity(names.len());
    for name in names {
        let binary = known.iter().find(|app| app.name == *name).ok_or_else(|| {
            let known = known.iter().map(|app| app.name.clone()).collect();
            Error::UnknownApp {
                name: name.clone(),
                known,
            }
        })?;
        if chosen.contains(binary) {
            return Err(Error::Repeated(name.clone()));
        }
        chosen.push(binary.clone());
    }
    Ok(chosen)
}

fn occupied(file: &Path, bytes: &[u8], admitted: &[Occupied]) -> Result<Occupied, String> {
    let description = describe(bytes).map_err(|error| error.to_string())?;
    let occupied = Occupied {
        name: file.display().to_string(),
        flash: description.flash,
        ram: description.ram,
    };
    admit(admitted, &occupied).map_err(|error| error.to_string())?;
    Ok(occupied)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binary(name: &str) -> Binary {
        Binary {
            package: name.to_owned(),
            name: name.to_owned(),
        }
    }

    #[test]
    fn unknown_apps_are_answered_with_the_known_ones() {
        let known = [binary("hello"), binary("web")];
        let names = |words: &[&str]| {
            words
                .iter()
                .map(|word| (*word).to_owned())
                .collect::<Vec<_>>()
        };
        let error = choose(&known, &names(&["web", "wbe"])).expect_err("wbe does not exist");
        assert_eq!(
            error.to_string(),
            "there is no app `wbe`; known apps: hello web; \
             a new one needs a [[bin]] in userland/apps/Cargo.toml"
        );
        assert_eq!(error.exit_status(), 2);
        let error = choose(&known, &names(&["web", "web"])).expect_err("web is repeated");
        assert!(matches!(error, Error::Repeated(name) if name == "web"));
        let chosen = choose(&known, &names(&["web", "hello"])).expect("both exist");
        assert_eq!(chosen, [binary("web"), binary("hello")]);
    }

    #[test]
    fn files_that_are_no_binaries_are_refused() {
        let refusal = occupied(Path::new("notes.txt"), b"some text, not an app", &[]);
        assert!(refusal.is_err_and(|reason| reason.contains("not a Tock binary")));
    }
}
