// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The app flash image: objects at their addresses with padding objects in between.
//!
//! The kernel goes from one object to the next by the size in its header, so a gap needs an object
//! of its own. What follows the last object stays zero, which ends the list.

use crate::memory_map::FLASH;
use crate::placement::PADDING_MINIMUM;
use crate::tbf_object::padding_object;

/// An object in the Tock binary format with the address it has to lie at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlacedObject {
    /// Address of the first byte, in app flash.
    pub start: u32,
    /// The object, headers to footers.
    pub bytes: Vec<u8>,
}

/// Objects that cannot be laid out; placement rules these out, so each is a mistake of the caller.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// An object begins before the end of the one before it, or before flash.
    #[error("the object at {start:#010x} begins before {free:#010x}, where flash is free again")]
    Overlap {
        /// Start of the second object.
        start: u32,
        /// First free address.
        free: u32,
    },
    /// The gap before an object is smaller than a header.
    #[error("the gap before the object at {start:#010x} is too small for a padding object")]
    Sliver {
        /// Start of the object after the gap.
        start: u32,
    },
    /// The image reaches past the end of app flash.
    #[error("the object at {start:#010x} reaches past the end of app flash")]
    PastEnd {
        /// Start of the last object.
        start: u32,
    },
}

/// Lays out `objects`, in any order, from the start of app flash.
///
/// # Errors
///
/// An object overlaps another, leaves a gap too small to be filled, or reaches past app flash.
pub fn build(mut objects: Vec<PlacedObject>) -> Result<Vec<u8>, ImageError> {
    objects.sort_by_key(|object| object.start);
    let mut image = Vec::new();
    let mut free = FLASH.start;
    for PlacedObject { start, bytes } in objects {
        let gap = start
            .checked_sub(free)
            .ok_or(ImageError::Overlap { start, free })?;
        if gap > 0 {
            if gap < PADDING_MINIMUM {
                return Err(ImageError::Sliver { start });
            }
            image.extend(padding_object(gap));
        }
        free = u32::try_from(bytes.len())
            .ok()
            .and_then(|length| start.checked_add(length))
            .filter(|end| *end <= FLASH.end)
            .ok_or(ImageError::PastEnd { start })?;
        image.extend(bytes);
    }
    Ok(image)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(start: u32, length: usize) -> PlacedObject {
        PlacedObject {
            start,
            bytes: vec![0xA5; length],
        }
    }

    #[test]
    fn gaps_are_filled_with_padding_objects_of_their_size() {
        let image = build(vec![object(0x8010_1000, 64), object(0x8010_0000, 32)]);
        let image = image.expect("the objects do not overlap");
        assert_eq!(image.len(), 0x1000 + 64);
        assert_eq!(image[32..34], [2, 0]);
        assert_eq!(image[36..40], (0x1000u32 - 32).to_le_bytes());
        assert!(image[48..0x1000].iter().all(|byte| *byte == 0));
        assert!(image[0x1000..].iter().all(|byte| *byte == 0xA5));
    }

    #[test]
    fn objects_that_cannot_be_laid_out_are_errors() {
        let (start, free) = (0x8010_0010, 0x8010_0020);
        let error = build(vec![object(FLASH.start, 32), object(start, 32)]);
        assert_eq!(error, Err(ImageError::Overlap { start, free }));
        let start = 0x8010_0028;
        let error = build(vec![object(FLASH.start, 32), object(start, 32)]);
        assert_eq!(error, Err(ImageError::Sliver { start }));
        let start = FLASH.end - 32;
        assert_eq!(
            build(vec![object(start, 36)]),
            Err(ImageError::PastEnd { start })
        );
        assert_eq!(build(Vec::new()), Ok(Vec::new()));
    }
}
