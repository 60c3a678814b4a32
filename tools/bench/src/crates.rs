// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Code of the kernel image by the crate that it was written in.

use std::collections::BTreeMap;
use std::path::Path;

use crate::program::Program;

/// Bytes of code by crate of the tree. The empty name stands for all that is not from the tree: what
/// comes with the compiler, assembly, and the gaps between functions.
#[must_use]
pub fn count(image: &Program, root: &Path) -> BTreeMap<String, u64> {
    image.code_by(|file| crate_of(Path::new(file), root))
}

/// The directory of the crate that a source file is in, from the root of the tree.
fn crate_of(file: &Path, root: &Path) -> Option<String> {
    let inside = file.strip_prefix(root).unwrap_or(file);
    if inside.is_absolute() {
        return None;
    }
    let text = inside.to_str()?;
    let (name, _) = text.split_once("/src/")?;
    Some(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_the_tree_belong_to_their_crate() {
        let crate_of = |file| crate_of(Path::new(file), Path::new("/tree"));
        let found = crate_of("/tree/chips/virtio/src/queues/ring.rs");
        assert_eq!(found.as_deref(), Some("chips/virtio"));
        let found = crate_of("kernel/src/grant/mod.rs");
        assert_eq!(found.as_deref(), Some("kernel"));
        assert_eq!(crate_of("/rustc/0123/library/core/src/cell.rs"), None);
        assert_eq!(crate_of("/tree/README.md"), None);
    }
}
